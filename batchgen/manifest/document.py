"""The top level of a manifest of nested values: ``defaults``, ``vars`` and ``jobs``, whatever the format."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from batchgen.manifest.jobs import Jobs, at, read_vars
from batchgen.manifest.nodes import Broken, Keyed, Node, Text
from batchgen.manifest.rules import Rules
from batchgen.manifest.words import escaped, shown
from batchgen.model import Problem

TOP = ("defaults", "vars", "jobs")
EMPTY = Problem(None, None, "the file is empty; write jobs: and a list below it")
NO_JOBS = Problem(None, None, "there is no jobs: in the file; write jobs: and a list below it")
NO_JOB = "there is no job below jobs:; write one for each video"


class Document:
    """What the readers of nested values share.

    Row.number is the job's place among the jobs, from 1; the rows that it expands to share it, and its line.
    """

    partial = False

    def __init__(self, path: Path, *, rules: Rules, encoding: str | None, overrides: Mapping[str, str]) -> None:
        self.path = path
        self._rules = rules
        self._encoding = encoding
        self._overrides = overrides
        self._columns: dict[str, None] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The jobs' own keys, in the order of their first use; complete after an iteration."""
        return tuple(self._columns)


class Sections:
    """What stands beside the jobs."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Text, Node]] = {}
        self._variables: dict[str, list[Text]] = {}

    def check(self, key: Text, value: Node) -> Iterator[Problem]:
        """Return what is wrong with one section."""
        name = key.value
        if name not in TOP:
            near = get_close_matches(name.casefold(), TOP, 1, 0.6)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield at(key, f"{shown(name)} is not known here; write defaults:, vars: and jobs: only{hint}")
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
        self._variables = read_vars(node, problems) if node is not None else {}
        return Jobs(rules, entries, self._variables, overrides)

    def unused(self, jobs: Jobs) -> Iterator[Problem]:
        """Return a question for each of the vars that no job used."""
        for name in self._variables.keys() - jobs.used:
            message = f"the var {shown(name)} is used by no job; write {{{escaped(name)}}} in a prompt"
            yield at(self._variables[name][0], message, False)


def _check_defaults(value: Node) -> Iterator[Problem]:
    if isinstance(value, Keyed):
        if "vars" in value.entries:
            message = "vars do not belong to the defaults; move them to the top level"
            yield at(value.entries["vars"][0], message)
    elif not isinstance(value, Broken) and not (isinstance(value, Text) and value.null):
        yield at(value, "defaults must be a mapping; write parameter: value below it")
