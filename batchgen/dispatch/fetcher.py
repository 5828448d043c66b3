"""The fetching lane: brings home what is rendered, a few at a time, the link that dies first before others."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from math import inf

from batchgen.dispatch.forecast import Fetching
from batchgen.dispatch.waiting import wait
from batchgen.ledger.rendered import Rendered
from batchgen.model import Job, State

FRESH_LINKS = 1000  # jobs whose links are remembered though the ledger must not have them


@dataclass
class Fetcher:
    """Fetches until nothing more can come, ``downloads`` at a time."""

    rendered: Rendered
    downloads: int
    guess: float  # seconds that a fetch is believed to take until one was seen
    _: KW_ONLY
    step: Callable[[Job], Awaitable[Job]]  # fetches a job
    # Called with each fetch that is over, and (None) when the backlog is.
    ended: Callable[[asyncio.Task[None] | None], None]
    renew: Callable[[set[int]], None]  # makes the jobs among these keys that have expired rendered again
    has_backlog: bool = False  # paid videos of earlier runs come first
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _fresh: dict[int, Job] = field(default_factory=dict)
    _given_up: set[int] = field(default_factory=set)  # in this run, and not tried anew in it
    _tried_anew: set[int] = field(default_factory=set)
    _is_last: bool = False  # nothing more will be rendered
    _is_full: bool = False  # the archive
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.forecast = Fetching(self.downloads, self.guess)

    async def run(self) -> None:
        """Bring home what is rendered until nothing more can come; with a full archive, what was begun."""
        loop = asyncio.get_running_loop()
        while not self._is_full:
            has_room = len(self.tasks) < self.downloads
            if has_room and (job := self.rendered.take(loop.time())):
                self._start(job)
                continue
            waking = self.rendered.next_waking() if has_room else inf
            if not self.tasks and self._is_last and waking == inf:
                return
            if has_room and self.has_backlog:  # each was begun: a slow host may take hours for one
                self.has_backlog = False
                self.ended(None)
            self._wake.clear()
            await wait(self._wake, waking - loop.time() if waking < inf else None)
        if self.tasks:
            await asyncio.wait(self.tasks)

    def made(self, job: Job) -> None:
        """A video is there to be fetched."""
        self._remember_links(job)
        self._wake.set()

    def no_more(self) -> None:
        """Nothing more will be rendered."""
        self._is_last = True
        self._wake.set()

    def begin_no_more(self) -> None:
        """The archive is full: what was begun is ended."""
        self._is_full = True
        self._wake.set()

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._once(job))
        self.tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.ended(task)
        self._wake.set()

    async def _once(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        self.forecast.began(job.key, loop.time())
        after = await self.step(self._with_fresh_links(job))
        self.forecast.ended(job.key, loop.time(), is_home=after.state is State.ARCHIVED)
        if after.state is State.RENDERED:
            self._remember_links(after)
            self.rendered.rest(job.key, loop.time() + after.wait, after.tries)
        else:
            self.rendered.rouse(job.key)
            self._fresh.pop(job.key, None)
        if after.wait == inf or after.state is State.EXPIRED:
            self._given_up |= {job.key} - self._tried_anew
        elif after.state is State.ARCHIVED:
            self._try_anew()

    def _try_anew(self) -> None:
        """The host, or the archive, is back: a night is not to be lost to a minute of refusals."""
        keys, self._given_up = self._given_up, set()
        self._tried_anew |= keys
        self.renew(keys)
        for key in keys:
            self.rendered.rouse(key)

    def _remember_links(self, job: Job) -> None:
        if len(self._fresh) < FRESH_LINKS or job.key in self._fresh:
            self._fresh[job.key] = job

    def _with_fresh_links(self, job: Job) -> Job:
        fresh = self._fresh.get(job.key)
        return replace(job, urls=fresh.urls) if fresh else job
