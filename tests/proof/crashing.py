"""What a run must be told before it begins, if it is to die at a point, or to say which points it has passed."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.proof.points import Point, Points, watch

CALLBACK_SPEED = 100.0  # of the emulator, where its repeats of callbacks are to outlast a killed run's restart


def hasten() -> None:
    """Whom nobody hears of is given up sooner, in this process."""
    import batchgen.doubts.callbacks
    import batchgen.replica.log

    # A holder of the ledger's copy is taken for dead sooner here; the store's times are whole seconds.
    batchgen.replica.log.HEARTBEAT_SECONDS = 0.5
    batchgen.replica.log.TAKEOVER_SECONDS = 3.0

    # Callbacks are repeated, and then believed not to come, sooner too, as the emulator is faster.
    batchgen.doubts.callbacks.SILENCE_SECONDS = (300 + batchgen.doubts.callbacks.REPEATS_SECONDS) / CALLBACK_SPEED
    batchgen.doubts.callbacks.RECORD_SECONDS /= CALLBACK_SPEED


def watched(program: Callable[[], int], deadly: list[object] | None, log: str | None) -> Callable[[], int]:
    """The program, which dies at a point, or leaves the points that it saw in a file."""
    if not (deadly or log):
        return program
    points = Points(Point(*deadly) if deadly else None)  # type: ignore[arg-type]
    watch(points)

    def run() -> int:
        code = program()
        if log:
            Path(log).write_text(json.dumps(points.log))
        return code

    return run
