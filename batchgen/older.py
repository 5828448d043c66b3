"""Whether a ledger is older than run.log: put back from a backup, or without the log that SQLite kept beside it.

It would pay once more, in silence, for all that it has forgotten.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.model import LEDGER

LOG = "run.log"
TAIL_BYTES = 262_144  # some thousand tasks, the last ones
_KNOWN = (  # where an answer was not recorded, the row is in doubt: nothing is paid for it unasked
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE task_id = :task) OR EXISTS (SELECT 1 FROM job WHERE task_id = :task) "
    "OR EXISTS (SELECT 1 FROM attempt WHERE job = :job AND task_id IS NULL)"
)


def refuse_older(ledger: Ledger, folder: Path) -> None:
    """Raise :class:`LedgerError` if the log in the batch's folder tells of a task that the ledger does not know."""
    for line in _accepted(folder):
        if not ledger.database.number(_KNOWN, {"task": line["task_id"], "job": line["job"]}):
            raise LedgerError(
                f"{folder / LEDGER} is older than {LOG}: it does not know the task {line['task_id']}, accepted at "
                f"{line['time']}, and would pay for it again. Put the latest one back, with the {LEDGER}-wal that "
                f"was beside it; to go on with this one all the same, move {LOG} away"
            )


def _accepted(folder: Path) -> Iterator[dict[str, Any]]:
    """The last tasks that the log tells of."""
    for name in (LOG, f"{LOG}.1"):  # it may have been rotated just now
        found = [facts for line in _tail(folder / name) if b'"accepted"' in line and (facts := _task(line))]
        if found:
            yield from found
            return


def _tail(path: Path) -> list[bytes]:
    with suppress(OSError), path.open("rb") as file:
        file.seek(-min(TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read(TAIL_BYTES).splitlines()
    return []


def _task(line: bytes) -> dict[str, Any] | None:
    """What a line tells, if it is whole and tells of a task by its name; one that held a secret is not to be told."""
    try:
        facts = json.loads(line)
    except ValueError:
        return None
    match facts:
        case {"event": "accepted", "time": str(), "job": int(), "task_id": str(task)} if "***" not in task:
            return dict(facts)
    return None
