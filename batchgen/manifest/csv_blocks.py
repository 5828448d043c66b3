"""The records of a sheet that is text, block by block, as csv.reader gives them where it is strict.

It keeps every cell to the character, and says where each record starts, how wide it is and whether its quotes are in
order: nothing is padded, shifted, converted or taken for missing, as the readers of data frames do.
"""

import csv
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from io import StringIO
from itertools import chain
from typing import TextIO

from batchgen.manifest.headings import LINES_OF_TITLES, is_below_titles, is_header
from batchgen.manifest.records import LONGEST_CELL, LONGEST_LINE, Block, Unreadable
from batchgen.model import Problem, is_text
from batchgen.system.borrowed import Borrowed
from batchgen.words import many

_PIECE_CHARACTERS = 1 << 18
_BLOCK_RECORDS = 512  # which the processor's own memory holds, with all that is made of them
_BLOCK_PIECES = 16


class CsvBlocks:
    """The blocks of a sheet; ``records`` counts what was passed, but what is blank."""

    def __init__(self, stream: TextIO, delimiter: str) -> None:
        self.delimiter = delimiter
        self.records = 0
        self.has_titles = False  # above the header
        self._stream = stream
        self._pieces = 0  # read so far
        self._is_odd = False  # a piece held what no cell may hold: records are looked at singly from there on
        self._reader = csv.reader(chain.from_iterable(self._lines()), delimiter=delimiter, strict=True)
        self._width = 0

    def _lines(self) -> Iterator[StringIO]:
        """Return the file's lines by pieces: what is to be known of all its text is asked of a piece at once."""
        while any(read := self._piece()):
            piece, rest = read
            is_endless = len(rest) >= LONGEST_LINE
            if is_endless:
                piece = piece[: max(piece.rfind("\n"), piece.rfind("\r")) + 1]
            else:
                piece += rest
            self._pieces += 1
            self._is_odd |= _is_odd(piece)
            yield StringIO(piece, newline="")
            if is_endless:
                raise Unreadable(self._reader.line_num + 1, "this line is too long to be a row; is it a sheet at all?")

    def _piece(self) -> tuple[str, str]:
        """Return some text and the rest of its last line; a line alone before what cannot be decoded."""
        place = self._stream.tell()
        try:
            return self._stream.read(_PIECE_CHARACTERS), self._stream.readline(LONGEST_LINE)
        except UnicodeDecodeError:
            self._stream.seek(place)
            return "", self._stream.readline(LONGEST_LINE)

    def header(self) -> tuple[list[str], int]:
        """Return the first record that is not blank, or the header below such titles, and its line.

        Raises Unreadable, also where there is none.
        """
        names, start = self._filled()
        if not is_header(names):
            below = self._below_titles()
            self.has_titles = below is not None
            names, start = below or (names, start)
        if any("\0" in name for name in names):
            raise Unreadable(start, "the header holds a NUL character; is the file UTF-16? Then say --encoding utf-16")
        self._width = len(names)
        return names, start

    def _filled(self) -> tuple[list[str], int]:
        """Return the next record that is not blank, and its line."""
        while True:
            start = self._reader.line_num + 1
            try:
                with _long_cells():
                    names = next(self._reader)
            except csv.Error as error:
                raise Unreadable(start, _explained(error, self.delimiter)) from None
            except StopIteration:
                raise Unreadable(1, "the file is empty; write a header and a row") from None
            if any(map(str.strip, names)):
                return names, start

    def _below_titles(self) -> tuple[list[str], int] | None:
        with suppress(Unreadable):
            for _ in range(LINES_OF_TITLES):
                names, start = self._filled()
                if is_below_titles(names):
                    return names, start
        return None

    def __iter__(self) -> Iterator[Block]:
        """Blocks of records. Raises Unreadable where reading cannot go on; what was in order came before."""
        more = True
        while more:
            block, cells = Block(), list[str]()
            stop: Exception | None = None
            try:
                with _long_cells():
                    more = self._gather(block, cells)
            except (Unreadable, UnicodeDecodeError) as error:
                stop = error
            block.columns = [cells[place :: self._width] for place in range(self._width)]
            yield block
            if stop:
                raise stop

    def _gather(self, block: Block, cells: list[str]) -> bool:
        """Fill the block; False at the end of the file. A record out of order ends it, told among its problems.

        ``cells`` takes the cells of all records in one flat list: columns are cut from it in a third of the time
        that it takes to cut them from a list for each record.
        """
        reader, width, most = self._reader, self._width, self._pieces + _BLOCK_PIECES
        start = reader.line_num + 1
        try:
            for record in reader:
                is_plain = len(record) == width and record[0].strip() and not self._is_odd
                if is_plain or self._is_whole(record, block, start):
                    self.records += 1
                    cells += record
                    block.numbers.append(self.records)
                    block.lines.append(start)
                start = reader.line_num + 1
                if len(block.lines) >= _BLOCK_RECORDS or self._pieces > most:
                    return True
        except csv.Error as error:
            self._complain(block, start, error)
            return True
        return False

    def _is_whole(self, record: list[str], block: Block, line: int) -> bool:
        """Whether a record is to be taken: not if it is blank, nor where something is wrong with it, which is told."""
        if not any(map(str.strip, record)):
            return False
        text = "".join(record)
        if "\0" in text:
            message = "this record holds a NUL character, which no prompt can have; delete it"
        elif len(record) != self._width:
            message = _width_message(len(record), self._width, self.delimiter)
        elif not is_text(text):
            message = "this record holds half a character (a lone surrogate); delete it"
        else:
            return True
        self.records += 1
        block.problems.append(Problem(line, None, message))
        return False

    def _complain(self, block: Block, line: int, error: csv.Error) -> None:
        # Behind a quote that is out of order the next line is most likely a new record. A quote that never
        # closes, or a cell without end, swallows what follows: from there on nothing that is read would
        # mean anything.
        message = _explained(error, self.delimiter)
        if "expected after" not in str(error):
            raise Unreadable(line, message) from None
        self.records += 1
        block.problems.append(Problem(line, None, message))


_long_cells = Borrowed(lambda: partial(csv.field_size_limit, csv.field_size_limit(LONGEST_CELL)))


def _is_odd(text: str) -> bool:
    return "\0" in text or not (text.isascii() or is_text(text))


def _named(delimiter: str) -> str:
    return "TAB" if delimiter == "\t" else f'"{delimiter}"'


def _width_message(width: int, wanted: int, delimiter: str) -> str:
    cells = f"this record has {many(width, 'cell')}, the header {wanted}"
    if width > wanted:
        return f"{cells}; put a cell that holds a {_named(delimiter)} into double quotes"
    return f"{cells}; add the missing {_named(delimiter)}, or put a cell that holds a line break into double quotes"


def _explained(error: csv.Error, delimiter: str) -> str:
    text = str(error)
    if "expected after" in text:
        return (
            f'a cell goes on after its closing quote; write a quote inside a cell twice (""), and {_named(delimiter)} '
            "or nothing after the last"
        )
    if "unexpected end" in text:
        return "a cell that begins in this record is never closed; add the missing double quote"
    if "field larger" in text:
        return f"a cell in this record is longer than {LONGEST_CELL} characters; is a closing double quote missing?"
    return f"this record cannot be read ({text}); put its cells into double quotes"
