"""The small batch that is killed at every point, and how it is brought to its end."""

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from batchgen.emulator.server import Emulator
from tests.e2e.program import results, sheet
from tests.proof.fleet import Berth, Fleet, Went
from tests.proof.judging import Judge, Judged
from tests.proof.points import Point

SPEED = 500.0  # of the emulator: a video takes 0.1 to 0.2 s
FAST = ("--first-poll", "1", "--poll-every", "0.03")  # no task is left for the next run for 72 s
MOST_RUNS = 4


def rows(mark: str) -> list[dict[str, str]]:
    """Six rows: one as it was in the first run, one edited since, two that share a video, one that fails."""
    return [
        {"id": "kept", "prompt": "kept", "seed": ""},
        {"id": "edited", "prompt": f"after the edit {mark}", "seed": ""},
        {"id": "twin-1", "prompt": f"twins {mark}", "seed": "7"},
        {"id": "fails", "prompt": f"[violation] {mark}", "seed": ""},
        {"id": "twin-2", "prompt": f"twins {mark}", "seed": "7"},
        {"id": "plain", "prompt": f"plain {mark}", "seed": ""},
    ]


FIRST_ROWS = [
    {"id": "gone", "prompt": "gone", "seed": ""},
    {"id": "edited", "prompt": "before the edit", "seed": ""},
    {"id": "kept", "prompt": "kept", "seed": ""},
]


@dataclass(frozen=True)
class Outcome:
    """One kill, and what the runs after it came to."""

    point: Point
    was_killed: bool
    judged: Judged

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept."""
        found = list(self.judged.broken)
        if self.judged.unfinished:
            found.append(f"{self.judged.unfinished} rows are not finished after {MOST_RUNS} runs")
        return found


class Scene:
    """Kills of the small batch, each in a folder of its own."""

    def __init__(self, folder: Path, emulator: Emulator, fleet: Fleet) -> None:
        self._folder = folder
        self._emulator = emulator
        self._fleet = fleet
        self._judge = Judge(emulator)
        self._kills = 0

    async def prepare(self) -> None:
        """Make the batch as it was before its sheet was edited."""
        template = self._folder / "template"
        template.mkdir()
        manifest = sheet(template / "p.csv", FIRST_ROWS)
        async with self._fleet.berth() as berth:
            went = await self._run(berth, manifest)
        assert went.code == 0, went.said

    async def _run(self, berth: Berth, manifest: Path, deadly: Point | None = None, log: Path | None = None) -> Went:
        arguments = ("run", manifest, "--base-url", self._emulator.url, "--json", *FAST)
        went = await berth.run(*arguments, cwd=manifest.parent, deadly=deadly, log=log)
        assert "Traceback" not in went.said, went.said
        return went

    async def points(self, *, fresh: bool) -> dict[tuple[str, str], int]:
        """A dry run: how often each point occurs."""
        manifest, _ = self._place(fresh=fresh)
        log = manifest.parent / "points.json"
        async with self._fleet.berth() as berth:
            went = await self._run(berth, manifest, log=log)
        assert went.code == 1, went.said  # one row fails
        return Counter((name, side) for name, side in json.loads(log.read_text()) if log.name not in name)

    def _place(self, *, fresh: bool) -> tuple[Path, str]:
        self._kills += 1
        mark = f"#{self._kills}"
        folder = self._folder / f"kill-{self._kills}"
        if fresh:
            folder.mkdir()
        else:
            shutil.copytree(self._folder / "template", folder, ignore=shutil.ignore_patterns("home"))
        return sheet(folder / "p.csv", rows(mark)), mark

    async def kill_at(self, point: Point, *, fresh: bool) -> Outcome:
        """Kill the batch at the point, look, and run it to its end."""
        manifest, mark = self._place(fresh=fresh)
        batch = manifest.with_name("p.batch")
        async with self._fleet.berth() as berth:
            went = await self._run(berth, manifest, point)
            broken = await self._judge.incomplete(batch) + torn_results(batch)
            for _ in range(MOST_RUNS):
                ended = await self._run(berth, manifest)
                if ended.code in (0, 1):
                    break
        judged = await self._judge.judge(batch, rows(mark), lambda prompt: prompt.endswith(mark))
        judged.wrong_files += [f"{name} (right after the kill)" for name in broken]
        shutil.rmtree(manifest.parent)
        return Outcome(point, went.was_killed, judged)


def torn_results(batch: Path) -> list[str]:
    """At any moment results.csv is the one before or the one after: whole, if it is there."""
    if not (batch / "results.csv").exists():
        return []
    found = results(batch)
    whole = len(found) in (len(FIRST_ROWS), len(rows(""))) and all(row["sha256"] is not None for row in found)
    return [] if whole else [f"results.csv has {len(found)} rows"]


def occurrences(seen: dict[tuple[str, str], int], *, every: bool = False) -> list[Point]:
    """Of each point its first, a middle and its last time.

    Of a statement within a transaction (unless ``every``) only the first: nothing of it is on the disk before the
    COMMIT, which has all three.
    """
    return [Point(name, side, nth) for (name, side), times in seen.items() for nth in _times(name, times, every)]


def _times(name: str, times: int, every: bool) -> list[int]:
    if name.startswith("sql ") and "COMMIT" not in name and not every:
        return [1]
    return sorted({1, (times + 1) // 2, times})
