"""Jobs in doubt: what a person decides, and what may be released on its own."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from batchgen.errors import UsageError
from batchgen.ledger.evidence import CALLED, IN_DOUBT, Candidate, bind
from batchgen.ledger.ledger import NOT_RECORDED, OPEN, Ledger
from batchgen.ledger.recovery import FOR_ONE_RUN
from batchgen.model import ABANDONED, Job, State

AHEAD_SECONDS = 60.0  # an attempt that began so much after now was made before the clock was set back: how old is it?
LEAST_CALLBACKS = 3  # that came, before one that did not is taken as a proof


class Attempt(NamedTuple):
    """A POST of which it is not known what it led to. Times are Unix seconds."""

    started_at: float
    detail: str  # what happened
    called_at: float | None  # when its callback came
    task_id: str | None  # that may be its own, but is not confirmed


@dataclass(frozen=True)
class Doubt:
    """All that is known of a row in doubt."""

    id: str
    job: Job
    attempts: tuple[Attempt, ...]
    is_present: bool  # in the manifest

    @property
    def is_called(self) -> bool:
        """Whether the service has accepted it, as a callback tells: then to ask for it again pays twice."""
        return any(attempt.called_at is not None for attempt in self.attempts)

    @property
    def task_id(self) -> str | None:
        """The latest task id that may be its own, if there is one."""
        return next((attempt.task_id for attempt in reversed(self.attempts) if attempt.task_id), None)


def note_listening(ledger: Ledger, since: float, until: float) -> None:
    """Record that callbacks could be received from ``since`` to ``until``, without a gap (Unix seconds)."""
    ledger.database.execute("INSERT OR REPLACE INTO listening VALUES (?, ?)", (since, until))


def awaiting_callback(ledger: Ledger, since: float) -> int:
    """How many jobs in doubt may still be told of by a callback, of attempts since ``since`` (Unix seconds)."""
    return ledger.database.number(
        f"SELECT count(DISTINCT job) FROM job CROSS JOIN attempt USING (job) WHERE {IN_DOUBT} AND token IS NOT NULL "
        "AND called_at IS NULL AND attempt.task_id IS NULL AND started_at BETWEEN ? AND ?",
        (since, time.time() + AHEAD_SECONDS),
    )


def release(ledger: Ledger, window: float) -> list[Job]:
    """Let jobs be submitted again that were surely not accepted, since no callback came of them; returns them.

    ``window`` is how many seconds after a submit the last repeat of its callback comes. That none came is a proof only
    where we listened from the submit to the end of the window, and where callbacks do not get lost: every task that was
    accepted in that time must have had its own, and so must every later one that has ended.
    """
    now = time.time()
    released = []
    for since, until in ledger.database.execute(
        "SELECT since, until FROM listening WHERE until > ?", (now - 60,)
    ).fetchall():
        silent = ledger.database.execute(
            f"SELECT job, started_at FROM job CROSS JOIN attempt USING (job) WHERE {IN_DOUBT} AND token IS NOT NULL "
            "AND called_at IS NULL AND started_at BETWEEN ? AND ? "
            "AND attempt = (SELECT max(attempt) FROM attempt AS last WHERE last.job = job.job) "
            f"AND NOT {CALLED}",
            (since, until - window),
        ).fetchall()
        if not silent or not _all_came(ledger, since, until - window):
            continue
        for key, started_at in silent:
            reason = f"callbacks were received throughout, and none came within {window:.0f} s of {started_at:.0f}"
            _decide(ledger, (ledger.job(key),), "released", reason, State.PENDING)
            released.append(ledger.job(key))
    return released


def _all_came(ledger: Ledger, since: float, until: float) -> bool:
    """Whether there were some callbacks of accepted tasks that were asked for in that time, and none is missing."""
    came, missing = ledger.database.execute(
        "SELECT count(called_at), count(*) - count(called_at) FROM attempt "
        "WHERE token IS NOT NULL AND task_id IS NOT NULL AND started_at BETWEEN ? AND ?",
        (since, until),
    ).fetchone()
    return came >= LEAST_CALLBACKS and missing == 0 and not _has_lost_one(ledger, until)


def _has_lost_one(ledger: Ledger, since: float) -> bool:
    """Whether a task that was asked for since then is known to have ended, and not by a callback."""
    return ledger.database.has(
        "SELECT 1 FROM attempt JOIN job USING (job) WHERE token IS NOT NULL AND called_at IS NULL AND started_at > ? "
        "AND attempt.task_id = job.task_id AND state NOT IN ('in_flight', 'in_doubt')",
        (since,),
    )


# -- what a person decides


def doubts(ledger: Ledger, identity: str | None = None, *, in_flight: bool = False) -> list[Doubt]:
    """The rows in doubt, with all that is known; only the row of that id, if one is given, also if it was given up.

    Also if its task is ``in_flight``, where that is asked for.
    """
    found = ledger.database.execute(
        "SELECT id, job, row.position IS NOT NULL FROM row JOIN job USING (job) "
        "WHERE (state IN ('in_doubt', 'submitting') AND :id IS NULL) "
        "OR (id = :id AND (state IN ('in_doubt', 'submitting') OR (state = 'failed' AND fail_code = :abandoned) "
        "OR (state = 'in_flight' AND :in_flight))) "
        "ORDER BY row.position IS NULL, row.position",
        {"id": identity, "abandoned": ABANDONED, "in_flight": in_flight},
    ).fetchall()
    return [Doubt(name, ledger.job(key), _attempts(ledger, key), bool(present)) for name, key, present in found]


def last_decision(ledger: Ledger, identity: str) -> str | None:
    """What a person decided last about the row of that id."""
    return ledger.database.value(
        "SELECT action FROM decision JOIN row USING (job) WHERE id = ? ORDER BY decided_at DESC LIMIT 1", (identity,)
    )


def price_again(ledger: Ledger, jobs: Iterable[int]) -> int:
    """What these jobs cost if each is asked for once more, as when it was last, in millionths of a dollar."""
    last = "SELECT price FROM attempt WHERE job = ? ORDER BY attempt DESC LIMIT 1"
    return sum(ledger.database.number(last, (job,)) for job in jobs)


def rows_of(ledger: Ledger, job: int) -> dict[str, bool]:
    """The ids of all rows that share a job, each with whether it is in the manifest."""
    found = ledger.database.execute(
        "SELECT id, position IS NOT NULL FROM row WHERE job = ? ORDER BY position IS NULL, position, row", (job,)
    )
    return {str(name): bool(present) for name, present in found}


def left_alone(ledger: Ledger) -> int:
    """How many rows :func:`resubmit_held` does not take, since their callbacks came: the service has accepted them."""
    return ledger.database.number(
        f"SELECT sum(wanted) FROM job WHERE {IN_DOUBT} AND wanted > 0 AND {CALLED}{ledger.and_selected}"
    )


def gone(ledger: Ledger) -> int:
    """How many rows are in doubt that are no longer in the manifest."""
    return ledger.database.number(
        f"SELECT count(*) FROM job JOIN row USING (job) WHERE {OPEN} AND state IN ('in_doubt', 'submitting') "
        "AND row.position IS NULL"
    )


def _attempts(ledger: Ledger, key: int) -> tuple[Attempt, ...]:
    found = ledger.database.execute(
        "SELECT started_at, coalesce(detail, ?), called_at, coalesce(task_id, candidate) FROM attempt "
        "WHERE job = ? AND (task_id IS NULL OR outcome = 'missing') ORDER BY attempt",
        (NOT_RECORDED, key),
    )
    return tuple(Attempt(*facts) for facts in found)


def owner(ledger: Ledger, task_id: str, asker: Job | None) -> str | None:
    """The id of the row that has a task, or once had it, if one has; or of another that a callback named it for.

    None also where it is the ``asker`` that has it, and the service no longer knew it, or a person gave it up.
    """
    if asker and (_is_given_up(asker, task_id) or _is_missing(ledger, asker, task_id)):
        return None
    return ledger.database.value(
        "SELECT id FROM row JOIN job USING (job) WHERE task_id = :task "
        "OR job IN (SELECT job FROM attempt WHERE attempt.task_id = :task OR (candidate = :task AND job != :asker)) "
        "LIMIT 1",
        {"task": task_id, "asker": asker.key if asker else None},
    )


def _is_given_up(job: Job, task_id: str) -> bool:
    return job.state is State.FAILED and job.fail_code == ABANDONED and job.task_id == task_id


def _is_missing(ledger: Ledger, job: Job, task_id: str) -> bool:
    return ledger.database.has(
        "SELECT 1 FROM attempt WHERE job = ? AND task_id = ? AND outcome = 'missing'", (job.key, task_id)
    )


def attach(ledger: Ledger, job: Job, task_id: str) -> None:
    """The person knows the task: the job is in flight with it. Raises UsageError if it cannot be the job's."""
    if (other := owner(ledger, task_id, job)) is not None:
        raise UsageError(f"the task {task_id} is that of the row {other!r}")
    attempt = ledger.database.one(
        "SELECT attempt, started_at FROM attempt WHERE job = :job AND (task_id IS NULL OR task_id = :task) "
        "ORDER BY task_id IS :task DESC, candidate IS :task DESC, instr(coalesce(detail, ''), :task) > 0 DESC, "
        "attempt DESC LIMIT 1",
        {"job": job.key, "task": task_id},
    )
    if attempt is None or bind(ledger, Candidate(attempt[0], task_id, attempt[1], job), "attached by a person") is None:
        raise UsageError(f"{task_id} is none of the tasks that the row was asked for with; nothing was changed")
    with ledger.database.transaction():
        _insert(ledger, job, "attach", task_id)


