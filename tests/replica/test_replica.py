"""The copy as a run has it: what a POST waits for, what is said when it cannot go on, and what is refused."""

import asyncio
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from batchgen.errors import BatchBusyError, BatchgenError, LedgerError, ReplicaError, UsageError
from batchgen.ledger import Ledger, schema
from batchgen.replica import copies
from batchgen.replica import replica as replica_module
from batchgen.replica.log import TAKEOVER_SECONDS, Log, Slot
from batchgen.replica.looking import look
from batchgen.replica.replica import StoreReplica
from batchgen.replica.store import prove
from tests.replica.container import Container, Copied, GoneError, Service, inline
from tests.replica.memory_store import MemoryStore
from tests.waiting import until


def entries(store: MemoryStore) -> list[str]:
    return [key for key in sorted(store.objects) if key.startswith("log/")]


def unexpected(error: BatchgenError) -> None:
    raise AssertionError(error)


# -- the log


def test_of_two_claims_one_wins_and_the_other_is_told_who_has_it(store: MemoryStore) -> None:
    assert Log(store).claim() == [Slot(0, 1)]
    with pytest.raises(BatchBusyError, match=r"another run holds s3://memory/ledger \(process \d+ on .+, started"):
        Log(store).claim()


def test_a_holder_without_a_word_is_taken_over_and_runs_into_the_claim(store: MemoryStore) -> None:
    holder, other = Log(store), Log(store)
    holder.claim()
    holder.append(sequence=1)
    store.now += TAKEOVER_SECONDS - 1
    with pytest.raises(BatchBusyError):
        other.claim()
    store.now += 1
    other.claim()
    with pytest.raises(BatchBusyError):
        holder.append(sequence=2)
    assert other.append(sequence=2) == Slot(2, 1)


def test_a_log_under_a_longer_prefix_is_not_taken_for_this_ones(store: MemoryStore) -> None:
    for key in ("ledger/log/00000000-00000007.json", "ledger/ledger/00000000-00000007.sqlite.gz"):
        store.create(key, b"another's")
    log = Log(store)
    assert log.checkpoints() == []
    assert log.claim() == [Slot(0, 1)]


def test_a_log_that_was_let_go_is_free_at_once(store: MemoryStore) -> None:
    log = Log(store)
    log.claim()
    log.append(released=True)
    Log(store).claim()


def test_an_entry_whose_answer_was_lost_is_known_again_as_ones_own(store: MemoryStore) -> None:
    log = Log(store)
    log.claim()

    def lose_the_answer(what: str) -> None:
        if what.startswith("after create"):
            store.happens = lambda _: None
            raise ReplicaError("no answer")

    store.happens = lose_the_answer
    with pytest.raises(ReplicaError):
        log.append(sequence=1)
    assert log.append(sequence=1) == Slot(1, 1)


def test_the_last_word_of_a_dead_holder_may_come_late(store: MemoryStore) -> None:
    """A request that was under way when its machine vanished reaches the store between two of ours."""
    holder, other = Log(store), Log(store, is_dead=lambda term: term == 1)
    holder.claim()

    def arrive(what: str) -> None:
        if what.startswith("before create"):
            store.happens = lambda _: None
            holder.append(sequence=1)

    store.happens = arrive
    assert other.claim()[-1] == Slot(1, 2)


# -- what a POST waits for


async def test_posts_that_wait_share_one_entry_and_one_write_is_under_way_at_a_time(
    store: MemoryStore, copied: Copied
) -> None:
    replica, ledger = copied
    came, gate = threading.Event(), threading.Event()

    def held(_: str) -> None:
        came.set()
        gate.wait(60)

    before = len(entries(store))
    async with replica.shipping(ledger, unexpected):
        store.happens = held
        first = await _waiting(replica, ledger, "first")
        await until(came.is_set)
        others = [await _waiting(replica, ledger, f"other{n}") for n in range(16)]
        await asyncio.sleep(0.05)
        assert not first.done()
        assert len(entries(store)) == before
        gate.set()
        await asyncio.gather(first, *others)
        assert len(entries(store)) == before + 2


