"""Callback mode: what a callback means for a job, and what one that never came means.

A callback is a hint. For a job in flight it makes the next status call due now; for a job in doubt it brings a task id,
which one status call has to confirm. Polling goes on all the while, as the safety net.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from math import inf

from batchgen.account import Account
from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.doubts.candidates import Candidates
from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, doubt, evidence
from batchgen.ledger.evidence import Candidate
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, State
from batchgen.settings import Settings
from batchgen.words import many

HEARTBEAT_SECONDS = 1.0
RECORD_SECONDS = 20.0  # until it is recorded again that we listen; a crash loses so much of it, which releases less
GAP_SECONDS = 10.0  # more between two beats, or the clock of the day jumped by more: callbacks may have been missed
REPEATS_SECONDS = 30 + 120 + 600  # after which the service gives a callback up (from the vendor's other pages)
SILENCE_SECONDS = 3600.0 + REPEATS_SECONDS  # no task was seen to take an hour: only then is silence a proof
IDENTIFY_TRIES = 5

log = logging.getLogger("batchgen")


@dataclass
class Callbacks:
    """Goes between the receiver, the ledger and the running batch."""

    ledger: Ledger
    candidates: Candidates
    _: KW_ONLY
    patience: float  # seconds after its submit for which a job in doubt is waited for
    unheard: Callable[[], float]  # for how long the service has not answered
    hasten: Callable[[int], None]  # told the key of a job whose task has probably ended
    adopt: Callable[[Job, Job], None]  # given a job as it was, in doubt, and as it is, in flight
    release: Callable[[list[Job]], None]  # given jobs in doubt that have become pending
    _tries: Counter[int] = field(default_factory=Counter)  # attempt -> questions about its candidate
    _early: set[int] = field(default_factory=set)  # jobs whose callbacks came before the answers to their POSTs
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._begin_anew()

    def received(self, token: str, task_id: str | None) -> bool:
        """A callback came. Returns whether its token is one of ours; then it is on record."""
        job = evidence.called(self.ledger, token_hash(token), task_id)
        if job is None:
            return False
        if job.state is State.IN_FLIGHT:
            self.hasten(job.key)
        elif job.state is State.SUBMITTING:
            self._early.add(job.key)
        elif job.state is State.IN_DOUBT:
            self._wake.set()
        return True

    def may_bring_more(self) -> bool:
        """Whether a job in doubt is still waited for."""
        since = time.time() - self.patience - 2 * HEARTBEAT_SECONDS
        return doubt.awaiting_callback(self.ledger, since) > 0 or any(self._named())

    async def run(self) -> None:
        """Until cancelled: confirm what callbacks brought, record that we listen, release what never came."""
        identifying = asyncio.create_task(self._identify_all())  # we listen on, however long the service takes over it
        try:
            while not identifying.done():
                self._hasten_early()
                self._record()
                if released := doubt.release(self.ledger, SILENCE_SECONDS):
                    log.warning("released: their callbacks never came", extra={"jobs": len(released)})
                    self.release(released)
                await asyncio.wait([identifying], timeout=HEARTBEAT_SECONDS)
            identifying.result()
        finally:
            identifying.cancel()
            await asyncio.gather(identifying, return_exceptions=True)

    async def _identify_all(self) -> None:
        while True:
            self._wake.clear()
            for candidate in self._named():
                await self._identify(candidate)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._wake.wait()

    def _hasten_early(self) -> None:
        for key in tuple(self._early):
            state = self.ledger.job(key).state
            if state is not State.SUBMITTING:
                self._early.discard(key)
            if state is State.IN_FLIGHT:
                self.hasten(key)

    def _begin_anew(self) -> None:
        self._since, self._beat = time.time(), time.monotonic()
        self._offset = self._since - self._beat
        self._recorded = -inf

    def _record(self) -> None:
        """Record that we listen; what a gap or the clock of the day skipped was not listened to."""
        now, beat = time.time(), time.monotonic()
        is_gap = beat - self._beat > GAP_SECONDS or abs(now - beat - self._offset) > GAP_SECONDS
        if is_gap or self.unheard() > GAP_SECONDS:  # what takes the service's answers away takes its callbacks too
            if is_gap:
                log.warning(
                    "callbacks may have been missed: a gap, or the clock was set", extra={"seconds": beat - self._beat}
                )
            self._begin_anew()
        self._beat, self._offset = beat, now - beat
        if beat - self._recorded >= RECORD_SECONDS:
            doubt.note_listening(self.ledger, self._since, now)
            self._recorded = beat

    def _named(self) -> Iterator[Candidate]:
        """The tasks that callbacks named, as far as the service may still come to know them."""
        for candidate in evidence.candidates(self.ledger):
            if candidate.is_called and self._tries[candidate.attempt] < IDENTIFY_TRIES:
                yield candidate

    async def _identify(self, candidate: Candidate) -> None:
        self._tries[candidate.attempt] += 1
        _, job = await self.candidates.verify(candidate)
        if job:
            self.adopt(candidate.job, job)


@asynccontextmanager
async def receiving(
    settings: Settings,
    ledger: Ledger,
    account: Account,
    candidates: Candidates,
    dispatcher: Dispatcher,
    warn: Callable[[str], None],
) -> AsyncIterator[None]:
    """Receive callbacks for as long as the context lasts; ``warn`` is told of rows that are asked for again."""
    from batchgen.service.webhook import Webhook  # aiohttp's server takes a while to load

    assert settings.callback_listen
    asker = dispatcher.asker

    def release(jobs: list[Job]) -> None:
        asker.release(jobs)
        rows = many(len(jobs), "row whose answer was lost is", "rows whose answers were lost are")
        warn(f"{rows} asked for again: for {SILENCE_SECONDS / 60:.0f} minutes every other callback came")

    # A service that is faster than the real one repeats its callbacks faster too.
    scale = settings.first_poll / DEFAULT_FIRST_POLL_SECONDS
    callbacks = Callbacks(
        ledger,
        candidates,
        unheard=lambda: account.unheard,
        patience=(REPEATS_SECONDS + 6 * DEFAULT_FIRST_POLL_SECONDS) * scale,
        hasten=asker.in_flight.hasten,
        adopt=asker.adopt,
        release=release,
    )
    asker.may_bring_more = callbacks.may_bring_more
    async with Webhook(*settings.callback_listen, callbacks.received):
        listening = asyncio.create_task(_until_it_fails(callbacks, dispatcher))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _until_it_fails(callbacks: Callbacks, dispatcher: Dispatcher) -> None:
    try:
        await callbacks.run()
    except BatchgenError as error:
        dispatcher.halt(Stop.of(error))
    except Exception:
        log.exception("unexpected error")
        dispatcher.halt(Stop("an unexpected error; run.log has it", 1))
