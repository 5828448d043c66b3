"""Group commit: while a run works, the ledger is synced in a thread, once for all who wait by then."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from batchgen.errors import LedgerError
from batchgen.ledger.database import Database

LATEST_SECONDS = 0.1  # by which a commit is on the disk though nobody waits for it
ENDED = "the ledger is no longer brought to the disk: the run has ended"

log = logging.getLogger("batchgen")


class _Round:
    """A sync to come, and who waits for it."""

    def __init__(self) -> None:
        self.error: LedgerError | None = None
        self._if_lost: list[Callable[[], None]] = []
        self._over = asyncio.Event()

    def end(self, error: LedgerError | None = None) -> None:
        """It has been done, or failed."""
        self.error = error
        self._over.set()
        for tell in self._if_lost if error else ():
            tell()

    def if_lost(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` if it fails, or has failed."""
        if self.error:
            tell()
        else:
            self._if_lost.append(tell)

    async def ended(self) -> None:
        """Wait for it. Raises its error."""
        await self._over.wait()
        if self.error:
            raise self.error


class Syncing:
    """Syncs a ledger's file; one sync at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = asyncio.Event()
        self._latest: asyncio.TimerHandle | None = None  # for what nobody waits for
        self._ending = False
        self._next = _Round()

    async def durable(self) -> None:
        """Wait until all that is committed now is on the disk. Raises :class:`LedgerError`."""
        self._wake.set()
        await self._next.ended()

    def if_lost(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` if what is committed now cannot be brought to the disk."""
        self._next.if_lost(tell)

    @asynccontextmanager
    async def running(self, failed: Callable[[LedgerError], None]) -> AsyncIterator[None]:
        """Sync for as long as the context lasts, and once more; ``failed`` is told when that cannot go on."""
        working = asyncio.create_task(self._work(failed))
        self._database.left_unsynced = self._left_unsynced
        if not self._database.is_synced:
            self._left_unsynced()
        try:
            yield
        finally:
            self._database.left_unsynced = lambda: None
            self._ending = True
            self._wake.set()
            await asyncio.gather(working, return_exceptions=True)

    def _left_unsynced(self) -> None:
        if self._latest is None:
            self._latest = asyncio.get_running_loop().call_later(LATEST_SECONDS, self._wake.set)

    async def _work(self, failed: Callable[[LedgerError], None]) -> None:
        threads = ThreadPoolExecutor(1, "sync")  # its own: no download that hangs holds up a sync
        last = False
        try:
            while not last:
                await self._wake.wait()
                self._wake.clear()
                if self._latest:
                    self._latest.cancel()
                    self._latest = None
                last = self._ending
                await self._sync(threads, failed)
        finally:
            threads.shutdown(wait=False)
            self._next.end(LedgerError(ENDED))

    async def _sync(self, threads: ThreadPoolExecutor, failed: Callable[[LedgerError], None]) -> None:
        this, self._next = self._next, _Round()
        error: LedgerError | None = LedgerError(ENDED)
        try:
            if not self._database.is_synced:
                await asyncio.get_running_loop().run_in_executor(threads, self._database.sync)
            error = None
        except LedgerError as refusal:
            error = refusal
            failed(error)
        except Exception as fault:  # no thread can be started, say: whoever waits must not wait for ever
            log.exception("unexpected error")
            error = LedgerError(f"the ledger cannot be brought to the disk: {fault}")
            failed(error)
        finally:
            this.end(error)
