"""The ledger's copy as a run has it: claimed, restored, kept up to date, let go."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from batchgen.errors import BatchgenError, FaultError, LedgerError, ReplicaError, nothing_sent
from batchgen.ledger import Ledger
from batchgen.ledger.changes import Changed, Changes
from batchgen.ledger.whole_file import Snapshot
from batchgen.replica import FACT, Replica, copies
from batchgen.replica.log import Log, Slot
from batchgen.replica.restore import Local, restore
from batchgen.replica.store import Store
from batchgen.replica.writer import Writer

LATEST_SECONDS = 1.0  # by which an answer is in the store, if the store is well
OUTAGE_SECONDS = 300.0  # for which a submit waits for the store
NOTABLE_TRIES = 4  # fewer come and go within some three seconds
LAST_SECONDS = 30.0  # for which the end of a run does
CHECKPOINT_ENTRIES = 1000
CHECKPOINT_SECONDS = 900.0
CHECKPOINT_SHARE = 20.0  # times as long as a copy took, the next is waited for

log = logging.getLogger("batchgen")


class StoreReplica(Replica):
    """The copy in a store, held by this run. ``path`` is the ledger's; its folder is locked for this run."""

    is_kept = True

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path
        self._local = Local.read(path)
        self._log = Log(store, is_dead=self._is_our_own)
        self._writer = Writer(self._log)
        self._term = 0
        self._sequence = 0  # within the term
        self._changes: Changes | None = None
        self._unheard: list[Changed] = []  # taken, and not known to be in the store
        self._entries = 0  # since the last copy
        self._copied_at = 0.0
        self._rest_until = 0.0
        self._wake = asyncio.Event()
        self._next: asyncio.Future[None]  # done when the next changes are in the store, or none ever will be
        self._uploads: set[asyncio.Task[None]] = set()

    def __str__(self) -> str:
        return str(self._store)

    @property
    def trouble(self) -> str | None:
        """Why it cannot be written now, if that lasts."""
        return str(self._writer.trouble) if self._writer.trouble and self._writer.tries >= NOTABLE_TRIES else None

    # -- the beginning and the end

    def begin(self) -> None:
        """Claim and restore."""
        with nothing_sent():
            slots = self._log.claim()
            self._term = slots[-1].term + 1
            self._writer.start()
            try:
                self.said = self._restore(slots)
            except BaseException:
                self.end()
                raise

    def _restore(self, slots: list[Slot]) -> str | None:
        try:
            return restore(self._log, self._store, self._path, self._local, slots)
        except LedgerError:
            self._writer.put_now(LAST_SECONDS)  # unless another run has the log by now, and clears it
            raise

    def end(self) -> None:
        """Let the next run have it at once."""
        with suppress(BatchgenError):  # it will be taken over, a little later
            self._writer.put_now(LAST_SECONDS if self._writer.trouble is None else 0, released=True)
        self._writer.stop()

    def _is_our_own(self, term: int) -> bool:
        """Whether the holder of a term worked in this folder, which is locked: then it is gone."""
        return self._local is not None and self._local.to == str(self) and self._local.position.term == term

    # -- keeping it up to date

    def checkpoint(self, ledger: Ledger) -> None:
        """Write an entry, then a copy of the very moment."""
        if self._changes is None:
            facts: dict[str, Any] = {"sequence": self._mark(ledger), "base": True}
            self._changes = Changes(ledger.database)
        else:
            facts = self._take(ledger)
        snapshot = ledger.database.snapshot()
        try:
            slot = self._writer.put_now(LAST_SECONDS, **facts)
        except BaseException:
            snapshot.close()
            raise
        self._unheard.clear()
        self._upload(snapshot, slot)

    def paid_here_alone(self) -> list[tuple[int, str]]:
        """The tasks, each with its job, that the store was not told of."""
        rows = [
            dict(zip(facts["columns"], row, strict=True))
            for changed in self._unheard
            for name, facts in changed.items()
            for row in facts["rows"]
            if name == "attempt"
        ]
        return [(row["job"], row["task_id"]) for row in rows if row["task_id"]]

    def _mark(self, ledger: Ledger) -> int:
        """The ledger remembers that its changes are taken once more."""
        self._sequence += 1
        fact = json.dumps({"to": str(self), "term": self._term, "sequence": self._sequence})
        ledger.remember({FACT: fact}, synced=False)  # a ledger that a power cut has set back is older, and is known so
        return self._sequence

    def _take(self, ledger: Ledger) -> dict[str, Any]:
        """The changes since the last time, as facts of an entry."""
        assert self._changes
        sequence = self._mark(ledger)
        self._unheard.append(self._changes.take())
        return {"sequence": sequence, "changes": self._unheard[-1]}

    def _upload(self, snapshot: Snapshot, slot: Slot) -> None:
        began = time.monotonic()
        copies.upload(self._store, self._path.parent, snapshot, slot)
        self._entries = 0
        self._copied_at = time.monotonic()
        self._rest_until = self._copied_at + CHECKPOINT_SHARE * (self._copied_at - began)
        try:
            copies.clear(self._store, self._log)
        except ReplicaError as error:
            log.warning("what the ledger's copy no longer needs was not removed", extra={"reason": str(error)})

    # -- while the run's loop runs

    @asynccontextmanager
    async def shipping(self, ledger: Ledger, ended: Callable[[BatchgenError], None]) -> AsyncIterator[None]:
        """Write an entry whenever something has changed, one at a time."""
        self._next = asyncio.get_running_loop().create_future()
        shipping = asyncio.create_task(self._ship(ledger, ended))
        try:
            yield
            if self._writer.trouble is None:  # else the end of the run has another try
                with suppress(BatchgenError, TimeoutError):
                    async with asyncio.timeout(LAST_SECONDS):
                        await self.durable()
        finally:
            shipping.cancel()
            await asyncio.gather(shipping, *self._uploads, return_exceptions=True)

    async def durable(self) -> None:
        """Wait for the next entry, which takes along all that the ledger holds now."""
        self._wake.set()
        try:
            async with asyncio.timeout(OUTAGE_SECONDS):
                await asyncio.shield(self._next)
        except TimeoutError:
            reason = self._writer.trouble or f"{self} does not answer"
            raise ReplicaError(f"the ledger's copy could not be written for {OUTAGE_SECONDS:.0f} s: {reason}") from None

    async def _ship(self, ledger: Ledger, ended: Callable[[BatchgenError], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LATEST_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
                waiting, self._next = self._next, loop.create_future()
                await self._ship_changes(ledger)
                waiting.set_result(None)
        except BatchgenError as error:
            self._end_shipping(error, waiting, ended)
        except Exception as error:  # a mistake of ours: better an end than a wait for ever
            log.error("unexpected error", exc_info=error)
            self._end_shipping(FaultError(error), waiting, ended)

    def _end_shipping(
        self, error: BatchgenError, waiting: "asyncio.Future[None]", ended: Callable[[BatchgenError], None]
    ) -> None:
        for each in (waiting, self._next):
            each.set_exception(error)
            each.exception()  # there may be nobody who waits
        ended(error)

    async def _ship_changes(self, ledger: Ledger) -> None:
        assert self._changes
        if self._writer.lost:
            raise self._writer.lost
        if not self._changes.are_there:
            return
        facts = self._take(ledger)
        snapshot = ledger.database.snapshot() if self._is_copy_due() else None
        try:
            slot = await _result(self._writer.put(**facts))
        except BaseException:
            if snapshot:
                snapshot.close()
            raise
        self._unheard.clear()
        self._entries += 1
        if snapshot:
            upload = asyncio.create_task(self._upload_beside(snapshot, slot))
            self._uploads.add(upload)
            upload.add_done_callback(self._uploads.discard)

    def _is_copy_due(self) -> bool:
        now = time.monotonic()
        if self._uploads or now < self._rest_until:
            return False
        return self._entries >= CHECKPOINT_ENTRIES or now - self._copied_at >= CHECKPOINT_SECONDS

    async def _upload_beside(self, snapshot: Snapshot, slot: Slot) -> None:
        try:
            await asyncio.to_thread(self._upload, snapshot, slot)
        except BatchgenError as error:  # the log holds all of it
            self._rest_until = time.monotonic() + CHECKPOINT_SECONDS
            log.warning("no copy of the ledger was made", extra={"reason": str(error)})


async def _result(done: "Future[Slot]") -> Slot:
    """What comes of it; to stop waiting leaves it alone."""
    loop, settled = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: "Future[Slot]") -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settled.set)

    done.add_done_callback(tell)
    await settled.wait()
    return done.result()
