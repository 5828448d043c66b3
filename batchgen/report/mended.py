"""What a person changed in failures.csv: it is kept beside, before the file is written anew.

The ledger remembers what the file held when it was written, and when a run took it in as its manifest.
"""

import json
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.system.private import free_name

FAILURES = "failures.csv"
_KNOWN = "failures"  # the fact: SHA-256 of what the file held, as JSON


def digest(path: Path) -> str | None:
    """The SHA-256 of what a file holds; None if it is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def keep(ledger: Ledger, path: Path) -> Path | None:
    """Move the file out of the way, if a person changed it; returns where it is now, if so. Raises OSError."""
    held, known = digest(path), ledger.fact(_KNOWN)
    if held is None or known is None or held in json.loads(known):  # an older version wrote it, and noted nothing
        return None
    return path.rename(free_name(path, "mended"))


def note(ledger: Ledger, *held: str | None) -> None:
    """Remember the digests of what the file may hold while no person has changed it."""
    with suppress(LedgerError):  # a full disk: at worst, what is not mended is kept as well
        ledger.remember({_KNOWN: json.dumps([each for each in held if each])})


def note_next(ledger: Ledger, path: Path, part: Path) -> None:
    """``part`` is about to take the file's place; a kill may leave either."""
    note(ledger, digest(path), digest(part))
