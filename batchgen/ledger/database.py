"""A durable SQLite file: opened, checked, written in transactions, and brought to the disk.

A commit survives the end of the program, however it comes. That it also survives a power cut takes a sync of SQLite's
log; one sync holds for all commits before it, so those that nobody waits for leave theirs to the next.
"""

import fcntl
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, Self

from batchgen.errors import LedgerError
from batchgen.ledger import schema, whole_file
from batchgen.ledger.ballast import Ballast
from batchgen.ledger.whole_file import Snapshot
from batchgen.system import private

LEAST_SQLITE = (3, 37, 0)  # STRICT tables, PRAGMA table_list
WRITTEN = "written"  # the fact that the results' files are up to date: the first change of a process strikes it out
CACHE_KIB = 16_384
LARGE_PAGE = 16_384  # bytes
MAKING_SECONDS = 5.0
BUSY_MS = 30_000
FOLDING_MS = 500  # who looks at a batch reads for a moment
_BROKEN = (sqlite3.OperationalError, sqlite3.DatabaseError)  # the latter itself, no further kind: a damaged file


class Database:
    """The connection. Driver errors become a :class:`LedgerError` that names the file."""

    def __init__(self, path: Path | None, *, read_only: bool = False, page_bytes: int = LARGE_PAGE) -> None:
        """Open ``path``, made where it is missing; None: a temporary one that nobody else sees, of such pages.

        ``read_only``: nothing of the file is changed; one of an older version is copied, and the copy is read.
        """
        self.path = path
        self.ballast = Ballast(path.parent if path else None)
        self._page_bytes = page_bytes
        self.is_synced = True  # whether a power cut would lose nothing
        self.left_unsynced: Callable[[], None] = lambda: None  # told of each commit that leaves its sync to a later one
        self._has_log = False
        self._log: int | None = None  # SQLite's, once it was synced
        self._broken: str | None = None  # why a sync failed: a later one may succeed without what that one lost
        self._is_changed = path is None  # by this process
        self._name = str(path) if path else "the temporary ledger"
        try:
            self._connection = _connect(path, read_only=read_only)
        except sqlite3.OperationalError as error:
            raise LedgerError(f"{self._name} cannot be opened: {error}") from None
        try:
            if not read_only or self._is_old():
                self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise self._refusal(error, "used as a ledger") from None
        except LedgerError:
            self._connection.close()
            raise
        self._file = path.lstat() if path and not read_only else None

    def _is_old(self) -> bool:
        """Whether the file has to be read from a copy, which then is what this is."""
        if self._version_to_look_at() == schema.VERSION:
            return False
        self._keep_copy(self._connection)
        return True

    def _keep_copy(self, connection: sqlite3.Connection) -> None:
        copy = _connect(None)
        connection.backup(copy)
        self._connection.close()
        self._connection, self.path = copy, None

    def _version_to_look_at(self) -> int:
        try:
            return self._version()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
                self._read_elsewhere()
                return self._version()
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        # A process was killed while it made the file: only a writer may undo what it left.
        with closing(_connect(self.path)) as writer:
            writer.execute("PRAGMA user_version").fetchone()
        return self._version()

    def _read_elsewhere(self) -> None:
        """Read a copy: to read a file that has a log, SQLite writes beside it, and here nothing can be written."""
        assert self.path
        try:
            with TemporaryDirectory(prefix="batchgen-") as folder:
                path = Path(copyfile(self.path, Path(folder, "ledger")))
                with suppress(FileNotFoundError):
                    copyfile(f"{self.path}-wal", f"{path}-wal")
                with closing(_connect(path)) as connection:
                    self._keep_copy(connection)
        except OSError as error:
            raise LedgerError(f"{self._name} cannot be read: {error.strerror} ({error.filename})") from None

    def _prepare(self) -> None:
        version = self._version()
        if not 0 <= version <= schema.VERSION:
            raise LedgerError(
                f"{self._name} was written by another batchgen (schema {version}, this one has {schema.VERSION}); "
                "use that one, or a newer"
            )
        self._tune()
        if version == 0:
            with self.transaction():
                if self._version() == 0:  # still: whoever looks at a batch may have opened it at the same moment
                    self._check(schema.is_empty(self._connection))
                    schema.make(self._connection)
        else:
            self._check(schema.is_ours(self._connection))
            if version < schema.VERSION:
                with self.transaction():
                    schema.migrate(self._connection, self._version())

    def _check(self, is_ledger: bool) -> None:
        if not is_ledger:
            raise LedgerError(f"{self._name} is a database of some other program")

    def _tune(self) -> None:
        mode = self._patiently(f"PRAGMA journal_mode = {'WAL' if self.path else 'MEMORY'}").fetchone()[0]
        self._has_log = mode == "wal"  # a few file systems bear none
        # NORMAL: SQLite syncs only what is folded from the log into the file; we sync the log.
        level = "OFF" if self.path is None else "NORMAL" if self._has_log else "FULL"
        # A million rows pass through what is temporary: large pages, and nothing that is deleted is overwritten.
        staging = (f"temp.page_size = {LARGE_PAGE}", f"temp.cache_size = -{CACHE_KIB // 2}", "temp.secure_delete = OFF")
        temporary = () if self.path else (f"page_size = {self._page_bytes}", "secure_delete = OFF")
        caching = (*temporary, f"cache_size = -{CACHE_KIB}", *staging)
        for pragma in (f"synchronous = {level}", "fullfsync = 1", "foreign_keys = ON", *caching):
            self._patiently(f"PRAGMA {pragma}")
        if self._has_log:
            self._fold()

    def _fold(self) -> None:
        """Fold what an earlier process left in the log into the file.

        Its last sync may have failed, and a part of the log be in memory alone: whatever were written behind that
        would be lost with it. Who reads the file at this moment may keep the log from being emptied.
        """
        self._connection.execute(f"PRAGMA busy_timeout = {FOLDING_MS}")
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise LedgerError(
                    f"{self._name} cannot be written: what the last run recorded is in {self._name}-wal "
                    f"and cannot be brought to the disk ({error}); keep both files, mend the disk, and try again"
                ) from None
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    def _version(self) -> int:
        return int(self._patiently("PRAGMA user_version").fetchone()[0])

    def _patiently(self, sql: str) -> sqlite3.Cursor:
        """Run what SQLite does not wait for by itself while another process makes the file, or turns it to WAL."""
        until = time.monotonic() + MAKING_SECONDS
        while True:
            try:
                return self._connection.execute(sql)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    @contextmanager
    def transaction(self, *, vital: bool = False, synced: bool = True) -> Iterator[None]:
        """All or nothing, and durable when left. IMMEDIATE: a later upgrade to a writer could fail at once.

        ``vital``: what is written was paid for; the ballast goes overboard first, if the disk has no room for it.
        Not ``synced``: a power cut may lose it until the next :meth:`sync`.
        """
        try:
            if vital:
                self.ballast.drop_if_full()
            self._connection.execute("BEGIN IMMEDIATE")
            before = self._connection.total_changes
            yield
            if not self._is_changed and self._connection.total_changes > before:
                self._connection.execute("DELETE FROM fact WHERE name = ?", (WRITTEN,))
            self._connection.execute("COMMIT")
            self._is_changed |= self._connection.total_changes > before
            self.is_synced = False
            if synced:
                self.sync()
            else:
                self.left_unsynced()
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if type(error) in _BROKEN:
                raise self._refusal(error) from None
            raise

    def sync(self) -> None:
        """Bring all that is committed to the disk; any one thread may do so. Raises :class:`LedgerError`."""
        self.is_synced = True  # but for what is committed meanwhile
        if not self._has_log:
            return
        try:
            if self._log is None:
                assert self.path
                self._log = os.open(f"{os.path.realpath(self.path)}-wal", os.O_RDONLY | os.O_CLOEXEC)
            _sync(self._log)
        except Exception as error:
            self._broken = getattr(error, "strerror", None) or repr(error)
        if self._broken:
            self.is_synced = False
            raise LedgerError(f"{self._name} cannot be written: {self._broken}")

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run one statement; outside a transaction a write is one of its own, not synced."""
        try:
            return self._connection.execute(sql, parameters)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise self._refusal(error, "read" if sql.startswith("SELECT") else "written") from None

    def execute_many(self, sql: str, parameters: Any) -> None:
        """Run one statement for each of ``parameters``."""
        try:
            self._connection.executemany(sql, parameters)
        except sqlite3.OperationalError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: BaseException, what: str = "written") -> LedgerError:
        if what == "written":
            self.ballast.drop()  # where a quota is used up, the disk has room
        is_damaged = type(error) is sqlite3.DatabaseError
        hint = "; put a copy of it back: without it every video would be paid for again" if is_damaged else ""
        return LedgerError(f"{self._name} cannot be {what}: {error}{hint}")

    def one(self, sql: str, parameters: Any = ()) -> tuple[Any, ...] | None:
        """The only row of a query, or None; two are a mistake of ours."""
        rows = self.execute(sql, parameters).fetchmany(2)
        if len(rows) > 1:
            raise AssertionError(f"more than one row: {sql}")
        return rows[0] if rows else None

    def value(self, sql: str, parameters: Any = ()) -> Any | None:
        """What the only row of a query begins with, or None; two rows are a mistake of ours."""
        row = self.one(sql, parameters)
        return row[0] if row else None

    def has(self, sql: str, parameters: Any = ()) -> bool:
        """Whether a query finds anything."""
        return self.execute(sql, parameters).fetchone() is not None

    def number(self, sql: str, parameters: Any = ()) -> int:
        """The whole number that a query gives; 0 for NULL, and for no row."""
        return int(self.value(sql, parameters) or 0)

    def copy(self) -> "Database":
        """A temporary copy, to try things on."""
        page_bytes = self._connection.execute("PRAGMA page_size").fetchone()[0]
        other = Database(None, page_bytes=page_bytes)  # SQLite copies pages as they are
        self._connection.backup(other._connection)
        return other

    def snapshot(self) -> Snapshot:
        """The file as it is at this moment, whatever is written after. Raises :class:`LedgerError` if it is gone."""
        assert self.path
        if not self.is_at_its_place:
            raise LedgerError(f"{self._name} was moved, removed or replaced")
        return Snapshot(self.path)

    @property
    def is_at_its_place(self) -> bool:
        """Whether what stands under the file's name is the file."""
        return self._file is None or self.path is None or private.is_at(self.path, self._file)

    def put_back(self) -> None:
        """Write all that the file holds to its place, if it was taken from there: nobody else knows what was paid."""
        if self.is_at_its_place or not (self.path and self.path.parent.is_dir()):
            return
        try:
            whole_file.put_back(self.path, self._connection, self._log)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{self._name} was taken away, and cannot be written anew: {error}") from None

    def close(self) -> None:
        """Close the file, its log folded in."""
        self._connection.close()
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_sqlite() -> None:
    """Raise :class:`LedgerError` where the SQLite that this Python brings is too old for a ledger."""
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        raise LedgerError(
            f"this Python ({sys.executable}) has SQLite {sqlite3.sqlite_version}, and a ledger needs "
            f"{LEAST_SQLITE[0]}.{LEAST_SQLITE[1]} or newer; use a Python that brings its own, like that of uv or conda"
        )


def _connect(path: Path | None, *, read_only: bool = False) -> sqlite3.Connection:
    check_sqlite()
    if path and not read_only:
        whole_file.make(path)
    name = f"{path.absolute().as_uri()}?mode=ro" if path and read_only else str(path or "")
    return sqlite3.connect(name, isolation_level=None, timeout=BUSY_MS / 1000, uri=read_only)


def _sync(file: int) -> None:
    if sys.platform == "darwin":  # which flushes the drive only when asked so
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)
