"""Jobs in doubt: what a callback proves, what its absence proves, and what a person decides."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from batchgen.errors import UsageError
from batchgen.ledger import Ledger, doubt, evidence, recovery, take_in
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, Row, State
from tests.ledger.test_intake import RULES, request
from tests.ledger.test_ledger import filled, first

WINDOW = 100.0


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with filled(None, 8) as opened:
        yield opened


def submitted(ledger: Ledger, token: str, state: State, at: float | None = None) -> Job:
    """A job whose POST was sent with a token, ``at`` a time (Unix seconds)."""
    job = ledger.intend(first(ledger), token=token)
    if at is not None:
        ledger.database.execute("UPDATE attempt SET started_at = ? WHERE attempt = ?", (at, job.attempt))
    task_id = f"task-{token}" if state is State.IN_FLIGHT else None
    outcome = "accepted" if state is State.IN_FLIGHT else "unknown"
    return ledger.settle(replace(job, state=state, task_id=task_id), outcome, "no answer came")


def call(ledger: Ledger, token: str, task_id: str | None = None) -> Job | None:
    return evidence.called(ledger, token_hash(token), task_id)


def test_a_token_that_nobody_gave_is_nobodys(ledger: Ledger) -> None:
    submitted(ledger, "a", State.IN_FLIGHT)
    assert call(ledger, "b") is None


def test_the_ledger_holds_no_token(ledger: Ledger) -> None:
    submitted(ledger, "secret-token", State.IN_FLIGHT)
    assert "secret-token" not in "\n".join(
        line for line in ledger.database._connection.iterdump() if "task-secret-token" not in line
    )


def test_a_callback_brings_a_candidate_for_a_job_in_doubt_and_changes_no_state(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    assert call(ledger, "a", "task-9") is not None
    assert ledger.job(job.key).state is State.IN_DOUBT
    assert [candidate.task_id for candidate in evidence.candidates(ledger)] == ["task-9"]


def test_the_first_candidate_stays_whatever_later_callbacks_say(ledger: Ledger) -> None:
    submitted(ledger, "a", State.IN_DOUBT)
    for task_id in ("task-1", "task-2", None):
        call(ledger, "a", task_id)
    assert [candidate.task_id for candidate in evidence.candidates(ledger)] == ["task-1"]


def test_a_callback_of_a_job_in_flight_brings_no_candidate(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_FLIGHT)
    call(ledger, "a", "task-forged")
    assert evidence.candidates(ledger) == []
    assert ledger.job(job.key).task_id == "task-a"


def test_a_confirmed_candidate_puts_the_job_in_flight_since_its_post(ledger: Ledger) -> None:
    submitted(ledger, "a", State.IN_DOUBT, 5.0)
    call(ledger, "a", "task-9")
    bound = evidence.bind(ledger, evidence.candidates(ledger)[0], "callback")
    assert bound is not None
    assert (ledger.job(bound.key).state, ledger.job(bound.key).task_id) == (State.IN_FLIGHT, "task-9")
    assert ledger.job(bound.key).submitted_at == 5.0
    assert evidence.candidates(ledger) == []


def test_a_leave_to_pay_again_that_an_older_version_left_ends_when_a_task_is_bound(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    ledger.save(replace(job, remake=True))
    bound = evidence.bind(ledger, evidence.candidates(ledger)[0], "callback")
    assert bound is not None
    assert not bound.remake
    assert not ledger.job(job.key).remake


def test_the_task_of_another_row_is_not_bound(ledger: Ledger) -> None:
    submitted(ledger, "a", State.IN_FLIGHT)
    job = submitted(ledger, "b", State.IN_DOUBT)
    call(ledger, "b", "task-a")
    assert evidence.bind(ledger, evidence.candidates(ledger)[0], "callback") is None
    assert ledger.job(job.key).state is State.IN_DOUBT
    assert evidence.candidates(ledger) == []
    assert "no answer came; the task task-a was named for it, and not taken: another row has it" in told(ledger, "r2")


def told(ledger: Ledger, identity: str) -> str:
    """All that is known of a row in doubt."""
    return "\n".join(attempt.detail for each in doubt.doubts(ledger, identity) for attempt in each.attempts)


def test_a_task_that_was_named_and_not_taken_is_kept_once_and_can_be_attached(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    for _ in range(2):
        call(ledger, "a", "task-9")
        evidence.reject(ledger, evidence.candidates(ledger)[0], "made long before")
    assert told(ledger, "r1").count("task-9") == 1
    assert doubt.doubts(ledger, "r1")[0].is_called
    doubt.attach(ledger, job, "task-9")
    assert ledger.job(job.key).task_id == "task-9"


def test_a_job_that_has_gone_on_is_not_bound_by_what_was_known_before(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    known = evidence.candidates(ledger)[0]
    bound = evidence.bind(ledger, known, "callback")
    assert bound
    ledger.save(replace(bound, state=State.RENDERED))
    assert evidence.bind(ledger, known, "callback") is None
    assert ledger.job(job.key).state is State.RENDERED


def test_what_is_known_of_a_former_task_is_not_that_of_the_one_brought_back(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    ledger.save(replace(job, completed_at=5.0, generation_ms=7))
    call(ledger, "a", "task-9")
    bound = evidence.bind(ledger, evidence.candidates(ledger)[0], "callback")
    assert bound
    assert (bound.completed_at, bound.generation_ms) == (None, None)


def forgotten(ledger: Ledger, token: str) -> Job:
    """A job whose task the service accepted and no longer knows."""
    return evidence.forgotten(ledger, submitted(ledger, token, State.IN_FLIGHT), "no such task")


def test_a_task_that_the_service_no_longer_knows_is_kept_with_the_reason(ledger: Ledger) -> None:
    job = forgotten(ledger, "a")
    assert ledger.job(job.key) == job
    assert (job.state, job.task_id) == (State.IN_DOUBT, "task-a")
    assert told(ledger, "r1") == "accepted as the task task-a, which the service no longer knows (no such task)"
    assert [attempt.task_id for attempt in doubt.doubts(ledger, "r1")[0].attempts] == ["task-a"]


def test_a_task_is_asked_about_once_more_though_its_row_is_to_be_asked_for_again(ledger: Ledger) -> None:
    job = forgotten(ledger, "a")
    doubt.resubmit(ledger, job)
    assert ledger.job(job.key).task_id is None
    bound = evidence.bind(ledger, evidence.candidates(ledger)[0], "known again")
    assert bound
    assert ledger.job(job.key).state is State.IN_FLIGHT
    assert evidence.candidates(ledger) == []


def test_a_task_that_is_known_again_is_its_own_attempts(ledger: Ledger) -> None:
    job = forgotten(ledger, "a")
    with pytest.raises(UsageError, match="none of the tasks"):
        doubt.attach(ledger, job, "task-7")
    assert ledger.database.execute("SELECT 1 FROM decision").fetchall() == []
    doubt.attach(ledger, job, "task-a")
    assert ledger.database.execute("SELECT outcome, task_id FROM attempt").fetchall() == [("accepted", "task-a")]


def test_a_task_is_attached_to_the_attempt_whose_callback_named_it(ledger: Ledger) -> None:
    doubt.resubmit(ledger, submitted(ledger, "a", State.IN_DOUBT))
    job = submitted(ledger, "b", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    doubt.attach(ledger, job, "task-9")
    assert ledger.database.execute("SELECT task_id FROM attempt").fetchall() == [("task-9",), (None,)]


def test_a_task_that_was_named_and_not_taken_is_attached_to_the_attempt_that_it_was_named_for(ledger: Ledger) -> None:
    doubt.resubmit(ledger, submitted(ledger, "a", State.IN_DOUBT))
    job = submitted(ledger, "b", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    evidence.reject(ledger, evidence.candidates(ledger)[0], "made long before")
    doubt.attach(ledger, job, "task-9")
    assert ledger.database.execute("SELECT task_id FROM attempt").fetchall() == [("task-9",), (None,)]


def test_a_row_in_doubt_that_left_the_manifest_stays_in_doubt_when_all_are_asked_for_again(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    take_in(ledger, [Row(1, 2, request("p2"), "r2")], RULES)
    assert doubt.resubmit_held(ledger) == []
    assert ledger.job(job.key).state is State.IN_DOUBT
    assert doubt.gone(ledger) == 1


def scene(
    ledger: Ledger, *, called: int, missing: int = 0, listened_since: float = -1000.0, called_at: float = -600.0
) -> Job:
    """A job in doubt from 500 s ago, amid tasks whose callbacks came or did not."""
    now = time.time()
    for n in range(called):
        submitted(ledger, f"c{n}", State.IN_FLIGHT, now + called_at)
        call(ledger, f"c{n}")
    for n in range(missing):
        submitted(ledger, f"m{n}", State.IN_FLIGHT, now - 600)
    doubt.note_listening(ledger, now + listened_since, now)
    return submitted(ledger, "silent", State.IN_DOUBT, now - 500)


def test_a_job_whose_callback_never_came_is_released_with_its_reason(ledger: Ledger) -> None:
    job = scene(ledger, called=3)
    assert [released.key for released in doubt.release(ledger, WINDOW)] == [job.key]
    assert ledger.job(job.key).state is State.PENDING
    action, detail = ledger.database.execute("SELECT action, detail FROM decision").fetchone()
    assert action == "released"
    assert "none came" in detail


@pytest.mark.parametrize(
    "kept",
    [
        {"called": 3, "missing": 1},
        {"called": 2},
        {"called": 3, "listened_since": -400.0},
        {"called": 3, "listened_since": -599.0},
        {"called": 3, "listened_since": -499.0, "called_at": -490.0},
    ],
    ids=[
        "callbacks get lost",
        "too few came to tell",
        "not listening then",
        "not listening when they were due",
        "not listening when it was sent",
    ],
)
def test_a_job_stays_in_doubt_when_its_silence_proves_nothing(ledger: Ledger, kept: dict[str, float]) -> None:
    job = scene(ledger, **kept)  # type: ignore[arg-type]
    assert doubt.release(ledger, WINDOW) == []
    assert ledger.job(job.key).state is State.IN_DOUBT


def test_a_job_whose_callback_may_still_come_stays_in_doubt(ledger: Ledger) -> None:
    scene(ledger, called=3)
    assert doubt.release(ledger, 501.0) == []
    assert doubt.awaiting_callback(ledger, time.time() - 501.0) == 1


def test_a_job_whose_callback_came_is_never_released(ledger: Ledger) -> None:
    scene(ledger, called=3)
    call(ledger, "silent", "task-9")
    assert doubt.release(ledger, WINDOW) == []


def test_a_job_is_not_released_while_an_earlier_attempt_of_it_is_known_to_be_accepted(ledger: Ledger) -> None:
    job = scene(ledger, called=3)
    call(ledger, "silent")
    doubt.resubmit(ledger, job)
    assert submitted(ledger, "again", State.IN_DOUBT, time.time() - 490).key == job.key
    assert doubt.release(ledger, WINDOW) == []


def test_a_job_that_was_asked_for_again_is_not_released_by_the_silence_of_its_earlier_attempt(ledger: Ledger) -> None:
    job = scene(ledger, called=3)
    doubt.resubmit(ledger, job)
    assert submitted(ledger, "again", State.IN_DOUBT, time.time() - WINDOW / 2).key == job.key
    assert doubt.release(ledger, WINDOW) == []


def test_a_task_that_the_service_no_longer_knows_is_not_released_by_its_silence(ledger: Ledger) -> None:
    job = scene(ledger, called=3)
    ledger.database.execute("UPDATE attempt SET task_id = 'task-9', outcome = 'missing' WHERE job = ?", (job.key,))
    assert doubt.release(ledger, WINDOW) == []


def test_what_was_called_is_asked_for_again_only_by_name(ledger: Ledger) -> None:
    called, lost = submitted(ledger, "a", State.IN_DOUBT), submitted(ledger, "b", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    assert doubt.left_alone(ledger) == 1
    assert doubt.resubmit_held(ledger) == [lost.key]
    assert ledger.job(called.key).state is State.IN_DOUBT
    assert ledger.database.execute("SELECT job, action FROM decision").fetchall() == [(lost.key, "resubmit")]
    doubt.resubmit(ledger, called)
    assert ledger.job(called.key).state is State.PENDING


def test_a_row_whose_callback_came_is_asked_for_again_only_by_name_though_its_task_is_no_longer_known(
    ledger: Ledger,
) -> None:
    job = submitted(ledger, "a", State.IN_FLIGHT)
    call(ledger, "a")
    evidence.forgotten(ledger, job, "no such task")
    assert doubt.resubmit_held(ledger) == []


def test_of_a_rows_tasks_only_the_one_that_the_service_no_longer_knows_is_noted_so(ledger: Ledger) -> None:
    doubt.resubmit(ledger, submitted(ledger, "a", State.IN_FLIGHT))
    forgotten(ledger, "b")
    assert [candidate.task_id for candidate in evidence.candidates(ledger)] == ["task-b"]


def test_what_a_run_was_allowed_to_ask_for_again_and_did_not_is_in_doubt_as_before(ledger: Ledger) -> None:
    asked, left, named = (submitted(ledger, name, State.IN_DOUBT) for name in "abc")
    assert doubt.resubmit_held(ledger) == [asked.key, left.key, named.key]
    recovery.recover(ledger)
    doubt.resubmit(ledger, named)  # by name: that lasts
    assert doubt.resubmit_held(ledger) == [asked.key, left.key]
    again = ledger.intend(ledger.job(asked.key))
    ledger.settle(replace(again, state=State.FAILED), "refused", "", paid=False)
    recovery.retry_failed(ledger)
    for _ in range(2):
        recovery.recover(ledger)
        states = [ledger.job(job.key).state for job in (asked, left, named)]
        assert states == [State.PENDING, State.IN_DOUBT, State.PENDING]
    assert ledger.job(left.key).fail_message == "no answer came"
    assert doubt.last_decision(ledger, "r2") is None


def test_what_a_run_was_allowed_is_over_with_it_also_if_the_clock_was_set_back_meanwhile(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT, time.time() + 86_400)  # by a clock that was a day ahead
    assert doubt.resubmit_held(ledger) == [job.key]
    recovery.recover(ledger)
    assert ledger.job(job.key).state is State.IN_DOUBT


def test_a_row_whose_task_the_service_no_longer_knows_is_in_doubt_again_too(ledger: Ledger) -> None:
    job = forgotten(ledger, "a")
    assert doubt.resubmit_held(ledger) == [job.key]
    recovery.recover(ledger)
    assert ledger.job(job.key).state is State.IN_DOUBT


def test_what_was_decided_last_says_whether_the_leave_to_ask_for_a_row_again_outlives_the_run(ledger: Ledger) -> None:
    doubt.resubmit(ledger, submitted(ledger, "a", State.IN_DOUBT))
    job = submitted(ledger, "b", State.IN_DOUBT)
    assert doubt.resubmit_held(ledger) == [job.key]
    recovery.recover(ledger)
    assert ledger.job(job.key).state is State.IN_DOUBT
    assert doubt.resubmit_held(ledger) == [job.key]
    assert submitted(ledger, "c", State.IN_DOUBT).key == job.key
    doubt.resubmit(ledger, job)
    recovery.recover(ledger)
    assert ledger.job(job.key).state is State.PENDING


def test_a_person_attaches_a_task_and_it_is_recorded(ledger: Ledger) -> None:
    job = submitted(ledger, "a", State.IN_DOUBT)
    doubt.attach(ledger, job, "task-7")
    assert (ledger.job(job.key).state, ledger.job(job.key).task_id) == (State.IN_FLIGHT, "task-7")
    assert ledger.database.execute("SELECT action, detail FROM decision").fetchall() == [("attach", "task-7")]


def test_a_row_that_was_given_up_is_taken_up_again_with_its_task(ledger: Ledger) -> None:
    doubt.abandon(ledger, submitted(ledger, "a", State.IN_FLIGHT))
    (given_up,) = doubt.doubts(ledger, "r1")
    doubt.attach(ledger, given_up.job, "task-a")
    assert (ledger.job(given_up.job.key).state, ledger.job(given_up.job.key).task_id) == (State.IN_FLIGHT, "task-a")


def test_neither_a_row_in_flight_nor_one_that_the_service_failed_is_in_doubt(ledger: Ledger) -> None:
    """Or it could be asked for again while its task runs."""
    failed = submitted(ledger, "a", State.IN_FLIGHT)
    ledger.save(replace(failed, state=State.FAILED, fail_code="VIOLATION"))
    submitted(ledger, "b", State.IN_FLIGHT)
    assert [doubt.doubts(ledger, each) for each in ("r1", "r2")] == [[], []]
    assert [each.id for each in doubt.doubts(ledger, "r2", in_flight=True)] == ["r2"]


def test_to_ask_again_costs_what_it_cost_last(ledger: Ledger) -> None:
    for price in (3, 5):
        job = ledger.settle(replace(ledger.intend(first(ledger), price=price), state=State.IN_DOUBT), "unknown", "")
        assert doubt.price_again(ledger, [job.key]) == price
        doubt.resubmit(ledger, job)


def test_a_person_cannot_attach_the_task_of_another_row(ledger: Ledger) -> None:
    submitted(ledger, "a", State.IN_FLIGHT)
    job = submitted(ledger, "b", State.IN_DOUBT)
    with pytest.raises(UsageError, match="r1"):
        doubt.attach(ledger, job, "task-a")


def test_a_person_cannot_attach_the_task_that_a_callback_named_for_another_row(ledger: Ledger) -> None:
    its, job = submitted(ledger, "a", State.IN_DOUBT), submitted(ledger, "b", State.IN_DOUBT)
    call(ledger, "a", "task-9")
    with pytest.raises(UsageError, match="r1"):
        doubt.attach(ledger, job, "task-9")
    doubt.attach(ledger, its, "task-9")
    assert ledger.job(its.key).task_id == "task-9"


def test_a_person_resubmits_or_abandons(ledger: Ledger) -> None:
    one, two = submitted(ledger, "a", State.IN_DOUBT), submitted(ledger, "b", State.IN_DOUBT)
    assert [each.id for each in doubt.doubts(ledger)] == ["r1", "r2"]
    assert doubt.doubts(ledger, "r2")[0].attempts[0][1] == "no answer came"
    doubt.resubmit(ledger, one)
    doubt.abandon(ledger, two)
    assert ledger.job(one.key).state is State.PENDING
    assert (ledger.job(two.key).state, ledger.job(two.key).fail_code) == (State.FAILED, "ABANDONED")
    assert doubt.doubts(ledger) == []
