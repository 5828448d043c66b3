"""YAML manifests: ``defaults:``, ``vars:`` and a list of ``jobs:``, handed on as they are read."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

import yaml

from batchgen.manifest.document import EMPTY, NO_JOB, NO_JOBS, Document, Sections
from batchgen.manifest.nodes import Broken, Node, Text, at, enter
from batchgen.manifest.quoting import quoted
from batchgen.manifest.textfile import open_text
from batchgen.manifest.yaml_nodes import TOO_DEEP, Nodes
from batchgen.model import Problem, Row
from batchgen.words import escaped

_QUOTE = "put a text that holds ': ', ' #' or begins with one of *&!%@`{}[] into quotes"


class YamlManifest(Document):
    """A YAML file; each iteration reads it from its beginning."""

    _nodes: Nodes
    _sections: Sections

    def _read(self, stream: TextIO) -> Iterator[Row | Problem]:
        self._nodes, self._sections = Nodes(stream, self._problems), Sections()
        try:
            yield from self._document()
        except yaml.YAMLError as error:
            yield from self._drained()
            yield self._syntax(error)

    def _document(self) -> Iterator[Row | Problem]:
        nodes = self._nodes
        nodes.event()
        if isinstance(nodes.event(), yaml.StreamEndEvent):
            yield EMPTY
            return
        root = nodes.event()
        if not isinstance(root, yaml.MappingStartEvent):
            yield from self._other_root(nodes.piece(root))
            return
        nodes.refuse_marks(root)
        for event in nodes.until(yaml.MappingEndEvent):
            yield from self._section(event)
        yield from self._finish()

    def _other_root(self, found: Node) -> Iterator[Problem]:
        yield from self._drained()
        if isinstance(found, Text) and found.is_null:
            yield EMPTY
        elif not isinstance(found, Broken):
            message = "the file must begin with jobs: (or defaults:, vars:), and a list of jobs below it"
            yield at(found, message)

    def _section(self, event: Any) -> Iterator[Row | Problem]:
        key = self._nodes.piece(event)
        event = self._nodes.event()
        known = self._sections.entries
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if isinstance(key, Text) and key.value == "jobs" and is_list and "jobs" not in known:
            known["jobs"] = (key, key)  # that they are there: they themselves are handed on
            yield from self._jobs(event)
            return
        value = self._nodes.piece(event)
        if isinstance(key, Text):
            yield from self._check_section(key, value)
            enter(self._problems, known, key, value)
        yield from self._drained()

    def _check_section(self, key: Text, value: Node) -> Iterator[Problem]:
        known = self._sections.entries
        if "jobs" in known and key.value in ("defaults", "vars") and key.value not in known:
            yield at(key, f"{key.value} must stand above jobs; move it up, since jobs are handed on as they are read")
        elif key.value != "jobs" or "jobs" not in known:
            yield from self._sections.check(key, value)

    def _jobs(self, sequence: Any) -> Iterator[Row | Problem]:
        self._nodes.refuse_marks(sequence)
        nodes = map(self._nodes.piece, self._nodes.until(yaml.SequenceEndEvent))
        return self._rows(self._sections, nodes, Problem(sequence.start_mark.line + 1, None, NO_JOB))

    def _finish(self) -> Iterator[Problem]:
        if "jobs" not in self._sections.entries:
            yield NO_JOBS
        self._nodes.event()
        following = self._nodes.event()
        if not isinstance(following, yaml.StreamEndEvent):
            line = following.start_mark.line + 1
            yield Problem(line, None, "a second document begins here (---); put all jobs into one")

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
        seen = escaped(chr(character)) if isinstance(character, int) else quoted(str(character))
        message = f"the character {seen} is not allowed in YAML; delete it, or write it as an escape in double quotes"
        with open_text(self.path, self._encoding) as stream:
            for number, line in enumerate(stream, 1):
                position -= len(line.encode("utf-8", "surrogatepass"))
                if position < 0:
                    return Problem(number, None, message)
        return Problem(None, None, message)
