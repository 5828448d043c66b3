"""Office Open XML (.xlsx): the sheets of a file, and the rows of one, as they stand in the file.

Read here rather than by a library, since those that are fast do not tell what matters to money: an error from an
empty cell, a formula that was never calculated, a row that is hidden, the digits of a number as they are written.
"""

import posixpath
from zipfile import ZipFile

from batchgen.manifest import office
from batchgen.manifest.moments import kind_of_format
from batchgen.manifest.office import Cell, SheetName
from batchgen.manifest.ooxml_sheet import OoxmlSheet, unescaped
from batchgen.manifest.xml_walk import Walk
from batchgen.manifest.zipped import parts_in

_DATES = frozenset({14, 15, 16, 17, *range(27, 37), *range(50, 59)})  # the built-in formats: of dates,
_TIMES = frozenset({18, 19, 20, 21, 45, 46, 47})  # of times,
_BOTH = 22  # of both


class _Relations(Walk):
    """Which part is meant by which mark."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: dict[str, str] = {}
        self.kinds: dict[str, str] = {}

    def _on_Relationship(self, attributes: dict[str, str]) -> None:  # noqa: N802 - as the element is called
        target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
        self.targets[attributes.get("Id", "")] = target
        self.kinds[attributes.get("Type", "").rpartition("/")[2]] = target


class _Book(Walk):
    """The names of the sheets, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, bool, str]] = []  # name, is_visible, mark
        self.since_1904 = False

    def _on_sheet(self, attributes: dict[str, str]) -> None:
        mark = next((value for name, value in attributes.items() if name.endswith(":id")), "")
        is_visible = attributes.get("state", "visible") == "visible"
        self.sheets.append((unescaped(attributes.get("name", "")), is_visible, mark))

    def _on_workbookPr(self, attributes: dict[str, str]) -> None:  # noqa: N802
        self.since_1904 = attributes.get("date1904") in ("1", "true")


class _Strings(Walk):
    """The texts that cells share."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[Cell] = []
        self._runs: list[str] = []

    def _on_si(self, _: dict[str, str]) -> None:
        self._runs = []

    def _on_t(self, _: dict[str, str]) -> None:
        self.collect()

    def _off_t(self) -> None:
        content = self.collected()
        if not self._is_phonetic:
            self._runs.append(content)

    def _off_si(self) -> None:
        self.texts.append(office.text(unescaped("".join(self._runs))))


class _Styles(Walk):
    """Which styles make a date or a time of a number."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []  # of each style; "": a number
        self._formats: dict[str, str] = {}
        self._is_in_cells = False

    def _on_numFmt(self, attributes: dict[str, str]) -> None:  # noqa: N802
        self._formats[attributes.get("numFmtId", "")] = kind_of_format(attributes.get("formatCode", ""))

    def _on_cellXfs(self, _: dict[str, str]) -> None:  # noqa: N802
        self._is_in_cells = True

    def _off_cellXfs(self) -> None:  # noqa: N802
        self._is_in_cells = False

    def _on_xf(self, attributes: dict[str, str]) -> None:
        if self._is_in_cells:
            mark = attributes.get("numFmtId", "0")
            self.kinds.append(self._formats[mark] if mark in self._formats else _built_in(mark))


def _built_in(mark: str) -> str:
    plain = int(mark) if mark.isdecimal() else 0
    if plain in _DATES:
        return "date"
    return "time" if plain in _TIMES else "date and time" if plain == _BOTH else ""


class Xlsx:
    """A workbook whose zip is open."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._book, self._relations = _Book(), _Relations()
        self._relations.read(archive, "xl/_rels/workbook.xml.rels")
        self._book.read(archive, "xl/workbook.xml")

    def sheets(self) -> list[SheetName]:
        """Every sheet that holds cells, in order."""
        found = [(name, is_visible, self._part(mark)) for name, is_visible, mark in self._book.sheets]
        return [
            SheetName(name, is_visible, self._is_blank(part))
            for name, is_visible, part in found
            if "worksheets/" in part
        ]

    def reading(self, name: str) -> OoxmlSheet:
        """Return a pass over the sheet called ``name``."""
        strings, styles = _Strings(), _Styles()
        for walk, kind in ((strings, "sharedStrings"), (styles, "styles")):
            if shared := self._relations.kinds.get(kind):
                walk.read(self._archive, shared)
        part = next(self._part(mark) for known, _, mark in self._book.sheets if known == name)
        return self._pass(part, strings.texts, styles.kinds)

    def images(self) -> int:
        """How many different images lie in the file itself, on sheets or in cells."""
        return parts_in(self._archive, "xl/media")

    def _pass(self, part: str, strings: list[Cell], kinds: list[str]) -> OoxmlSheet:
        return OoxmlSheet(self._archive, part, strings, kinds, self._book.since_1904)

    def _is_blank(self, part: str) -> bool:
        return next(iter(self._pass(part, [], [])), None) is None

    def _part(self, mark: str) -> str:
        return self._relations.targets.get(mark, "")
