"""``python -m tests.proof.soak --minutes 20``: kills at random instants under every weather; prints what was paid.

Every accepted task is counted at the emulator. Rows in doubt, and what was paid for them, stand apart: a person has
the say over them.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.program import emulated
from tests.proof.crashing import CALLBACK_SPEED
from tests.proof.fleet import fleet
from tests.proof.scene import SPEED, Scene, occurrences
from tests.proof.storm import Storm, Tally, Weather

LANES = 2 * (os.cpu_count() or 2)  # batches at a time; runs mostly wait
SLOW = {"submit-slow": 0.5}
FAULTS = {
    **dict.fromkeys(("submit-lost", "submit-429", "submit-slow", "submit-dropped"), 0.03),
    **dict.fromkeys(("submit-cut", "submit-html", "submit-no-taskid", "submit-accepted-502", "submit-502"), 0.015),
    **dict.fromkeys(("submit-500", "submit-503", "submit-reset", "submit-429-body", "submit-accepted-500"), 0.015),
    **dict.fromkeys(("status-500", "status-404", "status-close", "status-html", "status-unknown-at-first"), 0.04),
    **dict.fromkeys(("status-garbage", "status-no-result", "status-late"), 0.04),
    **dict.fromkeys(("file-cut", "file-cut-no-length", "file-reset", "file-500", "file-html", "file-no-moov"), 0.04),
    **dict.fromkeys(("file-403", "file-length-long", "file-length-short", "file-gzip-cut"), 0.02),
}
CALLBACK_FAULTS = {
    **dict.fromkeys(("submit-lost", "submit-dropped", "submit-accepted-502"), 0.03),
    **dict.fromkeys(("callback-twice", "callback-broken", "callback-forged-failed", "callback-forged-url"), 0.1),
}
COLUMNS = (
    "part",
    "kills",
    "runs",
    "rows",
    "wanted",
    "paid",
    "paid ÷ wanted",
    "in doubt",
    "of them paid",
    "wrong files",
)


@dataclass(frozen=True)
class Part:
    """One share of the time."""

    name: str
    weather: Weather
    faults: dict[str, float]
    style: str = "http"
    speed: float = SPEED


PARTS = (
    Part("kills", Weather(), SLOW),
    Part("edited and sorted sheets, overlapping runs", Weather(edits=True, overlaps=True), SLOW),
    Part("faults, errors by status", Weather(edits=True, overlaps=True, loses_answers=True), FAULTS),
    Part("faults, errors in the body", Weather(edits=True, overlaps=True, loses_answers=True), FAULTS, "body"),
    Part("callbacks", Weather(callbacks=True, loses_answers=True), CALLBACK_FAULTS | SLOW, speed=CALLBACK_SPEED),
)


async def storm(part: Part, folder: Path, seconds: float, seed: int) -> Tally:
    """One part, for so long (and as long as its last batches need to end)."""
    end = time.monotonic() + seconds
    async with (
        emulated(speed=part.speed, faults=part.faults, error_style=part.style, seed=seed) as emulator,
        fleet(LANES + 2) as ships,
    ):
        storm = Storm(folder, emulator, ships, part.weather, seed=seed, goes_on=lambda _: time.monotonic() < end)
        return await storm.rage(LANES)


async def every_point(folder: Path) -> tuple[Tally, int]:
    """Kill the small batch at every point, three times; returns the tally, and how many points there are."""
    tally = Tally()
    async with emulated(speed=SPEED) as emulator, fleet(LANES) as ships:
        scene = Scene(folder, emulator, ships)
        await scene.prepare()
        seen = await scene.points(fresh=False)
        points = occurrences(seen, every=True)
        for outcome in await asyncio.gather(*(scene.kill_at(point, fresh=False) for point in points)):
            tally += Tally(kills=int(outcome.was_killed), runs=2, rows=6, judged=outcome.judged)
            tally.broken += [f"killed at {outcome.point}: {what}" for what in outcome.broken]
    return tally, len(seen)


def line(name: str, tally: Tally) -> list[str]:
    """A part's line of the table."""
    judged = tally.judged
    share = f"{judged.paid / judged.wanted:.4f}" if judged.wanted else "-"
    numbers = (tally.kills, tally.runs, tally.rows, judged.wanted, judged.paid)
    rest = (judged.in_doubt, judged.doubtful_paid, len(judged.wrong_files))
    return [name, *(f"{number:,}" for number in numbers), share, *(f"{number:,}" for number in rest)]


async def soak(seconds: float, seed: int) -> int:
    """All parts; returns the exit code."""
    lines, broken, total = [list(COLUMNS), ["---"] * len(COLUMNS)], [], Tally()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        folder = Path(place)
        for number, part in enumerate(PARTS):
            (folder / str(number)).mkdir()
            tally = await storm(part, folder / str(number), seconds / len(PARTS), seed + number)
            lines.append(line(part.name, tally))
            broken += [f"{part.name}: {what}" for what in tally.broken]
            total += tally
            sys.stderr.write(f"{' | '.join(lines[-1])}\n")
        (folder / "points").mkdir()
        tally, points = await every_point(folder / "points")
        lines.append(line(f"{points} named points", tally))
        broken += tally.broken
        lines.append(line("all", total + tally))
    sys.stdout.write("\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n")
    sys.stdout.write(f"released without a callback: {total.released}; runs refused: {total.refused_runs}\n")
    sys.stdout.write("".join(f"BROKEN: {what}\n" for what in broken) or "every promise was kept\n")
    return 1 if broken else 0


def main() -> None:
    """Read the flags and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for how long (20); the named points come on top")
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    sys.exit(asyncio.run(soak(flags.minutes * 60, flags.seed)))


if __name__ == "__main__":
    main()
