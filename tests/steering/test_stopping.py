"""What a signal does to a run."""

import os
import signal
from typing import Any

import pytest

from batchgen.dispatch.dispatcher import Stop
from batchgen.steering import stopping
from tests.waiting import until


async def test_the_second_signal_gives_the_terminal_back_before_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Dispatcher:
        def halt(self, stop: Stop) -> None:
            done.append(stop.reason)

    dispatcher: Any = Dispatcher()
    monkeypatch.setattr(stopping, "SAME_SECONDS", -1.0)
    monkeypatch.setattr(os, "_exit", lambda code: done.append(f"ended with {code}"))
    with stopping.signals(dispatcher, lambda words: done.append(words.split(":")[0]), lambda: done.append("left")):
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: "SIGTERM" in done)
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: "ended with 143" in done)
    assert done == ["stopped by SIGTERM", "SIGTERM", "left", stopping.AT_ONCE.split(":")[0], "ended with 143"]
