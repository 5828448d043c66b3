"""A process may be stopped for minutes (Ctrl-Z, a container's pause): that time is no silence of the service's."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

GAP_SECONDS = 10.0  # between two looks at the clock, from which on the process was stopped

_T = TypeVar("_T")


class _Attentive(selectors.DefaultSelector):
    """Looks at the sockets once more when a wait has timed out, for the process may have been stopped meanwhile.

    Without that, a timeout would fire before an answer is read that came long ago.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the base class."""
        events = super().select(timeout)
        if events or timeout == 0:
            return events
        return super().select(0)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """As :func:`asyncio.run`, on a loop that takes in what has arrived before it lets a timeout fire."""
    runner = asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Attentive()))
    try:
        return runner.run(main)
    finally:
        with suppress(RuntimeError):  # of a program that has ended: from 3.12 on it waits for its threads by itself
            runner.close()


class Clock:
    """Seconds that never jump, nor pass while the process is stopped: a long gap between two calls is not counted.

    So it has to be called several times a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._stopped = 0.0

    def __call__(self) -> float:
        """Seconds, of which only the difference counts."""
        now = self._clock()
        if now - self._last > GAP_SECONDS:
            self._stopped += now - self._last
        self._last = now
        return now - self._stopped
