"""Uploads that broke off, and objects that are damaged: what is passed over, and what is refused."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchgen.errors import BatchBusyError, BatchgenError, FaultError, LedgerError, ReplicaError
from batchgen.ledger import Ledger
from batchgen.model import State
from batchgen.replica.copies import PASSING
from batchgen.replica.log import TAKEOVER_SECONDS, Log, Slot
from tests.replica.container import Container, Copied, Service, inline
from tests.replica.memory_store import MemoryStore


def break_off(store: MemoryStore, times: int = 1) -> None:
    """The next uploads break off before a byte of theirs arrived, and the store keeps an object without one."""
    left = times

    def happens(what: str) -> None:
        nonlocal left
        moment, _, key = what.rpartition(" ")
        if moment == "before create" and left and key not in store.objects:
            left -= 1
            store.objects[key] = b"", store.now
            raise ReplicaError("the connection broke")

    store.happens = happens


# -- the log


def test_what_an_upload_that_broke_off_left_is_void_and_the_log_goes_on_behind_it(store: MemoryStore) -> None:
    log = Log(store)
    log.claim()
    break_off(store, times=2)
    for _ in range(2):
        with pytest.raises(ReplicaError):
            log.append(sequence=1)
    assert log.append(sequence=1) == Slot(1, 3)
    assert log.append(sequence=2) == Slot(1, 4)
    assert [entry.sequence for entry in Log(store).read(log.slots()).values()] == [None, None, None, 1, 2]


def test_a_claim_goes_behind_what_is_void_and_whoever_slept_before_it_runs_into_the_claim(store: MemoryStore) -> None:
    holder, other = Log(store), Log(store)
    holder.claim()
    store.now += TAKEOVER_SECONDS / 2
    break_off(store)
    with pytest.raises(ReplicaError):
        holder.append(sequence=1)
    store.now += TAKEOVER_SECONDS - 1
    with pytest.raises(BatchBusyError):
        other.claim()
    store.now += 1
    assert other.claim()[-1] == Slot(1, 2)
    last = other.append()
    other.clear(other.slots(), before=last)
    with pytest.raises(BatchBusyError):
        holder.append(sequence=1)


def test_an_entry_that_lost_its_bytes_later_is_missed(store: MemoryStore) -> None:
    log = Log(store)
    log.claim()
    emptied = log.append(sequence=1)
    log.append(sequence=2)
    store.objects[emptied.key] = b"", store.now
    with pytest.raises(LedgerError, match=r"00000001-00000001\.json is empty: restore"):
        log.read(log.slots())


def _garbage(store: MemoryStore) -> None:
    store.objects[Slot(1, 2).key] = b"no entry", store.now


def _mistake(store: MemoryStore) -> None:
    def happens(_: str) -> None:
        raise ValueError("what nobody foresaw")

    store.happens = happens


@pytest.mark.parametrize(("event", "error"), [(_garbage, LedgerError), (_mistake, FaultError)])
async def test_a_writer_that_cannot_go_on_ends_the_run_and_nobody_waits_for_it(
    store: MemoryStore, copied: Copied, event: Callable[[MemoryStore], None], error: type[BatchgenError]
) -> None:
    replica, ledger = copied
    told: list[BatchgenError] = []
    async with asyncio.timeout(60), replica.shipping(ledger, told.append):
        event(store)
        ledger.remember({"a": "b"})
        for _ in range(2):
            with pytest.raises(error):
                await replica.durable()
    assert [type(each) for each in told] == [error]
    with pytest.raises(error):
        replica.checkpoint(ledger)


async def test_a_mistake_within_shipping_ends_the_run_too(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    replica, ledger = copied
    told: list[BatchgenError] = []

    def mistake(*_: Any) -> None:
        raise ValueError("what nobody foresaw")

    monkeypatch.setattr(replica, "_take", mistake)
    async with asyncio.timeout(60), replica.shipping(ledger, told.append):
        ledger.remember({"a": "b"})
        with pytest.raises(FaultError):
            await replica.durable()
    assert len(told) == 1


# -- the copies


@pytest.fixture
def container(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A run that has paid for two of three rows, when its machine vanishes."""
    inline(monkeypatch)
    container = Container(store, Service(), "abc", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle", "copy", "intend", "ship", "post", "settle", "ship")
    container.vanish(with_disk=True)
    store.now += TAKEOVER_SECONDS
    return container


def damage(store: MemoryStore, key: str) -> None:
    body, at = store.objects[key]
    store.objects[key] = body[: len(body) // 2] + bytes(16) + body[len(body) // 2 + 16 :], at


def copies(store: MemoryStore) -> list[str]:
    return [*store.sizes("ledger/")]


def test_a_copy_whose_upload_broke_off_is_written_again(store: MemoryStore, container: Container) -> None:
    container.start()

    def happens(what: str) -> None:
        moment, _, key = what.rpartition(" ")
        if moment == "before create" and key.startswith("ledger/"):
            store.happens = lambda _: None
            store.objects[key] = b"", store.now  # and the client, which tries again by itself, is told that it is there

    store.happens = happens
    container.copy()
    assert store.objects[copies(store)[-1]][0]
    container.vanish(with_disk=True)


def test_a_damaged_copy_is_passed_over_where_the_log_tells_the_same(store: MemoryStore, container: Container) -> None:
    newest = copies(store)[-1]
    damage(store, newest)
    container.start()
    assert f"{newest} is damaged: the ledger was made from the copy before it" in (container.replica.said or "")
    assert sorted(filter(None, container.tasks().values())) == ["task-a-0", "task-b-0"]
    assert container.states()[State.PENDING] == 1
    container.vanish(with_disk=True)


@pytest.mark.parametrize("passed_over", [False, True])
def test_a_copy_without_which_nobody_knows_what_was_paid_is_asked_for(
    store: MemoryStore, container: Container, passed_over: bool
) -> None:
    if passed_over:
        damage(store, copies(store)[-1])
        container.do("start", "end")
        container.vanish(with_disk=True)
    for key in copies(store):
        damage(store, key)
    with pytest.raises(LedgerError, match=r"-0000000\d\.sqlite\.gz, the newest .* damaged, .* restore this object"):
        container.start()
    assert [path.name for path in container.folder.iterdir()] == []
    container.vanish(with_disk=True)


def test_the_log_of_a_ledger_that_is_gone_is_not_read_into_the_one_that_is_fetched(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    service = Service()
    one, other = (Container(store, service, "abc", tmp_path / name) for name in ("one", "other"))
    one.do("start", "intend", "ship", "post", "settle", "ship")
    log = (one.folder / "ledger.sqlite-wal").read_bytes()
    one.vanish(with_disk=True)
    (one.folder / "ledger.sqlite-wal").write_bytes(log)
    store.now += TAKEOVER_SECONDS
    other.do("start", "intend", "ship", "post", "settle", "end")
    one.start()
    assert one.tasks() == {"a": "task-a-0", "b": "task-b-0", "c": None}
    one.vanish(with_disk=True)


def test_a_ledger_that_is_set_aside_is_whole_though_somebody_looks_at_it(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    service = Service()
    one, other = (Container(store, service, "ab", tmp_path / name) for name in ("one", "other"))
    one.do("start", "intend", "ship", "post")
    with Ledger.open(one.folder / "ledger.sqlite", read_only=True) as looked:
        looked.database.execute("BEGIN")
        assert looked.next_pending()
        one.settle()
        one.vanish(with_disk=False)
        store.now += TAKEOVER_SECONDS
        other.do("start", "end")
        one.start()
    (aside,) = one.folder.glob("ledger.*-*.sqlite")
    with Ledger.open(aside) as ledger:
        assert [row.job.task_id for row in ledger.results()] == ["task-a-0", None]
    one.vanish(with_disk=True)


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_first_copy_of_a_run_that_began_with_more_than_the_store_had_is_not_passed_over(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "abc", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle")
    container.vanish(with_disk=False)
    container.do("start", "intend", "ship")
    container.vanish(with_disk=True)
    store.now += TAKEOVER_SECONDS
    newest = copies(store)[-1]
    damage(store, newest)
    if is_lost:
        store.delete([newest])
    with pytest.raises(LedgerError, match=r"lacks objects|do not tell all that was paid"):
        container.start()
    container.vanish(with_disk=True)


def test_what_a_killed_run_left_of_a_copy_is_in_nobodys_way_and_no_copy_stays_in_the_folder(
    container: Container,
) -> None:
    for step in (container.start, container.copy):
        for name in PASSING:
            (container.folder / name).write_bytes(b"left by a run that was killed")
        step()
    assert sorted(filter(None, container.tasks().values())) == ["task-a-0", "task-b-0"]
    assert not {path.name for path in container.folder.iterdir()} & {*PASSING}
    container.vanish(with_disk=True)


def test_a_folder_that_is_still_there_needs_no_copy_and_makes_a_new_one(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "abc", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle", "end")
    for key in copies(store):
        damage(store, key)
    container.do("start", "end")
    container.vanish(with_disk=True)
    container.start()
    assert container.tasks()["a"] == "task-a-0"
    container.vanish(with_disk=True)
