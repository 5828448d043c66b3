"""Task ids that may be those of jobs in doubt: a callback or run.log named one, or the service has forgotten its own.

What came to the secret address of an attempt came from the service, so the task was accepted. Nothing of it is ever
erased: a name that proves wrong is noted with the attempt, for a person.
"""

import logging
import sqlite3
import time
from dataclasses import dataclass, replace

from batchgen.ledger.ledger import NOT_RECORDED, OPEN, Ledger
from batchgen.model import Job, State

IN_DOUBT = f"{OPEN} AND state = 'in_doubt'"
# The condition, in SQL, on a job of which the service has accepted a task that it is not bound to.
CALLED = (
    "EXISTS (SELECT 1 FROM attempt AS heard WHERE heard.job = job.job AND heard.called_at IS NOT NULL "
    "AND (heard.task_id IS NULL OR heard.outcome = 'missing'))"
)

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Candidate:
    """A task id that may be that of a job, to be verified by a status call."""

    attempt: int
    task_id: str
    started_at: float  # of the attempt, Unix seconds
    job: Job
    was_accepted: bool = False  # the service itself gave the id, and then did not know it
    is_called: bool = True  # the attempt's callback came


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


def accepted(ledger: Ledger, job: int, task_id: str) -> None:
    """The service has accepted a task for the job's attempt whose answer was not recorded."""
    with ledger.database.transaction(synced=False):
        ledger.database.execute(
            "UPDATE attempt SET candidate = ? WHERE attempt = "
            "(SELECT max(attempt) FROM attempt WHERE job = ? AND outcome IS NULL AND candidate IS NULL)",
            (task_id, job),
        )


def was_called(ledger: Ledger, job: Job) -> bool:
    """Whether a callback came of the POST that asked for the job: then it was accepted, whatever the answer said."""
    return ledger.database.has("SELECT 1 FROM attempt WHERE attempt = ? AND called_at IS NOT NULL", (job.attempt,))


def forgotten(ledger: Ledger, job: Job, why: str) -> Job:
    """The service does not know the job's task any more: it is in doubt, and keeps its task id. Returns it.

    ``why``: in the service's words.
    """
    words = f"the service no longer knows the task {job.task_id} ({why})"
    job = replace(job, state=State.IN_DOUBT, fail_message=words)
    with ledger.database.transaction(synced=False):
        ledger.database.execute(
            "UPDATE attempt SET outcome = 'missing', detail = ? WHERE job = ? AND task_id = ?",
            (f"accepted as the task {job.task_id}, which the service no longer knows ({why})", job.key, job.task_id),
        )
        ledger.write(job)
    return job


def candidates(ledger: Ledger) -> list[Candidate]:
    """The task ids that are to be verified, of jobs that are in doubt, or were and are to be asked for again."""
    found = ledger.database.execute(
        "SELECT attempt, coalesce(task_id, candidate), started_at, job, task_id IS NOT NULL OR called_at IS NULL, "
        "called_at IS NOT NULL "
        f"FROM (SELECT job FROM job WHERE {IN_DOUBT} "
        "UNION SELECT job FROM decision CROSS JOIN job USING (job) WHERE state = 'pending') "
        "CROSS JOIN attempt USING (job) "
        "WHERE (task_id IS NULL AND candidate IS NOT NULL) OR outcome = 'missing' ORDER BY attempt"
    ).fetchall()
    return [
        Candidate(attempt, task_id, started_at, ledger.job(key), bool(was_accepted), bool(is_called))
        for attempt, task_id, started_at, key, was_accepted, is_called in found
    ]


def bind(ledger: Ledger, candidate: Candidate, how: str) -> Job | None:
    """The task is the job's: it is in flight. None if another row has that task, or the job has gone on meanwhile."""
    if ledger.job(candidate.job.key).state is not candidate.job.state:
        return None
    job = replace(
        candidate.job,
        state=State.IN_FLIGHT,
        task_id=candidate.task_id,
        submitted_at=candidate.started_at,
        completed_at=None,
        generation_ms=None,
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
        reject(ledger, candidate, "another row has it")
        return None
    return job


def reject(ledger: Ledger, candidate: Candidate, why: str) -> None:
    """The task is not the job's; that it was named stays with the attempt."""
    log.warning("a task is not its row's", extra={"job": candidate.job.key, "task": candidate.task_id, "reason": why})
    note = f"the task {candidate.task_id} was named for it, and not taken: {why}"
    with ledger.database.transaction():
        ledger.database.execute(
            "UPDATE attempt SET candidate = nullif(candidate, :task), detail = CASE "
            "WHEN instr(detail, :note) THEN detail ELSE coalesce(detail, :before) || '; ' || :note END "
            "WHERE attempt = :attempt",
            {"task": candidate.task_id, "note": note, "before": NOT_RECORDED, "attempt": candidate.attempt},
        )
