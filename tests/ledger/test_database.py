"""The file below the ledger: what the driver says is said in our own words."""

import sqlite3
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
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
