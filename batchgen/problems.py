"""Problems as they are gathered: equal ones of one column are one, with the lines that they stand in."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from batchgen.model import MOST_STRETCHES, Problem
from batchgen.words import many

MOST_PROBLEMS = 1000  # different ones that are kept


@dataclass
class _Equal:
    """Problems that differ in nothing but their line."""

    first: Problem
    stretches: list[tuple[int, int]]  # lines: first and last
    rows: int

    def add(self, line: int, rows: int) -> None:
        start, end = self.stretches[-1]
        self.rows += rows
        if end <= line <= end + 1:
            self.stretches[-1] = (start, line)
        elif len(self.stretches) > MOST_STRETCHES:  # the last alone is kept up to date
            self.stretches[-1] = (line, line)
        else:
            self.stretches.append((line, line))

    def problem(self) -> Problem:
        if self.rows == 1 or self.first.line is None:
            return self.first
        return replace(self.first, rows=self.rows, lines=tuple(self.stretches))


class Gathered:
    """Any number of problems in bounded memory: ``limit`` different ones that are fatal, and as many that are not."""

    def __init__(self, limit: int = MOST_PROBLEMS, problems: Iterable[Problem] = ()) -> None:
        self._limit = limit
        self._known: dict[bool, dict[tuple[str | None, str, bool], _Equal]] = {True: {}, False: {}}
        self._others = {True: 0, False: 0}  # rows of those that were too many
        for problem in problems:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """Take one in; those that have a line should come in its order."""
        known, key = self._known[problem.fatal], (problem.column, problem.message, problem.line is None)
        if key in known:
            known[key].add(problem.line or 0, problem.rows)
        elif len(known) < self._limit:
            known[key] = _Equal(problem, [(problem.line or 0, problem.line or 0)], problem.rows)
        else:
            self._others[problem.fatal] += problem.rows

    @property
    def is_fatal(self) -> bool:
        """Whether one of them is."""
        return bool(self._known[True])

    def problems(self) -> tuple[Problem, ...]:
        """All of them, in the order of their first lines."""
        found = [equal.problem() for known in self._known.values() for equal in known.values()]
        found.sort(key=lambda problem: problem.line or 0)
        for fatal, rows in self._others.items():
            if rows:
                found.append(Problem(None, None, f"{_number(rows, fatal)} more are not listed", fatal, rows))
        return tuple(found)


def total(problems: Iterable[Problem]) -> str:
    """How many they are: ``3 errors, 2 warnings``."""
    rows = {True: 0, False: 0}
    for problem in problems:
        rows[problem.fatal] += problem.rows
    return ", ".join(_number(number, fatal) for fatal, number in rows.items() if number)


def _number(rows: int, fatal: bool) -> str:
    return many(rows, "error" if fatal else "warning")
