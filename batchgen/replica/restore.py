"""With which ledger a run begins: the store's, or one that is still on the disk and knows more."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.replica import FACT, copies
from batchgen.replica.log import Entry, Log, Slot
from batchgen.replica.store import Store


@dataclass(frozen=True, order=True)
class Position:
    """How far a ledger has come: in whose term, and how many times its changes were taken."""

    term: int
    sequence: int


@dataclass(frozen=True)
class Local:
    """What the ledger on the disk says of its copy."""

    to: str | None
    position: Position

    @classmethod
    def read(cls, path: Path) -> "Local | None":
        """Of the ledger at ``path``; None if there is none there."""
        if not path.exists():
            return None
        with Ledger.open(path) as ledger:
            facts = json.loads(ledger.fact(FACT) or '{"to": null, "term": 0, "sequence": 0}')
        return cls(facts["to"], Position(facts["term"], facts["sequence"]))


@dataclass(frozen=True)
class Start:
    """What a run goes on from: the last sequence number, and what a person should know."""

    sequence: int
    said: str | None = None


def restore(log: Log, store: Store, path: Path, local: Local | None, slots: list[Slot]) -> Start:
    """Make the ledger at ``path`` what it should be. ``slots`` are those of the log, our claim's last.

    Raises :class:`LedgerError` for what does not fit, and :class:`ReplicaError`.
    """
    copy, entries = _find(log, store, slots)
    known = _known(copy, entries)
    sequence = max(each.sequence or 0 for each in entries.values())
    said = None
    if local is not None:
        _refuse_others(local, known, store, path)
        if local.to != str(store):
            said = f"the ledger is kept in {store} from now on, no longer in {local.to}: delete what is there"
            return Start(max(sequence, local.position.sequence), said if local.to else None)
        if slots[-1].term < local.position.term:
            raise LedgerError(
                f"{store} no longer holds what this batch kept there: restore it, and run again; if you are sure that "
                "no other run has gone on with the batch, give --ledger-to a new prefix"
            )
        if known is None or local.position >= known:
            return Start(max(sequence, local.position.sequence))
        said = _set_aside(local, store, path)
    if copy is not None:
        copies.download(store, copy, {slot: each for slot, each in entries.items() if slot > copy}, path)
        restored = Local.read(path)
        if restored is None or restored.position != known:
            raise LedgerError(f"{store}: the copy of the ledger and the log after it do not fit each other")
    return Start(sequence, said)


def _find(log: Log, store: Store, slots: list[Slot]) -> tuple[Slot | None, dict[Slot, Entry]]:
    """The newest copy, and the log from its entry on. Raises :class:`LedgerError` if one lacks the other."""
    checkpoints = [slot for slot in log.checkpoints() if slot < slots[-1]]
    copy = checkpoints[-1] if checkpoints else None
    entries = log.read([slot for slot in slots if copy is None or slot >= copy])
    is_whole = next(iter(entries)) == (copy or Slot(0, 1))
    was_there = entries[slots[-1]].checkpoint
    if not is_whole or (was_there and (copy is None or str(copy) < was_there)) or _has_loose(copy, entries):
        raise LedgerError(
            f"{store} lacks objects that others there build on: restore those under that prefix as they were "
            "(a versioned bucket still has them), and run again"
        )
    return copy, entries


def _refuse_others(local: Local, known: Position | None, store: Store, path: Path) -> None:
    """Two ledgers that know nothing of each other are no batch."""
    if local.to != str(store) and known is not None:
        raise LedgerError(
            f"{store} holds another ledger than {path.parent}, which was not kept there: to go on with the one in "
            f"{store}, use another folder with --batch; to go on with this folder, give another --ledger-to"
        )


def _set_aside(local: Local, store: Store, path: Path) -> str:
    aside = path.with_name(f"ledger.{local.position.term}-{local.position.sequence}.sqlite")
    for end in ("", "-wal", "-shm"):  # whoever looks on meanwhile keeps them from being one file
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(f"{aside}{end}")
    return f"the ledger in {path.parent} was older than {store}, which is used; it is now {aside.name}"


def _known(copy: Slot | None, entries: dict[Slot, Entry]) -> Position | None:
    """How far the ledger in the store has come; None if there is none."""
    if copy is None:
        return None
    told = [
        (slot, each.sequence) for slot, each in entries.items() if each.sequence and (slot == copy or not each.base)
    ]
    slot, sequence = told[-1]
    return Position(slot.term, sequence)


def _has_loose(copy: Slot | None, entries: dict[Slot, Entry]) -> bool:
    """Whether there are changes to something that is not there."""
    is_moored = copy is not None
    for slot, each in entries.items():
        if each.base and slot != copy:
            is_moored = False  # its copy was never made; so its run did nothing more
        elif each.claim:
            is_moored = copy is not None
        elif each.changes and not is_moored:
            return True
    return False
