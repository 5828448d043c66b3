"""A store in memory, and a run that copies its ledger there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.ledger import Ledger
from batchgen.replica.replica import StoreReplica
from tests.replica.container import Copied
from tests.replica.memory_store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def copied(store: MemoryStore, tmp_path: Path) -> Iterator[Copied]:
    """A ledger whose first copy is made."""
    replica = StoreReplica(store, tmp_path / "ledger.sqlite")
    replica.begin()
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        replica.checkpoint(ledger)
        yield replica, ledger
    replica.end()
