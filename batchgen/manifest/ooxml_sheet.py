"""Office Open XML: the rows of one sheet."""

import re
from zipfile import ZipFile

from batchgen.manifest import office
from batchgen.manifest.moments import from_iso, from_serial
from batchgen.manifest.office import MOST_SHEET_COLUMNS, UNCALCULATED, Cell, Line, Merged
from batchgen.manifest.records import Unreadable
from batchgen.manifest.xml_walk import SheetWalk

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def column(reference: str) -> int:
    """Return the column of a reference such as AB12, from 0."""
    place = 0
    for letter in reference.rstrip("0123456789"):
        place = place * 26 + ord(letter) - 64
    if not 1 <= place <= MOST_SHEET_COLUMNS:
        raise Unreadable(None, f'the cell "{reference[:20]}" cannot be; save the file again')
    return place - 1


def unescaped(content: str) -> str:
    """Return a text without the ``_x000D_`` that stands for characters which XML cannot hold as they are."""
    if "_x" not in content:
        return content
    found = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), content)
    return _SURROGATES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), found)


class OoxmlSheet(SheetWalk):
    """One pass over the rows of a sheet, whose cells mean ``strings`` and have formats of ``kinds``."""

    def __init__(self, archive: ZipFile, part: str, strings: list[Cell], kinds: list[str], since_1904: bool) -> None:
        super().__init__(archive, part)
        self._strings = strings
        self._kinds = kinds
        self._since_1904 = since_1904
        self._line = Line(0, {})
        self._place = -1
        self._type = self._style = ""
        self._is_inline = False
        self._formula: str | None = None
        self._value: str | None = None

    def _on_row(self, attributes: dict[str, str]) -> None:
        mark = attributes.get("r", "")
        row = int(mark) if mark.isdecimal() else self._line.number + 1
        self._line = Line(row, {}, attributes.get("hidden") in ("1", "true"))
        self._place = -1

    def _off_row(self) -> None:
        if self._line.cells:
            self._lines.append((self._line,))

    def _on_c(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        self._place = column(reference) if reference else self._place + 1
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._is_inline = False
        self._formula = None
        self._value = None

    def _on_f(self, _: dict[str, str]) -> None:
        self.collect()

    def _off_f(self) -> None:
        self._formula = self.collected()

    def _on_v(self, _: dict[str, str]) -> None:
        self.collect()

    def _off_v(self) -> None:
        self._value = self.collected()

    def _on_is(self, _: dict[str, str]) -> None:
        self._is_inline, self._value = True, ""

    def _off_is(self) -> None:
        self._is_inline = False

    def _on_t(self, _: dict[str, str]) -> None:
        if self._is_inline:
            self.collect()

    def _off_t(self) -> None:
        if self._is_inline and not self._is_phonetic:
            self._value = (self._value or "") + self.collected()

    def _off_c(self) -> None:
        cell = self._cell()
        if self._formula:
            cell = office.of_formula(cell, self._formula)
        if cell != "":
            self._line.cells[self._place] = cell

    def _on_mergeCell(self, attributes: dict[str, str]) -> None:  # noqa: N802
        first, _, last = attributes.get("ref", "").partition(":")
        one, other = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last)
        if one and other:
            self.merged.append(Merged(int(one[2]), column(first), int(other[2]), column(last)))

    def _cell(self) -> Cell:
        value, kind = self._value, self._type
        if kind == "s" and value is not None:
            known = value.isdecimal() and int(value) < len(self._strings)
            return self._strings[int(value)] if known else office.Fault("holds a text that is not in the file")
        if kind == "n":
            return self._number(value)
        if kind == "b":
            return {"1": "true", "0": "false"}.get(value or "", value or "")
        if kind == "e":
            return office.error(value or "")
        if kind == "d":
            return from_iso(value or "")
        return office.text(unescaped(value or ""))  # str, inlineStr

    def _number(self, value: str | None) -> Cell:
        if not value:
            return "" if self._formula is None else UNCALCULATED
        index = int(self._style) if self._style.isdecimal() else -1
        kind = self._kinds[index] if 0 <= index < len(self._kinds) else ""
        return from_serial(value, kind, self._since_1904) if kind else office.number(value)
