"""A file of text: opened strictly, in an encoding that is given, or told by its first bytes, and never guessed."""

import codecs
import io
from pathlib import Path
from typing import TextIO

from batchgen.errors import ManifestError
from batchgen.manifest.quoting import quoted
from batchgen.model import Problem
from batchgen.words import escaped

_NO_TEXT = {
    b"PK\x03\x04": "a workbook (or another ZIP file); name it .xlsx or .ods, whichever it is",
    b"\xd0\xcf\x11\xe0": "an old .xls, or another file of Microsoft Office; save it as .xlsx",
    b"PAR1": "Parquet; name it .parquet",
}
# What a file of more than a byte a character begins with: UTF-32 first, since UTF-16's mark begins its own.
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def refusal(path: Path, message: str, line: int | None = None) -> ManifestError:
    """Return the error that says why the manifest cannot be read."""
    return ManifestError(escaped(str(path)), [Problem(line, None, message)])


def encoding_of(path: Path, encoding: str | None) -> str | None:
    """Return the encoding that is given, or else told by how the file begins; None: UTF-8.

    Raises ManifestError unless it is one, and the plain file ``path`` begins as a text.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding or "utf-8")
    except (LookupError, ValueError):
        message = f"the encoding {quoted(encoding or '')} is not known; write one such as utf-8, cp1252 or utf-16"
        raise refusal(path, message) from None
    with path.open("rb") as file:
        beginning = file.read(4096)
    for sign, kind in _NO_TEXT.items():
        if beginning.startswith(sign):
            raise refusal(path, f"its content is not text, whatever its name says, but {kind}")
    if not beginning.removeprefix(codecs.BOM_UTF8).strip():
        # A file of blanks alone is as empty as one of no bytes; a longer one is found out by the reader.
        raise refusal(path, "the file is empty; write a header and a row, or jobs")
    return encoding or next((name for mark, name in _WIDE.items() if beginning.startswith(mark)), None)


def check_plain(path: Path) -> None:
    """Raise ManifestError unless ``path`` is a file that can be read."""
    if path.is_dir():
        raise refusal(path, "this is a folder; name the manifest inside it")
    if not path.exists():
        raise refusal(path, "there is no such file; check its name and folder")
    if not path.is_file():
        raise refusal(path, "this is not a plain file; save the manifest as one")
    try:
        path.open("rb").close()
    except OSError as error:
        raise refusal(path, f"it cannot be read ({error.strerror}); check its permissions") from None


def open_text(path: Path, encoding: str | None) -> TextIO:
    """Return the file's text, line ends as they are, without a BOM.

    Raises ManifestError, or UnicodeDecodeError where it is not text from the first character on.
    """
    name = codecs.lookup(encoding or "utf-8").name
    try:
        stream = path.open(encoding="utf-8-sig" if name == "utf-8" else name, newline="")
    except OSError as error:
        raise refusal(path, f"it cannot be read ({error.strerror}); check that it is still there") from None
    # utf-16-le and the like leave the BOM in the text: it would become a part of the first name.
    try:
        if name != "utf-8" and stream.read(1) != "\ufeff":
            stream.seek(0)
    except UnicodeDecodeError:
        raise
    except UnicodeError as error:  # UTF-16 without its mark, and encodings that are none for a file
        raise refusal(path, f"it is not {name} ({error}); {_way_out(encoding)}") from None
    return stream


def undecodable(path: Path, encoding: str | None) -> Problem:
    """Return where the file stops being text of its encoding: found by a second, slow reading."""
    name = codecs.lookup(encoding or "utf-8").name
    decoder = codecs.getincrementaldecoder(name)()
    offset, line = 0, 1
    with path.open("rb") as file:
        for piece in file:
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                place = f"byte {offset + error.start + 1} of the file, 0x{error.object[error.start]:02x}"
                return Problem(line, None, f"{place}, is not {name}; {_way_out(encoding)}")
            offset += len(piece)
    return Problem(None, None, f"the file ends in the middle of a character of {name}; {_way_out(encoding)}")


def _way_out(encoding: str | None) -> str:
    if encoding:
        return "name the encoding that the file was saved in with --encoding"
    return "save the file as UTF-8, or name its encoding, such as --encoding cp1252"
