"""Callback mode: what a callback means for a job, and what one that never came means.

A callback is a hint. For a job in flight it makes the next status call due now; for a job in doubt it brings a task id,
which one status call has to confirm. Polling goes on all the while, as the safety net.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from batchgen.account import Account
from batchgen.dispatcher import Dispatcher, Stop
from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, doubt
from batchgen.ledger.doubt import Candidate
from batchgen.ledger.ledger import token_hash
from batchgen.model import Job, State
from batchgen.pipeline import tell
from batchgen.service.client import Client
from batchgen.service.wire import TaskWord
from batchgen.settings import DEFAULT_FIRST_POLL_SECONDS, Settings
from batchgen.words import many

HEARTBEAT_SECONDS = 1.0
JUMP_SECONDS = 10.0  # between the clocks, in a heartbeat: the time of day was set, or the machine slept
REPEATS_SECONDS = 30 + 120 + 600  # after which the service gives a callback up (from the vendor's other pages)
SILENCE_SECONDS = 3600.0 + REPEATS_SECONDS  # no task was seen to take an hour: only then is silence a proof
EARLY_SECONDS = 120.0  # by which the clocks may differ
LATE_SECONDS = 600.0  # within which the service creates a task that it was asked for
IDENTIFY_TRIES = 5

log = logging.getLogger("batchgen")


class Callbacks:
    """Goes between the receiver, the ledger and the running batch.

    ``hasten`` is told the key of a job whose task has probably ended; ``adopt`` is given a job that was in doubt and
    is in flight; ``release`` is given jobs in doubt that have become pending. ``patience`` is for how many seconds
    after its submit a job in doubt is waited for.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        client: Client,
        *,
        patience: float,
        hasten: Callable[[int], None],
        adopt: Callable[[Job], None],
        release: Callable[[list[Job]], None],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._client = client
        self._patience = patience
        self._hasten = hasten
        self._adopt = adopt
        self._release = release
        self._since = time.time()
        self._offset = time.time() - time.monotonic()
        self._tries: dict[int, int] = {}
        self._wake = asyncio.Event()

    def received(self, token: str, task_id: str | None) -> bool:
        """A callback came. Returns whether its token is one of ours; then it is on record."""
        job = doubt.called(self._ledger, token_hash(token), task_id)
        if job is None:
            return False
        if job.state is State.IN_FLIGHT:
            self._hasten(job.key)
        elif job.state is State.IN_DOUBT:
            self._wake.set()
        return True

    @property
    def may_bring_more(self) -> bool:
        """Whether a job in doubt is still waited for."""
        return doubt.awaiting_callback(self._ledger, time.time() - self._patience - 2 * HEARTBEAT_SECONDS) > 0 or any(
            self._tries.get(candidate.attempt, 0) < IDENTIFY_TRIES for candidate in doubt.candidates(self._ledger)
        )

    async def run(self) -> None:
        """Until cancelled: confirm what callbacks brought, record that we listen, release what never came."""
        while True:
            self._wake.clear()
            for candidate in doubt.candidates(self._ledger):
                await self._identify(candidate)
            self._begin_anew_after_a_jump()
            doubt.listening(self._ledger, self._since, time.time())
            if released := doubt.release(self._ledger, SILENCE_SECONDS):
                log.warning("released: their callbacks never came", extra={"jobs": len(released)})
                self._release(released)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._wake.wait()

    def _begin_anew_after_a_jump(self) -> None:
        """What the clock of the day skipped was not listened to: nothing follows from its silence."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > JUMP_SECONDS:
            log.warning("the clock has jumped", extra={"seconds": round(offset - self._offset)})
            self._since = time.time()
        self._offset = offset

    async def _identify(self, candidate: Candidate) -> None:
        """Ask the service about the task that a callback named; only if it fits the attempt, it is the job's."""
        tries = self._tries.get(candidate.attempt, 0)
        if tries >= IDENTIFY_TRIES:
            return
        self._tries[candidate.attempt] = tries + 1
        await self._account.turn()
        status = await self._client.status(candidate.task_id)
        tell(self._account, status.word, status.retry_after, status.message)
        if status.word not in (TaskWord.RUNNING, TaskWord.SUCCESS, TaskWord.FAILED):
            return
        created = status.created_at
        sent = candidate.started_at
        if created is not None and not sent - EARLY_SECONDS <= created <= sent + LATE_SECONDS:
            doubt.reject(self._ledger, candidate)
            return
        job = doubt.bind(self._ledger, candidate, "its callback brought the task id")
        if job:
            log.info("a callback brought back a task", extra={"job": job.key, "task_id": job.task_id})
            self._adopt(job)


@asynccontextmanager
async def receiving(
    settings: Settings,
    ledger: Ledger,
    account: Account,
    client: Client,
    dispatcher: Dispatcher,
    warn: Callable[[str], None],
) -> AsyncIterator[None]:
    """Receive callbacks for as long as the context lasts; ``warn`` is told of rows that are asked for again."""
    from batchgen.service.webhook import Webhook  # aiohttp's server takes a while to load

    assert settings.callback_listen

    def release(jobs: list[Job]) -> None:
        dispatcher.release(jobs)
        rows = many(len(jobs), "row whose answer was lost is", "rows whose answers were lost are")
        warn(f"{rows} asked for again: for {SILENCE_SECONDS / 60:.0f} minutes every other callback came")

    # A service that is faster than the real one repeats its callbacks faster too.
    scale = settings.first_poll / DEFAULT_FIRST_POLL_SECONDS
    callbacks = Callbacks(
        ledger,
        account,
        client,
        patience=(REPEATS_SECONDS + 6 * DEFAULT_FIRST_POLL_SECONDS) * scale,
        hasten=dispatcher.hasten,
        adopt=dispatcher.adopt,
        release=release,
    )
    dispatcher.may_bring_more = lambda: callbacks.may_bring_more
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
        dispatcher.halt(Stop(str(error), 1))
    except Exception:
        log.exception("unexpected error")
        dispatcher.halt(Stop("an unexpected error; run.log has it", 1))
