"""Jobs in doubt: what callbacks bring back, what a person decides, and what may be released on its own."""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from batchgen.errors import UsageError
from batchgen.ledger.ledger import OPEN, Ledger
from batchgen.model import ABANDONED, Job, State

IN_DOUBT = f"{OPEN} AND state = 'in_doubt'"
LEAST_CALLBACKS = 3  # that came, before one that did not is taken as a proof


@dataclass(frozen=True)
class Candidate:
    """A task id that a callback brought for a job in doubt, to be verified by a status call."""

    attempt: int
    task_id: str
    started_at: float  # of the attempt, Unix seconds
    job: Job


@dataclass(frozen=True)
class Doubt:
    """All that is known of a row in doubt."""

    id: str
    job: Job
    attempts: tuple[tuple[float, str], ...]  # when (Unix seconds), and what happened
    is_present: bool  # in the manifest


def called(ledger: Ledger, token: bytes, task_id: str | None) -> Job | None:
    """Record that a callback came, by its token's hash; returns its job, or None for a token that nobody gave.

    The task id is kept as a candidate only where the attempt has none of its own.
    """
    database = ledger.database
    found = database.one("SELECT attempt, job, task_id, called_at FROM attempt WHERE token = ?", (token,))
    if found is None:
        return None
    attempt, key, known, called_at = found
    if called_at is None or (known is None and task_id):
        with database.transaction(synced=False):  # what a power cut takes of it only leaves a doubt
            database.execute(
                "UPDATE attempt SET called_at = coalesce(called_at, ?), "
                "candidate = CASE WHEN task_id IS NULL THEN coalesce(candidate, ?) END WHERE attempt = ?",
                (time.time(), task_id, attempt),
            )
    return ledger.job(key)


def candidates(ledger: Ledger) -> list[Candidate]:
    """The task ids that are to be verified, of jobs that are in doubt."""
    found = ledger.database.execute(
        f"SELECT attempt, candidate, started_at, job FROM job CROSS JOIN attempt USING (job) WHERE {IN_DOUBT} "
        "AND candidate IS NOT NULL AND attempt.task_id IS NULL ORDER BY attempt"
    ).fetchall()
    return [Candidate(attempt, task_id, started_at, ledger.job(key)) for attempt, task_id, started_at, key in found]


def bind(ledger: Ledger, candidate: Candidate, how: str) -> Job | None:
    """The task is the job's: it is in flight. None if another row has that task."""
    job = replace(
        candidate.job,
        state=State.IN_FLIGHT,
        task_id=candidate.task_id,
        submitted_at=candidate.started_at,
        fail_code=None,
        fail_message=None,
        remake=False,
    )
    try:
        with ledger.database.transaction():
            ledger.database.execute(
                "UPDATE attempt SET outcome = 'accepted', detail = ?, task_id = ? WHERE attempt = ?",
                (how, candidate.task_id, candidate.attempt),
            )
            ledger.write(job)
    except sqlite3.IntegrityError:
        reject(ledger, candidate)
        return None
    return job


def reject(ledger: Ledger, candidate: Candidate) -> None:
    """The task is not the job's."""
    with ledger.database.transaction():
        ledger.database.execute("UPDATE attempt SET candidate = NULL WHERE attempt = ?", (candidate.attempt,))


def listening(ledger: Ledger, since: float, until: float) -> None:
    """Record that callbacks could be received from ``since`` to ``until``, without a gap (Unix seconds)."""
    ledger.database.execute("INSERT OR REPLACE INTO listening VALUES (?, ?)", (since, until))


def awaiting_callback(ledger: Ledger, since: float) -> int:
    """How many jobs in doubt may still be told of by a callback, of attempts since ``since`` (Unix seconds)."""
    return ledger.database.number(
        f"SELECT count(DISTINCT job) FROM job CROSS JOIN attempt USING (job) WHERE {IN_DOUBT} AND token IS NOT NULL "
        "AND called_at IS NULL AND started_at > ?",
        (since,),
    )


def release(ledger: Ledger, window: float) -> list[Job]:
    """Let jobs be submitted again whose callback surely would have come, had they been accepted; returns them.

    ``window`` is within how many seconds of the submit the last repeat of a callback comes. The receiver must have
    listened all the while, and every callback that was due in that time must have come: one that is missing proves
    that callbacks get lost, and then nothing follows from one that did not come.
    """
    now = time.time()
    released = []
    for since, until in ledger.database.execute(
        "SELECT since, until FROM listening WHERE until > ?", (now - 60,)
    ).fetchall():
        silent = ledger.database.execute(
            f"SELECT job, started_at FROM job CROSS JOIN attempt USING (job) WHERE {IN_DOUBT} AND token IS NOT NULL "
            "AND called_at IS NULL AND started_at BETWEEN ? AND ? "
            "AND attempt = (SELECT max(attempt) FROM attempt AS last WHERE last.job = job.job)",
            (since, until - window),
        ).fetchall()
        if not silent or not _all_came(ledger, since, until - window):
            continue
        for key, started_at in silent:
            reason = f"callbacks were received throughout, and none came within {window:.0f} s of {started_at:.0f}"
            _decide(ledger, ledger.job(key), "released", reason, State.PENDING, None)
            released.append(ledger.job(key))
    return released


