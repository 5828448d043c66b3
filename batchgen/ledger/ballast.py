"""Space that is set aside on the disk, and given up when that is full: for what was paid for and is not written yet."""

import os
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from batchgen.system import private

NAME = ".ballast"  # of the file, beside the ledger
BYTES = 1 << 22  # the pages of twice as many answers as may be awaited at once


class Ballast:
    """The file that takes up the space; none for a ledger that is in no folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self) -> None:
        """Set the space aside. Raises OSError."""
        self.drop()
        if self._folder:
            with open(self._folder / NAME, "xb", opener=private.opener) as file:  # never what a link leads to
                file.write(bytes(BYTES))
                os.fsync(file.fileno())

    def drop(self) -> None:
        """Give the space up, where that can be done."""
        if self._folder:
            with suppress(OSError):  # it is gone, or its disk has become read-only
                (self._folder / NAME).unlink()

    def drop_if_full(self) -> None:
        """Give it up if the disk has no room for what is to be written now."""
        if self._folder and not _has_room(self._folder):
            self.drop()


def _has_room(folder: Path) -> bool:
    try:
        return disk_usage(folder).free > BYTES
    except OSError:  # it was moved, or taken away: what is open takes what was paid all the same
        return True
