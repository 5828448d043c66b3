"""In flight: one question about the task, and what its answer means for the job."""

import logging
import time
from dataclasses import dataclass, replace
from math import inf

from batchgen.account import Account
from batchgen.errors import AccountError
from batchgen.ledger import Ledger, evidence
from batchgen.model import Job, State
from batchgen.service.client import Client
from batchgen.service.polling import Polling
from batchgen.service.wire import CREDITS_FAIL_CODE, TaskStatus, TaskWord
from batchgen.steps.answers import note_answer

NO_RESULT_TRIES = 10
DENIED_SECONDS = 60.0  # for which the service may refuse a key
STUCK_SECONDS = 86_400.0  # no task was seen to take an hour: one that runs for longer is asked about once a run

log = logging.getLogger("batchgen")


@dataclass
class PollStep:
    """Takes a job from in flight to rendered, once its task has ended well."""

    ledger: Ledger
    account: Account
    polling: Polling
    client: Client
    _denied_since: float = -inf  # by the account's clock: the key is refused, and no good answer came since

    async def poll(self, job: Job) -> Job:
        """Ask how the task stands."""
        assert job.task_id
        status = await self.client.status(job.task_id)
        note_answer(self.account, status.word, status.retry_after, status.message)
        match status.word:
            case TaskWord.SUCCESS if status.urls:
                return self.ledger.save(rendered(job, status))
            case TaskWord.FAILED:
                return self._failed(job, status)
            case TaskWord.SUCCESS:  # without a link: paid, so asked for again
                job = replace(job, tries=job.tries + 1, missing_since=None)
                if job.tries >= NO_RESULT_TRIES:  # it runs no more, and who fetches it asks on
                    return self.ledger.save(rendered(job, status))
                return replace(job, wait=self._next_poll(job))
            case TaskWord.ACCOUNT:
                return self._refused_poll(job, status)
            case TaskWord.MISSING:
                return self._missing(job, status)
            case TaskWord.RUNNING:
                wait = inf if _age(job) > STUCK_SECONDS else self._next_poll(job)
                return replace(job, missing_since=None, wait=wait)
            case _:
                return replace(job, wait=inf if self._is_given_up(job) else self._next_poll(job))

    def _failed(self, job: Job, status: TaskStatus) -> Job:
        if status.fail_code == CREDITS_FAIL_CODE:  # nothing was made, and nothing else will be
            self.ledger.save(replace(job, state=State.PENDING, task_id=None, submitted_at=None))
            raise AccountError(f"the account's credits are used up ({status.message or status.fail_code})")
        return self.ledger.save(
            replace(
                job,
                state=State.FAILED,
                fail_code=status.fail_code,
                fail_message=status.message,
                completed_at=status.completed_at,
                generation_ms=status.generation_ms,
            )
        )

    def _missing(self, job: Job, status: TaskStatus) -> Job:
        """The service says that there is no such task: it may learn of it late. If it never does, nobody can know."""
        if self._is_given_up(job):
            log.warning("the service no longer knows a task", extra={"job": job.key, "task_id": job.task_id})
            return evidence.forgotten(self.ledger, job, status.message)
        since = self.account.awake() if job.missing_since is None else job.missing_since
        return replace(job, missing_since=since, wait=self._next_poll(job))

    def _is_given_up(self, job: Job) -> bool:
        """Whether the service has not known the task for as long as one is asked about."""
        return job.missing_since is not None and self.polling.gives_up(self.account.awake() - job.missing_since)

    def _refused_poll(self, job: Job, status: TaskStatus) -> Job:
        """The key is refused: an accident, until it lasts."""
        now = self.account.awake()
        if now - self._denied_since > self.account.unheard:
            self._denied_since = now
        if now - self._denied_since < DENIED_SECONDS:
            return replace(job, wait=self._next_poll(job))
        raise AccountError(f"the service refuses the key: {status.message}")

    def _next_poll(self, job: Job) -> float:
        return self.polling.wait(_age(job))


def _age(job: Job) -> float:
    return max(0.0, time.time() - (job.submitted_at or 0.0))


def rendered(job: Job, status: TaskStatus) -> Job:
    """The job with its videos' links, as the service gives them now."""
    return replace(
        job,
        state=State.RENDERED,
        urls=status.urls,
        completed_at=status.completed_at or job.completed_at or time.time(),
        generation_ms=status.generation_ms if status.generation_ms is not None else job.generation_ms,
        fail_code=None,
        tries=0 if job.state is State.IN_FLIGHT else job.tries,
        wait=0.0,
    )