def resubmit(ledger: Ledger, *jobs: Job, how: str = "a person said so") -> None:
    """The person takes the risk of paying twice: the jobs are pending."""
    _decide(ledger, jobs, "resubmit", how, State.PENDING)


def resubmit_held(ledger: Ledger) -> list[int]:
    """Let the run ask again for all jobs in doubt but those whose callbacks came; returns them."""
    found = ledger.database.execute(
        f"SELECT job FROM job WHERE {IN_DOUBT} AND wanted > 0 AND NOT {CALLED}{ledger.and_selected}"
    )
    if jobs := [job for (job,) in found]:
        resubmit(ledger, *map(ledger.job, jobs), how=FOR_ONE_RUN)
    return jobs


def abandon(ledger: Ledger, *jobs: Job) -> None:
    """The person gives the jobs up: they failed. Those that had a task keep its id."""
    _decide(ledger, jobs, "abandon", "a person said so", State.FAILED)


def _decide(ledger: Ledger, jobs: Iterable[Job], action: str, detail: str, state: State) -> None:
    facts: dict[str, Any] = {"fail_code": None, "fail_message": None, "task_id": None, "remake": False}
    if state is State.FAILED:
        facts = {"fail_code": ABANDONED, "fail_message": "given up by a person", "remake": False}
    with ledger.database.transaction():
        for job in jobs:
            ledger.write(replace(job, state=state, **facts))
            _insert(ledger, job, action, detail)


def _insert(ledger: Ledger, job: Job, action: str, detail: str) -> None:
    ledger.database.execute("INSERT INTO decision VALUES (?, ?, ?, ?)", (time.time(), job.key, action, detail))
