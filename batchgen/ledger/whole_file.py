"""A ledger's file as a whole: made, held at a moment to be copied, put back where it was taken away."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.system import private


class Snapshot:
    """A moment of a ledger's file, held until it is saved or closed; any one thread may do so."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # with a read the moment is held

    def save(self, path: Path) -> None:
        """Copy it to ``path``. Raises :class:`LedgerError`."""
        try:
            with closing(sqlite3.connect(path)) as copy:
                self._connection.backup(copy)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be copied to {path}: {error}") from None
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def make(path: Path) -> None:
    """Make the file for its owner alone, where it is missing; what SQLite lays beside it has the same mode.

    One that is there is not opened: to close it again would let go of the locks that this process has on it.
    """
    with suppress(OSError):  # SQLite tells what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def put_back(path: Path, connection: sqlite3.Connection, log: int | None) -> None:
    """Write all that ``connection`` holds to ``path``, from which its file was taken; ``log`` is that file's.

    What stands there instead is set aside, with its log; ours goes: it is not of what is written now.
    """
    part = _part(path)
    part.unlink(missing_ok=True)
    make(part)
    with closing(sqlite3.connect(part)) as whole:
        connection.backup(whole)
    _set_aside(path, log)
    Path(f"{path}-shm").unlink(missing_ok=True)
    part.rename(path)


def _set_aside(path: Path, our_log: int | None) -> None:
    log = Path(f"{path}-wal")
    is_ours = our_log is not None and private.is_at(log, os.fstat(our_log))
    if is_ours or not os.path.lexists(path):
        log.unlink(missing_ok=True)
    aside = private.free_name(path, "replaced")
    for file, name in ((log, f"{aside}-wal"), (path, aside)):
        if os.path.lexists(file):
            file.rename(name)


def left_by_kill(path: Path) -> str:
    """Where the ledger is that a run was about to put back when it was killed, and what to do; empty: nowhere."""
    part = _part(path)
    if not part.is_file() or not part.stat().st_size or Path(f"{part}-journal").exists():  # not whole
        return ""
    return (
        f"; a run that was killed as it put its ledger back has left it as {part}: "
        f"move {path.name} and {path.name}-wal away, if they are there, and rename that to {path.name}"
    )


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
