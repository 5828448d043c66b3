"""What this user has paid for in other batches: the same request with the same seed gives the same video.

One small file a user, written at the end of each run. It is a convenience: where it cannot be read or written,
nothing is offered and nothing fails.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.ledger.ledger import LINK_LIFE_SECONDS
from batchgen.ledger.older_requests import as_now
from batchgen.model import LEDGER
from batchgen.request import digest_of
from batchgen.system.private import user_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS paid (
    service      TEXT NOT NULL,
    digest       BLOB NOT NULL,     -- SHA-256 of the request
    batch        TEXT NOT NULL,     -- the folder of the batch that paid
    task_id      TEXT NOT NULL,
    completed_at REAL NOT NULL,     -- Unix seconds, the service's
    files        TEXT NOT NULL,     -- JSON: [[absolute path, bytes, sha256], ...]; empty where none is local
    PRIMARY KEY (service, digest)
) STRICT, WITHOUT ROWID
"""
_NAME = "paid.sqlite"  # of the user's index
_VERSION = 2  # of the digests, as of schema 5 of a ledger


@dataclass(frozen=True)
class Offer:
    """A pending job whose video another batch has paid for."""

    job: int
    batch: str
    task_id: str
    completed_at: float
    files: str

    @property
    def is_to_be_had(self) -> bool:
        """Whether its link lives, or its files are still in their places."""
        files = [Path(path) for path, _, _ in json.loads(self.files)]
        return (bool(files) and all(file.is_file() for file in files)) or (
            time.time() - self.completed_at < LINK_LIFE_SECONDS
        )


@contextmanager
def _index() -> Iterator[sqlite3.Connection]:
    path = user_file(_NAME)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(path, timeout=10)) as index, index:
        index.execute(_SCHEMA)
        if index.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
            _digest_anew(index)
            index.execute(f"PRAGMA user_version = {_VERSION}")
            index.commit()
        yield index


def _digest_anew(index: sqlite3.Connection) -> None:
    """Know the tasks by the digests that requests have now; what was asked is in the ledgers of their batches."""
    for (batch,) in index.execute("SELECT DISTINCT batch FROM paid").fetchall():
        ledger = Path(batch, LEDGER)
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as asked:
            for task, former in index.execute("SELECT task_id, digest FROM paid WHERE batch = ?", (batch,)).fetchall():
                for (request,) in asked.execute("SELECT request FROM job WHERE task_id = ?", (task,)):
                    digest = digest_of(as_now(request)[0])
                    index.execute(
                        "UPDATE OR REPLACE paid SET digest = ? WHERE batch = ? AND digest = ? AND digest != ?",
                        (digest, batch, former, digest),
                    )


def record(ledger: Ledger, batch: Path) -> None:
    """Enter the batch's paid videos that have a seed, and that came, or were moved, since they were entered last."""
    began, folder = time.time(), str(batch.absolute())
    since = float(ledger.fact("entered") or 0.0)
    if since > began or ledger.fact("entered_from") != folder:  # the clock was set back meanwhile, or all was moved
        since = 0.0
    found = ledger.database.execute(
        "SELECT digest, task_id, completed_at, (SELECT json_group_array(json_array(place, bytes, lower(hex(sha256)))) "
        "FROM video WHERE row = (SELECT min(row) FROM row WHERE row.job = job.job)) FROM job "
        "WHERE (state = 'rendered' OR job IN (SELECT job FROM row WHERE row IN "
        "(SELECT row FROM video WHERE archived_at >= ?))) AND state IN ('archived', 'rendered') "
        "AND task_id IS NOT NULL AND completed_at IS NOT NULL AND json_extract(request, '$.seed') IS NOT NULL",
        (since,),
    )
    service = ledger.fact("service")
    rows = ((service, digest, folder, task, at, _local(files, folder)) for digest, task, at, files in found)
    try:
        with _index() as index:
            index.executemany("INSERT OR REPLACE INTO paid VALUES (?, ?, ?, ?, ?, ?)", rows)
        ledger.remember({"entered": str(began), "entered_from": folder})
    except (sqlite3.Error, OSError, LedgerError):
        return


def enter_anew(ledger: Ledger) -> None:
    """Let the end of this run enter every video: some have new places."""
    ledger.remember({"entered": "0.0"})


def _local(files: str, folder: str) -> str:
    kept = json.loads(files)
    if any(place.startswith("s3://") for place, _, _ in kept):
        return "[]"
    # As text: a Path for each video takes longer than all the rest.
    return json.dumps([[os.path.join(folder, place), size, sha256] for place, size, sha256 in kept])


def offers(ledger: Ledger, service: str, batch: Path) -> list[Offer]:
    """The pending jobs whose video another batch of this user has paid for, and that are still to be had."""
    if not user_file(_NAME).is_file():
        return []
    pending = ledger.database.execute(f"SELECT job, digest FROM job WHERE {ledger.to_submit}")
    try:
        with _index() as index:
            return list(_matches(index, service, str(batch.absolute()), pending))
    except (sqlite3.Error, OSError):
        return []


def _matches(
    index: sqlite3.Connection, service: str, batch: str, pending: Iterator[tuple[int, bytes]]
) -> Iterator[Offer]:
    others = "service = ? AND batch <> ?"
    index.execute("BEGIN")  # once, and not for each question anew
    if not index.execute(f"SELECT 1 FROM paid WHERE {others} LIMIT 1", (service, batch)).fetchone():
        return
    for job, digest in pending:
        found = index.execute(
            f"SELECT batch, task_id, completed_at, files FROM paid WHERE {others} AND digest = ?",
            (service, batch, digest),
        ).fetchone()
        if found and (offer := Offer(job, *found)).is_to_be_had:
            yield offer


def take(ledger: Ledger, offered: list[Offer]) -> None:
    """Let the jobs be fetched instead of paid for; one that can never be had after all is paid for like any other."""
    with ledger.database.transaction():
        ledger.database.execute_many(
            "UPDATE job SET state = 'rendered', task_id = ?, completed_at = ?, source = ?, remake = 1 "
            "WHERE job = ? AND state = 'pending'",
            ((offer.task_id, offer.completed_at, offer.files, offer.job) for offer in offered),
        )
