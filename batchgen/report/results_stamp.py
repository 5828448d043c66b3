"""Whether results.csv and failures.csv are still what the ledger has to tell: then they need not be written again.

The fact is struck out by the first change that a process makes to the ledger (see :class:`Database`).
"""

import json
from contextlib import suppress
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.ledger.database import WRITTEN

_FILES = ("results.csv", "failures.csv")


def is_current(ledger: Ledger, folder: Path) -> bool:
    """Whether nothing has changed, neither in the ledger nor in the files, since the files were written."""
    return (folder / _FILES[0]).exists() and ledger.fact(WRITTEN) == _stamp(folder)


def note(ledger: Ledger, folder: Path) -> None:
    """The files tell what the ledger has."""
    with suppress(LedgerError):  # a full disk: at worst, they are written once more
        ledger.database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (WRITTEN, _stamp(folder)))


def _stamp(folder: Path) -> str:
    facts = [(folder / name).stat() if (folder / name).exists() else None for name in _FILES]
    return json.dumps([[fact.st_size, fact.st_mtime_ns] if fact else None for fact in facts])
