"""As fast as the account allows: the program beside the plain client, and the simulation of the real sizes."""

from collections.abc import Iterator
from dataclasses import replace

from tests.bench.race import Result, Scale, race
from tests.bench.table import sparkline, table
from tests.simulation.regimes import times
from tests.simulation.service import Terms
from tests.simulation.world import Set, Told, simulate

QUICK = Scale(speed=20, slots=100, rows=400)
FULL = Scale(speed=10, slots=100, rows=900)
REGIMES = ("document", "fast", "slow", "skewed", "shifting")
HEAD = ("regime", "client", "span/bound", "status calls", "ms of processor", "429")


def races(*, full: bool) -> Iterator[str]:
    """Side by side on the emulator, over real sockets."""
    scale = FULL if full else QUICK
    yield f"On the emulator: {scale.rows} rows, {scale.slots} slots, clock ×{scale.speed:g}, limits scaled with it"
    rows, plots = [], []
    for regime in REGIMES:
        for client in ("plain", "batchgen", "callbacks") if full or regime == "document" else ("plain", "batchgen"):
            result = race(client, regime, scale)
            rows.append(_row(regime, client, result))
            plots.append(f"{regime:9} {client:9} {sparkline(result.in_use, scale.slots)}")
    yield table(HEAD, rows)
    yield "Slots in use over time, of all:\n" + "\n".join(plots)


def _row(regime: str, client: str, result: Result) -> tuple[str, ...]:
    figures = (f"{result.ratio:.3f}", f"{result.calls:.2f}", f"{result.processor:.1f}", str(result.refused))
    return regime, client, *figures


def simulations(*, full: bool) -> Iterator[str]:
    """The same scheduler in virtual time, 1000 tasks at once and 10000 requests a minute."""
    rows = 9000 if full else 2000
    yield f"Simulated: {rows} rows, 1000 slots, 10000 requests a minute, cold and learned, and with callbacks"
    lines = []
    for regime in ("1080p", *REGIMES):
        seconds = times(regime, rows)
        cold = simulate(seconds)
        learned = simulate(seconds, settings=Set(polling_memory=cold.polling_memory))
        told = simulate(seconds, settings=Set(callbacks=True))
        lines += [_line(regime, "cold", cold), _line(regime, "learned", learned), _line(regime, "callbacks", told)]
    for what, away in (("0.5 s away", (0.2, 0.3)), ("1 s away", (0.4, 0.6))):
        lines.append(_line("document", what, simulate(times("document", rows), Terms(latency=away))))
    yield table(("regime", "", "span/bound", "status calls", "worst minute", "429"), lines)
    for rate, tasks in ((60, 10), (10, 3)):
        yield f"An account of {rate} requests a minute and {tasks} tasks, which nobody told: 120 rows, again and again"
        lines = list(_small(Terms(rate=rate, tasks=tasks)))
        yield table(("refuses", "", "span/bound", "status calls", "worst minute", "429"), lines)
    if full:
        yield from _sizes()


def _line(regime: str, how: str, told: Told) -> tuple[str, ...]:
    seen = told.seen
    figures = (f"{told.ratio:.4f}", f"{told.calls:.2f}", str(seen.worst_window), str(len(seen.refused)))
    return regime, how, *figures


def _small(plain: Terms) -> Iterator[tuple[str, ...]]:
    for what, terms in (
        ("sliding minute", plain),
        ("with Retry-After", replace(plain, retry_after=True)),
        ("bucket", replace(plain, is_bucket=True)),
    ):
        memory = Set()
        for run in range(5):
            told = simulate(times("document", 120), terms, memory, seed=run)
            yield _line(what, f"run {run + 1}", told)
            memory = Set(polling_memory=told.polling_memory, account_memory=told.account_memory)
        flags = Set(rate=plain.rate, concurrency=plain.tasks)
        yield _line(what, "with flags", simulate(times("document", 120), terms, flags))


def _sizes() -> Iterator[str]:
    """Large batches, and a day and a night without a pause."""
    many = [(regime, "100000 rows", simulate(times(regime, 100_000))) for regime in ("document", "fast", "shifting")]
    tenth = simulate(times("document", 144_000), Terms(rate=1000, tasks=100), Set(rate=1000, concurrency=100))
    yield f"And {tenth.span / 3600:.1f} hours at a tenth of the size, where little is left between two requests"
    lines = [_line(*each) for each in (*many, ("document", "144000 rows, a tenth", tenth))]
    yield table(("regime", "", "span/bound", "status calls", "worst minute", "429"), lines)
