"""Many jobs: which goes next, how many at once, and how to stop gently.

Two lanes. The asking lane, here, owns every request to the service: it takes a turn of the account's limiter, and then
whatever is most useful at that moment, a submit or a poll that is due. The fetching lane (``fetcher``) brings home what
is rendered. What waits, waits in the ledger: only what is in flight is held here.

All scheduling goes by the loop's clock, which never jumps; the time of day serves only to tell how old the tasks of an
earlier run are.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypeAlias

from batchgen.account import Account
from batchgen.errors import (
    AccountError,
    ArchiveError,
    BatchBusyError,
    BatchgenError,
    LedgerError,
    LimitReachedError,
    ReplicaError,
)
from batchgen.fetcher import Fetcher
from batchgen.forecast import FETCH_SHARE, Fetching
from batchgen.ledger import Ledger
from batchgen.ledger.rendered import Rendered
from batchgen.model import Job, State
from batchgen.pipeline import Pipeline
from batchgen.schedule import AGAIN, Schedule
from batchgen.service.durations import Durations
from batchgen.service.polling import Polling
from batchgen.steps.submit import SubmitStep
from batchgen.waiting import wait

SUBMITS_BEFORE_POLL = 8  # where callbacks free the slots, and both wait
POLLS_AT_ONCE = 256  # unanswered: enough for the rate of a service that takes 1.5 s to answer
DOUBT_CHECK_SECONDS = 0.5
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
        submit: SubmitStep,
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
        self._submit = submit
        self._changed = changed
        self._first = first
        self._schedule = Schedule(polling, callbacks=callbacks)
        self._may_submit = may_submit
        self._paused = False
        self._may_bring_more: Callable[[], bool] = lambda: False
        self._told: set[int] = set()  # jobs in flight whose end a callback told: they hold no slot
        self._posts: set[asyncio.Task[None]] = set()
        self._asks: set[asyncio.Task[None]] = set()
        forecast = Fetching(downloads, FETCH_SHARE * polling.first)
        self.fetcher = Fetcher(rendered, downloads, forecast, step=self._step, ended=self._fetched)
        self._all_submitted = False
        # A poll frees a slot, unless its callback did: then only the video waits for it.
        self._most_submits = SUBMITS_BEFORE_POLL if callbacks else 1
        self._submits = 0  # since the last poll
        self._wake = asyncio.Event()
        self._halted = asyncio.Event()

    async def run(self) -> None:
        """Run until every job has come as far as it can in this run."""
        await self._account.start()
        self._take_up_in_flight()
        self.fetcher.has_backlog = self._ledger.unfetched()[0] > 0
        lanes = [asyncio.create_task(self._ask()), asyncio.create_task(self.fetcher.run())]
        halt = asyncio.create_task(self._halted.wait())
        try:
            await _until_all_or_one(lanes, halt)
        finally:
            await self._end([*lanes, halt])
        if refusal := self._submit.refusal:
            self._after_refusal(refusal)

    def stop(self, stop: Stop) -> None:
        """Submit nothing more; what is paid is still polled and fetched. The first reason is the one that is told."""
        if self.stopped is None:
            self.stopped = stop
            log.warning("stopping", extra={"reason": stop.reason})
        self._wake.set()

    def halt(self, stop: Stop) -> None:
        """End as soon as the answers to the POSTs in flight are recorded."""
        self.stopped = self.stopped or stop
        self._submit.send_no_more()
        self._halted.set()

    @property
    def is_halted(self) -> bool:
        """Whether :meth:`halt` was called."""
        return self._halted.is_set()

    async def _end(self, lanes: list[asyncio.Task[Any]]) -> None:
        """Polls and downloads may be cut off; a POST may not, since its answer is a paid task's id."""
        for task in (*lanes, *self._asks, *self.fetcher.tasks):
            task.cancel()
        if self._posts:
            await asyncio.wait(self._posts, timeout=DRAIN_SECONDS)
        for task in self._posts:
            task.cancel()
        await asyncio.gather(*lanes, *self._asks, *self._posts, *self.fetcher.tasks, return_exceptions=True)

    # -- while it runs

    def hasten(self, key: int) -> None:
        """A callback says that a job's task has ended: its slot is free, and it is asked about now.

        Unknown jobs and repeats are ignored.
        """
        if self._schedule.hasten(key, asyncio.get_running_loop().time()):
            if key not in self._told:
                self._told.add(key)
                self._account.tasks -= 1
            self._wake.set()

    def wait_while(self, may_bring_more: Callable[[], bool]) -> None:
        """Do not end while a callback may still settle a doubt, as ``may_bring_more`` tells."""
        self._may_bring_more = may_bring_more

    def adopt(self, was: Job, job: Job) -> None:
        """A job that had no task has one, which has probably ended: go on with it."""
        self._changed(was, job)
        now = asyncio.get_running_loop().time()
        self._account.tasks += 1
        self._schedule.add(job, now, max(0.0, time.time() - (job.submitted_at or 0.0)))
        self.hasten(job.key)

    def release(self, jobs: list[Job]) -> None:
        """Jobs that were in doubt are pending again."""
        for job in jobs:
            self._changed(replace(job, state=State.IN_DOUBT), job)
        self._all_submitted = False
        self._wake.set()

    @property
    def may_submit(self) -> bool:
        """Whether it asks for tasks as long as there are any."""
        return self._may_submit and self.stopped is None

    @property
    def doing(self) -> str:
        """What a person who asks is told of it."""
        if self.stopped is not None:
            return "stopping"
        if not self._may_submit:
            return "submitting nothing"
        if self._paused:
            return "paused"
        if self.fetcher.has_backlog:
            return "fetching first what earlier runs paid for"
        return "all submitted" if self._all_submitted else "submitting"

    def running(self) -> list[tuple[float, Durations]]:
        """The tasks in flight: their ages, and what is known of their kind."""
        return self._schedule.running(asyncio.get_running_loop().time())

    def retune(self, concurrency: int | None = None, rate: int | None = None) -> None:
        """Go on with other limits: tasks at once, requests a minute. None: as it is."""
        self._account.retune(rate=rate, concurrency=concurrency)
        self._wake.set()

    def pause(self) -> None:
        """Submit nothing until :meth:`go`; polls and downloads go on."""
        self._paused = True
        self._wake.set()

    def go(self) -> None:
        """Submit again."""
        self._paused = False
        self._wake.set()

    # -- asking

    def _take_up_in_flight(self) -> None:
        now, wall = asyncio.get_running_loop().time(), time.time()
        for job in self._ledger.in_flight():
            self._schedule.add(job, now, max(0.0, wall - (job.submitted_at or 0.0)))
            self._account.tasks += 1
        for started_at in self._ledger.doubtful_since(wall - self._polling.doubt):
            self._hold_slot(self._polling.doubt - max(0.0, wall - started_at))  # a clock may have been set back

    async def _look_first(self) -> None:
        try:
            if self._first:
                await self._first(self.adopt)
        except AccountError as error:
            self.stop(Stop(str(error), error.exit_code))
        except LedgerError as error:
            self.halt(Stop(str(error), 1))

    async def _ask(self) -> None:
        await self._look_first()
        while await self._something_to_ask():
            await self._account.turn()
            if self._account.is_lost:
                self._give_up()
            job = self._next_job()
            if job is not None:
                self._start(job)
            else:
                self._account.unused()
        self.fetcher.no_more()

    async def _something_to_ask(self) -> bool:
        """Wait until a submit is possible or a poll is due; False when there will be neither."""
        loop = asyncio.get_running_loop()
        while not (self._can_submit() or self._poll_is_due(loop.time())):
            if not self._schedule and not self._posts and not self._asks and self._is_over():
                return False
            if self._account.is_lost:
                self._give_up()
                return False
            self._wake.clear()
            await wait(self._wake, self._idle_seconds(loop.time()))
        return True

    def _give_up(self) -> None:
        self.halt(Stop(self._account.complaint(), 1))

    def _idle_seconds(self, now: float) -> float | None:
        """How long nothing will be due, unless something happens; None: for as long as nothing does."""
        may_ask = len(self._asks) < POLLS_AT_ONCE
        until = min(self._schedule.next_due(), self._schedule.next_plan()) if may_ask else inf
        if (pause := self._account.posts.pause) and self._is_submitting():
            until = min(until, now + min(pause, self._account.patience))
        if until < inf:
            return max(0.0, until - now)
        return DOUBT_CHECK_SECONDS if self._may_bring_more() else None

    def _is_over(self) -> bool:
        """Whether nothing that happens can make a submit possible, or bring back a task."""
        if self.stopped is not None or not self._may_submit:
            return True
        if not self._can_submit() and self._ledger.next_pending() is None:  # no slot, or a go, is waited for
            self._all_submitted = True
        return self._all_submitted and not self.fetcher.has_remakes() and not self._may_bring_more()

    def _is_submitting(self) -> bool:
        ready = self._may_submit and self.stopped is None and not self._all_submitted
        return ready and not self._paused and not self.fetcher.has_backlog

    def _can_submit(self) -> bool:
        return self._is_submitting() and self._account.has_slot and self._account.may_post

    def _poll_is_due(self, now: float) -> bool:
        self._schedule.plan(now, self._account.per_second, is_submitting=self._is_submitting())
        return self._schedule.next_due() <= now and len(self._asks) < POLLS_AT_ONCE

    def _next_job(self) -> Job | None:
        """A submit or a poll; when both wait, in turns, so that neither starves the other."""
        now = asyncio.get_running_loop().time()
        if self._can_submit() and not (self._submits >= self._most_submits and self._poll_is_due(now)):
            self._submits += 1
            job = self._ledger.next_pending()
            if job is not None:
                return self._intend(job)
            self._all_submitted = True
        self._submits = 0
        return self._schedule.take(now) if self._poll_is_due(now) else None

    def _intend(self, job: Job) -> Job | None:
        """The job with its intent recorded: no commit, no POST."""
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

    def _start(self, job: Job) -> None:
        tasks, once = self._asks, self._poll_once
        if job.state is State.SUBMITTING:
            tasks, once = self._posts, self._submit_once
            self._account.tasks += 1
            self._account.posting += 1
        task = asyncio.create_task(once(job))
        tasks.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._posts.discard(task)
        self._asks.discard(task)
        self._see(task)
        self._wake.set()

    def _see(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():  # a mistake of ours: better an end than a wait for ever
            log.error("unexpected error", exc_info=task.exception())
            self.halt(Stop("an unexpected error; run.log has it", 1))

    async def _submit_once(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        after = await self._step(job)
        self._account.posting -= 1
        if after.state is State.IN_FLIGHT:
            self._account.accepted(loop.time() - began)
            self._schedule.add(after, loop.time(), 0.0)
        else:
            self._free_slot(after)
        self._open_up(after)

    async def _poll_once(self, job: Job) -> None:
        after = await self._step(job)
        now = asyncio.get_running_loop().time()
        if job.key in self._told:
            self._told.discard(job.key)
            self._account.tasks += 1
        if after.state is State.IN_FLIGHT:
            self._keep_asking(after, now)
        else:
            self._schedule.end(after, now)
            self._free_slot(after)
        self._open_up(after)

    def _keep_asking(self, job: Job, now: float) -> None:
        """Ask about the task again, if its answer leaves hope; its slot is taken, without hope for a while more."""
        is_missing = job.missing_since is not None  # then the job itself knows how long it is asked about
        if job.wait == inf or (not is_missing and self._polling.gives_up(self._schedule.asked_for(job, now))):
            self._schedule.leave(job)
            self._account.tasks -= 1
            self._hold_slot(self._polling.doubt)  # not for ever: a few that nobody hears of would hold up all others
        elif job.tries > 0 or is_missing:
            self._schedule.unheard(job, now + job.wait)
        elif self._account.is_answering:  # which is about this very answer: nothing was awaited since it came
            self._schedule.heard(job, now)
        else:
            self._schedule.unheard(job, now + AGAIN * self._polling.every)

    def _open_up(self, after: Job) -> None:
        """What the step makes possible."""
        if after.state is State.RENDERED:
            self.fetcher.rendered(after)

    def _free_slot(self, job: Job) -> None:
        self._account.tasks -= 1
        if job.state is State.IN_DOUBT:  # it may be running: its slot is held for as long as it may
            self._hold_slot(self._polling.doubt)

    def _hold_slot(self, seconds: float) -> None:
        self._account.tasks += 1

        def release() -> None:
            self._account.tasks -= 1
            self._wake.set()

        asyncio.get_running_loop().call_later(seconds, release)

    # -- what comes of a step

    def _fetched(self, task: asyncio.Task[None] | None) -> None:
        if task:
            self._see(task)
        self._wake.set()

    async def _step(self, job: Job) -> Job:
        """One step; what concerns the batch stops it, what nobody foresaw leaves this job to the next run."""
        try:
            after = await self._pipeline.step(job)
        except Exception as error:
            after = self._after_error(job, error)
        self._changed(job, after)
        if after.state is State.PENDING:
            self._all_submitted = False
        return after

    def _after_error(self, job: Job, error: Exception) -> Job:
        match error:
            case AccountError():
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
