"""The log: a chain of objects that only grows, and belongs to one run at a time.

An object's place is (term, number). A term is the time in which one run holds the batch. A run begins its term with a
claim, and writes that into the very place where the holder before it would write next: so it wins only if that holder
has written nothing meanwhile, and the holder, should it live after all, runs into the claim and knows. The claim is
the last object of the term before; such a last one is never removed, for a holder that slept may still run into it.
"""

import itertools
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from batchgen.errors import BatchBusyError, LedgerError
from batchgen.ledger.changes import from_json, to_json
from batchgen.replica.store import CONNECTIONS, Found, Store

HEARTBEAT_SECONDS = 20.0  # a holder writes at least that often
TAKEOVER_SECONDS = 90.0  # without a word of the holder, after which it is taken for dead
CLAIM_TRIES = 5


class Slot(NamedTuple):
    """A place in the log."""

    term: int
    number: int

    @property
    def key(self) -> str:
        """Its object."""
        return f"log/{self}.json"

    @classmethod
    def of(cls, key: str) -> "Slot | None":
        """The place that an object's key names; None for a key of something else."""
        term, _, number = key.rpartition("/")[2].partition(".")[0].partition("-")
        return cls(int(term), int(number)) if term.isdecimal() and number.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.term:08}-{self.number:08}"


@dataclass(frozen=True)
class Entry:
    """What one object of the log holds."""

    holder: dict[str, Any]
    claim: bool = False  # it ends its term: the holder's begins
    released: bool = False  # the holder has ended, its term is over
    checkpoint: str | None = None  # of a claim: the newest checkpoint there was
    sequence: int | None = None  # of the ledger's changes; None: the entry holds none
    base: bool = False  # what changed before this is in the checkpoint of this slot alone
    changes: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it is written."""
        return json.dumps(vars(self), default=to_json, ensure_ascii=False).encode()

    @classmethod
    def of(cls, found: Found, name: str) -> "Entry":
        """Read back. Raises :class:`LedgerError`."""
        try:
            return cls(**json.loads(found.body, object_hook=from_json))
        except (ValueError, TypeError):
            raise LedgerError(f"{name} is not what batchgen wrote there: {_MEND}") from None


_MEND = "restore the objects under that prefix as they were (a versioned bucket still has them), and run again"


def _this_process() -> dict[str, Any]:
    facts = {"host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
    return facts | {"mark": secrets.token_hex(8)}


class Log:
    """The log in a store. ``is_dead`` knows of a term whether its holder is surely gone."""

    def __init__(self, store: Store, is_dead: Callable[[int], bool] = lambda _: False) -> None:
        self._store = store
        self._is_dead = is_dead
        self._holder = _this_process()
        self._next = Slot(0, 0)

    # -- whose it is

    def claim(self) -> list[Slot]:
        """Take the log over; returns all slots, the claim's last.

        Raises :class:`BatchBusyError` while another run has it.
        """
        for _ in range(CLAIM_TRIES):
            slots = self.slots()
            place = self._next_place(slots)
            if place is None:  # cleared away between two questions
                continue
            checkpoints = self.checkpoints()
            entry = Entry(self._holder, claim=True, checkpoint=str(checkpoints[-1]) if checkpoints else None)
            if not self._write(place, entry):  # by another run, or by the last word of a dead one
                continue
            slots = self.slots()
            if slots[-1] != place:  # the place was free because it had been cleared away: the claim is void
                raise self._busy(slots[-1])
            self._next = Slot(place.term + 1, 1)
            return slots
        raise BatchBusyError(f"another run holds {self._store}: wait for it to end")

    def _next_place(self, slots: Sequence[Slot]) -> Slot | None:
        if not slots:
            return Slot(0, 1)
        last = slots[-1]
        found = self._store.read(last.key)
        if found is None:
            return None
        entry = Entry.of(found, self.name(last))
        term = last.term + entry.claim
        if not entry.released and found.age < TAKEOVER_SECONDS and not self._is_dead(term):
            raise BatchBusyError(_held(str(self._store), entry, found.age))
        return Slot(term, 1) if entry.claim else Slot(term, last.number + 1)

    def _busy(self, slot: Slot) -> BatchBusyError:
        found = self._store.read(slot.key)
        if found is None:
            return BatchBusyError(f"another run holds {self._store}: wait for it to end")
        return BatchBusyError(_held(str(self._store), Entry.of(found, self.name(slot)), found.age))

    # -- writing

    def append(self, **facts: Any) -> Slot:
        """Write the next entry, which may be tried again until it succeeds, with the same facts.

        Raises :class:`ReplicaError`, and :class:`BatchBusyError` when another run has claimed the log.
        """
        slot = self._next
        if not self._write(slot, Entry(self._holder, **facts)):
            raise self._busy(slot)
        self._next = Slot(slot.term, slot.number + 1)
        return slot

    def _write(self, slot: Slot, entry: Entry) -> bool:
        body = entry.to_bytes()
        if self._store.create(slot.key, body):
            return True
        found = self._store.read(slot.key)
        return found is not None and found.body == body  # an earlier try of ours, whose answer was lost

    # -- reading

    def name(self, slot: Slot) -> str:
        """An entry's address, for a person."""
        return f"{self._store}/{slot.key}"

    def slots(self) -> list[Slot]:
        """All that there are, in order."""
        return [slot for key in self._store.keys("log/") if (slot := Slot.of(key))]

    def checkpoints(self) -> list[Slot]:
        """The places in the log up to which there are copies of the ledger, in order."""
        return [slot for key in self._store.keys("ledger/") if (slot := Slot.of(key))]

    def read(self, slots: Sequence[Slot]) -> dict[Slot, Entry]:
        """The entries of a chain. Raises :class:`LedgerError` if it is broken."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            found = list(pool.map(lambda slot: self._store.read(slot.key), slots))
        entries: dict[Slot, Entry] = {}
        for slot, each in zip(slots, found, strict=True):
            if each is None:
                raise LedgerError(f"{self.name(slot)} is missing: {_MEND}")
            entries[slot] = Entry.of(each, self.name(slot))
        self._check_chain(entries)
        return entries

    def _check_chain(self, entries: dict[Slot, Entry]) -> None:
        slots = list(entries)
        for slot, after in itertools.pairwise(slots):
            due = Slot(slot.term + 1, 1) if entries[slot].claim else Slot(slot.term, slot.number + 1)
            if after != due:
                raise LedgerError(f"{self.name(due)} is missing: {_MEND}")

    # -- clearing away

    def clear(self, slots: Sequence[Slot], before: Slot) -> None:
        """Remove entries that a checkpoint holds, but of each term the last."""
        later = (*slots[1:], None)
        old = [slot for slot, after in zip(slots, later, strict=True) if after and after.term == slot.term]
        self._store.delete(slot.key for slot in old if slot < before)


def _held(address: str, entry: Entry, age: float) -> str:
    holder = entry.holder
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder.get("started", 0))))
    return (
        f"another run holds {address} (process {holder.get('pid')} on {holder.get('host')}, started {started}, "
        f"last heard of {max(age, 0):.0f} s ago): wait for it to end; one that was killed is taken over "
        f"{TAKEOVER_SECONDS:.0f} s after its last word"
    )
