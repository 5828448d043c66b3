"""Processor time a row, beside the plain client, which has no ledger, hashes nothing and checks nothing."""

from collections.abc import Iterator

from tests.bench.meter import measure, python
from tests.bench.race import Scale, race
from tests.bench.table import table

QUICK = Scale(speed=20, slots=200, rows=1000)
FULL = Scale(speed=20, slots=500, rows=5000)
TRIES = 5


def processor(*, full: bool) -> Iterator[str]:
    """The document's regime, from the start of the program to its end: the results and the page too."""
    scale = FULL if full else QUICK
    yield f"Processor: {scale.rows} rows, {scale.slots} slots, clock ×{scale.speed:g}, limits scaled with it"
    took = {client: race(client, "document", scale).processor for client in ("plain", "batchgen", "callbacks")}
    lines = [(client, f"{ms:.2f}", f"{ms / took['plain']:.2f}") for client, ms in took.items()]
    yield table(("client", "ms a row", "of the plain client's"), lines)
    bare, ours = (min(measure(python(*words)).seconds for _ in range(TRIES)) for words in (("-c", ""), HELP))
    yield f"Start: batchgen --help takes {ours:.2f} s, {ours - bare:.2f} s more than a bare interpreter"


HELP = ("-m", "batchgen", "--help")
