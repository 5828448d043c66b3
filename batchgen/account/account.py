"""What the account allows: requests a minute, tasks at once, and silence for as long as the service asks for it.

Both limits are the user's at most, and learned below that: a 429 does not say which of them it means.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from math import inf

from aiolimiter import AsyncLimiter

from batchgen.account.ceiling import Ceiling
from batchgen.account.harvest import Harvest
from batchgen.account.posts import Posts
from batchgen.account.window import MINUTE_SECONDS, Window
from batchgen.model import object_in
from batchgen.retry import backoff
from batchgen.words import duration

PACE = 0.99  # of the rate: a service that measures shorter stretches than a minute is not overrun either
BURST = 3  # requests that may pass at once: a turn that was not used is not lost
BURST_RATES = (8, 60)  # requests a minute from which on two may, a question and the task that follows; and three
TROUBLE_BEFORE_PAUSE = 5  # failures in a row, without a single answer between them
TROUBLE_HOLD_SECONDS = 10.0  # for which a limit does not grow after a failure
SILENCE_LIMIT_SECONDS = 1800.0
NEVER_HEARD_LIMIT_SECONDS = 600.0  # for a service that gave no answer at all yet, while nothing is in flight
PROOF_SECONDS = 6.0  # between two steps up of the rate: a minute's window tells late
SAFE = 0.97  # of the requests that passed within a minute before one was refused
USED = 0.95  # of the rate, from which on a higher one would be used: the pace keeps as far below it
REFUSED_PAUSE_SECONDS = 15.0  # at most, after a refusal: within a minute the rate is free again, whatever used it up
DOUBT_SECONDS = 15.0  # after a refused task, in which a refused question tells that it was for the rate
HALF_OPEN_SECONDS = 20.0
REFUSED_SHARE = 0.04  # of a minute's answers: no accident
REFUSED_ROUNDS = 3  # in a row, a pause between each and the next: no accident
LONG_RETRY_AFTER_SECONDS = 5.0  # an accident asks for less
LONG_RETRY_AFTER_MEMORY_SECONDS = 180.0
UNPROVEN_HOLD_SECONDS = 2.0  # for which a limit does not grow after a task that shows no room for more
FEW_OVER = 0.05  # of the tasks in flight: whatever is asked, a few have always ended that nobody knows of yet


class Account:
    """Owner of the limits that all requests share. ``rate`` and ``concurrency`` are never exceeded.

    Two guards see to the rate. The limiter is a leaky bucket, and spaces the requests evenly: for any stretch of time,
    what it holds and what leaks together stay below the rate. The window counts how many requests may have reached the
    service within the last minute: a request counts from when it is sent until a minute after its answer came, since
    the service saw it some time between. However unevenly the network delivers, the service never sees more than
    ``rate`` in a minute.

    ``memory`` is what :meth:`memory` gave in an earlier run. ``clock`` gives seconds that never jump.
    """

    def __init__(
        self, rate: int, concurrency: int, clock: Callable[[], float] = time.monotonic, *, memory: str | None = None
    ) -> None:
        self.tasks = 0  # in flight, or perhaps so
        self.posting = 0  # of them, those whose POST is not answered
        self.posts = Posts(clock)
        self.harvest = Harvest(clock)
        self._clock = clock
        self._rate = Ceiling(rate, PROOF_SECONDS)
        self._room = Ceiling(concurrency)
        self._room_before: tuple[float, Ceiling] | None = None  # the last refusal was put down to it, and when
        self._recall(memory)
        self._window = Window(clock)
        self._silent_until = 0.0
        self._asked_until = 0.0  # of that, by the service's own word
        self._refusals = 0
        self._troubles = 0
        self._rounds = 0  # refusals in a row that a pause lay between
        self._long_retry_at = -inf
        self._is_known = False  # it gave an answer in this run, be it a refusal
        self.cause = ""  # of the trouble that lasts, in words
        self._heard_until = clock()
        self._set_pace()

    def _set_pace(self) -> None:
        rate = self._rate.limit
        self._burst = BURST - sum(rate < least for least in BURST_RATES)
        self.per_second = PACE * (rate + 1 - self._burst) / MINUTE_SECONDS
        self._limiter = AsyncLimiter(self._burst, self._burst / self.per_second)
        self._is_empty = True  # the limiter: it would let a burst pass

    def awake(self) -> float:
        """Seconds of its clock, of which only the difference counts: none pass while this process is stopped."""
        return self._clock()

    # -- asking for leave

    async def start(self) -> None:
        """Fill the bucket: a run that follows another within the minute has no burst of its own."""
        if self._is_empty:
            self._is_empty = False
            await self._limiter.acquire(self._burst)

    async def turn(self) -> None:
        """Wait until one request may be sent: then send it and tell what came of it, or call :meth:`unused`."""
        while True:
            await self.start()
            limiter = self._limiter
            await (limiter.acquire() if self.per_second >= 1.0 else self._acquire(limiter))
            wait = max(self._silent_until - self._clock(), self._full_for(), self._half_open_for())
            if wait > 0:
                await asyncio.sleep(min(wait, 1.0))  # the limits may be changed meanwhile
            elif limiter is self._limiter:
                self._window.sent()
                return

    async def _acquire(self, limiter: AsyncLimiter) -> None:
        """Wait for a limiter that may take a minute, unless another takes its place meanwhile."""
        while limiter is self._limiter:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await limiter.acquire()
                    return

    def unused(self) -> None:
        """Give the turn back: nothing was sent."""
        self._window.unused()

    def _full_for(self) -> float:
        """Seconds until the window has room for one more request."""
        level, answered, _ = self._window.counts()
        over = level - self._rate.limit
        if over < 0 or (level < self._rate.cap and self._rate.may_probe(self._clock())):
            return 0.0
        return self._window.leaves_in(over) if over < answered else 0.05

    def _half_open_for(self) -> float:
        """After a refusal one request alone tries whether it is over. Returns the seconds until there may be news."""
        is_trying = self._refusals > 0 and self._window.since_sent < HALF_OPEN_SECONDS
        return 0.05 if is_trying else 0.0

    @property
    def concurrency(self) -> int:
        """How many tasks may be in flight, as far as is known."""
        return self._room.limit

    @property
    def caps(self) -> tuple[int, int]:
        """The user's own limits: tasks at once, requests a minute."""
        return self._room.cap, self._rate.cap

    @property
    def rate(self) -> int:
        """How many requests a minute may be sent, as far as is known."""
        return self._rate.limit

    @property
    def has_slot(self) -> bool:
        """Whether one more task may be in flight."""
        if self.tasks < self._room.limit:
            return True
        return self.tasks == self._room.limit and self.posting == 0 and self._room.may_probe(self._clock())

    @property
    def may_post(self) -> bool:
        """Whether one more POST may be without an answer; one alone, where nothing comes of what is paid for."""
        if self.harvest.is_failing and (self.posting or self.harvest.pause):
            return False
        return self.posts.may_leave(self.posting, self.per_second)

    # -- hearing

    @property
    def is_answering(self) -> bool:
        """Whether the service's last word was an answer, not a refusal or a failure."""
        return self._refusals == 0 and self._troubles == 0

    def answered(self, *, posted: bool = False) -> None:
        """The service gave a proper answer; ``posted``: to a POST that asked for a task."""
        self._window.answered()
        if posted:
            self.posts.answered()
        elif self.is_cut_off:
            self.posts.revive()
        self._refusals = self._troubles = self._rounds = 0
        self._is_known, self.cause = True, ""
        self._heard_until = now = self._clock()
        if self._rate.is_learned and self._rate.passed(self._needed_level(), now):
            self._set_pace()

    def _needed_level(self) -> int:
        """Requests that passed in the last minute; the limit itself where most of it was used: the pace keeps below."""
        count, _, refused = self._window.counts()
        level, limit = count - refused, self._rate.limit
        return max(level, limit) if level >= min(USED * limit, limit - 1) else level

    def accepted(self, seconds: float, over: Callable[[], float] = lambda: 0.0) -> None:
        """A task was accepted, ``seconds`` after it was asked for: the service bears as many as run now.

        ``over`` tells how many of those in flight are expected to have ended unnoticed: each left its room to another.
        """
        self.posts.took(seconds)
        level, now = self.tasks - self.posting, self._clock()
        if not self._room.may_grow(level, now):
            return
        if over() <= FEW_OVER * level:
            self._room.passed(level, now)
        else:
            self._room.hold(now, UNPROVEN_HOLD_SECONDS)

    def busy(self, retry_after: float | None, *, posted: bool = False) -> None:
        """The service wants fewer requests, or tasks (429): silence for all.

        ``posted``: it refuses a task. What else it refuses can only be the rate.
        """
        now = self._clock()
        is_news = now >= self._silent_until  # what was under way when the silence began tells nothing new
        self._is_known = True
        self._count_from(now)
        self._window.answered()
        if not posted:
            self._window.refused()
        self._refusals += is_news
        if is_news:
            self._learn(now, posted, retry_after or 0.0)
        self._pause(retry_after if retry_after is not None else backoff(self._refusals, cap=REFUSED_PAUSE_SECONDS))
        self._asked_until = self._silent_until

    def _learn(self, now: float, posted: bool, retry_after: float) -> None:
        self._rounds += 1
        in_flight = self.tasks - self.posting
        _, answered, refused = self._window.counts()
        passed = answered - refused - posted  # a question that is refused now is among the refused
        if posted and (in_flight >= self._room.limit or not self._is_for_rate(passed)):
            self._room_before = now, copy(self._room)
            self._room.refused(in_flight, now)
            return
        if not posted:
            self._take_back(now)
        is_frequent = refused >= max(REFUSED_ROUNDS, REFUSED_SHARE * answered)  # whatever passes between them
        if is_frequent or self._is_sure(now, passed, retry_after):
            self._rate.refused(max(1, round(SAFE * passed)), now)
            self._set_pace()

    def _is_for_rate(self, passed: int) -> bool:
        """Whether a task is refused for the rate rather than for the tasks, of which there were more before."""
        are_both_known = self._room.is_learned and self._rate.is_learned
        return passed >= (self._rate.struck_at if are_both_known else self._rate.refused_from)

    def _take_back(self, now: float) -> None:
        """A status call is refused, which can only be for the rate: so the task just before was refused for it too."""
        if self._room_before and now - self._room_before[0] < DOUBT_SECONDS:
            before = self._room_before[1]
            before.recap(self._room.cap)
            self._room = before
        self._room_before = None

    def _is_sure(self, now: float, passed: int, retry_after: float) -> bool:
        """Whether the rate is really used up: a single refusal may be an accident, and the window is long."""
        is_long = retry_after >= LONG_RETRY_AFTER_SECONDS
        was_long = now - self._long_retry_at < LONG_RETRY_AFTER_MEMORY_SECONDS
        if is_long:
            self._long_retry_at = now
        return self._rounds >= REFUSED_ROUNDS or (is_long and was_long) or self._rate.is_known_limit(passed)

    def post_trouble(self, cause: str = "", *, may_be_paid: bool, is_lost: bool = True) -> None:
        """A task was asked for, without an answer or with a broken one: no others are, once that is no accident."""
        self.posts.failed(cause, may_be_paid=may_be_paid, is_lost=is_lost)
        self._note_trouble(cause)

    def trouble(self, cause: str = "") -> None:
        """No answer, or a broken one: silence for all once that is no accident."""
        self._note_trouble(cause)
        if self.is_cut_off and not self.silence:  # what was under way when the silence began tells nothing new
            self._pause(backoff(self._troubles - TROUBLE_BEFORE_PAUSE, cap=30.0))

    def _note_trouble(self, cause: str) -> None:
        self._window.answered()
        self.cause = cause or self.cause
        now = self._clock()
        self._count_from(now)
        self._rate.hold(now, TROUBLE_HOLD_SECONDS)
        self._room.hold(now, TROUBLE_HOLD_SECONDS)
        self._troubles += now >= self._silent_until

    def _count_from(self, now: float) -> None:
        """Nothing was amiss until now: for hours, perhaps, there was nothing to ask."""
        if self.is_answering:
            self._heard_until = now

    def _pause(self, seconds: float) -> None:
        self._silent_until = max(self._silent_until, self._clock() + seconds)

    @property
    def silence(self) -> float:
        """Seconds for which nothing is sent, since the service asked for it or does not answer."""
        return max(0.0, self._silent_until - self._clock())

    @property
    def asked_silence(self) -> float:
        """Seconds of it that the service asked for (429), whatever it has answered since to what was under way."""
        return max(0.0, self._asked_until - self._clock())

    @property
    def unheard(self) -> float:
        """For how many seconds no request has had a good answer; 0 where the last one had."""
        return 0.0 if self.is_answering else self._clock() - self._heard_until

    @property
    def is_cut_off(self) -> bool:
        """Whether the service has failed to answer so often that it is no accident."""
        return self._troubles > TROUBLE_BEFORE_PAUSE

    @property
    def is_lost(self) -> bool:
        """Whether the service has not given one good answer for so long that a person should look."""
        return self._refusals + self._troubles > 0 and self.patience <= 0

    @property
    def patience(self) -> float:
        """Seconds until the service is lost, if it does not give one good answer."""
        is_hopeless = not self._is_known and self.tasks == 0
        limit = NEVER_HEARD_LIMIT_SECONDS if is_hopeless else SILENCE_LIMIT_SECONDS
        return self._heard_until + limit - self._clock()

    def complaint(self) -> str:
        """How long the service has not given one good answer, and why."""
        why = f" ({self.cause})" if self.cause else ""
        return f"no good answer from the service for {duration(self.unheard)}{why}"

    # -- changing, and remembering

    def retune(self, rate: int | None = None, concurrency: int | None = None) -> None:
        """Other limits of the user's; None leaves one as it is."""
        if concurrency is not None:
            self._room.recap(concurrency)
        if rate is not None:
            self._rate.recap(rate)
            self._set_pace()

    def memory(self) -> str:
        """What was learned, for the next run: JSON of less than 100 bytes."""
        return json.dumps({"rate": self._rate.to_memory(), "tasks": self._room.to_memory()})

    def _recall(self, memory: str | None) -> None:
        known = object_in(memory or "")
        self._rate.take_memory(known.get("rate"), self._clock())
        self._room.take_memory(known.get("tasks"), self._clock())
