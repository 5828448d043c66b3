"""Ledgers of older versions go on, whole or not at all."""

import sqlite3
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, standing
from batchgen.ledger.database import APPLICATION_ID, SCHEMA_VERSION
from batchgen.model import Request, State

CAT = Request("wan-2-5", "text-to-video", "a cat", seed=1)
OLD = Path(__file__).parent / "data" / "schema_1.sql"


def old_ledger(path: Path) -> Path:
    """A ledger as the first version wrote it, with one paid task."""
    with sqlite3.connect(path) as database:
        database.executescript(OLD.read_text(encoding="utf-8"))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 1")
        database.execute(
            "INSERT INTO job (digest, request, state, wanted, position, task_id) VALUES (?, ?, 'in_flight', 1, 1, 't')",
            (b"as it was then", CAT.to_json()),
        )
        database.execute("INSERT INTO attempt (job, started_at, outcome, task_id) VALUES (1, 5.0, 'accepted', 't')")
    return path


def columns(path: Path) -> dict[str, set[str]]:
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: {row[1] for row in database.execute(f"PRAGMA table_info({table})")} for table in tables}


def indexes(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in found}


def test_an_old_ledger_keeps_its_paid_tasks_and_has_what_a_new_one_has(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "old.sqlite")
    with Ledger.open(path) as ledger:
        assert [(job.task_id, job.state) for job in ledger.in_flight()] == [("t", State.IN_FLIGHT)]
        assert standing.paid_tasks(ledger) == 1
        assert ledger.database.one("SELECT digest FROM job") == (bytes.fromhex(CAT.digest),)
        assert ledger.database.one("PRAGMA user_version") == (SCHEMA_VERSION,)
    Ledger.open(tmp_path / "new.sqlite").close()
    assert columns(path) == columns(tmp_path / "new.sqlite")
    assert indexes(path) == indexes(tmp_path / "new.sqlite")


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE decision (in_the_way)")
    before = columns(path)
    with pytest.raises(LedgerError):
        Ledger.open(path)
    assert columns(path) == before
