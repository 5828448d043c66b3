"""Parquet, as pandas, polars and DuckDB write it: typed columns -> the same text that a sheet would hold.

Its engine, pyarrow, weighs more than all the rest of batchgen: it is an extra, ``batchgen[parquet]``.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from batchgen.manifest.layout import layout_of
from batchgen.manifest.office import Cell, Moment, Number, as_text, of_type, real, several, text
from batchgen.manifest.records import LONGEST_CELL, NO_ROWS, Block, Records
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import refusal
from batchgen.manifest.values import LARGEST_EXACT
from batchgen.model import Problem, Row
from batchgen.rows import Rows
from batchgen.words import escaped

_BLOCK_RECORDS = 4096
_MOST_ROWS = 50_000_000  # a file of a kilobyte can claim more rows than anybody could pay for
_MOST_GROUP_BYTES = 2_000_000_000  # a group of rows is read at once
_EXACT = {"halffloat": 2**11 - 1, "float": 2**24 - 1, "double": LARGEST_EXACT}  # up to here one can be any whole number


class ParquetManifest:
    """A table with its schema read. ``Row.line`` and ``Row.number`` are the record's number, from 1."""

    def __init__(self, path: Path, *, rules: Rules, overrides: Mapping[str, str]) -> None:
        """Read the schema. Raises ManifestError where the engine is missing, or the file is none."""
        self.path = path
        self._rules = rules
        self._overrides = overrides
        with self._open() as file:
            _check(path, file.metadata)
            self._layout = layout_of(path, file.schema_arrow.names, None)
            self._takers = [_taker(field.type) for field in file.schema_arrow]
        self.columns = self._layout.columns
        self.named = frozenset(self._layout.places)
        self.is_partial = self._layout.is_partial

    def __iter__(self) -> Iterator[Rows | Row | Problem]:
        """Every row and every problem."""
        yield from self._layout.problems
        records = Records(self._layout, self._rules, self._overrides)
        number = 0
        with self._open() as file:
            batches = file.iter_batches(batch_size=_BLOCK_RECORDS, use_threads=False)
            while (batch := self._next(batches)) is not None:
                if isinstance(batch, Problem):
                    yield batch
                    return
                yield from records.rows(self._block(batch, number))
                number += batch.num_rows
        if not number:
            yield NO_ROWS

    def _open(self) -> Any:
        try:
            return import_module("pyarrow.parquet").ParquetFile(str(self.path))
        except ModuleNotFoundError:
            message = (
                "Parquet needs pyarrow, which is not installed: pip install 'batchgen[parquet]', or save it as CSV"
            )
            raise refusal(self.path, message) from None
        except (OSError, ValueError) as error:
            raise refusal(self.path, f"it is not a Parquet file ({_first_line(error)}); write it again") from None

    @staticmethod
    def _next(batches: Any) -> Any:
        """Return the next batch, None at the end, or what is wrong with the file."""
        try:
            return next(batches, None)
        except (OSError, ValueError, MemoryError) as error:
            return Problem(None, None, f"the file is damaged ({_first_line(error)}); write it again")

    def _block(self, batch: Any, before: int) -> Block:
        numbers = list(range(before + 1, before + batch.num_rows + 1))
        block = Block(numbers, list(numbers))
        parameters = self._layout.parameters
        for place, (column, take) in enumerate(zip(batch.columns, self._takers, strict=True)):
            parameter = parameters.get(place, "")
            values = column.to_pylist() if place in parameters else [None] * batch.num_rows
            block.columns.append([self._cell(block, at, place, parameter, take, v) for at, v in enumerate(values)])
        return block

    def _cell(
        self, block: Block, at: int, place: int, parameter: str, take: Callable[[Any, str], Cell], value: Any
    ) -> str:
        if value is None:
            return ""
        cell = take(value, parameter)
        if isinstance(cell, str) and len(cell) <= LONGEST_CELL:
            return cell
        found, message = as_text(cell, parameter)
        if len(found) > LONGEST_CELL:
            message = f"the cell is longer than {LONGEST_CELL} characters; shorten it"
        if message:
            message = message.replace("the spreadsheet", "the file")
            block.problems.append(Problem(block.lines[at], self._layout.title(place), message))
            block.flaws.setdefault(at, set()).add(parameter)
        return found


def _first_line(error: BaseException) -> str:
    return escaped(str(error).partition("\n")[0][:200])


def _check(path: Path, metadata: Any) -> None:
    groups = (metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups))
    if metadata.num_rows > _MOST_ROWS or max(groups, default=0) > _MOST_GROUP_BYTES:
        raise refusal(path, f"it holds {metadata.num_rows} rows in too large groups; split it")


def _taker(kind: Any) -> Callable[[Any, str], Cell]:
    """Return what makes a cell of a column's values, by the column's type."""
    name = str(kind)
    for beginning, take in _TAKERS.items():
        if name.startswith(beginning):
            return take
    if name.startswith("dictionary"):
        return _taker(kind.value_type)
    return lambda _value, _parameter: of_type(name)


def _real(value: float, _: str, exact: int) -> Cell:
    blank = value != value  # NaN: so pandas and polars write one
    return "" if blank else real(value, exact, "save the column as whole numbers")


def _time(value: Any, _: str) -> Cell:
    return Moment("time", value.isoformat(timespec="minutes") if not value.second else str(value))


_TAKERS: Mapping[str, Callable[[Any, str], Cell]] = {
    **dict.fromkeys(("string", "large_string", "string_view"), lambda value, _: text(value)),
    **dict.fromkeys(("int", "uint"), lambda value, _: str(value)),
    "decimal": lambda value, _: Number(str(value)) if value % 1 else str(int(value)),
    "bool": lambda value, _: "true" if value else "false",
    **{kind: partial(_real, exact=exact) for kind, exact in _EXACT.items()},
    "date": lambda value, _: Moment("date", value.isoformat()),
    "timestamp": lambda value, _: Moment("date and time", str(value)),
    "time": _time,
    "list": several,
    "large_list": several,
    "null": lambda _value, _parameter: "",
}
