"""How long generation took in this user's other batches of the same service: what a new batch begins with.

One small file a user, written at the end of each run that asked for something. It is a convenience: where it cannot be
read or written, a batch begins with the document's figures and nothing fails.
"""

import json
from contextlib import suppress
from pathlib import Path

import platformdirs

from batchgen.private import replacing

MOST_SERVICES = 16


def path() -> Path:
    """The user's file."""
    return Path(platformdirs.user_data_dir("batchgen")) / "learned.json"


def recall(service: str, file: Path) -> str | None:
    """What was learned of a service, as :meth:`Polling.memory` gave it; None where nothing is known."""
    known = _read(file).get(service)
    return known if isinstance(known, str) else None


def record(service: str, memory: str, file: Path) -> None:
    """Keep what a run has learned; of kinds of task that it did not meet, what was known stays."""
    known = _read(file)
    kinds = _kinds(known.pop(service, None)) | _kinds(memory)
    known[service] = json.dumps(kinds, separators=(",", ":"))  # the last: those not met for longest go first
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(file, shared=True, encoding="utf-8") as part:
            json.dump(dict(list(known.items())[-MOST_SERVICES:]), part)


def _read(file: Path) -> dict[str, object]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _kinds(memory: object) -> dict[str, object]:
    try:
        kinds = json.loads(memory) if isinstance(memory, str) else None
    except ValueError:
        return {}
    return kinds if isinstance(kinds, dict) else {}
