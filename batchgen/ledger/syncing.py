"""Group commit: while a run works, the ledger is synced in a thread, once for all who wait by then."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from batchgen.errors import LedgerError
from batchgen.ledger.database import Database

LATEST_SECONDS = 0.1  # by which a commit is on the disk though nobody waits for it
ENDED = "the ledger is no longer brought to the disk: the run has ended"

log = logging.getLogger("batchgen")


class Syncing:
    """Syncs a ledger's file; one sync at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = asyncio.Event()
        self._ending = False
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def durable(self) -> None:
        """Wait until all that is committed now is on the disk. Raises :class:`LedgerError`."""
        self._wake.set()
        await asyncio.shield(self._next)

    def if_lost(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` if what is committed now cannot be brought to the disk."""
        self._next.add_done_callback(lambda synced: tell() if synced.exception() else None)

    @asynccontextmanager
    async def running(self, failed: Callable[[LedgerError], None]) -> AsyncIterator[None]:
        """Sync for as long as the context lasts, and once more; ``failed`` is told when that cannot go on."""
        working = asyncio.create_task(self._work(failed))
        try:
            yield
        finally:
            self._ending = True
            self._wake.set()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self, failed: Callable[[LedgerError], None]) -> None:
        threads = ThreadPoolExecutor(1, "sync")  # its own: no download that hangs holds up a sync
        last = False
        try:
            while not last:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LATEST_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
                last = self._ending
                await self._sync(threads, failed)
        finally:
            threads.shutdown(wait=False)
            _refuse(self._next, LedgerError(ENDED))

    async def _sync(self, threads: ThreadPoolExecutor, failed: Callable[[LedgerError], None]) -> None:
        loop = asyncio.get_running_loop()
        waiting, self._next = self._next, loop.create_future()
        try:
            if not self._database.is_synced:
                await loop.run_in_executor(threads, self._database.sync)
            waiting.set_result(None)
        except LedgerError as error:
            _refuse(waiting, error)
            failed(error)
        except Exception as error:  # no thread can be started, say: whoever waits must not wait for ever
            log.exception("unexpected error")
            refusal = LedgerError(f"the ledger cannot be brought to the disk: {error}")
            _refuse(waiting, refusal)
            failed(refusal)
        finally:
            if not waiting.done():
                _refuse(waiting, LedgerError(ENDED))


def _refuse(waiting: asyncio.Future[None], error: LedgerError) -> None:
    waiting.set_exception(error)
    waiting.exception()  # there may be nobody who waits
