"""What run.log knows better than the ledger.

The ledger may be older: put back from a backup, or without the log that SQLite kept beside it. It would pay once more,
in silence, for all that it has forgotten. Or the ledger could not be written when an answer came, and the log could.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, evidence
from batchgen.model import LEDGER, object_in

LOG = "run.log"
TAIL_BYTES = 262_144  # some thousand tasks, the last ones
_RECORDED = (
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE task_id = :task) OR EXISTS (SELECT 1 FROM job WHERE task_id = :task)"
)
_DOUBTED = (
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE job = :job AND task_id IS NULL)"  # nothing is paid for it unasked
)


def refuse_older(ledger: Ledger, folder: Path) -> None:
    """Raise :class:`LedgerError` if the log in the batch's folder tells of a task that the ledger does not know."""
    for line in _unrecorded(ledger, folder):
        if not ledger.database.number(_DOUBTED, {"job": line["job"]}):
            raise LedgerError(
                f"{folder / LEDGER} is older than {LOG}: it does not know the task {line['task_id']}, accepted at "
                f"{line['time']}, and would pay for it again. Put the latest one back, with the {LEDGER}-wal that "
                f"was beside it; to go on with this one all the same, move {LOG} away"
            )


def take_from_log(ledger: Ledger, folder: Path) -> None:
    """Note tasks that the log tells of with the attempts whose answers were not recorded: a run asks about them."""
    for line in _unrecorded(ledger, folder):
        evidence.accepted(ledger, line["job"], line["task_id"])


def _unrecorded(ledger: Ledger, folder: Path) -> Iterator[dict[str, Any]]:
    for line in _accepted(folder):
        if not ledger.database.number(_RECORDED, {"task": line["task_id"]}):
            yield line


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
    match facts := object_in(line):
        case {"event": "accepted", "time": str(), "job": int(), "task_id": str(task)} if "***" not in task:
            return facts
    return None
