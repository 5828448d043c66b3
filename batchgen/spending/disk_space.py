"""Room for what is paid for: nothing is submitted that the disk could not keep."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from shutil import disk_usage

from batchgen.catalog import guessed_bytes
from batchgen.errors import ArchiveError
from batchgen.request import Request

RESERVE_BYTES = 1_000_000  # for the ledger and the results
LOOK_EVERY_SECONDS = 1.0
LOOK_SHARE = 50.0  # times as long as a look took, the next is waited for


@dataclass
class DiskSpace:
    """Watches the free space of the archive and of the batch's folder."""

    batch: Path
    free_bytes: Callable[[], int | None]  # of the archive
    awaited: Callable[[], Iterable[tuple[Request, int]]]  # files still to come of what is paid for, by kind of request
    known: Callable[[], Mapping[tuple[str | None, int | None], float]]  # sizes on average, by resolution and duration
    _look_after: float = -inf
    _left: float = 0.0  # bytes
    _sizes: Mapping[tuple[str | None, int | None], float] = field(default_factory=dict)

    def reserve(self, request: Request, files: int) -> None:
        """Room for one more video, kept in so many files; raises :class:`ArchiveError` when there is none."""
        if time.monotonic() > self._look_after or self._left < files * self._size(request):
            began = time.monotonic()
            self._sizes = self.known()
            self._left = self._look()
            took = time.monotonic() - began  # a large backlog of videos is not counted for each task
            self._look_after = began + max(LOOK_EVERY_SECONDS, LOOK_SHARE * took)
        self._left -= files * self._size(request)
        if self._left < 0:
            guess = "" if self._kind(request) in self._sizes else ", as is guessed"
            raise ArchiveError(
                f"the disk of {self.batch} or of the destination has no room for another video "
                f"({self._size(request) / 1e6:.1f} MB{guess}); free some space, and run again",
                full=True,
            )

    def _size(self, request: Request) -> float:
        return self._sizes.get(self._kind(request)) or guessed_bytes(request)

    @staticmethod
    def _kind(request: Request) -> tuple[str | None, int | None]:
        return request.resolution, request.duration

    def _look(self) -> float:
        """How many bytes are free for more videos."""
        free = float(disk_usage(self.batch).free - RESERVE_BYTES)
        there = self.free_bytes()
        if there is not None:
            awaited = sum(files * self._size(request) for request, files in self.awaited())
            free = min(free, there - RESERVE_BYTES - awaited)
        return free


def free_bytes(folder: Path) -> int | None:
    """What an ordinary user may still write to the disk of a folder that need not be there yet; None: who knows."""
    try:
        return disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free
    except OSError:
        return None
