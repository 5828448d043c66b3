"""The log: a chain of objects that only grows, and belongs to one run at a time.

An object's place is (term, number). A term is the time in which one run holds the batch. A run begins its term with a
claim, and writes that into the very place where the holder before it would write next: so it wins only if that holder
has written nothing meanwhile, and the holder, should it live after all, runs into the claim and knows. The claim is
the last object of the term before; such a last one is never removed, for a holder that slept may still run into it.

An object without a byte is what some stores (SeaweedFS) keep of an upload that broke off: nobody was told that it is
there. Whoever finds one in his way writes into the place behind it, and that it is void.
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
from math import inf
from typing import Any, NamedTuple

from batchgen.errors import BatchBusyError, LedgerError, ReplicaError
from batchgen.ledger.changes import from_json, to_json
from batchgen.model import zulu
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
        """The place that an object's key names; None for that of something else, as of a log under a longer prefix."""
        if key.count("/") != 1:
            return None
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
    void: int = 0  # so many places right before this one hold nothing

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


@dataclass(frozen=True)
class LastWord:
    """The last entry of a log."""

    slot: Slot
    entry: Entry
    age: float  # seconds, of it or of what is void behind it
    void: int  # places behind it

    @property
    def is_held(self) -> bool:
        """Whether a run has the log: it has not ended, and is not silent for too long."""
        return not self.entry.released and self.age < TAKEOVER_SECONDS


