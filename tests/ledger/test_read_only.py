"""Who only looks at a ledger changes nothing of it, and does not hold up who writes it."""

import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import pytest

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, standing
from tests.ledger.test_migration import old_ledger
from tests.read_only_disk import read_only


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def test_a_ledger_is_read_and_not_changed(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.remember({"service": "x"})
        before = files(tmp_path)
        with Ledger.open(tmp_path / "ledger.sqlite", read_only=True) as looked_at:
            assert looked_at.fact("service") == "x"
            with pytest.raises(LedgerError):
                looked_at.remember({"service": "y"})
        assert files(tmp_path) == before


def test_an_older_ledger_is_read_from_a_copy_and_stays_as_it_is(tmp_path: Path) -> None:
    before = old_ledger(tmp_path / "old.sqlite").read_bytes()
    with Ledger.open(tmp_path / "old.sqlite", read_only=True) as ledger:
        assert standing.paid_tasks(ledger) == 1
    assert (tmp_path / "old.sqlite").read_bytes() == before


def test_a_ledger_whose_making_was_cut_off_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as half:
        half.execute("PRAGMA user_version = 9")  # one page, of a transaction that was never committed
    # The header of a rollback journal (SQLite's "Database File Format", 3): no page was there before.
    header = struct.pack(">8s5I", bytes.fromhex("d9d505f920a163d7"), 0, 1, 0, 512, 4096)
    (tmp_path / "ledger.sqlite-journal").write_bytes(header.ljust(512, b"\0"))
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.fact("service") is None
    with Ledger.open(path) as ledger:
        assert ledger.fact("service") is None


def test_a_ledger_is_read_while_a_run_writes_it(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.remember({"service": "x"})
        with ledger.database.transaction():
            ledger.database.execute("UPDATE fact SET value = 'y'")
            with Ledger.open(tmp_path / "ledger.sqlite", read_only=True) as looked_at:
                assert looked_at.fact("service") == "x"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(100)])
def test_what_is_no_ledger_is_refused_and_not_made_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerError):
        Ledger.open(path, read_only=True)
    assert path.read_bytes() == content


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "ledger.sqlite", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_newer_ledger_is_left_to_a_newer_program(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.sqlite").close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="schema 99"):
        Ledger.open(tmp_path / "ledger.sqlite", read_only=True)


@pytest.mark.parametrize("has_log", [False, True])
def test_a_ledger_where_nothing_can_be_written_is_read_with_its_log(tmp_path: Path, has_log: bool) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.remember({"service": "x"})
        if has_log:
            for name in ("ledger.sqlite", "ledger.sqlite-wal"):
                copyfile(tmp_path / name, backup / name)
    if not has_log:
        copyfile(tmp_path / "ledger.sqlite", backup / "ledger.sqlite")
    before = files(backup)
    with read_only(backup), Ledger.open(backup / "ledger.sqlite", read_only=True) as looked_at:
        assert looked_at.fact("service") == "x"
        with looked_at.copy() as copy:
            copy.remember({"service": "y"})
    assert files(backup) == before


def test_an_older_ledger_where_nothing_can_be_written_is_read_too(tmp_path: Path) -> None:
    old_ledger(tmp_path / "old.sqlite")
    with read_only(tmp_path), Ledger.open(tmp_path / "old.sqlite", read_only=True) as ledger:
        assert standing.paid_tasks(ledger) == 1
