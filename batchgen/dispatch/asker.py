"""The asking lane: every submit and every poll.

It takes a turn of the account's limiter, and then whatever is most useful at that moment: a submit, or a poll that is
due. What waits, waits in the ledger: only what is in flight is held here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from math import inf
from typing import TypeAlias

from batchgen.account import Account
from batchgen.dispatch.fetcher import Fetcher
from batchgen.dispatch.in_flight import InFlight
from batchgen.dispatch.schedule import Schedule
from batchgen.dispatch.waiting import wait
from batchgen.errors import AccountError, BatchgenError, LedgerError
from batchgen.ledger import Ledger
from batchgen.model import Job, State
from batchgen.pipeline import Pipeline
from batchgen.service.polling import Polling

SUBMITS_BEFORE_POLL = 8  # where callbacks free the slots, and both wait
POLLS_AT_ONCE = 256  # unanswered: enough for the rate of a service that takes 1.5 s to answer
DOUBT_CHECK_SECONDS = 0.5

Adopt: TypeAlias = Callable[[Job, Job], None]  # a job as it was, and as it is: in flight


@dataclass
class Asker:
    """Asks until nothing more can come of it."""

    ledger: Ledger
    account: Account
    polling: Polling
    pipeline: Pipeline
    fetcher: Fetcher
    _: KW_ONLY
    step: Callable[[Job], Awaitable[Job]]  # does the next step of a job
    changed: Callable[[Job, Job], None]  # called with a job as it was, and as it is
    ended: Callable[[asyncio.Task[None]], None]  # called with the task of each step that is over
    failed: Callable[[BatchgenError], None]  # called with what keeps tasks from being asked for
    lost: Callable[[], None]  # called when the service is given up, since no good answer came for too long
    first: Callable[[Adopt], Awaitable[None]] | None  # see :class:`Dispatcher`
    may_submit: bool
    callbacks: bool
    is_paused: bool = False
    is_denied: bool = False  # whatever is asked is refused: what is in flight is left to the next run
    all_submitted: bool = False
    may_bring_more: Callable[[], bool] = lambda: False  # a callback, which may settle a doubt
    posts: set[asyncio.Task[None]] = field(default_factory=set)
    asks: set[asyncio.Task[None]] = field(default_factory=set)
    _submits: int = 0  # since the last poll
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.polling, callbacks=self.callbacks)
        self.in_flight = InFlight(self.account, self.polling, self.schedule, self.wake)
        # A poll frees a slot, unless its callback did: then only the video waits for it.
        self._most_submits = SUBMITS_BEFORE_POLL if self.callbacks else 1

    async def run(self) -> None:
        """Ask until there is nothing to submit, nothing in flight, and nothing that may bring more."""
        await self._look_first()
        while await self._something_to_ask():
            await self.account.turn()
            if self.account.is_lost:
                self.lost()
            job = self._next_job()
            if job is not None:
                self._start(job)
            else:
                self.account.unused()
        self.fetcher.no_more()

    async def _look_first(self) -> None:
        try:
            if self.first:
                await self.first(self.adopt)
        except (AccountError, LedgerError) as error:
            self.failed(error)

    # -- while it runs

    def wake(self) -> None:
        """Something has changed: look again at what may be asked."""
        self._wake.set()

    def pause(self) -> None:
        """Submit nothing until :meth:`go`; polls and downloads go on."""
        self.is_paused = True
        self.wake()

    def go(self) -> None:
        """Submit again."""
        self.account.harvest.begin_anew()
        self.is_paused = False
        self.wake()

    def retune(self, concurrency: int | None = None, rate: int | None = None) -> None:
        """Go on with other limits: tasks at once, requests a minute. None: as it is."""
        self.account.retune(rate=rate, concurrency=concurrency)
        self.wake()

    def adopt(self, was: Job, job: Job) -> None:
        """A job that had no task has one, which has probably ended: go on with it."""
        self.changed(was, job)
        self.in_flight.adopt(job)

    def release(self, jobs: list[Job]) -> None:
        """Jobs that were in doubt are pending again."""
        for job in jobs:
            self.changed(replace(job, state=State.IN_DOUBT), job)
        self.all_submitted = False
        self.wake()

    # -- which

    async def _something_to_ask(self) -> bool:
        """Wait until a submit is possible or a poll is due; False when there will be neither."""
        loop = asyncio.get_running_loop()
        while not (self.is_denied or self._can_submit() or self._poll_is_due(loop.time())):
            if not self.schedule and not self.posts and not self.asks and self._is_over():
                return False
            if self.account.is_lost:
                self.lost()
                return False
            self._wake.clear()
            await wait(self._wake, self._idle_seconds(loop.time()))
        return not self.is_denied

    def _idle_seconds(self, now: float) -> float | None:
        """How long nothing will be due, unless something happens; None: for as long as nothing does."""
        may_ask = len(self.asks) < POLLS_AT_ONCE
        until = min(self.schedule.next_due(), self.schedule.next_plan()) if may_ask else inf
        if self._is_submitting():
            if pause := self.account.posts.pause:
                until = min(until, now + min(pause, self.account.patience))
            if pause := self.account.harvest.pause:
                until = min(until, now + pause)
        if until < inf:
            return max(0.0, until - now)
        return DOUBT_CHECK_SECONDS if self.may_bring_more() else None

    def _is_over(self) -> bool:
        """Whether nothing that happens can make a submit possible, or bring back a task."""
        if not self.may_submit:
            return True
        if not self._can_submit() and self.ledger.next_pending() is None:  # no slot, or a go, is waited for
            self.all_submitted = True
        return self.all_submitted and not self.fetcher.rendered.has_remakes() and not self.may_bring_more()

    def _is_submitting(self) -> bool:
        return self.may_submit and not (self.all_submitted or self.is_paused or self.fetcher.has_backlog)

    def _can_submit(self) -> bool:
        return self._is_submitting() and self.account.has_slot and self.account.may_post

    def _poll_is_due(self, now: float) -> bool:
        self.schedule.plan(now, self.account.per_second, is_submitting=self._is_submitting())
        return self.schedule.next_due() <= now and len(self.asks) < POLLS_AT_ONCE

    def _next_job(self) -> Job | None:
        """A submit or a poll; when both wait, in turns, so that neither starves the other."""
        now = asyncio.get_running_loop().time()
        if self._can_submit() and not (self._submits >= self._most_submits and self._poll_is_due(now)):
            self._submits += 1
            job = self.ledger.next_pending()
            if job is not None:
                return self._intend(job)
            self.all_submitted = True
        self._submits = 0
        return self.schedule.take(now) if self._poll_is_due(now) else None

    # -- asking

    def _intend(self, job: Job) -> Job | None:
        """The job with its intent recorded: no commit, no POST. None: it must not be asked for."""
        try:
            if self.account.harvest.is_given_up:
                raise BatchgenError(self.account.harvest.complaint())
            intended = self.pipeline.intend(job)
        except BatchgenError as error:
            self.failed(error)
            return None
        self.changed(job, intended)
        return intended

    def _start(self, job: Job) -> None:
        tasks = self.asks
        if job.state is State.SUBMITTING:
            tasks = self.posts
            self.in_flight.posting()
        task = asyncio.create_task(self._once(job))
        tasks.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self.posts.discard(task)
        self.asks.discard(task)
        self.ended(task)
        self._wake.set()

    async def _once(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        after = await self.step(job)
        if job.state is State.SUBMITTING:
            self.in_flight.posted(after, loop.time() - began)
        else:
            self.in_flight.polled(after, loop.time() - began)
        if after.state is State.RENDERED:
            self.fetcher.made(after)
