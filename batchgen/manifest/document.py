"""The top level of a manifest of nested values: ``defaults``, ``vars`` and ``jobs``, whatever the format."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from batchgen.manifest.jobs import Jobs, read_vars
from batchgen.manifest.nodes import Broken, Keyed, Node, Text, at
from batchgen.manifest.quoting import did_you_mean, quoted
from batchgen.manifest.records import Unreadable
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import open_text, undecodable
from batchgen.model import Problem, Row

TOP = ("defaults", "vars", "jobs")
EMPTY = Problem(None, None, "the file is empty; write jobs: and a list below it")
NO_JOBS = Problem(None, None, "there is no jobs: in the file; write jobs: and a list below it")
NO_JOB = "there is no job below jobs:; write one for each video"


class Document(ABC):
    """What the readers of nested values share.

    Row.number is the job's place among the jobs, from 1; the rows that it expands to share it, and its line.
    """

    is_partial = False
    named = None

    def __init__(self, path: Path, *, rules: Rules, encoding: str | None, overrides: Mapping[str, str]) -> None:
        self.path = path
        self._rules = rules
        self._encoding = encoding
        self._overrides = overrides
        self._columns: dict[str, None] = {}
        self._problems: list[Problem] = []  # that the parser has met with and nobody has been told of

    @property
    def columns(self) -> tuple[str, ...]:
        """The jobs' own keys, in the order of their first use; complete after an iteration."""
        return tuple(self._columns)

    def __iter__(self) -> Iterator[Row | Problem]:
        """Every row and every problem, job by job. Raises ManifestError if the file cannot be opened."""
        self._problems = []
        try:
            with open_text(self.path, self._encoding) as stream:
                yield from self._read(stream)
        except UnicodeDecodeError:
            yield undecodable(self.path, self._encoding)
        except Unreadable as unreadable:
            yield from self._drained()
            yield unreadable.problem

    @abstractmethod
    def _read(self, stream: TextIO) -> Iterator[Row | Problem]:
        """Read the format."""

    def _rows(self, sections: "Sections", nodes: Iterable[Node], none: Problem) -> Iterator[Row | Problem]:
        """Return what becomes of the nodes below ``jobs:``; ``none`` where there is not one."""
        jobs = sections.jobs(self._rules, self._overrides, self._problems)
        self._columns = jobs.columns
        number = 0
        for number, node in enumerate(nodes, 1):
            yield from self._drained()
            yield from jobs.rows(node, number)
        yield from self._drained()
        yield from jobs.unused() if number else [none]

    def _drained(self) -> Iterator[Problem]:
        problems = list(self._problems)
        self._problems.clear()
        yield from problems


class Sections:
    """What stands beside the jobs."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Text, Node]] = {}

    def check(self, key: Text, value: Node) -> Iterator[Problem]:
        """Return what is wrong with one section."""
        name = key.value
        if name not in TOP:
            hint = did_you_mean(name, TOP)
            yield at(key, f"{quoted(name)} is not known here; write defaults:, vars: and jobs: only{hint}")
        elif name == "jobs":
            yield at(value, "jobs must be a list; write each job after a dash: - prompt: …")
        elif name == "defaults":
            yield from _check_defaults(value)

    def jobs(self, rules: Rules, overrides: Mapping[str, str], problems: list[Problem]) -> Jobs:
        """Return what expands jobs, under the defaults and vars that were entered."""
        defaults = self.entries.get("defaults", (None, None))[1]
        entries = dict(defaults.entries) if isinstance(defaults, Keyed) else {}
        entries.pop("vars", None)
        node = self.entries.get("vars", (None, None))[1]
        variables = read_vars(node, problems) if node is not None else {}
        return Jobs(rules, entries, variables, overrides)


def _check_defaults(value: Node) -> Iterator[Problem]:
    if isinstance(value, Keyed):
        if "vars" in value.entries:
            message = "vars do not belong to the defaults; move them to the top level"
            yield at(value.entries["vars"][0], message)
    elif not isinstance(value, Broken) and not (isinstance(value, Text) and value.is_null):
        yield at(value, "defaults must be a mapping; write parameter: value below it")
