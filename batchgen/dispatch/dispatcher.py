"""Many jobs in two lanes: how they are steered while they run, and how they stop gently.

The asking lane (``asker``) owns every submit and every poll. The fetching lane (``fetcher``) brings home what is
rendered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypeAlias

from batchgen.account import Account
from batchgen.dispatch.asker import Asker
from batchgen.dispatch.fetcher import Fetcher
from batchgen.dispatch.forecast import FETCH_SHARE, Fetching
from batchgen.dispatch.kinds import Ages
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

Adopt: TypeAlias = Callable[[Job, Job], None]  # a job as it was, and as it is: in flight

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Stop:
    """Why a run submits nothing more, and the exit code that it means."""

    reason: str
    exit_code: int


class Dispatcher:
    """Runs the ledger's jobs until none can go further, or until stopped.

    ``changed`` is called with a job before and after each step. Without ``may_submit`` nothing new is paid for.
    With ``callbacks`` the service tells when a task has ended (see :meth:`hasten`), and is not asked before.
    ``first`` is awaited before anything is submitted, with :meth:`adopt` to tell of tasks that it finds.
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
        self._first = first
        forecast = Fetching(downloads, FETCH_SHARE * polling.first)
        self.fetcher = Fetcher(rendered, downloads, forecast, step=self._step, ended=self._fetched, renew=self._renew)
        self._asker = Asker(
            ledger,
            account,
            polling,
            self.fetcher,
            intend=self._intend,
            step=self._step,
            ended=self._see,
            lost=self._give_up,
            may_submit=may_submit,
            callbacks=callbacks,
        )
        self._halted = asyncio.Event()

    async def run(self) -> None:
        """Run until every job has come as far as it can in this run."""
        await self._account.start()
        self._asker.in_flight.take_up(self._ledger)
        self.fetcher.has_backlog = self._ledger.unfetched()[0] > 0
        lanes = [asyncio.create_task(self._ask()), asyncio.create_task(self.fetcher.run())]
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
        stopped, account = self.stopped, self._account
        if not stopped or stopped.exit_code != LimitReachedError.exit_code:
            return
        if account.harvest.is_failing:
            self.stopped = Stop(f"{stopped.reason}; {account.harvest.complaint()}", 1)
        elif account.is_cut_off or account.posts.are_failing:
            complaint = account.posts.complaint() if account.is_answering else account.complaint()
            self.stopped = Stop(f"{stopped.reason}; {complaint}", 1)

    def stop(self, stop: Stop) -> None:
        """Submit nothing more; what is paid is still polled and fetched. The first reason is the one that is told."""
        if self.stopped is None:
            self.stopped = stop
            self._asker.may_submit = False
            log.warning("stopping", extra={"reason": stop.reason})
        self._asker.wake()

    def halt(self, stop: Stop) -> None:
        """End as soon as the answers to the POSTs in flight are recorded."""
        self.stopped = self.stopped or stop
        self._asker.may_submit = False
        self._submit.send_no_more()
        self._halted.set()

    @property
    def is_halted(self) -> bool:
        """Whether :meth:`halt` was called."""
        return self._halted.is_set()

    async def _end(self, lanes: list[asyncio.Task[Any]]) -> None:
        """Polls and downloads may be cut off; a POST may not, since its answer is a paid task's id."""
        asks, posts = self._asker.asks, self._asker.posts
        for task in (*lanes, *asks, *self.fetcher.tasks):
            task.cancel()
        if posts:
            await asyncio.wait(posts, timeout=DRAIN_SECONDS)
        for task in posts:
            task.cancel()
        await asyncio.gather(*lanes, *asks, *posts, *self.fetcher.tasks, return_exceptions=True)

    # -- while it runs

    def hasten(self, key: int) -> None:
        """A callback says that a job's task has ended: its slot is free, and it is asked about now.

        Unknown jobs and repeats are ignored.
        """
        self._asker.in_flight.hasten(key)

    def wait_while(self, may_bring_more: Callable[[], bool]) -> None:
        """Do not end while a callback may still settle a doubt, as ``may_bring_more`` tells."""
        self._asker.may_bring_more = may_bring_more

    def adopt(self, was: Job, job: Job) -> None:
        """A job that had no task has one, which has probably ended: go on with it."""
        self._changed(was, job)
        self._asker.in_flight.adopt(job)

    def release(self, jobs: list[Job]) -> None:
        """Jobs that were in doubt are pending again."""
        for job in jobs:
            self._changed(replace(job, state=State.IN_DOUBT), job)
        self._asker.all_submitted = False
        self._asker.wake()

    @property
    def may_submit(self) -> bool:
        """Whether it asks for tasks as long as there are any."""
        return self._asker.may_submit

    @property
    def doing(self) -> str:
        """What it does at the moment, in words for a person."""
        if self.stopped is not None:
            return "stopping"
        if not self._asker.may_submit:
            return "submitting nothing"
        if self._asker.is_paused:
            return "paused"
        if self.fetcher.has_backlog:
            return "fetching first what earlier runs paid for"
        return "all submitted" if self._asker.all_submitted else "submitting"

    def running(self) -> Ages:
        """The ages of the tasks in flight."""
        return self._asker.schedule.running(asyncio.get_running_loop().time())

    def retune(self, concurrency: int | None = None, rate: int | None = None) -> None:
        """Go on with other limits: tasks at once, requests a minute. None: as it is."""
        self._account.retune(rate=rate, concurrency=concurrency)
        self._asker.wake()

    def pause(self) -> None:
        """Submit nothing until :meth:`go`; polls and downloads go on."""
        self._asker.is_paused = True
        self._asker.wake()

    def go(self) -> None:
        """Submit again."""
        self._account.harvest.begin_anew()
        self._asker.is_paused = False
        self._asker.wake()

    # -- the asking lane

    async def _ask(self) -> None:
        await self._look_first()
        await self._asker.run()
        self.fetcher.no_more()

    async def _look_first(self) -> None:
        try:
            if self._first:
                await self._first(self.adopt)
        except AccountError as error:
            self.stop(Stop(str(error), error.exit_code))
        except LedgerError as error:
            self.halt(Stop(str(error), 1))

    def _give_up(self) -> None:
        self.halt(Stop(self._account.complaint(), 1))

    def _intend(self, job: Job) -> Job | None:
        """The job with its intent recorded: no commit, no POST."""
        if self._account.harvest.is_given_up:
            self.stop(Stop(self._account.harvest.complaint(), 1))
            return None
        try:
            intended = self._pipeline.intend(job)
        except (LimitReachedError, ArchiveError) as error:
            self.stop(Stop(str(error), error.exit_code))
            return None
        except LedgerError as error:
            self.halt(Stop(str(error), 1))
            return None
        self._changed(job, intended)
        return intended

    # -- what comes of a step

    def _see(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():  # a mistake of ours: better an end than a wait for ever
            log.error("unexpected error", exc_info=task.exception())
            self.halt(Stop("an unexpected error; run.log has it", 1))

    def _fetched(self, task: asyncio.Task[None] | None) -> None:
        if task:
            self._see(task)
        self._asker.wake()

    async def _step(self, job: Job) -> Job:
        """One step; what concerns the batch stops it, what nobody foresaw leaves this job to the next run."""
        try:
            after = await self._pipeline.step(job)
        except Exception as error:
            after = self._after_error(job, error)
        self._heed(job, after)
        self._changed(job, after)
        if after.state is State.PENDING:
            self._asker.all_submitted = False
        return after

    def _renew(self, keys: set[int]) -> None:
        """Links that were refused may be good again."""
        try:
            for job in map(self._ledger.job, keys):
                if job.state is State.EXPIRED:
                    self._changed(job, self._ledger.save(replace(job, state=State.RENDERED, tries=0)))
        except LedgerError as error:
            self.halt(Stop(str(error), 1))

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
                self._asker.is_denied |= is_key
                self._after_refusal(error)
                return self._as_recorded(job)
            case ReplicaError():
                self.stop(Stop(str(error), error.exit_code))
                return self._as_recorded(job)
            case BatchBusyError():  # another run has taken the batch over
                self.halt(Stop(str(error), error.exit_code))
                return self._as_recorded(job)
            case ArchiveError():
                self.fetcher.begin_no_more()
                self.stop(Stop(str(error), error.exit_code))
            case LedgerError():
                self.halt(Stop(str(error), 1))
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
        self.stop(Stop(str(error), error.exit_code))
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
