"""Names of video files: made from the row, safe on every file system, and the same each time."""

import difflib
import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from batchgen.errors import UsageError
from batchgen.model import Row
from batchgen.rows import Rows

SUFFIX = ".mp4"
MOST_BYTES = 200  # of a whole name in UTF-8; file systems allow 255, which leaves room for a `.part` or a checksum
SLUG_CHARS = 40
_HASH_CHARS = 12
_PLAIN = re.compile(r"[A-Za-z0-9 ._-]*", re.ASCII)
_SIMPLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", re.ASCII)
_WORD = re.compile("[a-z0-9]+")
_GAP = "\0"  # stands for a value that is missing, until its separators are tidied; no cleaned text holds it
_SEPARATORS = "-_ ."
_FORBIDDEN = frozenset('/\\<>:"|?*')  # FAT, exFAT, NTFS; the slash everywhere
# "Naming Files, Paths, and Namespaces" (Microsoft): reserved with any extension; superscript digits count.
_RESERVED = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}) | {
    port + digit for port in ("com", "lpt") for digit in "0123456789"
}

_FIELDS: dict[str, Callable[[Row, str], object]] = {
    "id": lambda row, id_: id_,
    "row": lambda row, id_: row.number,
    "seed": lambda row, id_: row.request.seed,
    "slug": lambda row, id_: slug(row.request.prompt),
    "hash": lambda row, id_: row.request.digest[:_HASH_CHARS],
    "mode": lambda row, id_: row.request.mode,
    "resolution": lambda row, id_: row.request.resolution,
    "duration": lambda row, id_: row.request.duration,
    "aspect_ratio": lambda row, id_: (row.request.aspect_ratio or "").replace(":", "x"),
    "provider": lambda row, id_: row.request.provider,
}


class Template:
    """How the videos of a batch are named, such as ``{row}-{slug}`` (None: ``{id}``); a final ``.mp4`` may stand.

    What is no field of ours is a column of the sheet's own, which :meth:`lack` looks for. Raises UsageError, with all
    that is wrong in one sentence, for a text that cannot name a file.
    """

    def __init__(self, text: str | None) -> None:
        self.text = text = "{id}" if text is None else text
        body = text[: -len(SUFFIX)] if text.lower().endswith(SUFFIX) else text
        if "/" in text or "\\" in text:
            raise UsageError(f"--name {text!r}: a name cannot hold / or \\: all videos of a batch lie in one folder")
        parts = _parse(body)
        self._own = [field for _, field in parts if field is not None and field not in _FIELDS]
        self._parts = [(_clean(literal), _fact(field)) for literal, field in parts]
        if not any(fact for _, fact in self._parts):
            raise UsageError(f"--name {text!r}: every video would have this name; use at least one of {_known()}")

    def lack(self, columns: Iterable[str]) -> str | None:
        """A sentence for what is neither a field nor one of these, the sheet's own ``columns``."""
        known = {_folded(name): name for name in columns}
        wrong = [_question(field, known) for field in self._own if _folded(field) not in known]
        return f"--name {self.text!r}: " + "; ".join(wrong) if wrong else None

    def names(self, rows: Rows, ids: Sequence[str]) -> list[str]:
        """Return the final file names of rows with these ids; two rows may get the same (see :func:`fold`)."""
        if self.text != "{id}":
            return list(map(self.name, rows, ids))
        if all(map(_SIMPLE.fullmatch, ids)) and _RESERVED.isdisjoint(map(str.casefold, ids)):
            return [id + SUFFIX for id in ids]
        return [_final(_value(id)) for id in ids]  # without a look at the row

    def name(self, row: Row, id: str) -> str:
        """Return the final file name of the row with this id."""
        return _final("".join([literal + (_value(fact(row, id)) if fact else "") for literal, fact in self._parts]))


def fold(name: str) -> str:
    """Return the key under which two names may be the same file on some file system.

    Wider than any of them: normal forms (APFS, HFS+), case by upper-casing (NTFS, exFAT) and by folding
    (APFS, ext4), full-width and other compatible forms (NFKC), dots and spaces at the end (Windows).
    """
    if name.isascii():
        return name.casefold().rstrip(". ")
    text = unicodedata.normalize("NFKD", name)
    for _ in range(3):  # folding and normalising undo each other for a few characters; settled well before
        text = unicodedata.normalize("NFKD", text.upper().casefold())
    return unicodedata.normalize("NFKC", text).rstrip(". ")


def apart(name: str, distinguisher: str) -> str:
    """Return the same name with ``-distinguisher`` before ``.mp4``; still at most 200 bytes."""
    return _fit(name.removesuffix(SUFFIX), "-" + _clean(distinguisher))


