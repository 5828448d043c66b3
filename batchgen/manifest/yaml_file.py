"""YAML manifests: ``defaults:``, ``vars:`` and a list of ``jobs:``, handed on as they are read."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TextIO

import yaml

from batchgen.manifest.document import EMPTY, NO_JOB, NO_JOBS, Document, Sections
from batchgen.manifest.jobs import at
from batchgen.manifest.nodes import Broken, Node, Text, enter
from batchgen.manifest.records import Unreadable
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import open_text, undecodable
from batchgen.manifest.words import escaped, shown
from batchgen.manifest.yaml_nodes import TOO_DEEP, Nodes
from batchgen.model import Problem, Row

_QUOTE = "put a text that holds ': ', ' #' or begins with one of *&!%@`{}[] into quotes"


class YamlManifest(Document):
    """A YAML file; each iteration reads it from its beginning."""

    def __iter__(self) -> Iterator[Row | Problem]:
        """Every row and every problem, job by job. Raises ManifestError if the file cannot be opened."""
        try:
            with open_text(self.path, self._encoding) as stream:
                yield from self._read(stream)
        except UnicodeDecodeError:
            yield undecodable(self.path, self._encoding)

    def _read(self, stream: TextIO) -> Iterator[Row | Problem]:
        reading = _Pass(Nodes(stream), self._rules, self._overrides)
        try:
            yield from reading.read()
        except Unreadable as unreadable:
            yield from reading.drained()
            yield unreadable.problem
        except yaml.YAMLError as error:
            yield from reading.drained()
            yield self._syntax(error)
        finally:
            self._columns = reading.columns

    def _syntax(self, error: yaml.YAMLError) -> Problem:
        mark = getattr(error, "problem_mark", None)
        if mark is None:  # of a character that YAML does not allow, PyYAML knows only the byte
            return self._forbidden(getattr(error, "position", 0), getattr(error, "character", ""))
        text = escaped(str(getattr(error, "problem", "") or "it cannot be read"))
        # libyaml looks some way ahead, and may meet its own limit before ours is reached.
        if "nesting" in text:
            message = TOO_DEEP
        elif self._is_tab(mark):
            message = "this line is indented with a tab; indent with spaces"
        else:
            message = f"this is not YAML ({text}); {_QUOTE}"
        return Problem(mark.line + 1, str(mark.column + 1), message)

    def _is_tab(self, mark: Any) -> bool:
        with open_text(self.path, self._encoding) as stream:
            text = next(islice(stream, mark.line, None), "")
        return text[: mark.column + 1].endswith("\t") and not text[: mark.column].strip()

    def _forbidden(self, position: int, character: object) -> Problem:
        seen = escaped(chr(character)) if isinstance(character, int) else shown(str(character))
        message = f"the character {seen} is not allowed in YAML; delete it, or write it as an escape in double quotes"
        with open_text(self.path, self._encoding) as stream:
            for number, line in enumerate(stream, 1):
                position -= len(line.encode("utf-8", "surrogatepass"))
                if position < 0:
                    return Problem(number, None, message)
        return Problem(None, None, message)


class _Pass:
    """One pass over the top level of the document."""

    def __init__(self, nodes: Nodes, rules: Rules, overrides: Mapping[str, str]) -> None:
        self._nodes = nodes
        self._rules = rules
        self._overrides = overrides
        self._sections = Sections()
        self._read_jobs = False
        self.columns: dict[str, None] = {}

    def drained(self) -> Iterator[Problem]:
        """Return the problems that the parser has met with since the last time."""
        problems = list(self._nodes.problems)
        self._nodes.problems.clear()
        yield from problems

    def read(self) -> Iterator[Row | Problem]:
        """Return the document's rows and problems. Raises Unreadable, yaml.YAMLError and UnicodeDecodeError."""
        nodes = self._nodes
        nodes.event()
        if isinstance(nodes.event(), yaml.StreamEndEvent):
            yield EMPTY
            return
        root = nodes.event()
        if not isinstance(root, yaml.MappingStartEvent):
            yield from self._other_root(nodes.piece(root))
            return
        yield from self._marks(root)
        while not isinstance(event := nodes.event(), yaml.MappingEndEvent):
            yield from self._section(event)
        yield from self._finish()

    def _other_root(self, found: Node) -> Iterator[Problem]:
        yield from self.drained()
        if isinstance(found, Text) and found.null:
            yield EMPTY
        elif not isinstance(found, Broken):
            message = "the file must begin with jobs: (or defaults:, vars:), and a list of jobs below it"
            yield at(found, message)

    def _marks(self, root: Any) -> Iterator[Problem]:
        if root.anchor is not None or root.tag is not None:
            yield Problem(root.start_mark.line + 1, None, "anchors and tags are not read; delete it")

    def _section(self, event: Any) -> Iterator[Row | Problem]:
        key = self._nodes.piece(event)
        event = self._nodes.event()
        is_jobs = isinstance(key, Text) and key.value == "jobs" and not self._read_jobs
        if is_jobs and isinstance(event, yaml.SequenceStartEvent):
            self._read_jobs = True
            yield from self._jobs(event)
            return
        value = self._nodes.piece(event)
        if isinstance(key, Text):
            yield from self._check_section(key, value, is_jobs)
        yield from self.drained()

    def _check_section(self, key: Text, value: Node, is_jobs: bool) -> Iterator[Problem]:
        known = self._sections.entries
        self._read_jobs |= is_jobs
        if self._read_jobs and key.value in ("defaults", "vars") and key.value not in known:
            yield at(key, f"{key.value} must stand above jobs; move it up, since jobs are handed on as they are read")
        elif key.value != "jobs" or is_jobs:
            yield from self._sections.check(key, value)
        if key.value == "jobs" and not is_jobs:
            known = {"jobs": (key, value)}
        enter(self._nodes.problems, known, key, value)

    def _jobs(self, sequence: Any) -> Iterator[Row | Problem]:
        self._nodes.refuse_marks(sequence)
        jobs = self._sections.jobs(self._rules, self._overrides, self._nodes.problems)
        self.columns = jobs.columns
        yield from self.drained()
        number = 0
        while not isinstance(event := self._nodes.event(), yaml.SequenceEndEvent):
            number += 1
            job = self._nodes.piece(event)
            yield from self.drained()
            yield from jobs.rows(job, number)
        if number:
            yield from self._sections.unused(jobs)
        else:
            yield Problem(sequence.start_mark.line + 1, None, NO_JOB)

    def _finish(self) -> Iterator[Problem]:
        if not self._read_jobs:
            yield NO_JOBS
        self._nodes.event()
        following = self._nodes.event()
        if not isinstance(following, yaml.StreamEndEvent):
            line = following.start_mark.line + 1
            yield Problem(line, None, "a second document begins here (---); put all jobs into one")
