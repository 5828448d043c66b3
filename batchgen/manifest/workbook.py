"""Sheets of spreadsheet programs: one sheet of an .xlsx or .ods file as a stream of rows and problems.

Decided here: hidden rows are read like others, and said. Merged cells are refused where a parameter's are among them,
since what is seen in all of them stands in the first alone; so is a cell of a parameter that holds a date, a time, an
error, or a number that may have lost digits: it is never guessed at. Of a person's own columns the same is said.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from batchgen.manifest import zipped
from batchgen.manifest.headings import LINES_OF_TITLES, NO_HEADER, is_below_titles, is_header, titles_left_out
from batchgen.manifest.layout import Layout, layout_of
from batchgen.manifest.office import Line, Merged, SheetName, as_text
from batchgen.manifest.ooxml import Xlsx
from batchgen.manifest.opendocument import Ods
from batchgen.manifest.quoting import did_you_mean, quoted
from batchgen.manifest.records import NO_ROWS, Block, Records, Unreadable, beyond
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import refusal
from batchgen.manifest.xml_walk import SheetWalk
from batchgen.model import Problem, Row
from batchgen.rows import Rows
from batchgen.words import escaped, many

_BLOCK_RECORDS = 4096
_IMAGES = 2  # in a file, from which on they may be meant as its rows': one is a logo
_UNREAD = "{} images lie in the file itself, and are not read; save them, and name the files in a column image_urls"


class Workbook:
    """A sheet with its header read; each iteration reads the file from its beginning.

    ``Row.line`` is the row's number as the spreadsheet program shows it; ``Row.number`` counts the records.
    """

    def __init__(self, path: Path, *, rules: Rules, sheet: str | None, overrides: Mapping[str, str]) -> None:
        """Find the sheet (the first that is shown, or the one called ``sheet``), and read its header."""
        self.path = path
        self._rules = rules
        self._overrides = overrides
        try:
            with self._open() as book:
                sheets = book.sheets()
                self._sheet, self._questions = _chosen(path, sheets, sheet)
                header, problems = _header(path, iter(book.reading(self._sheet)))
        except Unreadable as unreadable:
            raise refusal(path, unreadable.problem.message, unreadable.problem.line) from None
        self._questions += problems
        self._header_line = header.number
        self._layout = layout_of(path, _names(header), header.number)
        if not self._layout.places and not self._layout.problems[:-1]:
            raise refusal(path, self._no_header(sheets), header.number)
        self.columns = self._layout.columns
        self.named = frozenset(self._layout.places)
        self.is_partial = self._layout.is_partial

    def _no_header(self, sheets: list[SheetName]) -> str:
        message = f"the first row {NO_HEADER}"
        others = ", ".join(quoted(sheet.name) for sheet in sheets if sheet.name != self._sheet and not sheet.is_blank)
        return (
            f"{message}, or name another sheet than {quoted(self._sheet)} with --sheet: {others}" if others else message
        )

    def __iter__(self) -> Iterator[Rows | Row | Problem]:
        """Every row and every problem."""
        yield from self._questions
        yield from self._layout.problems
        try:
            with self._open() as book:
                yield from self._read(book.reading(self._sheet), book.images())
        except Unreadable as unreadable:
            yield unreadable.problem

    @contextmanager
    def _open(self) -> Iterator[Xlsx | Ods]:
        """Open the file; whatever a damaged one leads to is Unreadable."""
        with zipped.opened(self.path) as archive:
            try:
                yield Ods(archive) if self.path.suffix.lower() == ".ods" else Xlsx(archive)
            except zipped.BROKEN as error:
                raise Unreadable(None, f"the file is damaged ({escaped(str(error))}); save it again") from None

    def _read(self, reading: SheetWalk, images: int) -> Iterator[Rows | Row | Problem]:
        lines = (line for line in reading if line.number > self._header_line)
        gatherer = _Gatherer(self._layout)
        records = Records(self._layout, self._rules, self._overrides)
        while some := list(islice(lines, _BLOCK_RECORDS)):
            yield from records.rows(gatherer.block(some))
        yield from gatherer.remarks()
        if images >= _IMAGES and not gatherer.names_images:
            yield Problem(None, None, _UNREAD.format(images), fatal=False)
        yield from (self._unmerge(merged) for merged in reading.merged if self._matters(merged))
        if not gatherer.records:
            yield NO_ROWS

    def _matters(self, merged: Merged) -> bool:
        named = range(merged.left, min(merged.right + 1, len(self._layout.names)))
        return merged.bottom > self._header_line and any(self._layout.names[place].strip() for place in named)

    def _unmerge(self, merged: Merged) -> Problem:
        message = f"the cells {merged} are merged, and only the first has the value; unmerge them and fill each"
        fatal = any(merged.left <= place <= merged.right for place in self._layout.places.values())
        return Problem(max(merged.top, self._header_line), self._layout.title(merged.left), message, fatal)


def _called(wanted: str, names: list[str]) -> str | None:
    """Return the sheet of that name: spreadsheet programs let no two differ in case alone."""
    alike = [name for name in names if name.casefold() == wanted.casefold()]
    return wanted if wanted in names else alike[0] if len(alike) == 1 else None


def _chosen(path: Path, sheets: list[SheetName], wanted: str | None) -> tuple[str, list[Problem]]:
    """Return the sheet to be read, and what there is to ask about the others."""
    names = [sheet.name for sheet in sheets]
    if wanted is not None:
        if (found := _called(wanted, names)) is None:
            listed = ", ".join(map(quoted, names))
            raise refusal(path, f"no sheet is called {quoted(wanted)}{did_you_mean(wanted, names)}; there are {listed}")
        return found, []
    seen = [sheet for sheet in sheets if sheet.is_visible] or sheets
    if not seen or all(sheet.is_blank for sheet in seen):
        raise refusal(path, "the file is empty; write a header and a row")
    first = seen[0]
    others = ", ".join(quoted(sheet.name) for sheet in seen[1:] if not sheet.is_blank)
    if first.is_blank:
        raise refusal(path, f"the first sheet, {quoted(first.name)}, is empty; name one with --sheet: {others}")
    message = f"the sheet {quoted(first.name)} is read, and {others} is not; name another with --sheet"
    return first.name, [Problem(None, None, message, fatal=False)] if others else []


def _header(path: Path, lines: Iterator[Line]) -> tuple[Line, list[Problem]]:
    """Return the first row with something in it, or the header below such titles, and what there is to say of it."""
    filled = filter(_is_filled, lines)
    first = next(filled, None)
    if first is None:
        raise refusal(path, "the sheet is empty; write a header and a row")
    problems = [Problem(first.number, None, f"{message} (in the header)") for message in _faults(first)]
    if not problems and not is_header(_names(first)) and (below := _below_titles(filled)):
        return below, [titles_left_out(below.number)]
    return first, problems


def _below_titles(lines: Iterator[Line]) -> Line | None:
    with suppress(Unreadable):
        return next((line for line in islice(lines, LINES_OF_TITLES) if is_below_titles(_names(line))), None)
    return None


def _is_filled(line: Line) -> bool:
    return bool(_faults(line)) or any(name.strip() for name in _names(line))


def _faults(line: Line) -> list[str]:
    told = (as_text(cell, "")[1] for _, cell in sorted(line.cells.items()))
    return [message for message in told if message]


def _names(header: Line) -> list[str]:
    names = [as_text(header.cells.get(place, ""), "")[0] for place in range(max(header.cells) + 1)]
    while names and not names[-1].strip():
        names.pop()
    return names


class _Gatherer:
    """From lines to blocks of text."""

    def __init__(self, layout: Layout) -> None:
        self.records = 0
        self.names_images = False
        self._layout = layout
        self._width = len(layout.names)
        self._parameters = layout.parameters
        self._beyond: set[int] = set()
        self._hidden = 0
        self._first_hidden = 0

    def block(self, lines: list[Line]) -> Block:
        """Return the records of the lines, those left out that are blank."""
        block = Block()
        records: list[list[str]] = []
        for line in lines:
            texts = self._texts(line, block, len(records))
            if any(map(str.strip, texts)) or len(records) in block.flaws:
                self._count(line)
                records.append(texts)
                block.numbers.append(self.records)
                block.lines.append(line.number)
        block.columns = [list(column) for column in zip(*records, strict=True)]
        if (place := self._layout.places.get("image_urls")) is not None and block.columns:
            self.names_images |= any(map(str.strip, block.columns[place]))
        return block

    def _count(self, line: Line) -> None:
        self.records += 1
        if line.is_hidden:
            self._hidden += 1
            self._first_hidden = self._first_hidden or line.number

    def _texts(self, line: Line, block: Block, place_in_block: int) -> list[str]:
        texts = [""] * self._width
        for place, cell in line.cells.items():
            if isinstance(cell, str) and place < self._width:  # most are
                texts[place] = cell
                continue
            parameter = self._parameters.get(place, "")
            found, message = as_text(cell, parameter)
            if place >= self._width:
                block.problems += self._outside(line, place, message or found)
            elif place in self._parameters:
                texts[place] = found
                if message:
                    is_own = not parameter  # what is only carried along may lack
                    block.problems.append(Problem(line.number, self._layout.title(place), message, fatal=not is_own))
                    if not is_own:
                        block.flaws.setdefault(place_in_block, set()).add(parameter)
        return texts

    def _outside(self, line: Line, place: int, text: str) -> list[Problem]:
        if place in self._beyond or not text.strip() or len(self._beyond) > 9:
            return []
        self._beyond.add(place)
        return [beyond(place, text, line.number)]

    def remarks(self) -> Iterator[Problem]:
        """What a person should know at the end."""
        if self._hidden:
            rows = many(self._hidden, "row is hidden, and is", "rows are hidden, and are")
            message = f"{rows} made like the others; delete what is not wanted"
            yield Problem(self._first_hidden, None, message, fatal=False)
