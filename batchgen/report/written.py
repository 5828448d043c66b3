"""Whether results.csv and failures.csv are as they were written: else they are written anew, or a person mended one.

The ledger remembers how the files were when they told all that it has, a fact that the first change of a process to it
strikes out (see :class:`Database`); and what failures.csv held when it was written, or taken in as a manifest.
"""

import json
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.ledger.database import WRITTEN
from batchgen.system.private import free_name

RESULTS, FAILURES = "results.csv", "failures.csv"
_HELD = "failures"  # the fact: SHA-256 of what failures.csv may hold, as JSON


def are_current(ledger: Ledger, folder: Path) -> bool:
    """Whether nothing has changed, neither in the ledger nor in the files, since the files were written."""
    return (folder / RESULTS).exists() and ledger.fact(WRITTEN) == _stamp(folder)


def note_current(ledger: Ledger, folder: Path) -> None:
    """The files tell what the ledger has."""
    with suppress(LedgerError):  # a full disk: at worst, they are written once more
        ledger.database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (WRITTEN, _stamp(folder)))


def _stamp(folder: Path) -> str:
    facts = [(folder / name).stat() if (folder / name).exists() else None for name in (RESULTS, FAILURES)]
    return json.dumps([[fact.st_size, fact.st_mtime_ns] if fact else None for fact in facts])


def digest(path: Path) -> str | None:
    """The SHA-256 of what a file holds; None if it is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def keep_mended(ledger: Ledger, path: Path) -> Path | None:
    """Move failures.csv out of the way, if a person changed it; returns where it is now, if so. Raises OSError."""
    held, known = digest(path), ledger.fact(_HELD)
    if held is None or known is None or held in json.loads(known):  # an older version wrote it, and noted nothing
        return None
    return path.rename(free_name(path, "mended"))


def note_held(ledger: Ledger, *held: str | None) -> None:
    """Remember the digests of what failures.csv may hold while no person has changed it."""
    with suppress(LedgerError):  # a full disk: at worst, what is not mended is kept as well
        ledger.remember({_HELD: json.dumps([each for each in held if each])})
