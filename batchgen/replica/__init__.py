"""A copy of the ledger in S3, for a machine whose disk does not last: ``--ledger-to``.

The way of the data, down to the store and back:

1. The store holds a log, ``log/TERM-SLOT.json``, and copies of the ledger, ``ledger/TERM-SLOT.sqlite.gz``. Each object
   is written once, on the condition that there is none; nothing is ever overwritten.
2. A run claims the log by writing the very place where its holder would write next. So of two that claim exactly one
   wins, and a holder that was taken for dead runs into the claim at its next write, and stops.
3. Temporary triggers note the key of each row of the ledger that changes. An entry of the log is the rows that changed
   since the last, whole, and a sequence number that the ledger keeps too.
4. A POST leaves only after the entry with its intent is in the store. One write is under way at a time, and takes along
   whatever waits; what was learned (task ids, videos) goes with the next, within a second.
5. So what another run finds there has each intent whose POST may have left. Those without an answer are in doubt.
6. A copy is made before the first POST, now and then, and at the end: of the moment of an entry. Two are kept, and the
   log since the older; of each term of the log its last entry is kept for good, for a sleeper to run into.
7. A run begins with the newest copy and the log since; a gap, or what cannot be read, is refused. A copy that is
   damaged is passed over, if the one before it and the log tell all that was paid.
8. A ledger that is still on the disk is used if it is of the same term and no older, for then it only knows more.
9. While the store is down nothing is submitted; polls and downloads go on. A holder without a word for 90 s by the
   store's clock is taken for dead; if it is not, it loses the log, never the money.
10. A store that ignores conditions is found out by trying, and refused.
11. An upload that broke off may leave an object without a byte, which nobody was told is there: the log goes on behind.
12. Whoever only looks reads the same, without a claim and without writing anything.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen.errors import BatchgenError, ReplicaError, UsageError
from batchgen.ledger import Ledger
from batchgen.model import LEDGER

FACT = "replica"  # what the ledger remembers of its copy: where it is, and how far it has come


class Replica:
    """The ledger's copy, as a run sees it. This one is none: the ledger is on the disk alone, and the disk lasts."""

    is_kept = False
    said: str | None = None  # what a person should know of how the ledger was found

    @property
    def trouble(self) -> str | None:
        """Why it cannot be written now, if that lasts: whoever waits for :meth:`durable` waits for this."""
        return None

    def checkpoint(self, ledger: Ledger) -> None:
        """Bring the store to where the ledger is now, with a copy; blocks. Before the first, nothing may be submitted.

        Raises :class:`ReplicaError`, and :class:`BatchBusyError` if another run has claimed the store.
        """

    def shipping(self, ledger: Ledger, ended: Callable[[BatchgenError], None]) -> AbstractAsyncContextManager[None]:
        """Bring changes to the store for as long as the context lasts; ``ended`` is told if that cannot go on."""
        return nullcontext()

    async def durable(self) -> None:
        """Wait until what the ledger holds now is in the store.

        Raises :class:`ReplicaError` if the store is down for too long, :class:`BatchBusyError` if another run has it.
        """

    def paid_here_alone(self) -> list[tuple[int, str]]:
        """The tasks, each with its job, that the store was not told of."""
        return []


def address_in(path: Path) -> str | None:
    """Where the ledger at ``path`` has its copy; None if it has none, or is not there."""
    if not path.exists():
        return None
    with Ledger.open(path, read_only=True) as ledger:
        fact = ledger.fact(FACT)
    return str(json.loads(fact)["to"]) if fact else None


@contextmanager
def open_replica(address: str | None, path: Path) -> Iterator[Replica]:
    """Claim the copy at ``address``, and make the ledger at ``path`` what it should be; let go at the end.

    None: there is no copy. The folder of ``path`` must be locked for this process. Raises :class:`UsageError`,
    :class:`LedgerError` for a copy that does not fit, and :class:`BatchBusyError` while another run has it.
    """
    if address is None:
        yield Replica()
        return
    from batchgen.replica.replica import StoreReplica  # boto3 takes 0.2 s to load
    from batchgen.replica.store import BucketStore, prove

    store = BucketStore(address)
    prove(store)
    replica = StoreReplica(store, path)
    replica.begin()
    try:
        yield replica
    finally:
        replica.end()


@dataclass(frozen=True)
class Look:
    """A ledger to look at."""

    path: Path  # where it is, if there is one
    running: bool  # a run holds it
    said: tuple[str, ...] = ()  # whose it is, and what a person should know of it
    address: str | None = None  # of the copy, if it is one

    def open(self) -> Ledger:
        """The ledger, to be read."""
        return Ledger.open(self.path, read_only=True)


def holds_copy(address: str) -> bool:
    """Whether ``address`` has a copy of a ledger. Raises :class:`UsageError` for a store that cannot be read."""
    from batchgen.replica.log import Log
    from batchgen.replica.store import BucketStore

    try:
        return bool(Log(BucketStore(address)).checkpoints())
    except ReplicaError as error:
        raise UsageError(str(error)) from None


@contextmanager
def look_at(address: str) -> Iterator[Look]:
    """What is kept at ``address`` now, as a temporary ledger; a run may go on with it meanwhile.

    Raises :class:`UsageError` for a store that cannot be read, :class:`LedgerError` for one that lacks something.
    """
    from batchgen.replica.looking import look
    from batchgen.replica.store import BucketStore

    with TemporaryDirectory(prefix="batchgen-") as folder:
        try:
            found = look(BucketStore(address), Path(folder) / LEDGER)
        except ReplicaError as error:
            raise UsageError(str(error)) from None
        yield found
