"""YAML's events -> nodes in which every scalar is its text, one piece of the document at a time.

Nothing here turns ``16:9`` into 969 or ``no`` into False, because PyYAML's constructors are never asked.
What could make a small file large or a clear one ambiguous is refused: anchors, aliases, tags, duplicate
keys, deep nesting.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import yaml

from batchgen.manifest.nodes import DEEPEST, Broken, Keyed, Many, Node, Text, at, enter, scalar
from batchgen.manifest.quoting import quoted
from batchgen.manifest.records import Unreadable
from batchgen.model import Problem

LARGEST_PIECE = 64 << 20  # characters of one job, of `defaults` or of `vars`; a file may have any number of jobs
_LOOKAHEAD = 1 << 20  # characters that the parser may have read beyond the last event without being suspect
_HIDDEN_BREAK = re.compile("[\\x85\\u2028\\u2029]")  # line breaks to YAML, though not to an editor
TOO_DEEP = f"lists and mappings are nested more than {DEEPEST} deep; a job needs three"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Watched:
    """The stream as the parser reads it: keeps the lines that are still to be looked at, and limits a piece."""

    def __init__(self, stream: TextIO, problems: list[Problem]) -> None:
        self.problems = problems
        self._stream = stream
        self._lines: dict[int, str] = {}
        self._next = 1
        self._seen = 1
        self.read_since = 0  # characters since the last piece began

    def read(self, size: int = -1) -> str:
        """Read as a text stream does, at most ``size`` characters of whole lines' ends or beginnings."""
        text = self._stream.readline(size)
        self.read_since += len(text)
        if self.read_since > LARGEST_PIECE + _LOOKAHEAD:
            raise Unreadable(self._seen, f"more than {LARGEST_PIECE} characters stand here in one piece; split it", 1)
        if not text.isascii() and (hidden := _HIDDEN_BREAK.search(text)):
            code = f"U+{ord(hidden[0]):04X}"
            self.problems.append(
                Problem(self._next, None, f"YAML would change the invisible line break {code} here; delete it")
            )
        self._lines[self._next] = self._lines.get(self._next, "") + text
        if text.endswith(("\n", "\r")):
            self._next += 1
        return text

    def line(self, number: int) -> str:
        """Return the line; the lines before it are forgotten."""
        for old in range(self._seen, number):
            self._lines.pop(old, None)
        self._seen = max(self._seen, number)
        return self._lines.get(number, "")


@dataclass
class Nodes:
    """A pull parser: ``event`` gives one event, ``node`` all that belongs to one; ``problems`` collects."""

    stream: TextIO
    problems: list[Problem]

    def __post_init__(self) -> None:
        self._watched = _Watched(self.stream, self.problems)
        self._events: Iterator[Any] = yaml.parse(self._watched, Loader=_LOADER)
        self._told: set[str] = set()

    def event(self) -> Any:
        """Return the next event. Raises yaml.YAMLError, UnicodeDecodeError and Unreadable."""
        event = next(self._events)
        self._watched.line(event.start_mark.line + 1)
        return event

    def until(self, end: type) -> Iterator[Any]:
        """Return the events before the next ``end``, but for those that are taken as a part of one."""
        while not isinstance(event := self.event(), end):
            yield event

    def piece(self, event: Any) -> Node:
        """Return the node that ``event`` begins, whose size is counted from here."""
        self._watched.read_since = 0
        return self.node(event, 1)

    def node(self, event: Any, depth: int) -> Node:
        """Return the node that ``event`` begins, ``depth`` levels below the document."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > DEEPEST:
            raise Unreadable(line, TOO_DEEP, column)
        if isinstance(event, yaml.AliasEvent):
            self._once(line, column, "aliases (*name) are not read; repeat the text, or write it under defaults:")
            return Broken(line, column)
        self.refuse_marks(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._text(event, line, column)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._many(line, column, depth)
        return self._table(line, column, depth)

    def refuse_marks(self, event: Any) -> None:
        """Tell of an anchor or a tag before a value; the value is then read as it stands."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.anchor is not None:
            self._once(line, column, "anchors (&name) are not read; write what all jobs share under defaults:")
        if event.tag is not None:
            message = f"the tag {quoted(event.tag)} is not read; put a text that begins with ! into quotes"
            self.problems.append(Problem(line, str(column), message))

    def _once(self, line: int, column: int, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self.problems.append(Problem(line, str(column), message))

    def _text(self, event: Any, line: int, column: int) -> Node:
        is_plain = event.style in (None, "")
        return scalar(self.problems, event.value, line, column, is_plain, is_plain and self._is_cut(event.end_mark))

    def _is_cut(self, end: Any) -> bool:
        behind = self._watched.line(end.line + 1)[end.column :].lstrip(" \t")
        return behind.startswith("#") and not behind[1:2].isspace() and len(behind) > 1

    def _many(self, line: int, column: int, depth: int) -> Many:
        return Many([self.node(event, depth + 1) for event in self.until(yaml.SequenceEndEvent)], line, column)

    def _table(self, line: int, column: int, depth: int) -> Keyed:
        entries: dict[str, tuple[Text, Node]] = {}
        for event in self.until(yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(self.event(), depth + 1)
            if isinstance(key, Text):
                enter(self.problems, entries, key, value)
            elif not isinstance(key, Broken):
                self.problems.append(at(key, "a key must be a text; write one word"))
        return Keyed(entries, line, column)
