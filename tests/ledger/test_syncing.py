"""Commits and the disk: who waits for a sync, and who shares it."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.ledger.syncing import Syncing
from tests.waiting import until


class SlowDisk:
    """A ledger's file whose sync ends when it is let; counts syncs."""

    def __init__(self) -> None:
        self.is_synced = True
        self.left_unsynced: Callable[[], None] = lambda: None
        self.begun = 0
        self.ended = 0
        self.may_end = threading.Semaphore(0)

    def write(self) -> None:
        self.is_synced = False
        self.left_unsynced()

    def sync(self) -> None:
        self.begun += 1
        self.is_synced = True
        self.may_end.acquire()
        self.ended += 1


def syncing(disk: SlowDisk) -> Syncing:
    database: Any = disk
    return Syncing(database)


def nobody(error: LedgerError) -> None:
    raise AssertionError(error)


async def test_one_sync_serves_all_who_wait_and_none_who_wrote_while_it_ran() -> None:
    disk = SlowDisk()
    disk.write()
    keeper = syncing(disk)
    async with keeper.running(nobody):
        first = [asyncio.create_task(keeper.durable()) for _ in range(5)]
        await until(lambda: disk.begun == 1)
        disk.write()
        later = [asyncio.create_task(keeper.durable()) for _ in range(5)]
        disk.may_end.release()
        await asyncio.gather(*first)
        await until(lambda: disk.begun == 2)
        assert not any(task.done() for task in later)
        disk.may_end.release()
        await asyncio.gather(*later)
    assert disk.ended == 2


async def test_what_nobody_waits_for_is_on_the_disk_soon_and_what_is_there_is_not_synced_again() -> None:
    disk = SlowDisk()
    disk.may_end.release(10)
    keeper = syncing(disk)
    async with keeper.running(nobody):
        disk.write()
        await until(lambda: disk.ended == 1)
        await keeper.durable()
    assert disk.ended == 1


async def test_a_sync_that_cannot_even_begin_is_told_and_the_next_is_tried() -> None:
    class NoThread(SlowDisk):
        def sync(self) -> None:
            self.begun += 1
            if self.begun == 1:
                raise RuntimeError("can't start new thread")
            self.is_synced = True

    disk, told, lost = NoThread(), list[str](), list[str]()
    disk.write()
    keeper = syncing(disk)
    async with keeper.running(lambda error: told.append(str(error))), asyncio.timeout(60):
        keeper.if_lost(lambda: lost.append("first"))
        with pytest.raises(LedgerError, match="can't start new thread"):
            await keeper.durable()
        keeper.if_lost(lambda: lost.append("second"))
        await keeper.durable()
    assert (len(told), lost) == (1, ["first"])


async def test_when_the_run_ends_the_last_commits_are_on_the_disk_and_nobody_waits_for_ever() -> None:
    disk, lost = SlowDisk(), list[str]()
    disk.may_end.release(10)
    keeper = syncing(disk)
    async with asyncio.timeout(60):
        async with keeper.running(nobody):
            await keeper.durable()
            disk.write()
            keeper.if_lost(lambda: lost.append("last"))
            waiting = asyncio.create_task(keeper.durable())
        await waiting
        assert (disk.is_synced, disk.ended, lost) == (True, 1, [])
        with pytest.raises(LedgerError, match="the run has ended"):
            await keeper.durable()


async def test_a_sync_waits_for_no_download() -> None:
    disk, may_end = SlowDisk(), threading.Event()
    disk.may_end.release(10)
    disk.write()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    download = loop.run_in_executor(None, may_end.wait, 60)
    keeper = syncing(disk)
    async with keeper.running(nobody):
        try:
            async with asyncio.timeout(60):
                await keeper.durable()
            assert (disk.ended, download.done()) == (1, False)
        finally:
            may_end.set()
            await download


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were synced by us."""
    files: list[str] = []

    def sync(file: int) -> None:
        files.append(Path(os.readlink(f"/proc/self/fd/{file}")).name)

    monkeypatch.setattr("batchgen.ledger.database._sync", sync)
    return files


def test_a_transaction_is_on_the_disk_when_left_unless_it_is_said_to_have_time(
    tmp_path: Path, synced: list[str]
) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        synced.clear()
        ledger.remember({"a": "b"})
        assert (synced, ledger.database.is_synced) == (["ledger.sqlite-wal"], True)
        with ledger.database.transaction(synced=False):
            ledger.database.execute("INSERT INTO fact VALUES ('c', 'd')")
        assert (synced, ledger.database.is_synced) == (["ledger.sqlite-wal"], False)
        ledger.database.sync()
        assert (synced, ledger.database.is_synced) == (["ledger.sqlite-wal"] * 2, True)


async def test_a_commit_of_a_ledger_that_nobody_waits_for_is_on_the_disk_soon(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        async with Syncing(ledger.database).running(nobody):
            with ledger.database.transaction(synced=False):
                ledger.database.execute("INSERT INTO fact VALUES ('c', 'd')")
            assert not ledger.database.is_synced
            await until(lambda: ledger.database.is_synced)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("Input/output went wrong")])
async def test_after_a_sync_that_failed_none_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    told: list[str] = []

    def fail(file: int) -> None:
        raise error

    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        keeper = Syncing(ledger.database)
        async with keeper.running(lambda error: told.append(str(error))):
            with ledger.database.transaction(synced=False):
                ledger.database.execute("INSERT INTO fact VALUES ('c', 'd')")
            with monkeypatch.context() as patch:
                patch.setattr("batchgen.ledger.database._sync", fail)
                with pytest.raises(LedgerError, match=r"cannot be written: .*Input/output"):
                    await keeper.durable()
            with pytest.raises(LedgerError, match=r"cannot be written: .*Input/output"):
                await keeper.durable()
    assert told
    assert "Input/output" in told[0]
