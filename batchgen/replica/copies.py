"""The ledger's whole copies: written beside the log, read back with what the log has since."""

import gzip
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from io import BytesIO
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger.changes import make_again
from batchgen.ledger.database import check_sqlite
from batchgen.ledger.whole_file import Snapshot
from batchgen.replica.log import Entry, Log, Slot
from batchgen.replica.store import Store
from batchgen.system import private

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
        _create(store, key_of(slot), packed)
    except OSError as error:
        raise LedgerError(f"the ledger cannot be copied within {folder}: {error.strerror}") from None
    finally:
        sweep(folder)


def _create(store: Store, key: str, packed: Path) -> None:
    """Write a copy, whole. One that is there is an earlier try of ours, whose answer was lost, or which broke off."""
    with packed.open("rb") as body:
        if store.create(key, body):
            return
        found = store.read(key)
        if found is None or found.body != packed.read_bytes():
            store.delete([key])  # nobody else has this term
            store.create(key, body)


def clear(store: Store, log: Log) -> None:
    """Remove what the last copies make superfluous."""
    checkpoints = log.checkpoints()
    old, kept = checkpoints[:-KEPT], checkpoints[-KEPT:]
    if old:
        store.delete(key for key in store.sizes("ledger/") if key < key_of(kept[0]))
        log.clear(log.slots(), kept[0])


def download(store: Store, slot: Slot, later: Iterable[Entry], folder: Path) -> Path | None:
    """Make a ledger in ``folder`` from a copy and the entries after it; None if the copy is damaged.

    Raises :class:`LedgerError` if it is missing, or if what comes after does not fit.
    """
    check_sqlite()
    found = store.read(key_of(slot))
    if found is None:
        raise LedgerError(f"{store}/{key_of(slot)} is missing: restore it, and run again")
    restored = folder / _RESTORED
    sweep(folder)
    try:
        if not _unpack(found.body, restored):
            sweep(folder)
            return None
        with closing(sqlite3.connect(restored, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("BEGIN")
            for entry in later:
                make_again(copy, entry.changes)
            copy.execute("COMMIT")
    except (sqlite3.Error, KeyError, TypeError) as error:
        raise LedgerError(f"{store}/{key_of(slot)} and the log after it do not make a ledger: {error}") from None
    except OSError as error:
        raise LedgerError(f"the ledger cannot be restored in {folder}: {error.strerror}") from None
    return restored


def _unpack(body: bytes, path: Path) -> bool:
    """Write the copy out; False if it is not what was packed, which gzip's checksum tells."""
    with open(path, "xb", opener=private.opener) as file:
        try:
            with gzip.open(BytesIO(body)) as pack:
                shutil.copyfileobj(pack, file, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
        file.flush()
        os.fsync(file.fileno())
    return True


def install(restored: Path, path: Path) -> None:
    """Put what was downloaded in its place, which no ledger is in."""
    for end in ("-wal", "-shm"):  # of a ledger that is no longer there: SQLite would take them for this one's
        path.with_name(path.name + end).unlink(missing_ok=True)
    restored.rename(path)
    private.sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a crash left of it."""
    for name in PASSING:
        (folder / name).unlink(missing_ok=True)
