"""results.xlsx: what results.csv says, for a spreadsheet program, with a link and a poster for each row.

Every cell is written with its type, a text as a text: nothing that a prompt holds can become a formula or a link.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from batchgen.errors import UsageError
from batchgen.ledger import Ledger, ResultRow
from batchgen.manifest.headings import RESULTS, WORKBOOK
from batchgen.report.poster import Poster
from batchgen.report.results import cells_of, headings, images_as_called
from batchgen.system.private import replacing

_POSTER = WORKBOOK.index("poster")
_VIDEO = WORKBOOK.index("video")
_IMAGES = RESULTS.index("image_urls")
_NUMBERS = frozenset({"row", "duration", "attempts", "cost_usd", "generation_seconds", "bytes"})
_WIDTHS = {"id": 24, "video": 30, "poster": 24, "prompt": 60, "negative_prompt": 30, "image_urls": 30, "sha256": 12}
_MOST_ROWS = (1 << 20) - 1  # of a sheet, below its header
_MOST_LINKS = 65_530  # of a sheet
_MOST_POSTERS = 10_000  # each is kept in memory until the file is closed
_LONGEST = 32_767  # characters of a cell
_BOX = (160, 90)  # pixels that a poster may take up


def write(ledger: Ledger, path: Path, poster: Callable[[ResultRow], Poster | None]) -> None:
    """Write the file whole or leave the one that is there.

    ``poster`` gives a row's picture, None where it has none. Places of videos are taken to be relative to the file's
    folder. Raises UsageError for more rows than a sheet can have, and OSError.
    """
    import xlsxwriter  # type: ignore[import-untyped]  # 40 ms, and most runs need no workbook

    options = {"constant_memory": True, "tmpdir": str(path.parent), "in_memory": False}
    with replacing(path, "wb") as file:
        try:
            with xlsxwriter.Workbook(file, options) as book:
                sheet = _Sheet(book, ledger.own_columns(), path.parent, ledger.image_names())
                _fill(sheet, ledger.results(), poster)
        except xlsxwriter.exceptions.FileCreateError as error:  # so it wraps an OSError
            raise error.args[0] from None


def _fill(sheet: "_Sheet", rows: Iterable[ResultRow], poster: Callable[[ResultRow], Poster | None]) -> None:
    number = 0
    for number, row in enumerate(rows, 1):
        if number > _MOST_ROWS:
            raise UsageError(f"results.xlsx can hold {_MOST_ROWS} rows, and the batch has more; use results.csv")
        sheet.add(number, row, poster(row) if number <= _MOST_POSTERS else None)
    sheet.finish(number)


class _Sheet:
    """The sheet that is being written, row by row."""

    def __init__(self, book: Any, own: Sequence[str], folder: Path, image_names: Mapping[str, str]) -> None:
        self._own = own
        self._folder = folder
        self._image_names = image_names
        self._top = book.add_format({"valign": "top", "text_wrap": True})
        self._link = book.add_format({"valign": "top", "font_color": "#0563C1", "underline": 1})
        self._headings = (*WORKBOOK, *headings(own))
        self._sheet = book.add_worksheet("results")
        bold = book.add_format({"bold": True})
        for place, name in enumerate(self._headings):
            self._sheet.set_column(place, place, _WIDTHS.get(name, 14))
            self._sheet.write_string(0, place, _fit(name), bold)
        self._sheet.freeze_panes(1, 1)

    def add(self, number: int, row: ResultRow, poster: Poster | None) -> None:
        """Write one row; ``number`` counts from 1."""
        if poster:
            self._sheet.set_row_pixels(number, _BOX[1] + 4)
        cells = list(cells_of(row))
        cells[_IMAGES] = images_as_called(row, self._image_names)
        own = (row.extras.get(name, "") for name in self._own)
        texts = chain(cells[:_POSTER], ("",), cells[_POSTER:], own)
        for place, text in enumerate(texts):
            self._cell(number, place, text)
        if row.places:
            self._place(number, row.places, cells[_VIDEO])
        if poster:
            self._poster(number, row, poster)

    def _cell(self, number: int, place: int, text: str) -> None:
        if text and place != _VIDEO:
            if self._headings[place] in _NUMBERS and place < len(WORKBOOK):
                self._sheet.write_number(number, place, float(text), self._top)
            else:
                self._sheet.write_string(number, place, _fit(text), self._top)

    def _place(self, number: int, places: Sequence[str], text: str) -> None:
        if link := self._address(number, places):
            self._sheet.write_url(number, _VIDEO, link, self._link, _fit(text))
        else:
            self._sheet.write_string(number, _VIDEO, _fit(text), self._top)

    def _address(self, number: int, places: Sequence[str]) -> str | None:
        """A link to a file on this machine; one to a bucket would have to be signed, and none is written down."""
        if not places or places[0].startswith("s3://") or number > _MOST_LINKS:
            return None
        relative = quote(os.path.relpath(self._folder / places[0], self._folder))
        return f"external:{relative}" if len(relative) < 1000 else None

    def _poster(self, number: int, row: ResultRow, poster: Poster) -> None:
        scale = min(_BOX[0] / poster.width, _BOX[1] / poster.height)
        link = self._address(number, row.places)
        options = {"x_scale": scale, "y_scale": scale, "x_offset": 2, "y_offset": 2, "object_position": 1}
        described = {"description": _fit(row.id)[:200]} | ({"url": link} if link else {})
        self._sheet.insert_image(number, _POSTER, str(poster.path), options | described)

    def finish(self, rows: int) -> None:
        """Let the columns be filtered."""
        self._sheet.autofilter(0, 0, rows, len(self._headings) - 1)


def _fit(text: str) -> str:
    """The text as a cell can hold it."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"
