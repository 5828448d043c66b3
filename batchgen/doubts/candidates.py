"""Task ids that may be those of jobs in doubt: the service is asked, and confirms each or does not."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from batchgen.account import Account
from batchgen.errors import AccountError
from batchgen.ledger import Ledger, evidence
from batchgen.ledger.evidence import Candidate
from batchgen.model import Job, zulu
from batchgen.service.client import Client
from batchgen.service.wire import TaskStatus, TaskWord
from batchgen.steps.answers import note_answer

EARLY_SECONDS = 120.0  # by which the clocks may differ
LATE_SECONDS = 600.0  # within which the service creates a task that it was asked for
TRIES = 10  # of one that gets no answer: the rest of the batch waits for it
AT_ONCE = 16
KNOWN = (TaskWord.RUNNING, TaskWord.SUCCESS, TaskWord.FAILED)

log = logging.getLogger("batchgen")


@dataclass
class Candidates:
    """Verifies them. What is not confirmed stays in doubt, with its id."""

    ledger: Ledger
    account: Account
    client: Client

    async def verify_all(self, adopt: Callable[[Job, Job], None]) -> None:
        """Get an answer about each, if the service gives any; ``adopt`` is told of each job as it was, and as it is.

        Raises :class:`AccountError` if the service refuses the key.
        """
        waiting = iter(evidence.candidates(self.ledger))

        async def work() -> None:
            for candidate in waiting:
                if job := await self._verify_patiently(candidate):
                    adopt(candidate.job, job)

        workers = [asyncio.create_task(work()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _verify_patiently(self, candidate: Candidate) -> Job | None:
        tries = 0
        while tries < TRIES and not self.account.is_lost:
            status, job = await self.verify(candidate)
            if status.word is TaskWord.ACCOUNT:
                raise AccountError(f"the service refuses the key: {status.message}")
            if status.word not in (TaskWord.TROUBLE, TaskWord.BUSY):
                return job
            tries += status.word is TaskWord.TROUBLE
        return None

    async def verify(self, candidate: Candidate) -> tuple[TaskStatus, Job | None]:
        """Ask the service about the task; only if it fits the attempt, it is the job's. Returns what came of it."""
        await self.account.turn()
        status = await self.client.status(candidate.task_id)
        note_answer(self.account, status.word, status.retry_after, status.message)
        if status.word not in KNOWN:
            return status, None
        if (reason := _misfit(candidate, status)) is not None:
            evidence.reject(self.ledger, candidate, reason)
            return status, None
        how = (
            "the service accepted the task, and knows it"
            if candidate.was_accepted
            else "its callback brought the task id"
        )
        job = evidence.bind(self.ledger, candidate, how)
        if job:
            log.info(how, extra={"job": job.key, "task_id": job.task_id})
        return status, job


def _misfit(candidate: Candidate, status: TaskStatus) -> str | None:
    """Why a task cannot be what came of the attempt; None if it can."""
    if candidate.was_accepted or status.created_at is None or is_of(candidate.started_at, status.created_at):
        return None
    return f"the service says that it was created at {zulu(status.created_at)}, which is not when this was asked for"


def is_of(sent: float, created: float) -> bool:
    """Whether a task that was created then can be what was asked for at ``sent``; both in Unix seconds."""
    return sent - EARLY_SECONDS <= created <= sent + LATE_SECONDS
