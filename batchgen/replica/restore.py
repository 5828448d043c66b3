"""With which ledger a run begins: the store's, or one that is still on the disk and knows more."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, money
from batchgen.replica import FACT, copies
from batchgen.replica.log import OTHERWISE, Entry, Log, Slot
from batchgen.replica.store import Store

LACKS = (
    "{} lacks objects that others there build on: restore those under that prefix as they were "
    f"(a versioned bucket still has them), and run again; {OTHERWISE}"
)


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
    is_unused: bool  # nothing was ever asked for by it

    @classmethod
    def read(cls, path: Path) -> "Local | None":
        """Of the ledger at ``path``; None if there is none there."""
        if not path.exists():
            return None
        with Ledger.open(path) as ledger:
            facts = json.loads(ledger.fact(FACT) or '{"to": null, "term": 0, "sequence": 0}')
            return cls(facts["to"], Position(facts["term"], facts["sequence"]), not money.has_tasks(ledger))


@dataclass(frozen=True)
class Chain:
    """A copy of the ledger and the log from its entry on; without a copy, all of the log."""

    copy: Slot | None
    entries: dict[Slot, Entry]

    @property
    def known(self) -> Position | None:
        """How far the ledger in the store has come; None if there is none.

        An entry that begins a run's changes counts only if its copy is there: else that run did nothing more.
        """
        if self.copy is None:
            return None
        counted = [
            (slot, each.sequence)
            for slot, each in self.entries.items()
            if each.sequence and (slot == self.copy or not each.base)
        ]
        slot, sequence = counted[-1]
        return Position(slot.term, sequence)

    @property
    def later(self) -> list[Entry]:
        """The entries after the copy."""
        return [each for slot, each in self.entries.items() if self.copy is None or slot > self.copy]

    @property
    def is_whole(self) -> bool:
        """Whether the log begins with the copy, or at its very first place, and changes nothing but what was copied."""
        first, entry = next(iter(self.entries.items()))
        if first != (self.copy or Slot(0, 1)) or (self.copy and entry.sequence is None):  # of a log begun anew, perhaps
            return False
        is_copied = self.copy is not None  # the ledger that the entries at hand change
        for slot, each in self.entries.items():
            if each.base and slot != self.copy:
                is_copied = False  # the run's first copy was never made; so it did nothing more
            elif each.claim:  # the next run went on from the copy before
                is_copied = self.copy is not None
            elif each.changes and not is_copied:
                return False
        return True


def restore(log: Log, store: Store, path: Path, local: Local | None, slots: list[Slot]) -> str | None:
    """Make the ledger at ``path`` what it should be; returns what a person should know.

    ``slots`` are those of the log, our claim's last.

    Raises :class:`LedgerError` for what does not fit, and :class:`ReplicaError`.
    """
    chain = _find(log, store, slots)
    known = chain.known
    if local is not None and local.to != str(store):
        if known is None:
            moved = f"the ledger is kept in {store} from now on, no longer in {local.to}: delete what is there"
            return moved if local.to else None
        if not local.is_unused:  # else a run that was killed before its first copy has left it
            raise _apart(store, path)
    elif local is not None:
        if slots[-1].term < local.position.term:
            raise LedgerError(
                f"{store} no longer holds what this batch kept there: restore it, and run again; if you are sure that "
                "no other run has gone on with the batch, give --ledger-to a new prefix"
            )
        if known is None or local.position >= known:
            return None
    if known is None:
        return None
    restored, said = bring(log, store, path.parent, slots, chain)
    if local is not None:
        said = [*said, _set_aside(local, store, path)]
    copies.install(restored, path)
    return "\n".join(said) or None


def _find(log: Log, store: Store, slots: list[Slot]) -> Chain:
    """The newest copy, and the log from its entry on. Raises :class:`LedgerError` if one lacks the other."""
    chain = newest(log, slots)
    was_there = chain.entries[slots[-1]].checkpoint
    if not chain.is_whole or (was_there and (chain.copy is None or str(chain.copy) < was_there)):
        raise LedgerError(LACKS.format(store))
    return chain


def newest(log: Log, slots: Sequence[Slot]) -> Chain:
    """The newest copy, and the log from its entry on."""
    checkpoints = [slot for slot in log.checkpoints() if slot <= slots[-1]]
    return _chain(log, slots, checkpoints[-1] if checkpoints else None)


def _chain(log: Log, slots: Sequence[Slot], copy: Slot | None) -> Chain:
    return Chain(copy, log.read([slot for slot in slots if copy is None or slot >= copy]))


def bring(log: Log, store: Store, folder: Path, slots: Sequence[Slot], chain: Chain) -> tuple[Path, list[str]]:
    """The ledger that a chain makes, as a file in ``folder``, and what a person should know of it.

    A copy that is damaged is passed over, where the one before it and the log tell all that was paid: a run that has
    paid for something has written that behind its first copy. Raises :class:`LedgerError` where they do not.
    """
    assert chain.copy
    older = [slot for slot in log.checkpoints() if slot < chain.copy]
    damaged: list[Slot] = []
    while chain.copy and chain.is_whole:
        if restored := copies.download(store, chain.copy, chain.later, folder):
            found = Local.read(restored)
            if found is None or found.position != chain.known:
                raise LedgerError(f"{store}: the copy of the ledger and the log after it do not fit each other")
            return restored, [_passed_over(store, slot) for slot in damaged]
        damaged.append(chain.copy)
        if not older:
            break
        chain = _chain(log, slots, older.pop())
    raise LedgerError(
        f"{store}/{copies.key_of(damaged[0])}, the newest copy of the ledger, is damaged, and the others do not tell "
        "all that was paid: restore this object (a versioned bucket still has it), or run on the machine that still "
        "has the batch's folder; without either, a new prefix for --ledger-to begins anew, and pays for all again"
    )


def _passed_over(store: Store, slot: Slot) -> str:
    return (
        f"{store}/{copies.key_of(slot)} is damaged: the ledger was made from the copy before it and the log, which "
        "tell all that was paid; look with batchgen status whether a row that you have settled is in doubt again"
    )


def _apart(store: Store, path: Path) -> LedgerError:
    """Two ledgers that know nothing of each other are no batch."""
    return LedgerError(
        f"{store} holds another ledger than {path.parent}, which was not kept there: to go on with the one in "
        f"{store}, use another folder with --batch; to go on with this folder, give another --ledger-to"
    )


def _set_aside(local: Local, store: Store, path: Path) -> str:
    aside = path.with_name(f"ledger.{local.position.term}-{local.position.sequence}.sqlite")
    for end in ("", "-wal", "-shm"):  # whoever looks on meanwhile keeps them from being one file
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(f"{aside}{end}")
    return f"the ledger in {path.parent} was older than {store}, which is used; it is now {aside.name}"
