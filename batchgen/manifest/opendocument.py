"""OpenDocument (.ods): the sheets of a file, and the rows of one, as they stand in the file."""

import re
from collections.abc import Iterator
from zipfile import ZipFile

from batchgen.manifest import moments, office
from batchgen.manifest.office import MOST_SHEET_COLUMNS, UNCALCULATED, Cell, Line, Merged, SheetName
from batchgen.manifest.records import LONGEST_CELL, Unreadable
from batchgen.manifest.xml_walk import SheetWalk, Walk
from batchgen.manifest.zipped import parts_in

_CONTENT = "content.xml"
_MOST_ROWS = 1 << 20  # of any spreadsheet program
_ERRORS = re.compile(r"#(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)|Err:[0-9]{3}")
_CELLS = frozenset({"table:table-cell", "table:covered-table-cell"})
_ASIDE = frozenset({"office:annotation", "table:shapes", "draw:frame", "draw:custom-shape", "text:ruby-text"})
_NUMBERS = frozenset({"float", "percentage", "currency"})


def _repeated(attributes: dict[str, str], name: str) -> int:
    times = attributes.get(f"table:number-{name}", "1")
    return int(times) if times.isdecimal() and len(times) < 9 else 1


class _Names(Walk):
    """The names of the sheets, and whether anything is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[SheetName] = []
        self._hidden: set[str] = set()
        self._style = ""

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table:table":
            is_visible = attributes.get("table:style-name", "") not in self._hidden
            self.sheets.append(SheetName(attributes.get("table:name", ""), is_visible, True))
        elif tag == "table:table-cell" and "office:value-type" in attributes and self.sheets:
            self.sheets[-1] = self.sheets[-1]._replace(is_blank=False)
        elif tag == "style:style":
            self._style = attributes.get("style:name", "")
        elif tag == "style:table-properties" and attributes.get("table:display") == "false":
            self._hidden.add(self._style)


class _Sheet(SheetWalk):
    """One pass over the rows of one sheet."""

    def __init__(self, archive: ZipFile, name: str) -> None:
        super().__init__(archive, _CONTENT)
        self._name = name
        self._is_inside = False
        self._tables = 0  # open ones: a cell may hold a table of its own, which is not read
        self._aside = 0
        self._row = 1
        self._times = 1
        self._line = Line(1, {})
        self._column = 0
        self._attributes: dict[str, str] = {}
        self._pieces: list[str] = []
        self._paragraphs = 0
        self._is_taking = False
        self._length = 0

    # -- elements

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table:table":
            self._tables += 1
            self._is_inside = self._is_inside or (self._tables == 1 and attributes.get("table:name") == self._name)
        elif not self._is_inside or self._tables > 1:
            return
        elif tag in _ASIDE:
            self._aside += 1
        elif self._aside:
            return
        elif tag in _CELLS:
            self._attributes, self._pieces, self._paragraphs, self._length = attributes, [], 0, 0
        elif tag == "table:table-row":
            self._times = _repeated(attributes, "rows-repeated")
            self._line = Line(self._row, {}, attributes.get("table:visibility") in ("collapse", "filter"))
            self._column = 0
        else:
            self._text_element(tag, attributes)

    def _text_element(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("text:p", "text:h"):
            if self._paragraphs:
                self._characters("\n", always=True)
            self._paragraphs += 1
            self._is_taking = True
        elif tag == "text:s":
            times = attributes.get("text:c", "1")
            self._characters(" " * (int(times) if times.isdecimal() and len(times) < 8 else 1))
        elif tag in ("text:tab", "text:line-break"):
            self._characters("\t" if tag == "text:tab" else "\n")

    def _end(self, tag: str) -> None:
        if tag == "table:table":
            self._tables -= 1
            self._is_inside = self._is_inside and self._tables > 0
        elif not self._is_inside or self._tables > 1:
            return
        elif tag in _ASIDE:
            self._aside -= 1
        elif self._aside:
            return
        elif tag in ("text:p", "text:h"):
            self._is_taking = False
        elif tag in _CELLS:
            self._end_cell(tag)
        elif tag == "table:table-row":
            self._end_row()

    def _characters(self, data: str, always: bool = False) -> None:
        if (self._is_taking or always) and not self._aside and self._tables == 1:
            self._length += len(data)
            if self._length > LONGEST_CELL:
                raise Unreadable(self._row, f"a cell is longer than {LONGEST_CELL} characters; shorten it")
            self._pieces.append(data)

    # -- what they make

    def _end_cell(self, tag: str) -> None:
        times = _repeated(self._attributes, "columns-repeated")
        cell = self._cell() if tag == "table:table-cell" else ""
        cell = office.of_formula(cell, self._attributes.get("table:formula", ""))
        if cell != "":
            if self._column + times > MOST_SHEET_COLUMNS:
                raise Unreadable(
                    self._row, f"the row goes on beyond {MOST_SHEET_COLUMNS} columns; delete what is there"
                )
            self._line.cells.update(dict.fromkeys(range(self._column, self._column + times), cell))
        down, across = (_repeated(self._attributes, f"{name}-spanned") for name in ("rows", "columns"))
        if (down > 1 or across > 1) and tag == "table:table-cell":
            end = (self._row + down - 1, self._column + across - 1)
            self.merged.append(Merged(self._row, self._column, *end))
        self._column += times

    def _end_row(self) -> None:
        if self._line.cells:
            if self._row + self._times - 1 > _MOST_ROWS:
                raise Unreadable(self._row, f"the sheet goes on beyond {_MOST_ROWS} rows; delete what is there")
            self._lines.append(_repeat(self._line, self._times))
        self._row += self._times

    def _cell(self) -> Cell:
        attributes, shown = self._attributes, "".join(self._pieces)
        kind = attributes.get("office:value-type", "")
        if "table:formula" in attributes:
            if attributes.get("calcext:value-type") == "error" or _ERRORS.fullmatch(shown):
                return office.error(shown)
            if not kind:
                return UNCALCULATED
        if kind == "string":
            return office.text(attributes.get("office:string-value", shown))
        if kind in _NUMBERS:
            return office.number(attributes.get("office:value", ""))
        if kind == "boolean":
            return attributes.get("office:boolean-value", "").casefold()
        if kind == "date":
            return moments.from_iso(attributes.get("office:date-value", ""))
        if kind == "time":
            return moments.from_duration(attributes.get("office:time-value", ""))
        return office.text(shown)


def _repeat(line: Line, times: int) -> Iterator[Line]:
    return (Line(number, line.cells, line.is_hidden) for number in range(line.number, line.number + times))


class Ods:
    """A spreadsheet whose zip is open."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        if b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise Unreadable(None, "it is protected by a password; save it without one")

    def sheets(self) -> list[SheetName]:
        """Every sheet, in order."""
        walk = _Names()
        walk.read(self._archive, _CONTENT)
        return walk.sheets

    def reading(self, name: str) -> _Sheet:
        """Return a pass over the sheet called ``name``."""
        return _Sheet(self._archive, name)

    def images(self) -> int:
        """How many different images lie in the file itself."""
        return parts_in(self._archive, "Pictures")
