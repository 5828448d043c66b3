"""The records of a sheet, read twice at once: by csv.reader, which is strict, and by pandas, block by block.

csv.reader says where each record starts, how wide it is and whether its quotes are in order; only the text of
records that are in order goes on to pandas, which gives the cells. Each cell is then compared: where the two
readings differ nothing is handed on but a problem. So neither reader's indulgence (pandas shifts a file
whose first record is too wide, pads a short one, and takes quotes as they come) can change a prompt unseen.
"""

import csv
from collections.abc import Iterator
from io import BytesIO
from typing import TextIO

import pandas as pd

from batchgen.manifest.records import LONGEST_CELL, Block, Unreadable
from batchgen.model import Problem

_LONGEST_LINE = 16 << 20  # characters; what a hostile file may make us hold at once
_BLOCK_RECORDS = 8192
_BLOCK_CHARACTERS = 4 << 20


class Lockstep:
    """The blocks of a sheet; ``records`` counts what was passed, but what is blank."""

    def __init__(self, stream: TextIO, delimiter: str) -> None:
        csv.field_size_limit(LONGEST_CELL)
        self.delimiter = delimiter
        self.records = 0
        self._stream = stream
        self._raw: list[str] = []
        self._kept = 0  # how many of them belong to records that are in order
        self._held = 0  # characters read for this block
        self._nul = False  # the record that is being read holds one
        self._reader = csv.reader(self._tee(), delimiter=delimiter, strict=True)
        self._width = 0

    def _tee(self) -> Iterator[str]:
        """Return the lines for csv.reader, kept for pandas too."""
        while line := self._stream.readline(_LONGEST_LINE):
            if len(line) >= _LONGEST_LINE:
                raise Unreadable(self._reader.line_num + 1, "this line is too long to be a row; is it a sheet at all?")
            if "\0" in line:
                self._nul = True
            self._held += len(line)
            self._raw.append(line)
            yield line

    def header(self) -> tuple[list[str], int]:
        """Return the first record that is not blank, and its line. Raises Unreadable, also where there is none."""
        while True:
            start = self._reader.line_num + 1
            try:
                names = next(self._reader)
            except csv.Error as error:
                raise Unreadable(start, _explained(error, self.delimiter)) from None
            except StopIteration:
                raise Unreadable(1, "the file is empty; write a header and a row") from None
            if any(map(str.strip, names)):
                break
        if self._nul:
            raise Unreadable(start, "the header holds a NUL character; is the file UTF-16? Then say --encoding utf-16")
        self._raw.clear()
        self._width = len(names)
        return names, start

    def __iter__(self) -> Iterator[Block]:
        """Blocks of records. Raises Unreadable where reading cannot go on; what was in order came before."""
        more = True
        while more:
            block, cells = Block(), list[str]()
            stop: Exception | None = None
            try:
                more = self._gather(block, cells)
            except (Unreadable, UnicodeDecodeError) as error:
                stop = error
            del self._raw[self._kept :]
            self._parse(block, cells)
            yield block
            if stop:
                raise stop

    def _gather(self, block: Block, cells: list[str]) -> bool:
        """Fill the block by csv.reader, dropping the raw lines of bad records; False at the end of the file.

        ``cells`` takes the cells of all records in one flat list: a list for each would keep the garbage
        collector busy for a third of the time.
        """
        raw, reader, width = self._raw, self._reader, self._width
        raw.clear()
        self._kept = self._held = 0
        while len(block.lines) < _BLOCK_RECORDS and self._held < _BLOCK_CHARACTERS:
            start = reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                self._complain(block, start, error)
                del raw[self._kept :]
                continue
            if record is None:
                return False
            if len(record) == width and (record[0].strip() or any(map(str.strip, record))) and not self._nul:
                self.records += 1
                cells += record
                block.numbers.append(self.records)
                block.lines.append(start)
                self._kept = len(raw)
            else:
                self._leave_out(block, record, start)
        return True

    def _complain(self, block: Block, line: int, error: csv.Error) -> None:
        # Behind a quote that is out of order the next line is most likely a new record. A quote that never
        # closes, or a cell without end, swallows what follows: from there on nothing that is read would
        # mean anything.
        message = _explained(error, self.delimiter)
        if "expected after" not in str(error):
            raise Unreadable(line, message) from None
        self.records += 1
        block.problems.append(Problem(line, None, message))

    def _leave_out(self, block: Block, record: list[str], line: int) -> None:
        """Pass over a record that is blank, or tell what is wrong with it; pandas is not to have its text."""
        del self._raw[self._kept :]
        nul, self._nul = self._nul, False
        if not any(map(str.strip, record)):
            return
        self.records += 1
        message = _width_message(len(record), self._width, self.delimiter)
        if nul:
            message = "this record holds a NUL character, which no prompt can have; delete it"
        block.problems.append(Problem(line, None, message))

    def _parse(self, block: Block, cells: list[str]) -> None:
        """Fill the block's columns by pandas, and hold them against what csv.reader read."""
        if not cells:
            return
        read = [cells[place :: self._width] for place in range(self._width)]
        try:
            columns = self._columns("".join(self._raw))
        except UnicodeEncodeError:
            place = next(at for at, cell in enumerate(cells) if _has_surrogate(cell))
            message = "this record holds half a character (a lone surrogate); delete it"
            self._give_up(block, block.lines[place // self._width], message)
        except (pd.errors.ParserError, ValueError) as error:
            message = f"pandas cannot read what csv.reader could ({error}); please report it"
            self._give_up(block, block.lines[0], message)
        else:
            if columns == read:
                block.columns = columns
            else:
                line = _first_difference(block.lines, columns, read)
                self._give_up(block, line, "pandas and csv.reader read this record differently; please report it")

    def _columns(self, text: str) -> list[list[str]]:
        # A header of our own: it fixes the width, and keeps pandas from taking a U+FEFF in the first cell
        # for a BOM.
        header = self.delimiter.join(map(str, range(self._width))) + "\n"
        frame = pd.read_csv(
            BytesIO((header + text).encode()),
            sep=self.delimiter,
            dtype=object,  # as text too, where nothing is to be converted: and the text is Python's own at once
            keep_default_na=False,
            na_filter=False,
            index_col=False,
            skip_blank_lines=False,
            low_memory=False,
            encoding="utf-8",
            engine="c",
        )
        return [frame[name].tolist() for name in frame.columns]

    @staticmethod
    def _give_up(block: Block, line: int, message: str) -> None:
        block.numbers, block.lines, block.columns = [], [], []
        block.problems.append(Problem(line, None, message))


def _has_surrogate(cell: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in cell)


def _first_difference(lines: list[int], columns: list[list[str]], read: list[list[str]]) -> int:
    pairs = zip(lines, zip(*columns, strict=False), zip(*read, strict=False), strict=False)
    return next((line for line, one, other in pairs if one != other), lines[-1])


def _named(delimiter: str) -> str:
    return "TAB" if delimiter == "\t" else f'"{delimiter}"'


def _width_message(width: int, wanted: int, delimiter: str) -> str:
    cells = f"this record has {width} cell{'s' if width > 1 else ''}, the header {wanted}"
    if width > wanted:
        return f"{cells}; put a cell that holds a {_named(delimiter)} into double quotes"
    return f"{cells}; add the missing {_named(delimiter)}, or put a cell that holds a line break into double quotes"


def _explained(error: csv.Error, delimiter: str) -> str:
    text = str(error)
    if "expected after" in text:
        return (
            f'a cell goes on behind its closing quote; write a quote inside a cell twice (""), and {_named(delimiter)} '
            "or nothing after the last"
        )
    if "unexpected end" in text:
        return "a cell that begins in this record is never closed; add the missing double quote"
    if "field larger" in text:
        return f"a cell in this record is longer than {LONGEST_CELL} characters; is a closing double quote missing?"
    return f"this record cannot be read ({text}); put its cells into double quotes"