_VOID = Entry({})
_ELSEWHERE = "another run holds {}: wait for it to end"
OTHERWISE = "where that cannot be done, go on with the machine that ran last, and give --ledger-to a new prefix there"
_MEND = (
    "restore the objects under that prefix as they were (a versioned bucket still has them), and run again; "
    f"{OTHERWISE}"
)


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
        self._void = 0  # places right before it

    # -- whose it is

    def claim(self) -> list[Slot]:
        """Take the log over; returns all slots, the claim's last.

        Raises :class:`BatchBusyError` while another run has it.
        """
        for _ in range(CLAIM_TRIES):
            word = self.last_word(self.slots())
            if word is None:  # cleared away between two questions
                continue
            place = self._next_place(word)
            checkpoints = self.checkpoints()
            newest = str(checkpoints[-1]) if checkpoints else None
            if not self._write(place, Entry(self._holder, claim=True, checkpoint=newest, void=word.void)):
                continue  # by another run, or by the last word of a dead one
            slots = self.slots()
            if slots[-1] != place:  # the place was free because it had been cleared away: the claim is void
                raise self._busy(slots[-1], self._store.read(slots[-1].key))
            self._next = Slot(place.term + 1, 1)
            return slots
        raise BatchBusyError(_ELSEWHERE.format(self._store))

    def last_word(self, slots: Sequence[Slot]) -> "LastWord | None":
        """The last entry that holds something; None if it was cleared away meanwhile."""
        void, age = 0, inf
        for slot in reversed(slots):
            found = self._store.read(slot.key)
            if found is None:
                return None
            age = min(age, found.age)
            if found.body:
                return LastWord(slot, Entry.of(found, self.name(slot)), age, void)
            void += 1
        return LastWord(Slot(0, 0), Entry({}, released=True), age, void)

    def _next_place(self, word: "LastWord") -> Slot:
        """Where the log goes on. Raises :class:`BatchBusyError` while it has a holder."""
        place = _after(word.slot, word.entry)
        if word.is_held and not self._is_dead(place.term):
            raise BatchBusyError(_held(str(self._store), word.entry, word.age))
        return Slot(place.term, place.number + word.void)

    def _busy(self, slot: Slot, found: Found | None) -> BatchBusyError:
        if found is None or not found.body:
            return BatchBusyError(_ELSEWHERE.format(self._store))
        return BatchBusyError(_held(str(self._store), Entry.of(found, self.name(slot)), found.age))

    # -- writing

    def append(self, **facts: Any) -> Slot:
        """Write the next entry, which may be tried again until it succeeds, with the same facts.

        Raises :class:`ReplicaError`, :class:`BatchBusyError` when another run has claimed the log, and
        :class:`LedgerError` when something else is in its way.
        """
        while not self._write(self._next, Entry(self._holder, void=self._void, **facts)):
            self._pass_void()
        slot = self._next
        self._next, self._void = Slot(slot.term, slot.number + 1), 0
        return slot

    def _pass_void(self) -> None:
        """Go behind the place, if it is void: an upload that broke off was ours, or a claim that did not succeed."""
        slot = self._next
        found = self._store.read(slot.key)
        if found is None:
            raise ReplicaError(f"{self.name(slot)}: the store refuses to write it, and has none")
        if found.body:
            raise self._busy(slot, found)
        self._next, self._void = Slot(slot.term, slot.number + 1), self._void + 1

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
        return [slot for key in self._store.sizes("log/") if (slot := Slot.of(key))]

    def checkpoints(self) -> list[Slot]:
        """The places in the log up to which there are copies of the ledger, in order; none is void."""
        return [slot for key, size in self._store.sizes("ledger/").items() if size and (slot := Slot.of(key))]

    def read(self, slots: Sequence[Slot]) -> dict[Slot, Entry]:
        """The entries of a chain. Raises :class:`LedgerError` if it is broken."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            found = list(pool.map(lambda slot: self._store.read(slot.key), slots))
        entries: dict[Slot, Entry] = {}
        for slot, each in zip(slots, found, strict=True):
            if each is None:
                raise LedgerError(f"{self.name(slot)} is missing: {_MEND}")
            entries[slot] = Entry.of(each, self.name(slot)) if each.body else _VOID
        self._check_chain(entries)
        return entries

    def _check_chain(self, entries: dict[Slot, Entry]) -> None:
        void: list[Slot] = []
        for slot, after in itertools.pairwise(entries):
            due = _after(slot, entries[slot])
            if after != due:
                raise LedgerError(f"{self.name(due)} is missing: {_MEND}")
            void = [*void, slot] if entries[slot] is _VOID else []
            if entries[after] is not _VOID and entries[after].void < len(void):
                raise LedgerError(f"{self.name(void[0])} is empty: {_MEND}")

    # -- clearing away

    def clear(self, slots: Sequence[Slot], before: Slot) -> None:
        """Remove the entries that the checkpoint ``before`` holds.

        Of each term the last one stays, with the void places right before it: a holder that slept, and tries to write
        there, has to find them taken.
        """
        later = (*slots[1:], None)
        last = {slot.term: slot for slot in slots}
        old = [slot for slot, after in zip(slots, later, strict=True) if after and after.term == slot.term]
        old = [slot for slot in old if slot < before]
        void = {term: self._void_before(last[term]) for term in {slot.term for slot in old}}
        self._store.delete(slot.key for slot in old if slot.number < last[slot.term].number - void[slot.term])

    def _void_before(self, slot: Slot) -> int:
        found = self._store.read(slot.key)
        return Entry.of(found, self.name(slot)).void if found and found.body else 0


def _after(slot: Slot, entry: Entry) -> Slot:
    """The place that follows."""
    return Slot(slot.term + 1, 1) if entry.claim else Slot(slot.term, slot.number + 1)


def holder_words(entry: Entry) -> str:
    """Who wrote an entry, for a person."""
    holder = entry.holder
    started = zulu(float(holder.get("started", 0)))
    return f"process {holder.get('pid')} on {holder.get('host')}, started {started}"


def _held(address: str, entry: Entry, age: float) -> str:
    return (
        f"another run holds {address} ({holder_words(entry)}, last heard of {max(age, 0):.0f} s ago): "
        "wait for it to end; one that was killed is taken over "
        f"{TAKEOVER_SECONDS:.0f} s after its last word"
    )
