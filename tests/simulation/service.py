"""The simulated service and the wires to it: limits, latency, generation times; and a list of all that it saw."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf


class Word(Enum):
    """What the service answers."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESS = "success"
    BUSY = "busy"
    BROKEN = "broken"  # a 5xx
    LOST = "lost"  # no clear answer to a POST


@dataclass(frozen=True)
class Terms:
    """What the account allows and how far away the service is."""

    rate: int = 10_000  # requests in any 60 s
    tasks: int = 1_000  # at once
    latency: tuple[float, float] = (0.01, 0.03)  # seconds, each way
    is_bucket: bool = False  # the rate is a bucket that fills evenly, and counts no refusal
    retry_after: bool = False
    tells_cost: bool = True
    broken: float = 0.0  # share of status calls answered with a 5xx
    lost: tuple[float, float] = (inf, inf)  # seconds between which POSTs get no clear answer, and nothing is accepted


@dataclass
class Seen:
    """What happened."""

    posts: int = 0
    status_calls: int = 0
    refused: list[tuple[float, str]] = field(default_factory=list)  # when, and what was refused
    worst_window: int = 0
    most_tasks: int = 0
    most_posts: int = 0  # without an answer
    lost: list[float] = field(default_factory=list)  # when each POST without a clear answer came
    calls: list[int] = field(default_factory=list)  # status calls of each task


class Service:
    """Accepts tasks, whose times are ``times`` in order of acceptance."""

    def __init__(self, terms: Terms, times: Sequence[float], seed: int = 0) -> None:
        self.terms = terms
        self.seen = Seen()
        self.starts: list[float] = []
        self.ends: list[float] = []
        self._times = times
        self._random = random.Random(seed)
        self._window: deque[float] = deque()
        self._bucket, self._filled_at = float(terms.rate), 0.0
        self._running: list[float] = []
        self._posting = 0

    async def submit(self) -> tuple[Word, int, float | None]:
        """Ask for a task: the answer, the task, and what Retry-After says."""
        self._posting += 1
        self.seen.most_posts = max(self.seen.most_posts, self._posting)
        await self._travel()
        self.seen.posts += 1
        now = asyncio.get_running_loop().time()
        word, task, wait = self._submitted(now)
        if word is Word.BUSY:
            self.seen.refused.append((now, "POST"))
        await self._travel()
        self._posting -= 1
        return word, task, wait if self.terms.retry_after else None

    def _submitted(self, now: float) -> tuple[Word, int, float]:
        wait = self._count(now)
        if wait > 0:
            return Word.BUSY, -1, wait
        if self.terms.lost[0] <= now < self.terms.lost[1]:
            self.seen.lost.append(now)
            return Word.LOST, -1, 0.0
        while self._running and self._running[0] <= now:
            heapq.heappop(self._running)
        if len(self._running) >= self.terms.tasks:
            return Word.BUSY, -1, max(1.0, self._running[0] - now)
        task = len(self.ends)
        self.starts.append(now)
        self.ends.append(now + self._times[task])
        self.seen.calls.append(0)
        heapq.heappush(self._running, self.ends[task])
        self.seen.most_tasks = max(self.seen.most_tasks, len(self._running))
        return Word.ACCEPTED, task, 0.0

    async def status(self, task: int) -> tuple[Word, float, float | None]:
        """Ask how a task stands: the answer, its generation time, and what Retry-After says."""
        await self._travel()
        self.seen.status_calls += 1
        now = asyncio.get_running_loop().time()
        wait = self._count(now)
        word = Word.SUCCESS if now >= self.ends[task] else Word.RUNNING
        if wait > 0:
            word = Word.BUSY
            self.seen.refused.append((now, "GET"))
        elif self._random.random() < self.terms.broken:
            word = Word.BROKEN
        self.seen.calls[task] += 1
        await self._travel()
        return word, self.ends[task] - self.starts[task], wait if self.terms.retry_after else None

    async def _travel(self) -> None:
        await asyncio.sleep(self._random.uniform(*self.terms.latency))

    def _count(self, now: float) -> float:
        """Count a request; returns how long until one would not be refused."""
        if self.terms.is_bucket:
            return self._draw(now)
        window = self._window
        while window and window[0] <= now - 60.0:
            window.popleft()
        window.append(now)
        self.seen.worst_window = max(self.seen.worst_window, len(window))
        return max(1.0, window[0] + 60.0 - now) if len(window) > self.terms.rate else 0.0

    def _draw(self, now: float) -> float:
        rate = self.terms.rate
        self._bucket = min(rate, self._bucket + (now - self._filled_at) * rate / 60.0)
        self._filled_at = now
        if self._bucket < 1.0:
            return max(1.0, (1.0 - self._bucket) * 60.0 / rate)
        self._bucket -= 1.0
        return 0.0


def bound(times: Sequence[float], rate: int, tasks: int) -> float:
    """Seconds below which no client can be: the list schedule, the first tasks started no faster than the rate."""
    free: list[float] = []
    for n, time in enumerate(times):
        start = n * 60.0 / rate
        if len(free) >= tasks:
            start = max(start, heapq.heappop(free))
        heapq.heappush(free, start + time)
    return max(free)
