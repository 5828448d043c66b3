"""The zip file that a spreadsheet is: looked at before it is unpacked, since a small one may become a large one."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from batchgen.errors import ManifestError
from batchgen.manifest.textfile import refusal

MOST_BYTES = 500_000_000  # that all parts together may unpack to
_SUSPECT_BYTES = 8_000_000  # from here on, a part must not have shrunk more than any real sheet does
_MOST_RATIO = 500  # LibreOffice's .ods of 200,000 equal rows: 199
_MOST_PARTS = 10_000
_OLD = b"\xd0\xcf\x11\xe0"  # how .xls begins, and also .xlsx with a password

# What reading a damaged file may end in: zipfile and expat each have many words for it.
BROKEN = (
    BadZipFile, expat.ExpatError, zlib.error, struct.error, EOFError, OSError, RuntimeError, LookupError, ValueError
)  # fmt: skip


def parts_in(archive: ZipFile, folder: str) -> int:
    """How many parts of the file lie in ``folder``."""
    return sum(part.startswith(f"{folder}/") and not part.endswith("/") for part in archive.namelist())


@contextmanager
def opened(path: Path) -> Iterator[ZipFile]:
    """Open the file's zip. Raises ManifestError for what is none, or would unpack to more than a sheet can need."""
    try:
        with ZipFile(path) as archive:
            _check(path, archive.infolist())
            yield archive
    except OSError as error:
        raise refusal(path, f"it cannot be read ({error.strerror}); check that it is still there") from None
    except BROKEN:
        raise _no_zip(path) from None


def _check(path: Path, parts: list[ZipInfo]) -> None:
    total = sum(part.file_size for part in parts)
    if total > MOST_BYTES or len(parts) > _MOST_PARTS:
        message = f"it would unpack to {total} bytes in {len(parts)} parts, more than a sheet needs; save it as CSV"
        raise refusal(path, message)
    for part in parts:
        if part.file_size > max(_SUSPECT_BYTES, _MOST_RATIO * part.compress_size):
            message = f"a part of it would unpack to {part.file_size} bytes from {part.compress_size}; save it as CSV"
            raise refusal(path, message)
        if part.flag_bits & 1:
            raise refusal(path, "it is protected by a password; save it without one")


def _no_zip(path: Path) -> ManifestError:
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning == _OLD:
        return refusal(path, "it is an old .xls, or protected by a password; save it as .xlsx without one")
    return refusal(path, f"it is not a {path.suffix.lower()} file, or a damaged one; save it again, or as CSV")
