"""One run a batch: a lock of the operating system's, which a crash frees."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from batchgen.errors import BatchBusyError, UsageError
from batchgen.model import LEDGER, object_in, zulu
from batchgen.system import private

LOCK = ".lock"  # the file in a batch's folder
TRIES = 4  # whoever only looks whether it is held has it for a moment
BETWEEN_TRIES_SECONDS = 0.05


@dataclass(frozen=True)
class Holder:
    """The process that holds a batch."""

    pid: int
    started: float  # Unix seconds

    @classmethod
    def of(cls, facts: Any) -> "Holder | None":
        """The one that a file of ours names; None if it does not."""
        match facts:
            case {"pid": int(pid), "started": float(started)}:
                return cls(pid, started)
        return None

    def __str__(self) -> str:
        return f"process {self.pid}, started {zulu(self.started)}"


class Lock:
    """Holds a batch's folder for a run's life. Entering raises :class:`BatchBusyError` while another process does."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK

    def __enter__(self) -> Self:
        self._open()
        while not self.is_at_its_place():  # whoever had it took its folder away: nobody else finds what is locked now
            os.close(self._file)
            self._open()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(Holder(os.getpid(), time.time()))).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _open(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise UsageError(
                f"the batch's folder {self._path.parent} cannot be written: {error.strerror}; "
                f"{_advice(self._path.parent)}"
            ) from None
        if not self._is_taken():
            found = _read(self._file)
            os.close(self._file)
            raise busy(self._path.parent, found)

    def is_at_its_place(self) -> bool:
        """Whether the file is still in the folder: else that was moved, or taken away, and may be another's by now."""
        return private.is_at(self._path, os.fstat(self._file))

    def _is_taken(self) -> bool:
        for _ in range(TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(BETWEEN_TRIES_SECONDS)
            except OSError as error:
                os.close(self._file)
                raise UsageError(
                    f"the batch's folder {self._path.parent} cannot be locked: {error.strerror}; "
                    f"{_advice(self._path.parent)}"
                ) from None
            else:
                return True
        return False


def _advice(folder: Path) -> str:
    if (folder / LEDGER).is_file():  # to begin in another would pay for everything again
        return "mend that, or copy it to where you may write, and go on with the copy alone"
    return "choose another with --batch"


def busy(folder: Path, found: Holder | None) -> BatchBusyError:
    """What to raise while another process holds the batch in ``folder``."""
    who = f" ({found})" if found else ""
    return BatchBusyError(f"another run holds {folder}{who}; wait for it to end")


def holder(folder: Path) -> Holder | None:
    """Who holds the batch in ``folder``; None: nobody does, or its name cannot be read yet."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file)
    except OSError:  # nobody can hold it there
        return None
    else:
        return None
    finally:
        os.close(file)


def _read(file: int) -> Holder | None:
    return Holder.of(object_in(os.pread(file, 200, 0)))
