"""The ledger's whole copies: written beside the log, read back with what the log has since."""

import gzip
import os
import shutil
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger.changes import make_again
from batchgen.ledger.database import Snapshot
from batchgen.replica.log import Entry, Log, Slot
from batchgen.replica.store import Store

KEPT = 2
_COPY, _PACKED, _RESTORED = ".ledger-copy", ".ledger-copy.gz", ".ledger-restored"
PASSING = (_PACKED, *(f"{name}{end}" for name in (_COPY, _RESTORED) for end in ("", "-journal", "-wal", "-shm")))


def key_of(slot: Slot) -> str:
    """The object of the copy that holds all up to ``slot``."""
    return f"ledger/{slot}.sqlite.gz"


def upload(store: Store, folder: Path, snapshot: Snapshot, slot: Slot) -> None:
    """Write the copy that holds all up to ``slot``. Raises :class:`ReplicaError`, :class:`LedgerError`."""
    plain, packed = folder / _COPY, folder / _PACKED
    try:
        sweep(folder)
        snapshot.save(plain)
        with plain.open("rb") as file, gzip.open(packed, "wb", compresslevel=1) as pack:
            shutil.copyfileobj(file, pack, 1 << 20)
        with packed.open("rb") as body:
            store.create(key_of(slot), body)  # False: an earlier try of ours; nobody else has this term
    except OSError as error:
        raise LedgerError(f"the ledger cannot be copied within {folder}: {error.strerror}") from None
    finally:
        sweep(folder)


def clear(store: Store, log: Log) -> None:
    """Remove what the last copies make superfluous."""
    checkpoints = log.checkpoints()
    old, kept = checkpoints[:-KEPT], checkpoints[-KEPT:]
    if old:
        store.delete(key_of(slot) for slot in old)
        log.clear(log.slots(), kept[0])


def download(store: Store, slot: Slot, later: dict[Slot, Entry], path: Path) -> None:
    """Make the ledger at ``path`` from a copy and the entries after it. Raises :class:`LedgerError`."""
    found = store.read(key_of(slot))
    if found is None:
        raise LedgerError(f"{store}/{key_of(slot)} is missing: restore it, and run again")
    restored = path.with_name(_RESTORED)
    sweep(path.parent)
    try:
        with gzip.open(BytesIO(found.body)) as pack, open(restored, "xb", opener=_private) as file:
            shutil.copyfileobj(pack, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        with closing(sqlite3.connect(restored, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("BEGIN")
            for entry in later.values():
                make_again(copy, entry.changes)
            copy.execute("COMMIT")
    except (EOFError, gzip.BadGzipFile, sqlite3.Error, KeyError, TypeError) as error:
        raise LedgerError(f"{store}/{key_of(slot)} and the log after it do not make a ledger: {error}") from None
    except OSError as error:
        raise LedgerError(f"the ledger cannot be restored to {path}: {error.strerror}") from None
    for end in ("-wal", "-shm"):  # of a ledger that is no longer there: SQLite would take them for this one's
        path.with_name(path.name + end).unlink(missing_ok=True)
    restored.rename(path)
    _sync(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a crash left of it."""
    for name in PASSING:
        (folder / name).unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
