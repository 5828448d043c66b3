"""One run a batch: a lock of the operating system's, which a crash frees."""

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from batchgen.errors import BatchBusyError


class Lock:
    """Held for the life of a run. Entering raises :class:`BatchBusyError` while another process has it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            os.close(self._file)
            raise BatchBusyError(f"another run holds {self._path.parent}{holder}: wait for it to end") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": os.getpid(), "started": time.time()}).encode(), 0)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._file)

    def _holder(self) -> str:
        try:
            holder = json.loads(os.pread(self._file, 200, 0))
            started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started"]))
            return f" (process {int(holder['pid'])}, started {started})"
        except (ValueError, KeyError, TypeError):
            return ""
