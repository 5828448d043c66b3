"""JSON -> nodes in which every scalar is its text, with the place where it stands.

Python's json turns 1.0 and 1e3 into numbers, takes the last of two equal keys, reads NaN, and says no line: so only
its scanner of strings is used here.
"""

import json
import re
from collections.abc import Iterator

from batchgen.manifest.nodes import DEEPEST, Keyed, Many, Node, Text, broken, enter, scalar
from batchgen.manifest.records import Unreadable
from batchgen.model import Problem
from batchgen.words import escaped

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"-?[A-Za-z]+")
_DECODE = json.JSONDecoder().raw_decode


class Cursor:
    """A place in a text, which moves on with what is read; ``problems`` collects."""

    def __init__(self, text: str, problems: list[Problem], first_line: int = 1) -> None:
        self.text = text
        self.problems = problems
        self.place = 0
        self._line = first_line
        self._line_start = 0
        self._counted = 0

    def next(self) -> str:
        """Go to the next character that is no blank, and return it; "" at the end."""
        found = _SPACE.match(self.text, self.place)
        self.place = found.end() if found else self.place
        return self.text[self.place : self.place + 1]

    def where(self) -> tuple[int, int]:
        """Return line and column, from 1."""
        text, place = self.text, self.place
        if newlines := text.count("\n", self._counted, place):
            self._line += newlines
            self._line_start = text.rfind("\n", self._counted, place) + 1
        self._counted = place
        return self._line, place - self._line_start + 1

    def no_json(self, message: str) -> Unreadable:
        """Return why reading cannot go on from here."""
        return self._unreadable(f"this is not JSON ({message})")

    def _unreadable(self, message: str) -> Unreadable:
        line, column = self.where()
        return Unreadable(line, message, column)

    def value(self, depth: int = 1) -> Node:
        """Read a value."""
        letter = self.next()
        line, column = self.where()
        if depth > DEEPEST:
            raise Unreadable(line, f"lists and objects are nested more than {DEEPEST} deep; a job needs three", column)
        if letter == '"':
            return self._string(line, column)
        if letter == "{":
            return self._table(line, column, depth)
        if letter == "[":
            return Many([self.value(depth + 1) for _ in self.items()], line, column)
        return self._plain(line, column)

    def items(self) -> Iterator[None]:
        """Go to each value of a list in turn; whoever is called must read it."""
        return self._walk("]")

    def members(self) -> Iterator[Node]:
        """Go behind each key of an object in turn; whoever is called must read the value."""
        for _ in self._walk("}"):
            if self.next() != '"':
                raise self.no_json("a key in double quotes, or }, should stand here")
            key = self._string(*self.where())
            if self.next() != ":":
                raise self.no_json("a colon should stand here, after the key")
            self.place += 1
            yield key

    def _walk(self, end: str) -> Iterator[None]:
        self.place += 1
        if self.next() == end:
            self.place += 1
            return
        while True:
            yield
            sign = self.next()
            if sign not in (",", end) or not sign:
                raise self.no_json(f"a comma or {end} should stand here")
            self.place += 1
            if sign == end:
                return

    def skip(self) -> None:
        """Go behind a value without reading it."""
        self.next()
        try:
            _, self.place = _DECODE(self.text, self.place)
        except json.JSONDecodeError as error:
            self.place = error.pos
            raise self.no_json(error.msg) from None
        except RecursionError:
            raise self._unreadable(f"lists and objects are nested more than {DEEPEST} deep") from None

    def _string(self, line: int, column: int) -> Node:
        try:
            value, self.place = _DECODE(self.text, self.place)
        except json.JSONDecodeError as error:
            self.place = error.pos
            raise self.no_json(escaped(error.msg)) from None
        return scalar(self.problems, value, line, column)

    def _table(self, line: int, column: int, depth: int) -> Keyed:
        entries: dict[str, tuple[Text, Node]] = {}
        for key in self.members():
            value = self.value(depth + 1)
            if isinstance(key, Text):
                enter(self.problems, entries, key, value)
        return Keyed(entries, line, column)

    def _plain(self, line: int, column: int) -> Node:
        if number := _NUMBER.match(self.text, self.place):
            self.place = number.end()
            return Text(number[0], line, column)
        word = _WORD.match(self.text, self.place)
        if word and word[0] in ("true", "false", "null"):
            self.place = word.end()
            return Text("" if word[0] == "null" else word[0], line, column, is_plain=True)
        if word and word[0].lstrip("-") in ("NaN", "Infinity"):
            self.place = word.end()
            message = f"{word[0]} is not a JSON number; write null, or leave the key out"
            return broken(self.problems, line, column, message)
        raise self.no_json("a value should stand here" if self.next() else "the file ends too early")
