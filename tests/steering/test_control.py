"""Orders to a run: each is taken, one after the other."""

import errno
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import IO, Any

import pytest

from batchgen.errors import BatchgenError
from batchgen.folder.lock import Lock, holder
from batchgen.steering.control import LOOK_EVERY_SECONDS, ORDER, Desk, Order, read, send


def test_an_order_waits_until_the_one_before_it_is_taken(tmp_path: Path) -> None:
    with Lock(tmp_path), ThreadPoolExecutor(1) as other:
        desk = Desk(tmp_path)
        first = Order(concurrency=1, id="first", to=holder(tmp_path))
        (tmp_path / ORDER).write_text(json.dumps(asdict(first)))
        sent = other.submit(send, tmp_path, Order(concurrency=2))
        time.sleep(3 * LOOK_EVERY_SECONDS)
        assert desk.take() == first
        while not (second := desk.take()) and not sent.done():
            time.sleep(0.01)
        assert second
        desk.publish({"concurrency": second.concurrency})
        assert (sent.result() or {})["concurrency"] == 2


def test_of_two_orders_at_one_moment_both_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_written = Barrier(2)
    dump = json.dump

    def slowly(facts: object, file: IO[str]) -> None:
        dump(facts, file)
        with suppress(BrokenBarrierError):  # the other has to wait for its turn
            both_written.wait(0.3)

    monkeypatch.setattr("batchgen.steering.control.json.dump", slowly)
    with Lock(tmp_path), ThreadPoolExecutor(2) as others:
        desk, heard = Desk(tmp_path), []
        sent = [others.submit(send, tmp_path, Order(concurrency=number)) for number in (1, 2)]
        while not all(each.done() for each in sent):
            if order := desk.take():
                heard.append(order.concurrency)
                desk.publish({"concurrency": order.concurrency})
            time.sleep(0.01)
        assert [(each.result() or {})["concurrency"] for each in sent] == [1, 2]
        assert sorted(filter(None, heard)) == [1, 2]


def test_an_order_that_nobody_took_changes_nothing_later_either(tmp_path: Path) -> None:
    with Lock(tmp_path):
        with pytest.raises(BatchgenError, match=r"does not answer; .* Nothing was changed"):
            send(tmp_path, Order(action="drain"), patience=0.0)
        assert Desk(tmp_path).take() is None


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rate": -1}, {"action": "dance"}, {"to": None}])
def test_what_no_ctl_orders_is_thrown_away(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with Lock(tmp_path):
        (tmp_path / ORDER).write_text(json.dumps(asdict(Order(rate=5, id="x", to=holder(tmp_path))) | wrong))
        assert Desk(tmp_path).take() is None
        assert not (tmp_path / ORDER).exists()


def test_what_a_killed_run_said_is_not_taken_for_the_word_of_the_next(tmp_path: Path) -> None:
    with Lock(tmp_path):
        Desk(tmp_path).publish({"archived": 1})
    with Lock(tmp_path):
        assert read(tmp_path) is None
        Desk(tmp_path).publish({"archived": 2})
        assert (read(tmp_path) or {})["archived"] == 2


def test_a_run_that_ends_before_it_has_said_that_it_drains_is_drained(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        with Lock(tmp_path):
            desk = Desk(tmp_path)
            sent = other.submit(send, tmp_path, Order(action="drain"))
            while not desk.take():
                time.sleep(0.01)
        assert sent.result() is None


def test_a_folder_is_gone_only_if_that_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    with Lock(folder):
        desk = Desk(folder)
        assert desk.is_at_its_place()
        folder.rename(tmp_path / "moved")
        assert not desk.is_at_its_place()
        folder.mkdir()
        with Lock(folder):
            assert not desk.is_at_its_place()

        def refuse(*_: object) -> bool:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("batchgen.system.private.os.path.samestat", refuse)
        assert desk.is_at_its_place()
