"""What changes in a ledger can be made again in a copy of it, whatever it was."""

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.ledger import Ledger
from batchgen.ledger.changes import Changes, from_json, make_again, to_json

NUMBER = st.integers(1, 4)
TEXT = st.sampled_from(["a", "ü\n", "🦊", '"', ""])
WRITES = st.one_of(
    st.tuples(st.just("INSERT OR REPLACE INTO fact VALUES ('f' || ?, ?)"), st.tuples(NUMBER, TEXT)),
    st.tuples(st.just("DELETE FROM fact WHERE name = 'f' || ?"), st.tuples(NUMBER)),
    st.tuples(st.just("UPDATE OR REPLACE fact SET name = 'f' || ? WHERE name = 'f' || ?"), st.tuples(NUMBER, NUMBER)),
    st.tuples(
        st.just("INSERT OR REPLACE INTO job (job, digest, request, task_id) VALUES (?, ?, ?, ?)"),
        st.tuples(NUMBER, st.binary(max_size=3), TEXT, st.none() | TEXT),
    ),
    st.tuples(st.just("UPDATE OR REPLACE job SET task_id = ? WHERE job = ?"), st.tuples(TEXT, NUMBER)),
    st.tuples(st.just("DELETE FROM job WHERE job = ?"), st.tuples(NUMBER)),
    st.tuples(
        st.just("INSERT OR REPLACE INTO video VALUES (?, ?, 'p', ?, x'00ff', ?)"),
        st.tuples(NUMBER, NUMBER, st.sampled_from([0, 2**62]), st.floats(0, 1e12)),
    ),
    st.tuples(st.just("INSERT OR REPLACE INTO listening VALUES (?, ?)"), st.tuples(st.floats(0, 3), st.floats(0, 9))),
    st.tuples(st.just("INSERT INTO decision VALUES (1.5, ?, 'attach', ?)"), st.tuples(NUMBER, TEXT)),
    st.tuples(st.just("DELETE FROM decision WHERE job = ?"), st.tuples(NUMBER)),
)


def dump(connection: sqlite3.Connection) -> list[str]:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    found = []
    for (name,) in tables.fetchall():
        key = "" if name in ("fact", "video") else "rowid, "
        found += [f"{name} {row}" for row in connection.execute(f"SELECT {key}* FROM {name} ORDER BY 1, 2")]
    return found


@settings(max_examples=60)
@given(st.lists(st.lists(WRITES, max_size=8), min_size=1, max_size=4), st.lists(WRITES, max_size=6))
def test_a_copy_with_the_changes_made_again_is_the_ledger(
    rounds: list[list[tuple[str, tuple[object, ...]]]], before: list[tuple[str, tuple[object, ...]]]
) -> None:
    with TemporaryDirectory() as folder, Ledger.open(Path(folder, "ledger.sqlite")) as ledger:
        database = ledger.database
        database.execute("PRAGMA foreign_keys = OFF")
        for sql, values in before:
            database.execute(sql, values)
        database.snapshot().save(Path(folder, "copy.sqlite"))
        copy = sqlite3.connect(Path(folder, "copy.sqlite"), isolation_level=None)
        changes = Changes(database)
        for writes in rounds:
            for sql, values in writes:
                database.execute(sql, values)
            changed = json.loads(json.dumps(changes.take(), default=to_json), object_hook=from_json)
            assert not changes.are_there
            make_again(copy, changed)
            assert dump(copy) == dump(database._connection)
        copy.close()


def test_what_was_rolled_back_is_no_change(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        changes = Changes(ledger.database)
        try:
            with ledger.database.transaction():
                ledger.database.execute("INSERT INTO fact VALUES ('a', 'b')")
                raise RuntimeError
        except RuntimeError:
            pass
        assert not changes.are_there
        assert changes.take() == {}


def test_a_snapshot_is_of_its_moment_whatever_is_written_after(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.remember({"a": "before"})
        snapshot = ledger.database.snapshot()
        ledger.remember({"a": "after"})
        snapshot.save(tmp_path / "copy.sqlite")
    with Ledger.open(tmp_path / "copy.sqlite") as copy:
        assert copy.fact("a") == "before"
