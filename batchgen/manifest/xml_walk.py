"""XML as a stream of elements: each kind that a subclass has a method for calls it, all others are passed over."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from xml.parsers import expat
from zipfile import ZipFile

from batchgen.manifest.office import Line, Merged
from batchgen.manifest.records import LONGEST_CELL, Unreadable

_CHUNK = 1 << 18


class Walk:
    """Handlers of one XML part: subclasses have ``_on_<element>`` and ``_off_<element>`` for those that they heed."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._pieces: list[str] | None = None
        self._length = 0
        self._is_phonetic = False
        self._starts: dict[str, Any] = {}
        self._ends: dict[str, Any] = {}

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        handler = self._starts.get(tag, self)
        if handler is self:  # met for the first time; a prefix says nothing that the name does not
            handler = self._starts[tag] = getattr(self, f"_on_{tag.rpartition(':')[2]}", None)
        if handler:
            handler(attributes)

    def _end(self, tag: str) -> None:
        handler = self._ends.get(tag, self)
        if handler is self:
            handler = self._ends[tag] = getattr(self, f"_off_{tag.rpartition(':')[2]}", None)
        if handler:
            handler()

    def _characters(self, data: str) -> None:
        if self._pieces is not None:
            self._length += len(data)
            if self._length > LONGEST_CELL:
                raise Unreadable(None, f"a cell is longer than {LONGEST_CELL} characters; shorten it")
            self._pieces.append(data)

    def _on_rPh(self, _: dict[str, str]) -> None:  # noqa: N802 - as the element is called
        self._is_phonetic = True  # what follows is how a text is spoken, and no part of it

    def _off_rPh(self) -> None:  # noqa: N802
        self._is_phonetic = False

    def collect(self) -> None:
        """Gather the characters from here on."""
        self._pieces, self._length = [], 0

    def collected(self) -> str:
        """Return what was gathered."""
        pieces, self._pieces = self._pieces or [], None
        return pieces[0] if len(pieces) == 1 else "".join(pieces)

    def read(self, archive: ZipFile, part: str) -> None:
        """Read a whole part."""
        for _ in self._feed(archive, part):
            pass

    def _feed(self, archive: ZipFile, part: str) -> Iterator[None]:
        """Read a part piece by piece; yields after each, for what the handlers have gathered."""
        with archive.open(part) as stream:
            while piece := stream.read(_CHUNK):
                self._parser.Parse(piece, False)
                yield
        self._parser.Parse(b"", True)
        yield


def _refuse(*_: object) -> None:
    """No parser takes a document type: in one, a file could define entities that grow."""
    raise Unreadable(None, "it holds a document type, which no spreadsheet program writes; save it again")


class SheetWalk(Walk):
    """One pass over the rows of one sheet; ``merged`` is complete at its end."""

    def __init__(self, archive: ZipFile, part: str) -> None:
        super().__init__()
        self.merged: list[Merged] = []
        self._archive = archive
        self._part = part
        self._lines: list[Iterable[Line]] = []  # gathered until they are taken

    def __iter__(self) -> Iterator[Line]:
        """The rows that are not blank."""
        for _ in self._feed(self._archive, self._part):
            yield from chain.from_iterable(self._lines)
            self._lines.clear()
