"""kill -9 at every named point of a run: before and after each ledger statement, POST and file operation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.program import emulated
from tests.proof.fleet import fleet
from tests.proof.points import Point
from tests.proof.scene import SPEED, Outcome, Scene, occurrences

AT_ONCE = 6  # runs mostly wait
# The groups of points, and the fewest distinct ones that each must have: more than the 40 before and after.
GROUPS = {"ledger": 60, "network": 10, "files": 15, "results": 8}
FIRST_MADE = 40  # the same of what is done only once


def group(point: Point) -> str:
    if "results" in point.name:
        return "results"
    if point.name.startswith("sql "):
        return "ledger"
    return "network" if point.name.startswith(("POST", "poll", "download")) else "files"


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Scene]:
    async with emulated(speed=SPEED) as emulator, fleet(AT_ONCE) as ships:
        scene = Scene(folder, emulator, ships)
        await scene.prepare()
        yield scene


def told(outcomes: list[Outcome]) -> list[str]:
    return [f"killed at {outcome.point}: {'; '.join(outcome.broken)}" for outcome in outcomes if outcome.broken]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", GROUPS)
async def test_a_kill_at_any_point_of_a_run_pays_for_nothing_twice_and_loses_nothing(tmp_path: Path, name: str) -> None:
    async with staged(tmp_path) as scene:
        points = [point for point in occurrences(await scene.points(fresh=False)) if group(point) == name]
        outcomes = await asyncio.gather(*(scene.kill_at(point, fresh=False) for point in points))
    assert told(outcomes) == []
    killed = {(outcome.point.name, outcome.point.side) for outcome in outcomes if outcome.was_killed}
    assert len(killed) >= GROUPS[name]
    assert [outcome.point for outcome in outcomes if not outcome.was_killed and outcome.point.nth == 1] == []
    doubtful = sum(outcome.judged.in_doubt for outcome in outcomes)
    assert doubtful > 0 or name in ("files", "results"), "no kill fell between an intent and its answer"


@pytest.mark.timeout(400)
async def test_a_kill_while_a_batch_is_first_made_loses_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as scene:
        known = await scene.points(fresh=False)
        seen = {point: times for point, times in (await scene.points(fresh=True)).items() if point not in known}
        outcomes = await asyncio.gather(*(scene.kill_at(point, fresh=True) for point in occurrences(seen)))
    assert told(outcomes) == []
    assert len(outcomes) >= FIRST_MADE
    assert [outcome.point for outcome in outcomes if not outcome.was_killed and outcome.point.nth == 1] == []
