"""A table in memory (a pandas DataFrame, a list of dicts) -> a CSV, which is then read like any other sheet.

Typed values become the text that a sheet would hold; what may have lost digits, and what no sheet has, is refused.
"""

import csv
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from numbers import Integral
from os import PathLike
from types import MappingProxyType
from typing import Any, BinaryIO, TypeGuard

from batchgen.errors import ManifestError, UsageError
from batchgen.manifest.headings import NO_PROMPT, canonical, is_header
from batchgen.manifest.office import Cell, Fault, as_text, of_type, real, several, text
from batchgen.manifest.rules import MISSING_PROMPT
from batchgen.manifest.values import LARGEST_EXACT
from batchgen.model import Problem, stretches
from batchgen.problems import Gathered
from batchgen.words import escaped

_EXACT = {2: 2**11 - 1, 4: 2**24 - 1}  # bytes of a float -> up to here it can be any whole number
_TO_ROWS = ("to_dicts", "to_pylist")  # of polars' and Arrow's tables


class Table:
    """The values as they were when it was made."""

    numbers: Mapping[str, Any] = MappingProxyType({})  # columns of a DataFrame that hold numbers -> their dtype

    def __init__(self, source: Any) -> None:
        """Take in a DataFrame (an index that has a name is a column), or mappings of names to values."""
        if hasattr(source, "itertuples"):
            self.name, self._each = "DataFrame", "DataFrame.iloc"
            frame = source.copy(deep=False)  # pandas copies what is written to later
            if any(name is not None for name in frame.index.names):
                frame = frame.reset_index(allow_duplicates=True)
            self._names = [str(name) for name in frame.columns]
            self._columns = [column.array for _, column in frame.items()]
            kinds = zip(self._names, frame.dtypes, strict=True)
            self.numbers = {name: dtype for name, dtype in kinds if getattr(dtype, "kind", "") in "iuf"}
        else:
            self.name = self._each = "rows"
            rows = list(source) if isinstance(source, Iterable) else [source]
            if not all(isinstance(row, Mapping) for row in rows):
                named = next((f"; {name}() gives such rows" for name in _TO_ROWS if hasattr(source, name)), "")
                raise UsageError('each row must name its values, like {"prompt": "A fox", "seed": 1}' + named)
            names = list(dict.fromkeys(name for row in rows for name in row))
            self._names = [str(name) for name in names]
            self._columns = [[row.get(name) for row in rows] for name in names]
        self._prompt = next((escaped(name) for name in self._names if canonical(name) == "prompt"), None)
        self._starts = array("Q", [2])  # the line of the CSV that each row begins in

    def stream(self) -> BinaryIO:
        """The CSV. Raises ManifestError with every cell that cannot be one, and for rows that say nothing."""
        if message := self._lack():
            raise ManifestError("", [Problem(None, None, message, place=self.name)])
        return BytesIO(b"".join(self._lines()))

    def _lack(self) -> str | None:
        """What no row can do without."""
        if not any(map(len, self._columns)):
            return "there is no row; give one for each video"
        return None if is_header(self._names) else NO_PROMPT

    def place(self, problem: Problem) -> Problem:
        """A problem of the CSV as one of the rows: ``rows[1]`` for the line where that one begins."""
        if problem.first is not None:
            before, _, after = problem.message.rpartition(f"line {problem.first}")
            message = f"{before}{self._each}[{self._index(problem.first)}]{after}"
            problem = replace(problem, message=message, first=None)
        if problem.line is None or problem.line < self._starts[0]:
            return replace(problem, line=None, place=self.name)
        lines = problem.lines or ((problem.line, problem.line),)
        found = stretches([(self._index(first), self._index(last)) for first, last in lines])
        rows = f" ({problem.rows} rows)" if problem.rows > 1 else ""
        return replace(problem, place=f"{self._each}[{found}]{rows}")

    def _index(self, line: int) -> int:
        return bisect_right(self._starts, line) - 1

    def _lines(self) -> Iterator[bytes]:
        problems = Gathered()
        writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, lineterminator="\n")
        header = writer.writerow(self._names)
        yield header.encode("utf-8", "replace")
        line = 1 + _breaks(header)
        self._starts = array("Q", [line])
        for row in zip(*self._columns, strict=True):
            text = writer.writerow(self._record(row, line, problems))
            yield text.encode()
            line += _breaks(text)
            self._starts.append(line)
        if problems.is_fatal:
            raise ManifestError("", [self.place(problem) for problem in problems.problems()])

    def _record(self, row: Iterable[Any], line: int, problems: Gathered) -> list[str]:
        record, is_told = [], False
        for name, value in zip(self._names, row, strict=True):
            found, message = as_text(as_cell(value, canonical(name) or ""), "")
            if message:
                problems.add(Problem(line, escaped(name), message))
                is_told = True
            record.append(found)
        if self._prompt and not is_told and not any(map(str.strip, record)):  # a reader passes over a blank line
            problems.add(Problem(line, self._prompt, MISSING_PROMPT))
        return record


def _breaks(text: str) -> int:
    """The ends of lines in it, as a reader of the file counts them."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


class _Echo:
    """A file that gives back what is written."""

    @staticmethod
    def write(line: str) -> str:
        return line


def identities(flag: str, values: Any) -> tuple[str, ...]:
    """The ids of the rows whose ``id`` is one of these values, or the only one. Raises UsageError for what is none."""
    if getattr(values, "ndim", 1) > 1:
        raise UsageError(f"{flag} takes the column of ids, like frame['id'], and not a whole table")
    found = []
    for value in values if is_several(values) else [values]:
        if isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b":
            raise UsageError(f"{flag} takes ids, and not a mask: frame.loc[mask, 'id'], or of the results")
        text, fault = as_text(as_cell(value, "id"), "id")
        if fault or not text.strip():
            raise UsageError(f"{flag}: {fault or 'one of the ids is blank; leave it out'}")
        found.append(text.strip())
    return tuple(found)


def is_several(value: object) -> TypeGuard[Iterable[object]]:
    """Whether it holds values, and is none itself."""
    return isinstance(value, Iterable) and not isinstance(value, str | PathLike)


def as_cell(value: Any, parameter: str) -> Cell:
    """Return a value as a cell under a column: the parameter that it means, or "" for a person's own."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, PathLike):
        return text(os.fspath(value))
    if hasattr(value, "__len__") and not isinstance(value, bytes | Mapping):
        return several(list(value), parameter)
    return "" if _is_blank(value) else _one(value, parameter)


def _is_blank(value: object) -> bool:
    import pandas as pd

    return bool(pd.isna(value))  # type: ignore[call-overload]  # whatever it is: None, NaN, NA or NaT


def _one(value: Any, parameter: str) -> Cell:
    kind = getattr(getattr(value, "dtype", None), "kind", "")  # numpy's
    if isinstance(value, bool) or kind == "b":
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float) or kind == "f":
        exact = _EXACT.get(getattr(value, "itemsize", 8), LARGEST_EXACT)
        return real(value, exact, "make the column whole numbers (Int64)")
    if isinstance(value, Decimal):
        return str(int(value)) if value % 1 == 0 else str(value)
    if isinstance(value, datetime | date | time) or kind == "M":
        return Fault(f"is the moment {value}; make it a text") if parameter else str(value)
    return of_type(type(value).__name__)
