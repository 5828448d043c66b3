"""Processor time a row, beside the plain client, which has no ledger, hashes nothing and checks nothing."""

from collections.abc import Iterator
from dataclasses import replace

from tests.bench.meter import measure, python
from tests.bench.race import Scale, race
from tests.bench.table import table

QUICK = Scale(speed=20, slots=200, rows=1000)
FULL = Scale(speed=20, slots=500, rows=5000)
TRIES = 5


def processor(*, full: bool) -> Iterator[str]:
    """The document's regime, from the start of the program to its end: the results and the page too.

    What a run takes however few its rows, and what one more row takes, follow from two sizes. A small one before them
    leaves everything compiled, as it is for whoever runs the program a second time.
    """
    scale = FULL if full else QUICK
    yield f"Processor: {scale.rows} rows, {scale.slots} slots, clock ×{scale.speed:g}, limits scaled with it"
    lines, plain = [], 0.0
    for client in ("plain", "batchgen", "callbacks"):
        sizes = (replace(scale, rows=10), replace(scale, rows=scale.rows // 4), scale)
        _, few, many = [_milliseconds(client, size) for size in sizes]
        row = (many - few) / (scale.rows - scale.rows // 4)
        each = many / scale.rows
        plain = plain or each
        lines.append((client, f"{each:.2f}", f"{each / plain:.2f}", f"{row:.2f}", f"{many - row * scale.rows:.0f}"))
    yield table(("client", "ms a row", "of the plain client's", "ms for one more row", "ms however few"), lines)
    bare, ours = (min(measure(python(*words)).seconds for _ in range(TRIES)) for words in (("-c", ""), HELP))
    yield f"Start: batchgen --help takes {ours:.2f} s, {ours - bare:.2f} s more than a bare interpreter"


HELP = ("-m", "batchgen", "--help")


def _milliseconds(client: str, scale: Scale) -> float:
    """For the whole run."""
    return race(client, "document", scale).processor * scale.rows
