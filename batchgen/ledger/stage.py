"""The rows of a manifest in a temporary table, so that a million of them need no memory, with what is twice in it."""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import cast

from batchgen.ledger.database import Database
from batchgen.model import Problem, Row
from batchgen.problems import Gathered
from batchgen.request import digest_of
from batchgen.rows import Rows, together

_STAGE = """
CREATE TEMP TABLE sheet (
    position INTEGER PRIMARY KEY,
    number   INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    id       TEXT NOT NULL,
    given    INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    request  TEXT NOT NULL,
    seeded   INTEGER NOT NULL,
    signed   INTEGER NOT NULL,
    name     TEXT NOT NULL,
    fold     BLOB NOT NULL,
    extras   TEXT,
    row      INTEGER,             -- the ledger's row that it is; NULL: a new one
    job      INTEGER              -- of a new row: the job that it shares; NULL: it has one of its own
)
"""
# The ids of rows that are wrong otherwise: whoever mends them should learn at once that they are there twice, too.
_LEFT_OUT = "CREATE TEMP TABLE left_out (line INTEGER NOT NULL, id TEXT NOT NULL)"

_STAGED = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
_ROWS_AT_ONCE = 16  # in one statement: half the time of a statement for each
_KEYS_AT_ONCE = 500_000  # some 40 MB


@dataclass(frozen=True)
class Naming:
    """How rows without an id are called, and how files are: the rules of another room, brought in by the caller."""

    content_id: Callable[[str, int | None, str], str]  # prompt, seed, digest of the request (hex) -> id
    names: Callable[[Rows, Sequence[str]], list[str]]  # rows, their ids -> file names
    fold: Callable[[str], str]  # file name -> the key under which two are the same file
    apart: Callable[[str, str], str]  # file name, distinguishing mark -> file name

    def key(self, name: str) -> bytes:
        """What two file names have in common where they may be the same file; 16 bytes."""
        return hashlib.sha256(self.fold(name).encode("utf-8", "surrogatepass")).digest()[:16]


@dataclass(frozen=True)
class Repeated:
    """What may be there twice in the stage; what surely is not need not be looked for among a million rows."""

    digests: bool
    ids: bool
    names: bool


class _Keys:
    """Of each staged row a hash of its id, of its digest and of its name: 24 bytes a row, instead of three indexes."""

    def __init__(self) -> None:
        self._ids, self._digests, self._folds = array("q"), array("q"), array("q")

    def add(self, ids: Iterable[str], digests: Iterable[bytes] = (), folds: Iterable[bytes] = ()) -> None:
        self._ids.extend(map(hash, ids))
        self._digests.extend(map(hash, digests))
        self._folds.extend(map(hash, folds))

    def repeated(self) -> Repeated:
        """Two that differ may have the same hash: then they are looked for in vain."""
        digests, ids, names = map(_has_equals, (self._digests, self._ids, self._folds))
        # The second of the same content gets another id and name, which may be another row's.
        return Repeated(digests, ids or digests, names or digests)


def _has_equals(keys: Sequence[int]) -> bool:
    """Whether two are equal. They are looked at in parts, since a set takes several times the memory of its keys."""
    parts = len(keys) // _KEYS_AT_ONCE + 1
    some = ([key for key in keys if key % parts == part] for part in range(parts))
    return any(len(set(part)) < len(part) for part in some)


def drop(database: Database) -> None:
    """Take the tables away."""
    database.execute("DROP TABLE IF EXISTS temp.sheet")
    database.execute("DROP TABLE IF EXISTS temp.left_out")


def fill(database: Database, manifest: Iterable[Rows | Row | Problem], problems: Gathered, naming: Naming) -> Repeated:
    """Make the tables, and put the manifest's rows into them; ``problems`` takes the others."""
    database.execute(_STAGE)
    database.execute(_LEFT_OUT)
    keys = _Keys()
    pieces = _only_rows(database, manifest, problems, keys)
    _insert(database, _staged(database, pieces, naming, keys))
    return keys.repeated()


