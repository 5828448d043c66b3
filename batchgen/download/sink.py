"""Hashes and writes what comes, in a thread: neither takes time of the loop, which has submits to send."""

import asyncio
import hashlib
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

WRITE_BYTES = 1 << 19  # gathered, and about as many being written meanwhile
LITTLE_BYTES = 1 << 16  # written at once: a thread would take longer


class Sink:
    """Writes to ``file``; use it as ``async with``. Behind that all is in the file, and no thread touches it any more.

    An OSError of writing is raised by a later :meth:`take`, or at the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.bytes = 0
        self._file = file
        self._digest = hashlib.sha256()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._writing: asyncio.Future[None] | None = None

    async def take(self, piece: bytes) -> None:
        """Keep a piece; with much gathered, wait until what came before is written."""
        self.bytes += len(piece)
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= WRITE_BYTES:
            await self._hand_over()

    async def _hand_over(self) -> None:
        if self._writing:
            await self._writing
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, pieces)

    def _write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)
            self._file.write(piece)
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Of all that was written, in hex."""
        return self._digest.hexdigest()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._end()
        elif self._writing and isinstance(error, asyncio.CancelledError):  # a disk that hangs is not waited for
            self._writing.cancel()
        elif self._writing:
            with suppress(OSError):  # what came before it counts
                await self._writing

    async def _end(self) -> None:
        if self._writing is None and self._gathered_bytes <= LITTLE_BYTES:
            self._write(self._gathered)
            return
        await self._hand_over()
        assert self._writing
        await self._writing
