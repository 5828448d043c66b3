"""Room for what is paid: nothing is submitted that the disk could not keep."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from batchgen.errors import ArchiveError

FIRST_GUESS_BYTES = 2_000_000  # of a video, until the batch has some
RESERVE_BYTES = 1_000_000  # for the ledger and the results
LOOK_EVERY_SECONDS = 1.0


class Room:
    """Watches the free space of the archive and of the batch's folder.

    ``expected`` gives (videos that are paid and not archived, bytes of an archived one on average or None).
    """

    def __init__(
        self,
        batch: Path,
        free_bytes: Callable[[], int | None],
        expected: Callable[[], tuple[int, int | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch = batch
        self._free_bytes = free_bytes
        self._expected = expected
        self._clock = clock
        self._looked = float("-inf")
        self._left = 0

    def reserve(self) -> None:
        """Room for one more video; raises :class:`ArchiveError` when there is none."""
        if self._clock() - self._looked > LOOK_EVERY_SECONDS or self._left <= 0:
            self._looked = self._clock()
            self._left = self._look()
        self._left -= 1
        if self._left < 0:
            raise ArchiveError(
                f"the disk of {self._batch} or of the destination has no room for another video; "
                "free some space, and run again",
                full=True,
            )

    def _look(self) -> int:
        """For how many more videos there is room."""
        waiting, size = self._expected()
        ours = os.statvfs(self._batch)
        free = ours.f_bavail * ours.f_frsize - RESERVE_BYTES
        there = self._free_bytes()
        if there is not None:
            free = min(free, there - RESERVE_BYTES - waiting * (size or FIRST_GUESS_BYTES))
        return int(free // (size or FIRST_GUESS_BYTES)) if free > 0 else 0
