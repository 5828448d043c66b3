"""Pending: whether a task may be asked for, and the record that it is about to be."""

import secrets
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

from batchgen.account import Account
from batchgen.ledger import Ledger
from batchgen.model import Job
from batchgen.request import Request
from batchgen.service.polling import Polling
from batchgen.spending.limits import Spending
from batchgen.steering.deadline import LastCall


@dataclass
class IntendStep:
    """Takes a job from pending to submitting."""

    ledger: Ledger
    account: Account
    polling: Polling
    spending: Spending
    _: KW_ONLY
    callbacks: bool = False  # each task has a token, by which its callback is known
    last_call: LastCall | None = None
    whole: Callable[[Request], Request] = lambda request: request  # with links in the place of images

    def intend(self, job: Job) -> Job:
        """Reserve what a task costs and takes, and record that it is about to be asked for.

        Raises what forbids it: :class:`LimitReachedError`, :class:`ArchiveError` (no room), :class:`LedgerError`.
        """
        self.check_deadline(job)
        if (whole := self.whole(job.request)) is not job.request:
            job = replace(job, request=whole)
        price = self.spending.reserve(job.request, job.wanted)
        token = secrets.token_urlsafe(32) if self.callbacks else None
        return self.ledger.intend(job, price=price, token=token)

    def check_deadline(self, job: Job) -> None:
        """Raise :class:`LimitReachedError` if the job's video may not be here by the deadline."""
        if self.last_call:
            waiting = self.account.tasks + self.ledger.unfetched()[0]
            self.last_call.check(self.polling.latest(job.request), waiting)
