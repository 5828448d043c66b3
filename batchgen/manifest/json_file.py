"""JSON manifests: a list of jobs, or an object like a YAML manifest; and JSON Lines, a job on each line."""

from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import TextIO

from batchgen.manifest.document import EMPTY, NO_JOB, NO_JOBS, Document, Sections
from batchgen.manifest.json_nodes import Cursor
from batchgen.manifest.nodes import Broken, Node, Text, at, enter
from batchgen.manifest.records import LONGEST_LINE, Unreadable
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import refusal
from batchgen.model import Problem, Row

LARGEST = 256 << 20  # bytes of a .json file, which is held in memory; a .jsonl file may have any size


class JsonManifest(Document):
    """A list of jobs, or ``{"defaults": {}, "vars": {}, "jobs": []}`` with its keys in any order."""

    def __init__(self, path: Path, *, rules: Rules, encoding: str | None, overrides: Mapping[str, str]) -> None:
        """Raise ManifestError for a file that is too large to be held in memory."""
        if path.stat().st_size > LARGEST:
            raise refusal(path, f"it is larger than {LARGEST} bytes; save it as JSON Lines (.jsonl), or as CSV")
        super().__init__(path, rules=rules, encoding=encoding, overrides=overrides)

    def _read(self, stream: TextIO) -> Iterator[Row | Problem]:
        text = stream.read()
        if _is_lines(text):
            raise Unreadable(1, "each line is a job of its own, as in JSON Lines; name the file .jsonl", 1)
        cursor = Cursor(text, self._problems)
        sign = cursor.next()
        if sign == "[":
            yield from self._list(cursor, Sections())
        elif sign == "{":
            yield from self._object(cursor)
        elif not sign:
            yield EMPTY
        else:
            yield at(cursor.value(), "the file must be a list of jobs, or an object that holds one under jobs")
            return
        if cursor.next():
            raise cursor.no_json("something follows after the end")

    def _object(self, cursor: Cursor) -> Iterator[Row | Problem]:
        """The jobs are passed over at first: what stands below them holds for them too."""
        sections = Sections()
        jobs: Cursor | None = None
        for key in cursor.members():
            if isinstance(key, Text) and key.value == "jobs" and cursor.next() == "[" and not jobs:
                jobs = copy(cursor)
                sections.entries["jobs"] = (key, key)  # that they are there
                cursor.skip()
                continue
            value = cursor.value()
            if isinstance(key, Text):
                twice = key.value in sections.entries
                enter(self._problems, sections.entries, key, value)
                yield from () if twice else sections.check(key, value)
            yield from self._drained()
        if jobs:
            yield from self._list(jobs, sections)
        elif "jobs" not in sections.entries:
            yield NO_JOBS

    def _list(self, cursor: Cursor, sections: Sections) -> Iterator[Row | Problem]:
        none = Problem(cursor.where()[0], None, NO_JOB)
        return self._rows(sections, (cursor.value() for _ in cursor.items()), none)


def _is_lines(text: str) -> bool:
    """Whether it begins with two lines that are an object each: no JSON does."""
    first, second, *_ = [*text[: 2 * LONGEST_LINE].lstrip().split("\n", 2), ""]
    return first.startswith("{") and first.rstrip().endswith("}") and second.startswith("{")


class JsonLines(Document):
    """A job on each line; blank lines are passed over."""

    def _read(self, stream: TextIO) -> Iterator[Row | Problem]:
        return self._rows(Sections(), self._nodes(stream), EMPTY)

    def _nodes(self, stream: TextIO) -> Iterator[Node]:
        line = 0
        while text := stream.readline(LONGEST_LINE):
            line += 1
            if len(text) >= LONGEST_LINE:
                raise Unreadable(line, "this line is too long to be a job; is it JSON Lines at all?", 1)
            if text.strip():
                yield self._node(Cursor(text, self._problems, line), line)

    def _node(self, cursor: Cursor, line: int) -> Node:
        try:
            job = cursor.value()
            if cursor.next():
                raise cursor.no_json("a job should end where its line ends")
        except Unreadable as unreadable:
            self._problems.append(unreadable.problem)
            return Broken(line, 1)
        return job
