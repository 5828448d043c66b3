"""What others know better than the ledger: run.log, and the user's note of the batch's last run.

The ledger may be older: put back from a backup, alone or with its whole folder, or without the log that SQLite kept
beside it. It would pay once more, in silence, for all that it has forgotten. Or the ledger could not be written when an
answer came, and the log could.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, evidence, money
from batchgen.ledger.whole_file import left_by_kill
from batchgen.model import LEDGER, object_in, zulu_or_none
from batchgen.system.private import replacing, user_file

LOG = "run.log"
TAIL_BYTES = 262_144  # some thousand tasks, the last ones
NOTE_SECONDS = 30.0  # between two notes of a run: a folder may be put back as it was in its midst
_RECORDED = (
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE task_id = :task) OR EXISTS (SELECT 1 FROM job WHERE task_id = :task)"
)
_DOUBTED = (
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE job = :job AND task_id IS NULL)"  # nothing is paid for it unasked
)
_LAST = "SELECT task_id, job FROM attempt WHERE task_id IS NOT NULL ORDER BY attempt DESC LIMIT 1"


def refuse_older(ledger: Ledger, folder: Path) -> None:
    """Raise :class:`LedgerError` if the batch's log, or the note of its last run, tells of what the ledger has not.

    Who has moved the log away means to go on with this ledger.
    """
    for line in _unrecorded(ledger, folder):
        if not ledger.database.number(_DOUBTED, {"job": line["job"]}):
            raise LedgerError(
                f"{folder / LEDGER} is older than {LOG}: it does not know the task {line['task_id']}, accepted at "
                f"{line['time']}, and would pay for it again. Put the latest one back, with the {LEDGER}-wal that "
                f"was beside it; to go on with this one all the same, move {LOG} away{left_by_kill(folder / LEDGER)}"
            )
    if (folder / LOG).exists() and (forgotten := _forgotten(ledger, folder)):
        raise LedgerError(
            f"{folder} is older than this batch's last run: its {LEDGER} does not know {forgotten}, and would pay for "
            f"the same again. Put the latest folder back; to go on with this one all the same, move its {LOG} away"
            f"{left_by_kill(folder / LEDGER)}"
        )


def note_run(ledger: Ledger, folder: Path) -> None:
    """Note, outside the batch's folder, that the present run has begun, and the last task that it knows.

    A convenience: where it cannot be written, nothing fails.
    """
    task_id, job = ledger.database.one(_LAST) or (None, None)
    note = {"began": money.runs(ledger)[-1], "task_id": task_id, "job": job}
    file = _note_of(ledger, folder)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(file, shared=True, encoding="utf-8") as part:
            json.dump(note, part)


@asynccontextmanager
async def noting(ledger: Ledger, folder: Path) -> AsyncIterator[None]:
    """Note the present run now and then, for as long as it asks for tasks."""

    async def note() -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            note_run(ledger, folder)

    noted = asyncio.create_task(note())
    try:
        yield
    finally:
        noted.cancel()
        await asyncio.gather(noted, return_exceptions=True)


def _forgotten(ledger: Ledger, folder: Path) -> str | None:
    """What the note tells of and the ledger does not know."""
    try:
        note = object_in(_note_of(ledger, folder).read_bytes())
    except OSError:
        return None
    match note:
        case {"began": float(began)} if began not in money.runs(ledger):
            return f"the run of {zulu_or_none(began, 'seconds')}"
        case {"task_id": str(task)} if not ledger.database.number(_RECORDED, {"task": task}):
            # A power cut may have taken the answer, and left that it was asked for: then it is in doubt.
            is_doubted = ledger.database.number(_DOUBTED, {"job": note.get("job")})
            return None if is_doubted else f"the task {task}"
    return None


def _note_of(ledger: Ledger, folder: Path) -> Path:
    """One file a batch and place: a copy that lies elsewhere, and is meant, has runs of its own."""
    name = f"{ledger.fact('tag')} {os.path.realpath(folder)}"
    return user_file("runs") / f"{sha256(os.fsencode(name)).hexdigest()[:16]}.json"


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
