"""XML as a stream of elements: each kind that a subclass has a method for calls it, all others are passed over."""

from typing import Any
from zipfile import ZipFile

from batchgen.manifest import zipped
from batchgen.manifest.records import LONGEST_CELL, Unreadable


class Walk:
    """Handlers of one XML part: subclasses have ``on_<element>`` and ``off_<element>`` for those that they heed."""

    def __init__(self) -> None:
        self.parser = zipped.parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._pieces: list[str] | None = None
        self._length = 0
        self._starts: dict[str, Any] = {}
        self._ends: dict[str, Any] = {}

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        handler = self._starts.get(tag, self)
        if handler is self:  # met for the first time; a prefix says nothing that the name does not
            handler = self._starts[tag] = getattr(self, f"on_{tag.rpartition(':')[2]}", None)
        if handler:
            handler(attributes)

    def _end(self, tag: str) -> None:
        handler = self._ends.get(tag, self)
        if handler is self:
            handler = self._ends[tag] = getattr(self, f"off_{tag.rpartition(':')[2]}", None)
        if handler:
            handler()

    def _characters(self, data: str) -> None:
        if self._pieces is not None:
            self._length += len(data)
            if self._length > LONGEST_CELL:
                raise Unreadable(None, f"a cell is longer than {LONGEST_CELL} characters; shorten it")
            self._pieces.append(data)

    def collect(self) -> None:
        """Gather the characters from here on."""
        self._pieces, self._length = [], 0

    def collected(self) -> str:
        """Return what was gathered."""
        pieces, self._pieces = self._pieces or [], None
        return pieces[0] if len(pieces) == 1 else "".join(pieces)

    def read(self, archive: ZipFile, part: str) -> None:
        """Read a whole part."""
        with archive.open(part) as stream:
            for _ in zipped.feed(self.parser, stream):
                pass
