"""Group commit: while a run works, the ledger is synced in a thread, once for all who wait by then."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from batchgen.errors import LedgerError
from batchgen.ledger.database import Database

LATEST_SECONDS = 0.1  # by which a commit is on the disk though nobody waits for it


class Syncing:
    """Syncs a ledger's file; one sync at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = asyncio.Event()
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def durable(self) -> None:
        """Wait until all that is committed now is on the disk. Raises :class:`LedgerError`."""
        self._wake.set()
        await asyncio.shield(self._next)

    @asynccontextmanager
    async def running(self, failed: Callable[[LedgerError], None]) -> AsyncIterator[None]:
        """Sync for as long as the context lasts; ``failed`` is told when that cannot go on."""
        working = asyncio.create_task(self._work(failed))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self, failed: Callable[[LedgerError], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LATEST_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            waiting, self._next = self._next, loop.create_future()
            try:
                if not self._database.is_synced:
                    await loop.run_in_executor(None, self._database.sync)
            except LedgerError as error:
                waiting.set_exception(error)
                waiting.exception()  # there may be nobody who waits
                failed(error)
            else:
                waiting.set_result(None)