async def test_an_entry_costs_the_loop_no_sync(
    store: MemoryStore, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica, ledger = copied
    async with replica.shipping(ledger, unexpected):
        ledger.remember({"fact": "x"})
        before = len(entries(store))
        synced: list[None] = []
        monkeypatch.setattr(ledger.database, "sync", lambda: synced.append(None))
        await replica.durable()
        assert (len(entries(store)), synced) == (before + 1, [])
        monkeypatch.undo()


async def _waiting(replica: StoreReplica, ledger: Ledger, fact: str) -> "asyncio.Task[None]":
    ledger.remember({fact: "x"})
    task = asyncio.create_task(replica.durable())
    await asyncio.sleep(0)
    return task


async def test_what_was_learned_is_in_the_store_without_anybody_waiting_for_it(
    store: MemoryStore, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "LATEST_SECONDS", 0.01)
    replica, ledger = copied
    async with replica.shipping(ledger, unexpected):
        ledger.remember({"task": "task-1"})
        await until(lambda: any(b"task-1" in body for body, _ in list(store.objects.values())))


async def test_while_the_store_is_down_a_post_waits_and_then_gives_up_and_the_rest_goes_on_to_the_last_word(
    store: MemoryStore, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "OUTAGE_SECONDS", 0.1)
    replica, ledger = copied
    async with replica.shipping(ledger, unexpected):
        store.happens = _down
        ledger.remember({"a": "b"})
        with pytest.raises(ReplicaError, match="could not be written for"):
            await replica.durable()
        store.happens = lambda _: None
        monkeypatch.setattr(replica_module, "OUTAGE_SECONDS", 60.0)
        await replica.durable()
        ledger.remember({"word": "the last one"})
    assert b"the last one" in store.objects[entries(store)[-1]][0]


async def test_a_store_that_is_down_is_told_of_once_that_lasts_and_until_it_is_back(
    store: MemoryStore, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "LATEST_SECONDS", 0.01)
    monkeypatch.setattr("batchgen.replica.writer.LONGEST_PAUSE_SECONDS", 0.01)
    replica, ledger = copied
    tried: list[str | None] = []

    def down(what: str) -> None:
        tried.append(replica.trouble)
        _down(what)

    async with replica.shipping(ledger, unexpected):
        store.happens = down
        ledger.remember({"a": "b"})
        await until(lambda: len(tried) > 5)
        assert tried[:5] == [None] * 4 + ["the store is down"]
        store.happens = lambda _: None
        await until(lambda: replica.trouble is None)


def _down(_: str) -> None:
    raise ReplicaError("the store is down")


async def test_a_run_that_was_taken_over_is_told_and_no_post_leaves(store: MemoryStore, copied: Copied) -> None:
    replica, ledger = copied
    told: list[BatchgenError] = []
    async with replica.shipping(ledger, told.append):
        store.now += TAKEOVER_SECONDS
        Log(store).claim()
        ledger.remember({"a": "b"})
        for _ in range(2):
            with pytest.raises(BatchBusyError):
                await replica.durable()
    assert len(told) == 1
    with pytest.raises(BatchBusyError):
        replica.checkpoint(ledger)


@pytest.mark.parametrize("tell", ["ship", "copy"])
def test_tasks_that_the_store_was_not_told_of_are_named_and_no_others(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: str
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "abc", tmp_path / "container")
    container.do("start", "intend", "intend", "ship", "post", "post", "settle", tell, "settle")
    store.now += TAKEOVER_SECONDS
    Log(store).claim()
    with pytest.raises(BatchBusyError):
        container.copy()
    assert container.replica.paid_here_alone() == [(2, "task-b-0")]
    container.vanish(with_disk=True)


# -- what is kept, and what is refused


@pytest.mark.parametrize(("is_down", "rest"), [(False, 20 * 10), (True, 900)])
async def test_the_next_copy_waits_twenty_times_as_long_as_the_last_took_or_a_quarter_of_an_hour_if_it_failed(
    store: MemoryStore, copied: Copied, monkeypatch: pytest.MonkeyPatch, is_down: bool, rest: float
) -> None:
    replica, ledger = copied
    now, tried = time.monotonic() + 1e6, 0

    def slowly(what: str) -> None:
        nonlocal now, tried
        if what.startswith("before create ledger/"):
            now, tried = now + 10, tried + 1
            if is_down:
                raise ReplicaError("the store is down")

    async def entry(after: float) -> int:
        nonlocal now
        now += after
        ledger.remember({"at": str(now)})
        await replica.durable()
        await until(lambda: not replica._uploads)
        return tried

    monkeypatch.setattr(replica_module, "CHECKPOINT_ENTRIES", 0)
    monkeypatch.setattr(replica_module, "time", SimpleNamespace(monotonic=lambda: now))
    store.happens = slowly
    async with replica.shipping(ledger, unexpected):
        assert [await entry(after) for after in (0, rest - 1, 2)] == [1, 1, 2]


def test_two_copies_are_kept_and_of_each_term_its_last_entry(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "abcd", tmp_path / "container")
    for _ in range(3):
        container.start()
        for step in ("intend", "ship", "copy", "intend", "ship", "end"):
            if step != "intend" or container.states():
                getattr(container, step)()
    found = sorted(store.objects)
    assert len([key for key in found if key.startswith("ledger/")]) == 2
    assert [key for key in found if key.startswith("log/00000000")] == ["log/00000000-00000001.json"]
    assert len([key for key in found if key.startswith("log/00000001")]) == 1
    assert len(entries(store)) < 12
    container.vanish(with_disk=True)


@pytest.mark.parametrize("lost", ["an entry", "the copies", "everything", "half an entry"])
def test_a_store_that_lost_something_is_refused(
    store: MemoryStore, lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "abc", tmp_path / "container")
    container.start()
    for _ in range(3):
        container.intend()
        container.ship()
    container.vanish(with_disk=lost != "everything")
    store.now += TAKEOVER_SECONDS
    log = entries(store)
    gone = {"an entry": log[-2:-1], "the copies": [*store.sizes("ledger/")], "everything": list(store.objects)}
    for key in gone.get(lost, []):
        del store.objects[key]
    if lost not in gone:
        body, at = store.objects[log[-2]]
        store.objects[log[-2]] = body[: len(body) // 2], at
    with pytest.raises(LedgerError, match=r"is missing|lacks|no longer holds|is not what batchgen wrote"):
        container.start()
    container.vanish(with_disk=True)


def test_where_an_earlier_run_was_the_one_that_holds_the_log_now_is_not_taken_for_dead(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    one, other = (Container(store, Service(), "ab", tmp_path / name) for name in ("one", "other"))
    one.do("start", "end")
    other.start()
    with pytest.raises(BatchBusyError):
        one.start()
    other.end()


def test_what_a_run_clears_away_while_somebody_looks_is_looked_for_again(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "ab", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle", "copy")

    def goes_on(what: str) -> None:
        if what == "after list ledger/":
            store.happens = lambda _: None
            container.do("copy", "copy", "copy")

    store.happens = goes_on
    looked = look(store, tmp_path / "ledger.sqlite")
    assert looked.running
    with looked.open() as ledger:
        assert [row.job.task_id for row in ledger.results()] == ["task-a-0", None]
    container.vanish(with_disk=True)


def test_a_store_that_lost_its_log_is_refused_each_time_and_goes_on_under_a_new_prefix_where_the_folder_is(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    service = Service()
    container = Container(store, service, "abc", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle", "ship")
    container.vanish(with_disk=False)
    for key in entries(store):
        del store.objects[key]
    for _ in range(3):
        store.now += TAKEOVER_SECONDS
        with pytest.raises(LedgerError, match=r"lacks objects .* give --ledger-to a new prefix"):
            container.start()
    container.store = MemoryStore("s3://memory/anew")
    container.do("start", "intend", "ship", "post", "settle", "end")
    assert sorted(service.paid) == ["a", "b"]
    assert not service.twice


def test_what_a_run_left_that_was_killed_before_its_first_copy_is_no_other_batch(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    service = Service()
    killed, other = (Container(store, service, "ab", tmp_path / name) for name in ("killed", "other"))
    with monkeypatch.context() as before:
        before.setattr(StoreReplica, "checkpoint", _vanish)
        with pytest.raises(GoneError):
            killed.start()
    killed.vanish(with_disk=False)
    store.now += TAKEOVER_SECONDS
    other.do("start", "intend", "ship", "post", "settle", "end")
    killed.start()
    assert killed.tasks() == {"a": "task-a-0", "b": None}
    killed.do("intend", "ship", "post", "settle", "end")
    assert not service.twice


def test_a_run_that_was_killed_between_its_first_entry_and_its_first_copy_is_in_nobodys_way(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    container = Container(store, Service(), "ab", tmp_path / "container")
    container.do("start", "intend", "ship", "post", "settle", "end")
    with monkeypatch.context() as before:
        before.setattr(copies, "upload", _vanish)
        with pytest.raises(GoneError):
            container.start()
    container.vanish(with_disk=True)
    store.now += TAKEOVER_SECONDS
    container.start()
    assert container.tasks() == {"a": "task-a-0", "b": None}
    container.vanish(with_disk=True)


def _vanish(*_: object) -> None:
    raise GoneError


def test_a_store_that_ignores_conditions_is_refused() -> None:
    class Careless(MemoryStore):
        def create(self, key: str, body: object) -> bool:
            assert isinstance(body, bytes)
            self.objects[key] = body, self.now
            return True

    with pytest.raises(UsageError, match="ignores If-None-Match"):
        prove(Careless())
    prove(MemoryStore())


def test_the_ledger_remembers_where_its_copy_is(copied: Copied) -> None:
    assert json.loads(copied[1].fact("replica") or "") == {"to": "s3://memory/ledger", "term": 1, "sequence": 1}


@pytest.mark.parametrize("step", ["end", "vanish"])
def test_a_copy_of_the_version_before_goes_on_and_pays_for_nothing_again(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whose digests were others: for the copy, and for what the log has behind it."""
    inline(monkeypatch)
    service = Service()
    former = Container(store, service, ["a\r\nb", "c\r\nd"], tmp_path / "former")
    with monkeypatch.context() as before:
        before.setattr(schema, "VERSION", 3)
        former.do("start", "intend", "ship", "post", "settle", "ship")
        former.end() if step == "end" else former.vanish(with_disk=True)
    store.now += TAKEOVER_SECONDS
    container = Container(store, service, ["a\nb", "c\nd"], tmp_path / "container")
    container.start()
    assert container.tasks() == {"a\nb": "task-a\r\nb-0", "c\nd": None}
    container.do("intend", "ship", "post", "end")
    assert sorted(service.paid) == ["a\r\nb", "c\nd"]
    assert not service.twice
    container.vanish(with_disk=True)
    last = Container(store, service, ["a\nb", "c\nd"], tmp_path / "last")
    last.start()
    assert last.ledger.next_pending() is None
    last.end()
