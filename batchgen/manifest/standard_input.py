"""A manifest from standard input: kept as a file, since it is read twice, and again by every later run."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from batchgen.errors import UsageError
from batchgen.manifest import FORMATS
from batchgen.manifest.quoting import alternatives, did_you_mean
from batchgen.system import private

STEM = "rows"
NAMES = frozenset(f"{STEM}{suffixes[0]}" for suffixes in FORMATS.values())
LARGEST = 4 << 30  # bytes
_CHUNK = 1 << 20


@contextmanager
def spooled(stream: BinaryIO, folder: Path, form: str = "csv") -> Iterator[Path]:
    """Write what comes in to ``folder``, under a name that tells its format, and give the file.

    A file of an earlier run is replaced once the new one is whole; if the block raises, it is put back. Raises
    UsageError for an unknown format, for nothing, for too much, and where it cannot be written.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form} is not known; write {alternatives(FORMATS)}{did_you_mean(form, [*FORMATS])}")
    path = folder / f"{STEM}{FORMATS[form][0]}"
    before = path.with_name(f".{path.name}.before")
    try:
        with private.replacing(path, "wb") as file:
            _copy(stream, file)
            if path.exists():
                shutil.copyfile(path, before)
    except OSError as error:
        raise UsageError(f"standard input cannot be kept in {folder}: {error.strerror}") from None
    try:
        yield path
    except BaseException:
        if before.exists():
            before.replace(path)
        else:
            path.unlink(missing_ok=True)
        raise
    before.unlink(missing_ok=True)


def _copy(stream: BinaryIO, file: IO[bytes]) -> None:
    size = 0
    while piece := stream.read(_CHUNK):
        size += len(piece)
        if size > LARGEST:
            raise UsageError(f"standard input is larger than {LARGEST} bytes; save it in a file")
        file.write(piece)
    if not size:
        raise UsageError("standard input is empty; pipe a manifest into it, or name a file")
