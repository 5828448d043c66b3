"""Pending: whether a task may be asked for, and the record that it is about to be."""

import secrets
from collections.abc import Callable
from dataclasses import replace

from batchgen.account import Account
from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.model import Job, Request
from batchgen.service.polling import Polling
from batchgen.spending.limits import Spending
from batchgen.steering.deadline import LastCall


class IntendStep:
    """Takes a job from pending to submitting.

    With ``callbacks`` each task has a token, by which its callback is known. ``whole`` gives a request with links in
    the place of images.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        polling: Polling,
        spending: Spending,
        *,
        callbacks: bool = False,
        last_call: LastCall | None = None,
        whole: Callable[[Request], Request] = lambda request: request,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._polling = polling
        self._spending = spending
        self._callbacks = callbacks
        self._last_call = last_call
        self._whole = whole

    def intend(self, job: Job) -> Job:
        """Reserve what a task costs and takes, and record that it is about to be asked for.

        Raises what forbids it: :class:`LimitReachedError`, :class:`ArchiveError` (no room), :class:`LedgerError`.
        """
        self.check_deadline(job)
        if (whole := self._whole(job.request)) is not job.request:
            job = replace(job, request=whole)
        price = self._spending.reserve(job.request, job.wanted)
        token = secrets.token_urlsafe(32) if self._callbacks else None
        try:
            return self._ledger.intend(job, price=price, token=token)
        except LedgerError:
            self._spending.give_back(job.request)
            raise

    def check_deadline(self, job: Job) -> None:
        """Raise :class:`LimitReachedError` if the job's video may not be here by the deadline."""
        if self._last_call:
            waiting = self._account.tasks + self._ledger.unfetched()[0]
            self._last_call.check(self._polling.latest(job.request), waiting)
