"""Many jobs in two lanes: what comes of each step, and how they stop gently.

The asking lane (``asker``) owns every submit and every poll. The fetching lane (``fetcher``) brings home what is
rendered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from batchgen.account import Account
from batchgen.dispatch.asker import Adopt, Asker
from batchgen.dispatch.fetcher import Fetcher
from batchgen.dispatch.forecast import FETCH_SHARE
from batchgen.errors import (
    AccountError,
    ArchiveError,
    BatchBusyError,
    BatchgenError,
    LedgerError,
    LimitReachedError,
    ReplicaError,
)
from batchgen.ledger import Ledger
from batchgen.ledger.rendered import Rendered
from batchgen.model import Job, State
from batchgen.pipeline import Pipeline
from batchgen.service.polling import Polling
from batchgen.service.wire import is_of_service

MISTAKE = "a mistake in batchgen itself; run.log has it"
DRAIN_SECONDS = 8.0  # for POSTs in flight when a signal asks to stop: docker kills after 10

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Stop:
    """Why a run submits nothing more, and the exit code that it means."""

    reason: str
    exit_code: int

    @classmethod
    def of(cls, error: BatchgenError) -> "Stop":
        """What an error means to a run that may have asked for something."""
        return cls(str(error), 1 if isinstance(error, LedgerError) else error.exit_code)


class Dispatcher:
    """Runs the ledger's jobs until none can go further, or until stopped.

    ``changed`` is called with a job before and after each step. Without ``may_submit`` nothing new is paid for.
    With ``callbacks`` the service tells when a task has ended (see :meth:`InFlight.hasten`), and is not asked before.
    ``first`` is awaited before anything is submitted, with :meth:`Asker.adopt` to tell of tasks that it finds.
    """

    def __init__(
        self,
        ledger: Ledger,
        rendered: Rendered,
        account: Account,
        polling: Polling,
        pipeline: Pipeline,
        *,
        downloads: int,
        changed: Callable[[Job, Job], None],
        may_submit: bool = True,
        callbacks: bool = False,
        first: Callable[[Adopt], Awaitable[None]] | None = None,
    ) -> None:
        self.stopped: Stop | None = None
        self._ledger = ledger
        self._account = account
        self._polling = polling
        self._pipeline = pipeline
        self._submit = pipeline.submit_step
        self._changed = changed
        guess = FETCH_SHARE * polling.first
        self.fetcher = Fetcher(rendered, downloads, guess, step=self._step, ended=self._fetched, renew=self._renew)
        self.asker = Asker(
            *(ledger, account, polling, pipeline, self.fetcher),
            step=self._step,
            changed=changed,
            ended=self._see,
            failed=self._fail,
            lost=lambda: self.halt(Stop(account.complaint(), 1)),
            first=first,
            may_submit=may_submit,
            callbacks=callbacks,
        )
        self._halted = asyncio.Event()

    async def run(self) -> None:
        """Run until every job has come as far as it can in this run."""
        await self._account.start()
        self.asker.in_flight.take_up(self._ledger)
        self.fetcher.has_backlog = self._ledger.unfetched()[0] > 0
        lanes = [asyncio.create_task(self.asker.run()), asyncio.create_task(self.fetcher.run())]
        halt = asyncio.create_task(self._halted.wait())
        try:
            await _until_all_or_one(lanes, halt)
        finally:
            await self._end([*lanes, halt])
        if refusal := self._submit.refusal:
            self._after_refusal(refusal)
        self._complain()

    def _complain(self) -> None:
        """A limit of the user's counts as success: not where nothing comes of what is paid for, nor without answers."""
        stopped, account, posts = self.stopped, self._account, self._account.posts
        if not stopped or stopped.exit_code != LimitReachedError.exit_code:
            return
        if account.harvest.is_failing:
            self.stopped = Stop(f"{stopped.reason}; {account.harvest.complaint()}", 1)
        elif account.is_cut_off or (posts.are_failing and not posts.is_revived):
            complaint = posts.complaint() if account.is_answering else account.complaint()
            self.stopped = Stop(f"{stopped.reason}; {complaint}", 1)

    def stop(self, stop: Stop) -> None:
        """Submit nothing more; what is paid is still polled and fetched. The first reason is the one that is told."""
        if self.stopped is None:
            self.stopped = stop
            self.asker.may_submit = False
            log.warning("stopping", extra={"reason": stop.reason})
        self.asker.wake()

    def halt(self, stop: Stop) -> None:
        """End as soon as the answers to the POSTs in flight are recorded."""
        self.stopped = self.stopped or stop
        self.asker.may_submit = False
        self._submit.send_no_more()
        self._halted.set()

    @property
    def is_halted(self) -> bool:
        """Whether :meth:`halt` was called."""
        return self._halted.is_set()

    async def _end(self, lanes: list[asyncio.Task[Any]]) -> None:
        """Polls and downloads may be cut off; a POST may not, since its answer is a paid task's id."""
        asks, posts = self.asker.asks, self.asker.posts
        for task in (*lanes, *asks, *self.fetcher.tasks):
            task.cancel()
        if posts:
            await asyncio.wait(posts, timeout=DRAIN_SECONDS)
        for task in posts:
            task.cancel()
        await asyncio.gather(*lanes, *asks, *posts, *self.fetcher.tasks, return_exceptions=True)

    @property
    def doing(self) -> str:
        """What it does at the moment, in words for a person."""
        if self.stopped is not None:
            return "stopping"
        if not self.asker.may_submit:
            return "submitting nothing"
        if self.asker.is_paused:
            return "paused"
        if self.fetcher.has_backlog:
            return "fetching first what earlier runs paid for"
        return "all submitted" if self.asker.all_submitted else "submitting"

    # -- what comes of a step

    def _see(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():  # a mistake of ours: better an end than a wait for ever
            log.error("unexpected error", exc_info=task.exception())
            self.halt(Stop("an unexpected error; run.log has it", 1))

    def _fetched(self, task: asyncio.Task[None] | None) -> None:
        if task:
            self._see(task)
        self.asker.wake()

    def _fail(self, error: BatchgenError) -> None:
        """Submit nothing more; where nothing can be recorded any more, end."""
        if isinstance(error, LedgerError | BatchBusyError):
            self.halt(Stop.of(error))
        else:
            self.stop(Stop.of(error))

    async def _step(self, job: Job) -> Job:
        """One step; what concerns the batch stops it, what nobody foresaw leaves this job to the next run."""
        try:
            after = await self._pipeline.step(job)
        except Exception as error:
            after = self._after_error(job, error)
        self._heed(job, after)
        self._changed(job, after)
        if after.state is State.PENDING:
            self.asker.all_submitted = False
        return after

    def _renew(self, keys: set[int]) -> None:
        """Links that were refused may be good again."""
        try:
            for job in map(self._ledger.job, keys):
                if job.state is State.EXPIRED:
                    self._changed(job, self._ledger.save(replace(job, state=State.RENDERED, tries=0)))
        except LedgerError as error:
            self._fail(error)

    def _heed(self, job: Job, after: Job) -> None:
        """What a step shows of whether anything comes of what is paid for."""
        harvest = self._account.harvest
        match job.state, after.state:
            case State.SUBMITTING, State.IN_FLIGHT:
                harvest.asked(job.key)
            case _, State.ARCHIVED:
                harvest.came(job.key)
            case State.IN_FLIGHT, State.FAILED if is_of_service(after.fail_code):
                harvest.failed(job.key, after.fail_code or "")
            case State.IN_FLIGHT, State.FAILED:
                harvest.failed_alone(job.key)
            case (State.IN_FLIGHT, State.IN_DOUBT) | (State.RENDERED, _):
                harvest.failed(job.key, after.fail_message or "")

    def _after_error(self, job: Job, error: Exception) -> Job:
        match error:
            case AccountError():
                is_key = job.state is State.IN_FLIGHT and not self._account.is_answering  # or else it is the credits
                self.asker.is_denied |= is_key
                self._after_refusal(error)
                return self._as_recorded(job)
            case ReplicaError() | BatchBusyError():  # the latter: another run has taken the batch over
                self._fail(error)
                return self._as_recorded(job)
            case ArchiveError():
                self.fetcher.begin_no_more()
                self._fail(error)
            case LedgerError():
                self._fail(error)
            case BatchgenError():
                log.error("step failed", extra={"job": job.key, "reason": str(error)})
            case _:
                facts = {"job": job.key}
                log.error("unexpected error; the row is left to the next run", exc_info=error, extra=facts)
                if job.state is State.SUBMITTING:  # as if no answer came: submitting pauses, if others meet with it too
                    self._account.post_trouble(MISTAKE, may_be_paid=True)
                self._account.harvest.failed(job.key, MISTAKE)
        return replace(job, wait=inf)

    def _after_refusal(self, error: AccountError) -> None:
        """No request of this account will do: what has not left stays, and what was refused so is pending."""
        self._fail(error)
        self._submit.send_no_more()
        for before, after in self._submit.acquit():
            self._changed(before, after)

    def _as_recorded(self, job: Job) -> Job:
        """The job as it is recorded; one that is in flight is still asked about, should the refusal pass."""
        return replace(self._ledger.job(job.key), tries=job.tries + 1, wait=self._polling.every)


async def _until_all_or_one(tasks: list[asyncio.Task[None]], one: asyncio.Task[Any]) -> None:
    """Wait until all ``tasks`` or ``one`` have ended; a task's error is raised."""
    running = set(tasks)
    while running and not one.done():
        done, _ = await asyncio.wait({*running, one}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & running:
            task.result()
        running -= done
