"""An asyncio loop whose clock does not wait: when nothing is ready, it jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TURN_SECONDS = 1e-6  # that a turn of the loop takes: a timer may be early by the clock's resolution, and is set again


class _NoWaiting(selectors.DefaultSelector):
    """A selector that lets time pass instead of waiting for sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something, and nothing will come")
        self.now += max(0.0, timeout) + TURN_SECONDS
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; only timers happen in it, no sockets, threads or signals."""

    def __init__(self) -> None:
        self._clock = _NoWaiting()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def jump(self, seconds: float) -> None:
        """As if the process had been stopped for so long."""
        self._clock.now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
