"""What spreadsheets and typed tables share: a cell as text, or as what is none, and how each is told. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from os import PathLike, fspath
from typing import Any, NamedTuple

from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import KNOWN
from batchgen.manifest.values import LARGEST_EXACT, UNSTORABLE, clock_ratio
from batchgen.words import escaped

MOST_SHEET_COLUMNS = 16384  # of any spreadsheet program
_ROUNDED_FROM = 16  # digits: of a number, a spreadsheet program keeps 15 and writes noughts behind them
_UNSTEADY = re.compile(r"\b(RAND|RANDBETWEEN|RANDARRAY|NOW|TODAY)\(")
_IN_QUOTES = re.compile('"[^"]*"')


class Number(NamedTuple):
    """A cell that holds a number: its plain digits, which may be fewer than were typed."""

    text: str

    @property
    def is_rounded(self) -> bool:
        """Whether digits may have been lost: noughts stand where a spreadsheet program writes nothing else."""
        digits = self.text.lstrip("-")
        if not digits.isdecimal() or len(digits) < _ROUNDED_FROM:
            return False
        return digits.endswith("0") or int(digits) > LARGEST_EXACT


class Moment(NamedTuple):
    """A cell that holds a date, a time, or both."""

    kind: str  # "date", "time", "date and time"
    text: str


class Fault(NamedTuple):
    """A cell that holds nothing to go by; the message goes on where "the cell" begins, and says the way out."""

    message: str


class Unsteady(NamedTuple):
    """A cell whose formula gives another value with each calculation, and so with each time that a sheet is saved."""

    text: str
    function: str


Cell = str | Number | Moment | Fault | Unsteady


@dataclass
class Line:
    """A row of a sheet that has something in it."""

    number: int  # as the spreadsheet program shows it, from 1
    cells: dict[int, Cell]  # column, from 0 -> what is not blank
    is_hidden: bool = False


class SheetName(NamedTuple):
    """A sheet of the file."""

    name: str
    is_visible: bool
    is_blank: bool


@dataclass(frozen=True)
class Merged:
    """Cells that are shown as one, of which only the first has the value; rows from 1, columns from 0."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        return f"{letters(self.left)}{self.top}:{letters(self.right)}{self.bottom}"


def letters(column: int) -> str:
    """``A`` for 0, ``AA`` for 26."""
    text = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        text = chr(ord("A") + place) + text
    return text


def number(raw: str) -> Cell:
    """Return the cell of a number as the file spells it: ``5``, ``5.0``, ``1.5E+3``."""
    if raw.isdecimal() and len(raw) < _ROUNDED_FROM and raw.isascii():
        return raw
    try:
        value = float(raw)
        if value.is_integer() and abs(value) < 1e22:
            exact = int(raw) if raw.lstrip("-").isdecimal() else int(value)
            return Number(str(exact))
        return repr(value)
    except (ValueError, OverflowError):
        return Fault(f'holds a number that cannot be read ("{escaped(raw[:40])}"); type it again')


def real(value: Any, exact: int, mend: str) -> Cell:
    """Return the cell of a float that a typed table holds, as which pandas has whole numbers beside blanks.

    A whole one is written as such, unless it is above ``exact`` and may have lost digits; ``mend`` is the way out.
    """
    whole = float(value)
    if not whole.is_integer():
        return str(value)
    if abs(whole) > exact:
        return Fault(f"holds the float {value}, which may have lost digits; {mend}")
    return str(int(whole))


def text(content: str) -> Cell:
    """Return the cell of a text; one with half a character or a NUL can be neither sent nor kept."""
    if bad := UNSTORABLE.search(content):
        return Fault(f"holds a character that no text can have ({escaped(bad[0])}); delete it")
    return content


def several(values: Sequence[Any], parameter: str) -> Cell:
    """Return the cell of a list, which a typed table may hold."""
    if parameter == "image_urls" and all(isinstance(value, str | PathLike) for value in values):
        return json.dumps(list(map(fspath, values)), ensure_ascii=False) if values else ""
    if parameter == "seeds" and all(isinstance(value, Integral) for value in values):
        return ";".join(str(int(value)) for value in values)
    return Fault(f"holds a list ({quoted(str(values))}); only image_urls and seeds may be one")


def of_type(name: str) -> Cell:
    """Return the cell of a value that a typed table may hold, and no sheet."""
    return Fault(f"holds a value of the type {name[:40]}, which no sheet has; make it a text")


def error(name: str) -> Cell:
    """Return the cell of a formula that went wrong."""
    return Fault(f"holds the error {escaped(name[:20]) or '?'}; mend its formula, or type the value")


def of_formula(cell: Cell, formula: str) -> Cell:
    """Return the cell that a formula has given, unless it will give another one."""
    found = _UNSTEADY.search(_IN_QUOTES.sub("", formula))
    if found and cell and isinstance(cell, str | Number):
        return Unsteady(as_text(cell, "")[0], found[1])
    return cell


UNCALCULATED = Fault(
    "holds a formula without a result; open the file in a spreadsheet program and save it, or type the value"
)


def as_text(cell: Cell, parameter: str) -> tuple[str, str | None]:
    """Return the cell's text under a column (its parameter, or "" for a person's own), and what is wrong with it."""
    if isinstance(cell, str):
        return cell, None
    if isinstance(cell, Fault):
        return "", f"the cell {cell.message}"
    if isinstance(cell, Moment):
        return cell.text, _moment(cell, parameter) if parameter in KNOWN else None
    if isinstance(cell, Unsteady):
        message = (
            f"the cell's formula ({cell.function}) gives another value each time that the sheet is calculated, and "
            "each would be a new video, paid for; copy the column, and paste it in its place as values"
        )
        return cell.text, message if parameter in KNOWN else None
    if parameter in KNOWN and cell.is_rounded:
        message = f"the cell is the number {cell.text}, of which a spreadsheet may have changed the last digits"
        return "", f"{message}; format the column as text and type the digits again"
    return cell.text, None


def _moment(cell: Moment, parameter: str) -> str:
    """What a spreadsheet program makes of 16:9 and of 1-4 is never undone by guessing: what was typed is not in it."""
    typed = (clock_ratio(cell.text) if parameter == "aspect_ratio" else None) or "the value"
    mend = f"format the column as text and type {typed} again"
    return f"the spreadsheet turned this cell into the {cell.kind} {cell.text}; {mend}"
