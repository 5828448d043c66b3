"""What the batches beside a new one have paid for: a sheet that was given another name would buy it all again.

They are only looked at, and for a moment: the latest of them, for a sample of the rows. What cannot be read is passed
over.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from heapq import nlargest
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from batchgen.ledger import Ledger
from batchgen.model import EMULATOR, LEDGER
from batchgen.settings import SERVICE_URL, STANDARD_INPUT, Settings, batch_folder, run_again
from batchgen.words import many, with_command

SAMPLE_ROWS = 400
MOST_BATCHES = 20
MOST_SECONDS = 1.0
LEAST_SHARE = 0.2  # of the new rows: fewer may well be meant
STEPS = 1000  # of SQLite's virtual machine, between two looks at the clock
# As ledger/recognise.py knows a row again: by its content, and by its id where it has one here and there.
_PAID = (
    "SELECT 1 FROM job JOIN row USING (job) WHERE job.digest = ? AND state IN ('archived', 'rendered', 'in_flight') "
    "AND (row.id = ? OR row.given = 0 OR ? = 0) LIMIT 1"
)
_Sample: TypeAlias = Sequence[tuple[Any, ...]]  # of each row its digest, its id, and whether that was given


def warn_of_paid(asked: Settings, settings: Settings, ledger: Ledger, rows: int) -> Iterator[str]:
    """Say which batch beside a new one has paid for a good part of its ``rows``, if it is called by its sheet alone.

    ``asked``: the settings without the batch's memory.
    """
    manifest, batch = asked.manifest, asked.batch
    if manifest in (None, STANDARD_INPUT) or settings.emulator or batch != batch_folder(manifest):
        return
    sample = _sample(ledger, rows, seeded=not settings.reuse)
    until = time.monotonic() + MOST_SECONDS
    looked = [(*_look(path, sample, settings.service, until), path.parent.name) for path in _beside(batch)]
    paid, service, name = max(looked, default=(0, "", ""))
    if paid < max(1, LEAST_SHARE * min(rows, SAMPLE_ROWS)):
        return
    number = str(paid) if rows <= SAMPLE_ROWS else f"about {float(f'{paid / SAMPLE_ROWS * rows:.2g}'):.0f}"
    which = many(number, "of these rows is", "of these rows are")
    yield with_command(
        f"{which} paid for in {name} already, and would be paid for again in {batch.name}; to go on in {name}",
        *run_again(manifest, batch.with_name(name), service),
        *_as_read(settings),
    )


def _as_read(settings: Settings) -> Iterator[str]:
    """The flags by which the sheet was read: the other batch has none for a sheet of this name, and needs them."""
    for word in settings.overrides or ():
        yield from ("--set", word)
    for flag, said in (("--encoding", settings.encoding), ("--sheet", settings.sheet)):
        if said:
            yield from (flag, said)


def _sample(ledger: Ledger, rows: int, *, seeded: bool) -> _Sample:
    """Some of the rows; not ``seeded``: those of them that have no seed."""
    positions = Random(0).sample(range(1, rows + 1), min(rows, SAMPLE_ROWS))  # noqa: S311 - no secret
    return ledger.database.execute(
        "SELECT row.digest, id, given FROM row JOIN job USING (job) WHERE row.position IN "
        "(SELECT value FROM json_each(?)) AND (? OR json_extract(request, '$.seed') IS NULL)",
        (str(positions), seeded),
    ).fetchall()


def _beside(batch: Path) -> list[Path]:
    """The ledgers of the other batches in the folder, the latest first."""
    found = []
    with suppress(OSError), os.scandir(batch.absolute().parent) as entries:
        for entry in entries:
            if entry.name.endswith(".batch") and entry.name != batch.name:
                with suppress(OSError):  # it is another user's, say
                    path = Path(entry.path, LEDGER)
                    found += [(path.stat().st_mtime, path)] if path.is_file() else []
    return [path for _, path in nlargest(MOST_BATCHES, found)]


def _look(path: Path, sample: _Sample, service: str, until: float) -> tuple[int, str]:
    """How many of the rows a ledger has as paid for, and the service that was paid; nothing after ``until``."""
    try:
        log = path.with_name(f"{LEDGER}-wal")
        # Without a log the file is all, and SQLite need not write anything beside it.
        mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
        with closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=0.1)) as ledger:
            ledger.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            (known,) = ledger.execute("SELECT value FROM fact WHERE name = 'service'").fetchone() or ("",)
            is_it = known == service or (service == SERVICE_URL and known not in ("", EMULATOR))
            if not is_it:
                return 0, known
            return sum(ledger.execute(_PAID, row).fetchone() is not None for row in sample), known
    except (sqlite3.Error, OSError):
        return 0, ""
