"""The ledger as the store has it at this moment, to look at: nothing is claimed, and nothing is written there."""

from collections.abc import Sequence
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.replica import Look, copies
from batchgen.replica.log import Log, Slot, holder_words
from batchgen.replica.restore import LACKS, bring, newest
from batchgen.replica.store import Store

LOOKS = 5  # a run that goes on may clear away what was just listed


def look(store: Store, path: Path) -> Look:
    """Make a ledger at ``path`` of what the store has. Raises :class:`LedgerError` and :class:`ReplicaError`."""
    log = Log(store)
    for left in reversed(range(LOOKS)):
        slots = log.slots()
        try:
            return _look(log, store, path, slots)
        except LedgerError:
            if not left or log.slots() == slots:
                raise
    raise AssertionError("unreachable")


def _look(log: Log, store: Store, path: Path, slots: Sequence[Slot]) -> Look:
    if not slots:
        return Look(path, running=False, said=(f"{store} holds no ledger yet",), address=str(store))
    word, chain = log.last_word(slots), newest(log, slots)
    if word is None or not chain.is_whole:
        raise LedgerError(LACKS.format(store))
    whose = f"no run holds {store} now"
    if word.is_held:
        whose = f"a run holds {store} ({holder_words(word.entry)}, last heard of {max(word.age, 0):.0f} s ago)"
    if chain.copy is None:
        return Look(path, word.is_held, (whose, f"{store} holds no ledger yet"), str(store))
    restored, said = bring(log, store, path.parent, slots, chain)
    copies.install(restored, path)
    return Look(path, word.is_held, (whose, *said), str(store))