def _all_came(ledger: Ledger, since: float, until: float) -> bool:
    found = ledger.database.one(
        "SELECT count(called_at), count(*) - count(called_at) FROM attempt "
        "WHERE token IS NOT NULL AND outcome = 'accepted' AND started_at BETWEEN ? AND ?",
        (since, until),
    )
    return found is not None and found[0] >= LEAST_CALLBACKS and found[1] == 0


# -- what a person decides


def doubts(ledger: Ledger, identity: str | None = None) -> list[Doubt]:
    """The rows in doubt, with all that is known; only the row of that id, if one is given, also if it was given up."""
    found = ledger.database.execute(
        "SELECT id, job, row.position IS NOT NULL FROM row JOIN job USING (job) "
        "WHERE (state IN ('in_doubt', 'submitting') AND :id IS NULL) "
        "OR (id = :id AND (state IN ('in_doubt', 'submitting') OR (state = 'failed' AND fail_code = :abandoned))) "
        "ORDER BY row.position IS NULL, row.position",
        {"id": identity, "abandoned": ABANDONED},
    ).fetchall()
    return [Doubt(name, ledger.job(key), _attempts(ledger, key), bool(present)) for name, key, present in found]


def last_decision(ledger: Ledger, identity: str) -> str | None:
    """What a person decided last about the row of that id."""
    found = ledger.database.one(
        "SELECT action FROM decision JOIN row USING (job) WHERE id = ? ORDER BY decided_at DESC LIMIT 1", (identity,)
    )
    return found[0] if found else None


def price_again(ledger: Ledger, jobs: Iterable[int]) -> int:
    """What these jobs cost if each is asked for once more, as when it was last, in millionths of a dollar."""
    prices = (
        ledger.database.one("SELECT price FROM attempt WHERE job = ? ORDER BY attempt DESC LIMIT 1", (job,))
        for job in set(jobs)
    )
    return sum(int(price[0]) for price in prices if price)


def rows_of(ledger: Ledger, job: int) -> dict[str, bool]:
    """The ids of all rows that share a job, each with whether it is in the manifest."""
    found = ledger.database.execute(
        "SELECT id, position IS NOT NULL FROM row WHERE job = ? ORDER BY position IS NULL, position, row", (job,)
    )
    return {str(name): bool(present) for name, present in found}


def held(ledger: Ledger) -> list[int]:
    """The jobs in doubt that a run with ``--in-doubt resubmit`` would ask for again."""
    found = ledger.database.execute(f"SELECT job FROM job WHERE {IN_DOUBT} AND wanted > 0{ledger.and_selected}")
    return [job for (job,) in found]


def gone(ledger: Ledger) -> int:
    """How many rows are in doubt that are no longer in the manifest."""
    return ledger.database.number(
        f"SELECT count(*) FROM job JOIN row USING (job) WHERE {OPEN} AND state IN ('in_doubt', 'submitting') "
        "AND row.position IS NULL"
    )


def _attempts(ledger: Ledger, key: int) -> tuple[tuple[float, str], ...]:
    found = ledger.database.execute(
        "SELECT started_at, coalesce(detail, 'the run ended before the answer was recorded') FROM attempt "
        "WHERE job = ? AND task_id IS NULL ORDER BY attempt",
        (key,),
    )
    return tuple((started_at, detail) for started_at, detail in found)


def owner(ledger: Ledger, task_id: str) -> str | None:
    """The id of the row that has a task, or once had it, if one has."""
    found: tuple[Any, ...] | None = ledger.database.execute(
        "SELECT id FROM row JOIN job USING (job) WHERE task_id = :task "
        "OR job IN (SELECT job FROM attempt WHERE attempt.task_id = :task) LIMIT 1",
        {"task": task_id},
    ).fetchone()
    return str(found[0]) if found else None


def attach(ledger: Ledger, job: Job, task_id: str) -> None:
    """The person knows the task: the job is in flight with it. Raises UsageError if another row has it."""
    if (other := owner(ledger, task_id)) is not None:
        raise UsageError(f"the task {task_id} is that of the row {other!r}")
    attempt = ledger.database.one("SELECT max(attempt), max(started_at) FROM attempt WHERE job = ?", (job.key,))
    assert attempt is not None
    candidate = Candidate(attempt[0], task_id, attempt[1], job)
    bind(ledger, candidate, "attached by a person")
    _record(ledger, job, "attach", task_id)


def resubmit(ledger: Ledger, job: Job) -> None:
    """The person takes the risk of paying twice: the job is pending."""
    _decide(ledger, job, "resubmit", "a person said so", State.PENDING, None)


def abandon(ledger: Ledger, job: Job) -> None:
    """The person gives the job up: it failed."""
    _decide(ledger, job, "abandon", "a person said so", State.FAILED, ABANDONED)


def _decide(ledger: Ledger, job: Job, action: str, detail: str, state: State, code: str | None) -> None:
    message = "given up by a person, while in doubt" if code else None
    with ledger.database.transaction():
        ledger.write(replace(job, state=state, fail_code=code, fail_message=message))
        _insert(ledger, job, action, detail)


def _record(ledger: Ledger, job: Job, action: str, detail: str) -> None:
    with ledger.database.transaction():
        _insert(ledger, job, action, detail)


def _insert(ledger: Ledger, job: Job, action: str, detail: str) -> None:
    ledger.database.execute("INSERT INTO decision VALUES (?, ?, ?, ?)", (time.time(), job.key, action, detail))
