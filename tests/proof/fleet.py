"""Processes that run the program, and can be killed; their orders go to ``tests.proof.crashing``."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.e2e.program import KEY
from tests.proof.points import Point

ROOT = Path(__file__).parents[2]


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

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._pid: int | None = None

    @classmethod
    async def open(cls) -> Self:
        """Load the program."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": "/nonexistent",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.proof.crashing"),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def close(self) -> None:
        """Let it go."""
        self.kill()
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to what runs here."""
        assert self._pid is not None
        os.kill(self._pid, number)

    def kill(self) -> None:
        """kill -9 what runs here."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    async def _heard(self) -> dict[str, Any]:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        facts: dict[str, Any] = json.loads(line)
        return facts

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
        said.write_bytes(b"")  # a kill may come before the child has opened it
        environment = {"PATH": os.environ["PATH"], "HOME": str(cwd / "home"), "APIXO_API_KEY": KEY, "TZ": "UTC"}
        environment |= env or {}
        order = {
            "argv": [str(word) for word in argv],
            "cwd": str(cwd),
            "env": environment,
            "said": str(said),
            "deadly": deadly,
            "log": str(log) if log else None,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._pid = (await self._heard())["pid"]
        ended = asyncio.create_task(self._heard())
        if kill_at:
            instant = asyncio.create_task(kill_at)
            await asyncio.wait([ended, instant], return_when=asyncio.FIRST_COMPLETED)
            instant.cancel()
            if not ended.done():
                self.kill()
        code = (await ended)["exit"]
        self._pid = None
        return Went(code, said.read_text("utf-8", "replace"))


class Fleet:
    """Some berths, given out one at a time."""

    def __init__(self, berths: Sequence[Berth]) -> None:
        self.size = len(berths)
        self._free: asyncio.Queue[Berth] = asyncio.Queue()
        for berth in berths:
            self._free.put_nowait(berth)

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
    berths = await asyncio.gather(*(Berth.open() for _ in range(size)))
    try:
        yield Fleet(berths)
    finally:
        await asyncio.gather(*(berth.close() for berth in berths))
