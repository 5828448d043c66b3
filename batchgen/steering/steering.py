"""Beside a run: takes a person's orders, and says how the run stands."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from math import inf
from shlex import join

from batchgen.account import Account
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.dispatch.forecast import Pace, seconds_until_home
from batchgen.dispatch.kinds import Ages
from batchgen.errors import LimitReachedError
from batchgen.model import LEDGER, State
from batchgen.service.polling import Polling
from batchgen.steering.control import Desk, Order
from batchgen.steering.deadline import Deadline
from batchgen.steering.progress import Progress, Standing, Tally
from batchgen.words import duration, many

BEAT_SECONDS = 0.5
PUBLISH_EVERY_SECONDS = 1.0
NOTABLE_SILENCE_SECONDS = 1.0  # shorter ones come and go
TAIL = 1.2  # times the mean: by when most have ended, as long as it is not known better

log = logging.getLogger("batchgen")


@dataclass
class Steering:
    """What a run is told, and tells, while it works."""

    desk: Desk
    dispatcher: Dispatcher
    account: Account
    polling: Polling
    tally: Tally
    progress: Progress
    _: KW_ONLY
    affordable: Callable[[int], int] = lambda tasks: tasks  # of so many tasks, how many may be asked for
    deadline: Deadline | None = None
    has_ledger: Callable[[], bool] = lambda: True  # whether it is still the one in the batch's folder
    copy_trouble: Callable[[], str | None] = lambda: None  # why its copy in S3 cannot be written now
    _published: float = -inf

    async def beside(self) -> None:
        """Run the batch to its end; meanwhile take orders, and say how it stands."""
        working = asyncio.create_task(self.dispatcher.run())
        try:
            while not working.done():
                self.beat()
                await asyncio.wait([working], timeout=BEAT_SECONDS)
            self.beat()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        working.result()

    def beat(self) -> None:
        """Take orders, and say how the run stands. Whatever goes wrong here must not end the run."""
        try:
            self._beat()
        except Exception:
            log.exception("the progress could not be shown")

    def _beat(self) -> None:
        if taken_away := self._taken_away():
            self.dispatcher.halt(Stop(taken_away, 1))
            return
        order = self.desk.take()
        if order:
            self._obey(order)
        standing = self.standing()
        self.progress.show(standing)
        now = time.monotonic()
        if order or now - self._published >= PUBLISH_EVERY_SECONDS:
            self._published = now
            self.desk.publish(standing.facts())

    def _obey(self, order: Order) -> None:
        """Do what a person ordered."""
        log.info(
            "order",
            extra={"concurrency": order.concurrency, "requests_per_minute": order.rate, "action": order.action},
        )
        self.dispatcher.asker.retune(concurrency=order.concurrency, rate=order.rate)
        match order.action:
            case "pause":
                self.dispatcher.asker.pause()
            case "go":
                self.dispatcher.asker.go()
            case "drain":
                self.dispatcher.stop(Stop("batchgen ctl --drain", LimitReachedError.exit_code))

    def _taken_away(self) -> str | None:
        """What to say if the run works on what no later one will find: it would pay, and nobody would know."""
        if not self.desk.is_at_its_place():
            return "the batch's folder was moved or removed; bring it back, and run again"
        if not self.has_ledger():
            return f"the batch's {LEDGER} was moved, removed or replaced; as it was it is put back: run again"
        return None

    def standing(self) -> Standing:
        """How the run stands."""
        counts = self.tally.counts
        per_minute = self.tally.per_minute()
        concurrency, rate = self.account.caps
        return Standing(
            rows=self.tally.rows,
            archived=counts[State.ARCHIVED],
            failed=counts[State.FAILED] + counts[State.EXPIRED],
            expired=counts[State.EXPIRED],
            in_doubt=counts[State.IN_DOUBT],
            in_flight=counts[State.IN_FLIGHT] + counts[State.SUBMITTING],
            rendered=counts[State.RENDERED],
            pending=counts[State.PENDING],
            per_minute=per_minute,
            seconds_left=self._seconds_left(),
            doing=self.dispatcher.doing,
            waiting=self._waiting(),
            concurrency=concurrency,
            rate=rate,
            bearable_concurrency=self.account.concurrency,
            bearable_rate=self.account.rate,
        )

    def _seconds_left(self) -> float | None:
        """None while nobody can know: it is paused, or the service is silent, or wants to be left alone.

        When a task ends that is older than any that a run waits for, nobody can know either; the others are foretold.
        """
        account = self.account
        if self.dispatcher.doing == "paused" or account.unheard > BEAT_SECONDS or account.posts.are_failing:
            return None
        if account.harvest.is_failing or account.asked_silence > NOTABLE_SILENCE_SECONDS or self._uncopied():
            return None
        counts = self.tally.counts
        now = asyncio.get_running_loop().time()
        running = self.dispatcher.asker.schedule.running(now)
        fetches = self.dispatcher.fetcher.forecast.ages(now)
        left = seconds_until_home(
            self._pace(running),
            [age for age in chain(*running.values()) if not self.polling.gives_up(age)],
            self.affordable(counts[State.PENDING]) if self.dispatcher.asker.may_submit else 0,
            self.dispatcher.fetcher.forecast.pace(now),
            fetches,
            max(0, counts[State.RENDERED] - len(fetches)),
        )
        if self.deadline:
            left = min(left, max(0.0, self.deadline.seconds_left()))
        return left or None

    def _pace(self, running: Ages) -> Pace:
        running = running or {self.polling.usual(): [0.0]}
        mean = sum(table.expected * len(ages) for table, ages in running.items()) / sum(map(len, running.values()))
        latest = max(max(table.latest(), TAIL * table.expected) for table in running)
        return Pace(self.account.concurrency, self.account.per_second, mean, latest)

    def _waiting(self) -> str | None:
        """What the run waits for."""
        asked = self.account.asked_silence
        is_asked = asked > NOTABLE_SILENCE_SECONDS and not self.dispatcher.is_halted
        wait = f"the service asks us to wait {duration(asked)} more (too many requests or tasks)" if is_asked else None
        wait = wait or self._uncopied()
        if self.dispatcher.stopped is not None:
            return f"submitting nothing more: {self.dispatcher.stopped.reason}" + (f"; {wait}" if wait else "")
        return wait or self._trouble()

    def _uncopied(self) -> str | None:
        """Why tasks that are to be asked for wait, if it is the ledger's copy that they wait for."""
        trouble, stopped = self.copy_trouble(), self.dispatcher.stopped
        if not self.tally.counts[State.SUBMITTING] or not trouble or (stopped and trouble in stopped.reason):
            return None
        return f"the ledger's copy cannot be written ({trouble}): until it can, nothing is asked for"

    def _trouble(self) -> str | None:
        account, posts = self.account, self.account.posts
        if account.is_cut_off:
            silence = account.silence or posts.pause
            return f"{account.complaint()}; " + (f"next try in {_seconds(silence)}" if silence >= 1 else "trying again")
        if self.dispatcher.doing == "paused":
            return f"paused; to go on: {join(['batchgen', 'ctl', str(self.desk.folder), '--go'])}"
        if posts.are_failing and self.dispatcher.doing == "submitting":
            when = f"in {_seconds(posts.pause)}" if posts.pause >= 1 else "now"
            return (
                f"no clear answer when a task is asked for ({posts.cause}): submitting pauses, and one is tried {when}"
            )
        if account.harvest.is_failing and self.dispatcher.doing == "submitting":
            return f"{account.harvest.complaint()}: submitting pauses, and one is tried now and then"
        return self._others()

    def _others(self) -> str | None:
        """What a run waits for when all that it was asked for is settled."""
        if self.tally.settled < self.tally.rows:
            return None
        if others := len(self.dispatcher.asker.schedule):
            return (
                f"waiting for {many(others, 'task')} in flight, of rows that were edited, are gone or were not chosen"
            )
        if self.dispatcher.asker.may_bring_more():
            return "waiting for callbacks that tell of what is in doubt, which may take a quarter of an hour"
        return None


def _seconds(seconds: float) -> str:
    return many(f"{seconds:.0f}", "second")