def slug(prompt: str) -> str:
    """Return the first words of a prompt as ``[a-z0-9-]{0,40}``, cut between words."""
    plain = prompt[:1000].casefold()
    if plain.isascii():
        letters = plain.replace("'", "")
    else:
        plain = unicodedata.normalize("NFKD", plain)
        letters = "".join(char for char in plain if not unicodedata.combining(char) and char not in "'’")
    words = "-".join(_WORD.findall(letters))
    if len(words) <= SLUG_CHARS:
        return words
    whole, _, _ = words[: SLUG_CHARS + 1].rpartition("-")
    return whole or words[:SLUG_CHARS]


def content_id(prompt: str, seed: int | None, digest: str) -> str:
    """Return the id of a row that has none of its own: what it asks for, wherever it stands in the sheet.

    ``digest``: its request's, in hex.
    """
    seeded = "" if seed is None else f"s{seed}"
    return "-".join(part for part in (slug(prompt), seeded, digest[:_HASH_CHARS]) if part)


def _parse(text: str) -> list[tuple[str, str | None]]:
    """Pairs of literal text and the field that follows it, if one does."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--name {text!r}: {error}; write {{{{ and }}}} for braces that are meant as such") from None
    wrong = [field for _, field, form, how in parts if field is not None and (form or how)]
    if wrong:
        faults = "; ".join(f"{{{field}}} takes no ! or : after its name" for field in wrong)
        raise UsageError(f"--name {text!r}: {faults}")
    return [(literal, field) for literal, field, _, _ in parts]


def _question(field: str, columns: Mapping[str, str]) -> str:
    """What to ask about a field that is none; ``columns``: the sheet's own, by their folded names."""
    near = difflib.get_close_matches(_folded(field), [*columns, *_FIELDS], n=1)
    hint = (
        f"did you mean {{{columns.get(near[0], near[0])}}}?" if near else f"there are {_known()}, and your own columns"
    )
    return f"there is no field {{{field}}}: {hint}"


def _fact(field: str | None) -> Callable[[Row, str], object] | None:
    """What stands for a field; if it is none of ours, the row's cell in the column that is called so."""
    if field is None or field in _FIELDS:
        return _FIELDS.get(field or "")
    wanted = _folded(field)
    return lambda row, id_: next((cell for column, cell in row.extras.items() if _folded(column) == wanted), None)


def _folded(name: str) -> str:
    return name.strip().casefold()


def _known() -> str:
    return ", ".join(f"{{{field}}}" for field in _FIELDS)


def _final(filled: str) -> str:
    """Return the file name of a template whose fields are filled."""
    if _SIMPLE.fullmatch(filled) and filled.casefold() not in _RESERVED:
        return filled + SUFFIX
    return _fit(_safe(_tidy(filled)), "")


def _value(value: object) -> str:
    return _clean("" if value is None else str(value)) or _GAP


def _tidy(text: str) -> str:
    """Close the gaps: of the separators round a missing value one is left, none at the ends."""
    if _GAP not in text:
        return text

    def closed(match: re.Match[str]) -> str:
        at_end = match.start() == 0 or match.end() == len(text)
        return "" if at_end else match[0].replace(_GAP, "")[:1]

    return re.sub(f"[{re.escape(_SEPARATORS)}]*{_GAP}[{re.escape(_SEPARATORS)}{_GAP}]*", closed, text)


def _clean(text: str) -> str:
    """Only characters that every file system takes and every terminal shows, in NFC."""
    if _PLAIN.fullmatch(text):  # most ids, a hundred times as fast
        return text
    return unicodedata.normalize("NFC", "".join(map(_clean_char, unicodedata.normalize("NFC", text))))


def _clean_char(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cf", "Cs", "Co", "Cn"):  # bidi and joiners, halves of characters, those without a meaning yet
        return ""
    if category in ("Cc", "Zl", "Zp") or not _FORBIDDEN.isdisjoint(unicodedata.normalize("NFKC", char)):
        return "-"
    return " " if category == "Zs" else char


def _safe(stem: str) -> str:
    """Return a stem that means nothing to a shell's options, hides nothing, and is no device of Windows."""
    stem = unicodedata.normalize("NFC", stem).lstrip(". -").rstrip(". ") or "video"
    device = unicodedata.normalize("NFKC", stem.partition(".")[0]).strip().casefold()
    return f"_{stem}" if device in _RESERVED else stem


def _fit(stem: str, tail: str) -> str:
    """Join stem, tail and suffix within the limit; a stem that is cut gets a hash, so that two stay apart."""
    room = MOST_BYTES - len((tail + SUFFIX).encode())
    if len(stem.encode()) > room:
        mark = "-" + hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = stem.encode()[: room - len(mark)].decode(errors="ignore").rstrip(_SEPARATORS) + mark
    return stem + tail + SUFFIX
