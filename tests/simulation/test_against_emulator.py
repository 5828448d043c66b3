"""The simulation is held against the real program and the emulator, over real sockets and a real ledger."""

from tests.bench.race import RATE, Scale, race
from tests.simulation.regimes import times
from tests.simulation.service import Terms
from tests.simulation.world import Set, simulate

SCALE = Scale(speed=10, slots=20, rows=50)


def test_the_simulation_tells_what_the_emulator_sees() -> None:
    seen = race("batchgen", "document", SCALE)
    rate = round(RATE / SCALE.speed)
    told = simulate(
        times("document", SCALE.rows),
        Terms(rate=rate, tasks=SCALE.slots),
        Set(rate=rate, concurrency=SCALE.slots),
    )
    # A loaded machine answers late, and a question that comes late finds out more: the bands are wide.
    assert seen.refused == len(told.seen.refused) == 0
    assert 1 / 3 < seen.calls / told.calls < 2
    assert 0.95 < seen.ratio / told.ratio < 1.5
