"""Places where the program runs, and can be killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.forked import Running, running
from tests.e2e.program import KEY
from tests.proof.points import Point


@dataclass(frozen=True)
class Went:
    """How a run ended: its exit code (negative: killed by that signal), and what it said."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it was."""
        return self.code == -signal.SIGKILL


class Berth:
    """One place where runs follow one another."""

    def __init__(self) -> None:
        self._running: Running | None = None

    def signal(self, number: int) -> None:
        """Send a signal to what runs here."""
        assert self._running
        os.kill(self._running.pid, number)

    def kill(self) -> None:
        """kill -9 what runs here."""
        if self._running:
            with suppress(ProcessLookupError):
                os.kill(self._running.pid, signal.SIGKILL)

    async def run(
        self,
        *argv: str | Path,
        cwd: Path,
        deadly: Point | None = None,
        log: Path | None = None,
        kill_at: Coroutine[Any, Any, None] | None = None,
        env: dict[str, str] | None = None,
    ) -> Went:
        """Run ``batchgen ARGV`` to its end, to a point, or until ``kill_at`` has come to pass."""
        said = cwd / f".said-{id(self)}"
        environment = {"PATH": os.environ["PATH"], "HOME": str(cwd / "home"), "APIXO_API_KEY": KEY, "TZ": "UTC"}
        environment |= env or {}
        with said.open("wb") as file:
            death = {"deadly": deadly, "log": str(log) if log else None}
            async with running(argv, cwd, environment, file, file, **death) as self._running:
                code = await self._end(self._running, kill_at)
        self._running = None
        return Went(code, said.read_text("utf-8", "replace"))

    async def _end(self, process: Running, kill_at: Coroutine[Any, Any, None] | None) -> int:
        ended = asyncio.create_task(process.ended())
        if kill_at:
            instant = asyncio.create_task(kill_at)
            await asyncio.wait([ended, instant], return_when=asyncio.FIRST_COMPLETED)
            instant.cancel()
            if not ended.done():
                self.kill()
        return await ended


class Fleet:
    """Some berths, given out one at a time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: asyncio.Queue[Berth] = asyncio.Queue()
        for _ in range(size):
            self._free.put_nowait(Berth())

    @asynccontextmanager
    async def berth(self) -> AsyncIterator[Berth]:
        """One, for as long as the context lasts."""
        berth = await self._free.get()
        try:
            yield berth
        finally:
            self._free.put_nowait(berth)


@asynccontextmanager
async def fleet(size: int = 3) -> AsyncIterator[Fleet]:
    """A fleet of that many."""
    yield Fleet(size)
