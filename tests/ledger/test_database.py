"""The file below the ledger: what the driver says is said in our own words."""

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batchgen.errors import LedgerError
from batchgen.ledger import ballast
from batchgen.ledger.database import Database


def test_a_write_that_fails_outside_a_transaction_names_the_ledger(tmp_path: Path) -> None:
    with Database(tmp_path / "ledger.sqlite") as database:
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        database.execute("PRAGMA busy_timeout = 0")
        for write in (database.execute, lambda sql: database.execute_many(sql, [()])):
            with pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be written: database is locked"):
                write("INSERT INTO listening VALUES (1, 2)")
        other.close()


def test_a_read_that_fails_is_told_as_one(tmp_path: Path) -> None:
    with (
        Database(tmp_path / "ledger.sqlite") as database,
        pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be read: no such table"),
    ):
        database.execute("SELECT 1 FROM missing")


def write(database: Database, name: str) -> None:
    with database.transaction(synced=False):
        database.execute("INSERT INTO fact VALUES (?, 'x')", (name,))


def names(path: Path) -> list[str]:
    with Database(path, read_only=True) as database:
        return [name for (name,) in database.execute("SELECT name FROM fact WHERE value = 'x' ORDER BY name")]


def left_with_a_log(folder: Path) -> Path:
    """A ledger as a process leaves it that ends at once."""
    folder.mkdir()
    with Database(folder / "whole.sqlite") as database:
        write(database, "a")
        for end in ("", "-wal"):
            shutil.copy(folder / f"whole.sqlite{end}", folder / f"ledger.sqlite{end}")
    return folder / "ledger.sqlite"


def test_what_stands_in_the_place_of_a_ledger_that_is_put_back_is_set_aside_with_its_log(tmp_path: Path) -> None:
    other, path = left_with_a_log(tmp_path / "other"), tmp_path / "ledger.sqlite"
    with Database(path) as database:
        write(database, "ours")
        database.sync()
        for end in ("", "-wal"):
            Path(f"{other}{end}").replace(f"{path}{end}")
        database.put_back()
    assert (names(path), names(tmp_path / "ledger.replaced.sqlite")) == (["ours"], ["a"])


def test_the_log_of_a_ledger_that_is_put_back_is_not_laid_beside_what_was_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Database(tmp_path / "other.sqlite") as other:
        write(other, "other")
    with Database(path) as database:
        write(database, "ours")
        database.sync()
        (tmp_path / "other.sqlite").replace(path)
        database.put_back()
    assert (names(path), names(tmp_path / "ledger.replaced.sqlite")) == (["ours"], ["other"])


def test_what_the_last_run_left_in_the_log_is_in_the_file_before_anything_is_written_behind_it(tmp_path: Path) -> None:
    path = left_with_a_log(tmp_path / "batch")
    with Database(path):
        shutil.copy(path, tmp_path / "alone.sqlite")
    assert names(tmp_path / "alone.sqlite") == ["a"]


def test_a_log_that_cannot_be_brought_to_the_disk_is_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            if "wal_checkpoint" in sql:
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *more)

    path = left_with_a_log(tmp_path / "batch")
    plain = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", lambda *args, **more: plain(*args, factory=Broken, **more))
        with pytest.raises(LedgerError, match=r"ledger\.sqlite-wal .*disk I/O error.* try again"):
            Database(path)
    assert names(path) == ["a"]


def test_who_reads_a_log_does_not_keep_a_run_from_beginning(tmp_path: Path) -> None:
    path = left_with_a_log(tmp_path / "batch")
    with Database(path, read_only=True) as reader:
        reader.execute("BEGIN")
        assert reader.one("SELECT count(*) FROM fact WHERE value = 'x'") == (1,)
        with Database(path) as database:
            write(database, "b")
            database.sync()
        assert reader.one("SELECT count(*) FROM fact WHERE value = 'x'") == (1,)
    assert names(path) == ["a", "b"]


def test_a_second_process_that_opens_the_file_loses_nothing_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Database(path) as first:
        write(first, "a")
        with Database(path):
            write(first, "b")
        write(first, "c")
        first.sync()
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", tmp_path / f"copy.sqlite{end}")
    assert names(tmp_path / "copy.sqlite") == ["a", "b", "c"]


def test_a_ledger_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "ledger.sqlite").symlink_to(tmp_path / "elsewhere.sqlite")
    (tmp_path / "elsewhere.sqlite").touch()
    with Database(tmp_path / "batch" / "ledger.sqlite") as database:
        write(database, "a")
        database.sync()
    assert names(tmp_path / "elsewhere.sqlite") == ["a"]


def test_the_space_that_is_set_aside_is_given_up_for_what_was_paid_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(tmp_path / "ledger.sqlite") as database:
        database.ballast.load()
        for free, vital, is_kept in ((1 << 40, True, True), (0, False, True), (0, True, False)):
            monkeypatch.setattr(ballast, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
            with database.transaction(vital=vital):
                assert (tmp_path / ".ballast").exists() is is_kept


def test_the_space_is_given_up_too_where_a_write_fails_though_the_disk_has_room(tmp_path: Path) -> None:
    with Database(tmp_path / "ledger.sqlite") as database:
        database.ballast.load()
        database.execute("PRAGMA max_page_count = 1")  # which is as many as it has
        with pytest.raises(LedgerError, match="full"), database.transaction():
            database.execute("INSERT INTO fact VALUES ('large', ?)", ("x" * 1_000_000,))
        assert not (tmp_path / ".ballast").exists()


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_space_is_set_aside_in_no_file_that_somebody_else_has_linked_to(tmp_path: Path, link: str) -> None:
    theirs, batch = tmp_path / "theirs", tmp_path / "b"
    theirs.write_text("mine")
    batch.mkdir()
    getattr(batch / ".ballast", link)(theirs)
    with Database(batch / "ledger.sqlite") as database:
        database.ballast.load()
        assert (batch / ".ballast").stat().st_size == ballast.BYTES
        assert theirs.read_text() == "mine"
        database.ballast.drop()
    assert theirs.exists()
