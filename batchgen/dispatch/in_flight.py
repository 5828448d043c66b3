"""The tasks in flight, or perhaps so: the slot of the account's that each holds, and when each is asked about.

What may be running, though nobody can know, holds its slot for as long as it may. All goes by the loop's clock, which
never jumps; the time of day serves only to tell how old the tasks of an earlier run are.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from batchgen.account import Account
from batchgen.dispatch.schedule import AGAIN, Schedule
from batchgen.ledger import Ledger
from batchgen.model import Job, State
from batchgen.service.polling import Polling

NEVER_ENDED = "a task has not ended in all the time that it was asked about"


@dataclass
class InFlight:
    """Keeps the account's number of tasks, and the schedule, by what the answers say."""

    account: Account
    polling: Polling
    schedule: Schedule
    wake: Callable[[], None]  # called when a slot is free, or a task is to be asked about, and no answer says so
    _since: dict[int, float] = field(default_factory=dict)  # job -> when this run began to ask, by the account's clock
    _told: set[int] = field(default_factory=set)  # jobs whose end a callback told: they hold no slot
    _held: dict[int, asyncio.TimerHandle] = field(default_factory=dict)  # jobs whose tasks may be running

    # -- without a request of this run

    def take_up(self, ledger: Ledger) -> None:
        """Go on with the tasks of earlier runs."""
        now, wall = asyncio.get_running_loop().time(), time.time()
        for job in ledger.in_flight():
            if job.key not in self.schedule:  # a callback may have brought it a moment ago
                self._add(job, now, wall)
        for key, started_at in ledger.doubtful_since(wall - self.polling.doubt):
            self._hold_slot(key, self.polling.doubt - max(0.0, wall - started_at))  # a clock may have been set back

    def adopt(self, job: Job) -> None:
        """A job that had no task has one, which has probably ended: go on with it."""
        self._let_go(job.key)
        self._add(job, asyncio.get_running_loop().time(), time.time())
        self.hasten(job.key)

    def _add(self, job: Job, now: float, wall: float) -> None:
        self.account.tasks += 1
        self._begin(job, now, max(0.0, wall - (job.submitted_at or 0.0)))

    def _begin(self, job: Job, now: float, age: float) -> None:
        self.schedule.add(job, now, age)
        self._since[job.key] = self.account.awake()

    def hasten(self, key: int) -> None:
        """A callback says that a job's task has ended: its slot is free, and it is asked about now.

        Unknown jobs and repeats are ignored.
        """
        if self.schedule.hasten(key, asyncio.get_running_loop().time()):
            if key not in self._told:
                self._told.add(key)
                self.account.tasks -= 1
            self.wake()

    # -- what an answer means

    def posting(self) -> None:
        """A task is being asked for."""
        self.account.tasks += 1
        self.account.posting += 1

    def posted(self, job: Job, seconds: float) -> None:
        """The answer came after so many seconds; ``job`` is what it made of it."""
        self.account.posting -= 1
        if job.state is State.IN_FLIGHT:
            now = asyncio.get_running_loop().time()
            self.account.accepted(seconds, over=lambda: self.schedule.over(now))
            self._begin(job, now, 0.0)
        else:
            self._free_slot(job)

    def polled(self, job: Job, seconds: float) -> None:
        """A task was asked about; ``job`` is what the answer made of it, which came after so many seconds."""
        now = asyncio.get_running_loop().time()
        if self.account.is_answering:  # which is about this very answer: nothing was awaited since it came
            self.schedule.took(seconds)
        if job.key in self._told:
            self._told.discard(job.key)
            self.account.tasks += 1
        if job.state is State.IN_FLIGHT:
            self._keep_asking(job, now)
        else:
            self.schedule.end(job, now)
            self._free_slot(job)

    def _keep_asking(self, job: Job, now: float) -> None:
        """Ask about the task again if its answer leaves hope; its slot stays taken, without hope for a while longer."""
        is_missing = job.missing_since is not None  # then the job itself knows how long it is asked about
        asked_for = self.account.awake() - self._since[job.key]
        if job.wait == inf or (not is_missing and self.polling.gives_up(asked_for)):
            self.schedule.leave(job)
            self.account.tasks -= 1
            # Not for ever: a few that nobody hears of would hold up all others.
            self._hold_slot(job.key, self.polling.doubt)
            self.account.harvest.failed(job.key, NEVER_ENDED)
        elif job.tries > 0 or is_missing:
            self.schedule.unheard(job, now + job.wait)
        elif self.account.is_answering:
            self.schedule.heard(job, now)
        else:
            self.schedule.unheard(job, now + AGAIN * self.polling.every)

    def _free_slot(self, job: Job) -> None:
        self.account.tasks -= 1
        if job.state is State.IN_DOUBT:  # it may be running: its slot is held for as long as it may
            self._hold_slot(job.key, self.polling.doubt)

    def _hold_slot(self, key: int, seconds: float) -> None:
        """Count a job's task as one in flight for so long, or until it is known."""
        self._let_go(key)
        self.account.tasks += 1
        self._held[key] = asyncio.get_running_loop().call_later(seconds, self._let_go, key)

    def _let_go(self, key: int) -> None:
        if held := self._held.pop(key, None):
            held.cancel()
            self.account.tasks -= 1
            self.wake()
