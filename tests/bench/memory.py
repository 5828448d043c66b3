"""A run's memory against its rows."""

from collections.abc import Iterator

from tests.bench.race import Scale, race
from tests.bench.table import table

QUICK = (1_000, 10_000)
FULL = (1_000, 10_000, 100_000)


def memory(*, full: bool) -> Iterator[str]:
    """Whole runs on the emulator, from the sheet to the results; past 20,000 rows without a page."""
    yield "A whole run's memory against its rows: 300 slots, generation 20–30 s, clock ×20"
    results = [(number, race("batchgen", "fast", Scale(20, 300, number))) for number in (FULL if full else QUICK)]
    lines = [(f"{number:,}", str(result.memory), f"{result.processor:.1f}") for number, result in results]
    yield table(("rows", "MB at most", "ms of processor a row"), lines)
