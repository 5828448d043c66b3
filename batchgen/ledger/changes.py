"""What has changed in a ledger since it was last asked: whole rows, by table and key, to be made again in a copy.

Triggers of this connection alone note the keys, whoever writes: no write can be forgotten, and nothing of it is in
the file.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from batchgen.ledger.database import Database

# Table -> its changed rows. A key without a row: the row is gone.
Changed: TypeAlias = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class _Table:
    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def by_key(self) -> str:
        """The condition, in SQL, on a row of this key."""
        return " AND ".join(f"{column} IS ?" for column in self.key)


class Changes:
    """Notes what is changed through ``database`` from now on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # REPLACE deletes the row that was there; without this no trigger would tell.
        database.execute("PRAGMA recursive_triggers = ON")
        database.execute(
            "CREATE TEMP TABLE changed (name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID"
        )
        self._tables = {table.name: table for table in _tables(database.execute)}
        for table in self._tables.values():
            for event, sides in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
                database.execute(_trigger(table, event, sides))

    @property
    def are_there(self) -> bool:
        """Whether there are any."""
        return self._database.has("SELECT 1 FROM temp.changed")

    def take(self) -> Changed:
        """The changes since the last call; empty if there are none."""
        noted = self._database.execute("SELECT name, key FROM temp.changed ORDER BY name, key").fetchall()
        self._database.execute("DELETE FROM temp.changed")
        changed: Changed = {}
        for name, key in noted:
            table = self._tables[name]
            facts = changed.setdefault(name, {"columns": [*table.columns], "keys": [], "rows": []})
            facts["keys"].append(json.loads(key))
            facts["rows"] += self._database.execute(
                f"SELECT {', '.join(table.columns)} FROM main.{name} WHERE {table.by_key}", json.loads(key)
            ).fetchall()
        return changed


def make_again(connection: sqlite3.Connection, changed: Changed) -> None:
    """Make the changes in a copy, in the caller's transaction. Raises sqlite3.Error if they do not fit."""
    tables = {table.name: table for table in _tables(connection.execute)}
    for name, facts in changed.items():
        connection.executemany(f"DELETE FROM {name} WHERE {tables[name].by_key}", facts["keys"])
    for name, facts in changed.items():
        columns = facts["columns"]
        connection.executemany(
            f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", facts["rows"]
        )


def to_json(value: object) -> object:
    """What JSON lacks, for ``json.dumps(default=...)``."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"no value of a ledger: {value!r}")


def from_json(facts: dict[str, Any]) -> object:
    """The way back, for ``json.loads(object_hook=...)``."""
    return bytes.fromhex(facts["hex"]) if facts.keys() == {"hex"} else facts


def _tables(execute: Any) -> Iterator[_Table]:
    listed = execute("PRAGMA main.table_list").fetchall()
    for _, name, kind, _, without_rowid, *_ in listed:
        if kind != "table" or name.startswith("sqlite_"):
            continue
        columns = execute(f"PRAGMA main.table_info({name})").fetchall()
        names = tuple(column[1] for column in columns)
        key = tuple(column[1] for column in sorted(columns, key=lambda column: int(column[5])) if column[5])
        is_rowid = len(key) == 1 and [column[2] for column in columns if column[5]] == ["INTEGER"]
        if without_rowid or is_rowid:
            yield _Table(name, key, names)
        else:
            yield _Table(name, ("rowid",), ("rowid", *names))


def _trigger(table: _Table, event: str, sides: tuple[str, ...]) -> str:
    keys = (f"json_array({', '.join(f'{side}.{column}' for column in table.key)})" for side in sides)
    notes = " ".join(f"INSERT OR IGNORE INTO changed VALUES ('{table.name}', {key});" for key in keys)
    return f"CREATE TEMP TRIGGER changed_{table.name}_{event} AFTER {event} ON main.{table.name} BEGIN {notes} END"
