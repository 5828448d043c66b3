"""What this user's other batches have learned of a service, and of an account there: what a new batch begins with.

One small file a user, written at the end of each run that asked for something. It is a convenience: where it cannot be
read or written, a batch begins with the document's figures and nothing fails.
"""

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from batchgen.private import replacing, user_file

MOST_ENTRIES = 32
_MARK_DIGITS = 12


def path() -> Path:
    """The user's file."""
    return user_file("learned.json")


def account(service: str, key: str) -> str:
    """The name under which an account's limits are kept; of the key it has a part of a hash alone."""
    return f"{service} {sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:_MARK_DIGITS]}"


def recall(name: str, file: Path) -> str | None:
    """What was learned of a service (as :meth:`Polling.memory` gave it) or an account (:meth:`Account.memory`), if any.

    ``name`` is the service's, or that of :func:`account`.
    """
    known = _read(file).get(name)
    return known if isinstance(known, str) else None


def record(name: str, memory: str, file: Path) -> None:
    """Keep what a run has learned; of kinds of task that it did not meet, what was known stays."""
    known = _read(file)
    facts = _facts(known.pop(name, None)) | _facts(memory)
    known[name] = json.dumps(facts, separators=(",", ":"))  # the last: those not met for longest go first
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(file, shared=True, encoding="utf-8") as part:
            json.dump(dict(list(known.items())[-MOST_ENTRIES:]), part)


def _read(file: Path) -> dict[str, object]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _facts(memory: object) -> dict[str, object]:
    try:
        facts = json.loads(memory) if isinstance(memory, str) else None
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
