"""Task ids that may be those of rows in doubt: what the service says of them decides."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from batchgen.account import Account
from batchgen.doubts import candidates as module
from batchgen.doubts.candidates import Candidates
from batchgen.errors import AccountError
from batchgen.ledger import Ledger, doubt, evidence, recovery
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, State
from batchgen.service.wire import TaskStatus, TaskWord
from tests.ledger.test_doubt import forgotten, submitted
from tests.ledger.test_ledger import filled

AT = 1_000_000.0  # when the rows were asked for, Unix seconds


class Service:
    """Says of each task what it is told to, the last word for ever."""

    def __init__(self, *words: TaskStatus) -> None:
        self._words = list(words)
        self.asked: list[str] = []

    async def status(self, task_id: str) -> TaskStatus:
        self.asked.append(task_id)
        return self._words.pop(0) if len(self._words) > 1 else self._words[0]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with filled(None, 8) as opened:
        yield opened


def named(ledger: Ledger, *tokens: str) -> list[Job]:
    """Jobs in doubt, each with a callback that named a task."""
    jobs = [submitted(ledger, token, State.IN_DOUBT, AT) for token in tokens]
    for token in tokens:
        evidence.called(ledger, token_hash(token), f"task-{token}")
    return jobs


async def verify(ledger: Ledger, service: Service) -> Sequence[Job]:
    """The jobs that have their task then."""
    adopted: list[Job] = []
    client: Any = service
    await Candidates(ledger, Account(10_000, 100), client).verify_all(lambda was, job: adopted.append(job))
    return adopted


async def test_each_is_asked_about_once_and_taken_if_the_service_knows_it(ledger: Ledger) -> None:
    named(ledger, *"abc")
    service = Service(TaskStatus(TaskWord.RUNNING, created_at=AT + 1))
    adopted = await verify(ledger, service)
    assert sorted(service.asked) == ["task-a", "task-b", "task-c"]
    assert {(job.state, job.task_id) for job in adopted} == {(State.IN_FLIGHT, f"task-{token}") for token in "abc"}


async def test_one_that_the_service_does_not_know_stays_with_its_id(ledger: Ledger) -> None:
    named(ledger, "a")
    for _ in range(2):
        service = Service(TaskStatus(TaskWord.MISSING, "no such task"))
        assert await verify(ledger, service) == []
        assert service.asked == ["task-a"]
    assert doubt.doubts(ledger)[0].task_id == "task-a"


@pytest.mark.parametrize("late", [-module.EARLY_SECONDS + 1, module.LATE_SECONDS - 1])
async def test_one_that_was_made_at_that_time_is_taken_though_the_clocks_differ(ledger: Ledger, late: float) -> None:
    named(ledger, "a")
    assert len(await verify(ledger, Service(TaskStatus(TaskWord.RUNNING, created_at=AT + late)))) == 1


@pytest.mark.parametrize("late", [-module.EARLY_SECONDS - 1, module.LATE_SECONDS + 1])
async def test_one_that_was_made_at_another_time_is_not_taken_but_kept_and_logged(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, late: float
) -> None:
    named(ledger, "a")
    with caplog.at_level(logging.WARNING, "batchgen"):
        assert await verify(ledger, Service(TaskStatus(TaskWord.SUCCESS, created_at=AT + late))) == []
    assert "task-a" in doubt.doubts(ledger)[0].attempts[0].detail
    assert [record.__dict__["task"] for record in caplog.records] == ["task-a"]


async def test_one_that_the_service_itself_gave_is_taken_whenever_it_was_made(ledger: Ledger) -> None:
    forgotten(ledger, "a")
    assert len(await verify(ledger, Service(TaskStatus(TaskWord.SUCCESS, created_at=AT)))) == 1


async def test_one_that_run_log_alone_tells_of_is_taken_whenever_it_was_made(ledger: Ledger) -> None:
    evidence.accepted(ledger, submitted_without_answer(ledger).key, "task-a")
    assert len(await verify(ledger, Service(TaskStatus(TaskWord.SUCCESS, created_at=AT)))) == 1


def submitted_without_answer(ledger: Ledger) -> Job:
    """A job whose run was killed before it could write the answer down."""
    job = ledger.next_pending()
    assert job
    ledger.intend(job)
    recovery.recover(ledger)
    return ledger.job(job.key)


async def test_one_without_an_answer_is_tried_again_and_to_be_told_to_wait_is_no_try(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 2)
    named(ledger, "a")
    busy = TaskStatus(TaskWord.BUSY, retry_after=0.0)
    service = Service(TaskStatus(TaskWord.TROUBLE), busy, busy, TaskStatus(TaskWord.RUNNING))
    assert len(await verify(ledger, service)) == 1


async def test_one_that_never_gets_an_answer_does_not_hold_up_the_rest_for_ever(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 3)
    named(ledger, "a")
    service = Service(TaskStatus(TaskWord.TROUBLE))
    assert await verify(ledger, service) == []
    assert len(service.asked) == 3
    assert doubt.doubts(ledger)[0].task_id == "task-a"


async def test_a_key_that_is_refused_is_told(ledger: Ledger) -> None:
    named(ledger, *"abc")
    with pytest.raises(AccountError, match="no such key"):
        await verify(ledger, Service(TaskStatus(TaskWord.ACCOUNT, "no such key")))
    assert len(evidence.candidates(ledger)) == 3
