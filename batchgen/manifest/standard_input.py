"""A manifest from standard input: kept as a file, since it is read twice, and again by every later run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
    part, before = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.before")
    try:
        _copy(stream, part)
        if path.exists():
            shutil.copyfile(path, before)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"standard input cannot be kept in {folder}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    try:
        yield path
    except BaseException:
        if before.exists():
            before.replace(path)
        else:
            path.unlink(missing_ok=True)
        raise
    before.unlink(missing_ok=True)


def _copy(stream: BinaryIO, part: Path) -> None:
    size = 0
    with open(part, "wb", opener=private.opener) as file:
        while piece := stream.read(_CHUNK):
            size += len(piece)
            if size > LARGEST:
                raise UsageError(f"standard input is larger than {LARGEST} bytes; save it in a file")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if not size:
        raise UsageError("standard input is empty; pipe a manifest into it, or name a file")
