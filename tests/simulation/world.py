"""A batch in virtual time: the program's own scheduling, between a ledger and a service in memory."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from batchgen.account import Account
from batchgen.dispatch.dispatcher import Dispatcher
from batchgen.model import Job, State
from batchgen.request import Request
from batchgen.service.polling import Polling
from tests.simulation import clock
from tests.simulation.service import Seen, Service, Terms, Word, bound

REQUEST = Request("wan-2-5", "text-to-video", "a lake")


class MemoryLedger:
    """What Dispatcher asks of a ledger."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._next = 0
        self._again: deque[Job] = deque()
        self._rendered: deque[Job] = deque()
        self._saved: dict[int, Job] = {}

    def next_pending(self) -> Job | None:
        if self._again:
            return self._again[0]
        return Job(self._next, REQUEST, State.PENDING) if self._next < self._rows else None

    def intend(self, job: Job) -> Job:
        if self._again:
            self._again.popleft()
        else:
            self._next += 1
        return replace(job, state=State.SUBMITTING)

    def withdraw(self, job: Job) -> Job:
        job = replace(job, state=State.PENDING)
        self._again.append(job)
        return job

    def save(self, job: Job) -> Job:
        self._saved[job.key] = job
        if job.state is State.RENDERED:
            self._rendered.append(job)
        return job

    def job(self, key: int) -> Job:
        return self._saved[key]

    def take(self, now: float) -> Job | None:
        return self._rendered.popleft() if self._rendered else None

    def in_flight(self) -> Iterator[Job]:
        return iter(())

    def doubtful_since(self, moment: float) -> list[tuple[int, float]]:
        return []

    def unfetched(self) -> tuple[int, float | None]:
        return len(self._rendered), None

    def has_remakes(self) -> bool:
        return False

    def rest(self, key: int, until: float, tries: int = 0) -> None: ...

    def rouse(self, key: int) -> None: ...

    def next_waking(self) -> float:
        return inf


class MemoryPipeline:
    """What Dispatcher asks of a pipeline, and of its submit step."""

    def __init__(self, ledger: MemoryLedger, account: Account, service: Service) -> None:
        self._ledger = ledger
        self._account = account
        self._service = service
        self._callbacks: Dispatcher | None = None
        self.submit_step = self
        self.sends_no_more = False
        self.accepted = 0

    def call_back(self, dispatcher: Dispatcher) -> None:
        """From now on the service tells the batch when a task has ended."""
        self._callbacks = dispatcher

    def intend(self, job: Job) -> Job:
        return self._ledger.intend(job)

    async def step(self, job: Job) -> Job:
        match job.state:
            case State.SUBMITTING:
                return await self._submit(job)
            case State.IN_FLIGHT:
                return await self._poll(job)
        return replace(job, state=State.ARCHIVED)

    async def _submit(self, job: Job) -> Job:
        word, task, wait = await self._service.submit()
        if word is Word.BUSY:
            self._account.busy(wait, posted=True)
            return self._ledger.withdraw(job)
        if word is Word.LOST:
            self._account.post_trouble("HTTP 500", may_be_paid=True)
            return replace(job, state=State.IN_DOUBT)
        self._account.answered(posted=True)
        self.accepted += 1
        if self._callbacks:
            loop = asyncio.get_running_loop()
            loop.call_at(self._service.ends[task] + 0.05, self._callbacks.asker.in_flight.hasten, job.key)
        return replace(job, state=State.IN_FLIGHT, task_id=str(task), submitted_at=time.time())

    async def _poll(self, job: Job) -> Job:
        word, seconds, wait = await self._service.status(int(job.task_id or ""))
        match word:
            case Word.BUSY:
                self._account.busy(wait)
            case Word.BROKEN:
                self._account.trouble()
            case _:
                self._account.answered()
        if word is not Word.SUCCESS:
            return replace(job, wait=5.0)
        told = round(seconds * 1000) if self._service.terms.tells_cost else None
        return self._ledger.save(replace(job, state=State.RENDERED, urls=("u",), generation_ms=told))

    refusal = None

    def send_no_more(self) -> None:
        self.sends_no_more = True

    def acquit(self) -> list[tuple[Job, Job]]:
        return []


@dataclass(frozen=True)
class Told:
    """What one simulated batch came to."""

    rows: int
    span: float  # seconds, as bound
    bound: float
    seen: Seen
    in_use: list[int]  # slots that a task runs in, every ``SAMPLE`` seconds
    polling_memory: str
    account_memory: str

    @property
    def ratio(self) -> float:
        """Span over bound."""
        return self.span / self.bound

    @property
    def accepted(self) -> int:
        """Tasks that the service took."""
        return len(self.seen.calls)

    @property
    def calls(self) -> float:
        """Status calls a task."""
        return self.seen.status_calls / self.rows


SAMPLE_SECONDS = 5.0


@dataclass(frozen=True)
class Set:
    """How the client is set: flags, and what it remembers."""

    rate: int = 10_000
    concurrency: int = 1_000
    first: float = 50.0
    every: float = 5.0
    share: float | None = None
    callbacks: bool = False
    polling_memory: str | None = None
    account_memory: str | None = None


def simulate(times: Sequence[float], terms: Terms | None = None, settings: Set | None = None, seed: int = 0) -> Told:
    """Run a batch of one row for each time; the same each time."""
    random.seed(seed)  # the jitter of pauses is drawn from it
    return clock.run(_simulate(times, terms or Terms(), settings or Set(), seed))


async def _simulate(times: Sequence[float], terms: Terms, settings: Set, seed: int) -> Told:
    loop = asyncio.get_running_loop()
    service = Service(terms, times, seed)
    ledger = MemoryLedger(len(times))
    account = Account(settings.rate, settings.concurrency, loop.time, memory=settings.account_memory)
    share = {} if settings.share is None else {"spare_share": settings.share}
    polling = Polling(settings.first, settings.every, memory=settings.polling_memory, **share)
    pipeline = MemoryPipeline(ledger, account, service)
    parts: tuple[Any, ...] = (ledger, ledger, account, polling, pipeline)
    dispatcher = Dispatcher(*parts, downloads=1, changed=lambda before, after: None, callbacks=settings.callbacks)
    if settings.callbacks:
        pipeline.call_back(dispatcher)
    await dispatcher.run()
    return Told(
        rows=len(times),
        span=loop.time(),
        bound=bound(times, min(terms.rate, settings.rate), min(terms.tasks, settings.concurrency)),
        seen=service.seen,
        in_use=_in_use(service, loop.time()),
        polling_memory=polling.memory(),
        account_memory=account.memory(),
    )


def _in_use(service: Service, span: float) -> list[int]:
    ends = [min(end, span) for end in service.ends]  # some tasks never end
    steps = [0] * (int(max(ends) / SAMPLE_SECONDS) + 2)
    for start, end in zip(service.starts, ends, strict=True):
        steps[int(start / SAMPLE_SECONDS)] += 1
        steps[int(end / SAMPLE_SECONDS) + 1] -= 1
    in_use, total = [], 0
    for step in steps:
        total += step
        in_use.append(total)
    return in_use
