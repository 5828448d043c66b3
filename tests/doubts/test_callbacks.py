"""What a callback that never came proves, and what it does not."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from math import ceil
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchgen.account import Account
from batchgen.doubts import callbacks as module
from batchgen.doubts.callbacks import Callbacks
from batchgen.doubts.candidates import Candidates
from batchgen.ledger import Ledger, doubt, evidence
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, State
from batchgen.service.client import Client
from batchgen.service.wire import TaskStatus, TaskWord
from tests.doubts.test_candidates import Service
from tests.ledger.test_ledger import filled, first
from tests.waiting import until

WINDOW = 100.0
STEP = 9.0  # seconds: heartbeats come that late without being a gap


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


def listener(
    ledger: Ledger,
    *,
    service: Any = None,
    unheard: float = 0.0,
    release: Callable[[list[Job]], None] = lambda _: None,
    hasten: Callable[[int], None] = lambda _: None,
) -> Callbacks:
    return Callbacks(
        *(ledger, Candidates(ledger, service, service)),
        patience=WINDOW,
        unheard=lambda: unheard,
        hasten=hasten,
        adopt=lambda _, __: None,
        release=release,
    )


async def listen(
    ledger: Ledger, *meanwhile: Callable[[], None], service: Any = None, unheard: float = 0.0
) -> list[Job]:
    """Listen for some heartbeats after each of what happens meanwhile; the jobs that were released."""
    released: list[Job] = []
    heard = listener(ledger, service=service, unheard=unheard, release=released.extend)
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
        evidence.called(ledger, token_hash(f"t{number}"), f"task_{number}")
    submitted(ledger, "lost", None)


def listened(clock: Clock, seconds: float) -> list[Callable[[], None]]:
    """So much time passes, heartbeat after heartbeat."""
    return [lambda: clock.pass_(STEP)] * ceil(seconds / STEP)


async def test_a_job_is_released_when_its_callback_surely_would_have_come(ledger: Ledger, clock: Clock) -> None:
    passes = listened(clock, WINDOW + module.RECORD_SECONDS)
    released = await listen(ledger, lambda: clock.pass_(1), lambda: doubtful(ledger), *passes)
    assert [job.state for job in released] == [State.PENDING]


async def test_a_callback_that_a_later_task_lacks_releases_nothing(ledger: Ledger, clock: Clock) -> None:
    """The way of the callbacks may have been cut just after the attempt in doubt: all before it came."""

    def later() -> None:
        job = submitted(ledger, "later", "task_later")
        ledger.save(replace(job, state=State.RENDERED))

    passes = listened(clock, WINDOW + module.RECORD_SECONDS)
    events = (lambda: clock.pass_(1), lambda: doubtful(ledger), lambda: clock.pass_(STEP), later, *passes)
    assert await listen(ledger, *events) == []


async def test_while_the_service_does_not_answer_its_callbacks_prove_nothing(ledger: Ledger, clock: Clock) -> None:
    passes = listened(clock, WINDOW + module.RECORD_SECONDS)
    events = (lambda: clock.pass_(1), lambda: doubtful(ledger), *passes)
    assert await listen(ledger, *events, unheard=module.GAP_SECONDS + 1) == []


async def test_a_process_that_was_stopped_did_not_listen(ledger: Ledger, clock: Clock) -> None:
    wakes_late = [lambda: doubtful(ledger), *listened(clock, 30), lambda: clock.pass_(WINDOW)]
    assert await listen(ledger, lambda: clock.pass_(1), *wakes_late, *listened(clock, 30)) == []
    spans = ledger.database.execute("SELECT until - since FROM listening").fetchall()
    assert len(spans) == 2
    assert all(seconds <= 40 for (seconds,) in spans)


async def test_it_listens_while_the_service_takes_its_time_over_a_task_that_a_callback_brought(
    ledger: Ledger, clock: Clock
) -> None:
    def comes() -> None:
        evidence.called(ledger, token_hash("lost"), "task_lost")

    slow = SimpleNamespace(turn=asyncio.Event().wait)
    await listen(ledger, lambda: doubtful(ledger), comes, *listened(clock, 60), service=slow)
    spans = ledger.database.execute("SELECT until - since FROM listening").fetchall()
    assert len(spans) == 1
    assert spans[0][0] >= 60 - module.RECORD_SECONDS


async def test_that_it_listens_is_written_seldom(ledger: Ledger, clock: Clock) -> None:
    said: list[str] = []
    ledger.database._connection.set_trace_callback(said.append)
    await listen(ledger, *listened(clock, 120))
    assert 5 <= sum("INTO listening" in sql for sql in said) <= 7


async def test_a_task_whose_callback_came_is_asked_about_at_once_or_with_the_answer_to_its_post(
    ledger: Ledger, clock: Clock
) -> None:
    hastened: list[int] = []
    heard = listener(ledger, hasten=hastened.append)
    listening = asyncio.create_task(heard.run())
    job = ledger.intend(first(ledger), token="early")
    lost = ledger.intend(first(ledger), token="lost")
    assert [heard.received(token, "task_1") for token in ("early", "lost")] == [True, True]
    await asyncio.sleep(0.01)
    assert hastened == []
    ledger.settle(replace(job, state=State.IN_FLIGHT, task_id="task_1"), "accepted", "")
    ledger.withdraw(lost)
    await asyncio.sleep(0.02)
    listening.cancel()
    assert hastened == [job.key]
    heard.received("early", "task_1")
    assert hastened == [job.key] * 2


async def test_a_task_that_a_callback_named_and_the_service_does_not_know_is_asked_about_a_few_times_and_then_let_be(
    ledger: Ledger, clock: Clock
) -> None:
    submitted(ledger, "lost", None)
    evidence.called(ledger, token_hash("lost"), "task_lost")
    heard, service = listener(ledger), Service(TaskStatus(TaskWord.MISSING, "no such task"))
    heard.candidates = Candidates(ledger, Account(10_000, 100), cast(Client, service))
    assert heard.may_bring_more()
    listening = asyncio.create_task(heard.run())
    await until(lambda: not heard.may_bring_more())
    for _ in range(5):
        await asyncio.sleep(0.005)
    listening.cancel()
    assert service.asked == ["task_lost"] * module.IDENTIFY_TRIES


@pytest.mark.parametrize("jump", [WINDOW + 10, 3600.0, 86_400.0, -3600.0])
async def test_a_clock_that_jumps_releases_nothing(ledger: Ledger, clock: Clock, jump: float) -> None:
    def leap() -> None:
        clock.now += jump

    passes = listened(clock, module.RECORD_SECONDS + STEP)
    assert await listen(ledger, lambda: clock.pass_(1), lambda: doubtful(ledger), leap, *passes) == []
    assert doubt.doubts(ledger)


async def test_a_clock_that_was_set_back_makes_nobody_wait_until_it_is_there_again(
    ledger: Ledger, clock: Clock
) -> None:
    doubtful(ledger)
    heard = listener(ledger)
    assert heard.may_bring_more()
    clock.now -= 86_400
    assert not heard.may_bring_more()
