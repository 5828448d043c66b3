"""What a callback that never came proves, and what it does not."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from batchgen import callbacks as module
from batchgen.account import Account
from batchgen.callbacks import Callbacks
from batchgen.ledger import Ledger, doubt
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, State
from tests.ledger.test_ledger import filled, first

WINDOW = 1000.0


class Clock:
    """The clock of the day, moved by hand; the other one stands still."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.steady = 0.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", lambda: clock.now)
    both = SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.steady)  # asyncio has need of the true one
    monkeypatch.setattr(module, "time", both)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.001)
    monkeypatch.setattr(module, "SILENCE_SECONDS", WINDOW)
    return clock


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with filled(None, 8) as opened:
        yield opened


def submitted(ledger: Ledger, token: str, task_id: str | None) -> Job:
    job = ledger.intend(first(ledger), token=token)
    state, outcome = (State.IN_FLIGHT, "accepted") if task_id else (State.IN_DOUBT, "unknown")
    return ledger.settle(replace(job, state=state, task_id=task_id), outcome, "")


async def listen(ledger: Ledger, *meanwhile: Callable[[], None]) -> list[Job]:
    """Listen for some heartbeats after each of what happens meanwhile; the jobs that were released."""
    released: list[Job] = []
    nothing: Any = None
    account = Account(100, 100)
    heard = Callbacks(
        *(ledger, account, nothing),
        patience=WINDOW,
        hasten=lambda _: None,
        adopt=lambda _: None,
        release=released.extend,
    )
    listening = asyncio.create_task(heard.run())
    for happen in (lambda: None, *meanwhile):
        happen()
        for _ in range(5):
            await asyncio.sleep(0.005)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    return released


def doubtful(ledger: Ledger) -> None:
    """Three tasks whose callbacks have come, and one attempt in doubt."""
    for number in range(3):
        submitted(ledger, f"t{number}", f"task_{number}")
        doubt.called(ledger, token_hash(f"t{number}"), f"task_{number}")
    submitted(ledger, "lost", None)


async def test_a_job_is_released_when_its_callback_surely_would_have_come(ledger: Ledger, clock: Clock) -> None:
    released = await listen(ledger, lambda: clock.pass_(1), lambda: doubtful(ledger), lambda: clock.pass_(WINDOW + 10))
    assert [job.state for job in released] == [State.PENDING]


@pytest.mark.parametrize("jump", [WINDOW + 10, 3600.0, 86_400.0, -3600.0])
async def test_a_clock_that_jumps_releases_nothing(ledger: Ledger, clock: Clock, jump: float) -> None:
    def leap() -> None:
        clock.now += jump

    assert await listen(ledger, lambda: clock.pass_(1), lambda: doubtful(ledger), leap) == []
    assert doubt.doubts(ledger)