def _insert(database: Database, rows: Iterable[Sequence[object]]) -> None:
    width = _STAGED.count("?")
    values = chain.from_iterable(rows)
    while some := list(islice(values, _ROWS_AT_ONCE * width)):
        places = ", ".join([_STAGED] * (len(some) // width))
        database.execute(f"INSERT INTO temp.sheet VALUES {places}", some)


def _only_rows(
    database: Database, manifest: Iterable[Rows | Row | Problem], problems: Gathered, keys: _Keys
) -> Iterator[Rows]:
    for item in together(manifest):
        if isinstance(item, Rows):
            yield item
        else:
            problems.add(item)
            keys.add(item.ids)
            for identity in item.ids:
                database.execute("INSERT INTO temp.left_out VALUES (?, ?)", (item.line or 0, identity))


def _staged(database: Database, pieces: Iterable[Rows], naming: Naming, keys: _Keys) -> Iterator[tuple[object, ...]]:
    position = 1
    for rows in pieces:
        digests = list(map(digest_of, rows.requests))
        ids = _identified(rows, digests, naming)
        names = naming.names(rows, ids)
        folds = list(map(naming.key, names))
        keys.add(ids, digests, folds)
        signed = [0] * len(rows)
        for at, whole in rows.signed.items():
            signed[at] = 1
            database.execute("INSERT OR REPLACE INTO temp.signed VALUES (?, ?)", (digests[at], whole))
        # Numbers, texts and bytearrays go to SQLite as they are; for bool and bytes the driver looks for an adapter.
        given, seeded = ([0 if each is None else 1 for each in column] for column in (rows.ids, rows.seeds))
        yield from zip(
            *(range(position, position + len(rows)), rows.numbers, rows.lines, ids, given),
            *(map(bytearray, digests), rows.requests, seeded, signed, names, map(bytearray, folds), rows.extras),
            strict=True,
        )
        position += len(rows)


def _identified(rows: Rows, digests: Sequence[bytes], naming: Naming) -> Sequence[str]:
    if None not in rows.ids:
        return cast(Sequence[str], rows.ids)
    known = zip(rows.ids, rows.prompts, rows.seeds, digests, strict=True)
    return [
        identity if identity is not None else naming.content_id(prompt, seed, digest.hex())
        for identity, prompt, seed, digest in known
    ]


def tell_repeats_apart(database: Database, naming: Naming) -> None:
    """The second and further rows of the same content get a number, so that each is a row of its own."""
    repeats = database.execute(
        "SELECT position, id, name, n FROM (SELECT position, id, name, row_number() OVER "
        "(PARTITION BY digest ORDER BY position) AS n FROM temp.sheet WHERE given = 0) WHERE n > 1"
    ).fetchall()
    for position, identity, name, n in repeats:
        name = naming.apart(name, str(n))
        database.execute(
            "UPDATE temp.sheet SET id = ?, name = ?, fold = ? WHERE position = ?",
            (f"{identity}-{n}", name, naming.key(name), position),
        )


def duplicate_ids(database: Database) -> Iterator[Problem]:
    """Each id that stands there a second time, and where it stood first."""
    database.execute("CREATE INDEX temp.sheet_id ON sheet (id)")
    named = "SELECT id, line, position FROM temp.sheet"
    if database.has("SELECT 1 FROM temp.left_out"):  # without, the index alone tells
        named += " UNION ALL SELECT id, line, line FROM temp.left_out"
    repeated = database.execute(
        "SELECT id, line, first FROM (SELECT id, line, position, min(line) OVER (PARTITION BY id) AS first, "
        f"row_number() OVER (PARTITION BY id ORDER BY line, position) AS n FROM ({named}) WHERE id IN "
        f"(SELECT id FROM ({named}) GROUP BY id HAVING count(*) > 1)) WHERE n > 1 ORDER BY line, position"
    )
    for identity, line, first in repeated:
        message = f'the id "{_shown(identity)}" is already in line {first}; give each row its own'
        yield Problem(line, "id", message, first=first)


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:60])
