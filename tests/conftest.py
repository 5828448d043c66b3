"""For all tests."""

import signal

import pytest
from hypothesis import settings

settings.register_profile("batchgen", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("batchgen")

SLOWEST_FIRST = ("proof", "replica", "e2e", "ledger")  # folders, by what a file of theirs takes

for number in (signal.SIGINT, signal.SIGHUP):  # ignored where tests run in the background, and programs inherit that
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)

    items.sort(key=rank)
