"""kill -9 at random instants, seeded; what was paid is counted at the emulator."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.program import PATIENT, emulated, paid, prompts, standing_still
from tests.proof.crashing import CALLBACK_SPEED
from tests.proof.fleet import fleet
from tests.proof.scene import SPEED
from tests.proof.storm import BUSY, Storm, Tally, Weather
from tests.waiting import until

SLOW = {"submit-slow": 0.7}  # an answer takes 20 ms: so that kills fall between a POST and its answer
LANES = 4  # batches at a time; two berths more for runs that overlap


async def stormed(folder: Path, weather: Weather, kills: int, seed: int, **emulator_options: object) -> Tally:
    speed = CALLBACK_SPEED if weather.callbacks else SPEED
    async with emulated(speed=speed, **emulator_options) as emulator, fleet(LANES + 2) as ships:
        storm = Storm(folder, emulator, ships, weather, seed=seed, goes_on=lambda done: done < kills)
        return await storm.rage(LANES)


@pytest.mark.timeout(400)
async def test_200_kills_at_random_instants_pay_for_nothing_twice_and_lose_nothing(tmp_path: Path) -> None:
    tally = await stormed(tmp_path, Weather(), 200, seed=11, faults=SLOW)
    assert tally.broken == []
    assert tally.kills >= 200
    assert tally.judged.paid == tally.judged.wanted > 0
    assert tally.judged.in_doubt > 0, "no kill fell between an intent and its answer"


@pytest.mark.timeout(400)
async def test_kills_while_the_sheet_is_edited_and_runs_overlap_pay_for_nothing_twice(tmp_path: Path) -> None:
    tally = await stormed(tmp_path, Weather(edits=True, overlaps=True), 30, seed=12, faults=SLOW)
    assert tally.broken == []
    assert tally.judged.paid == tally.judged.wanted > 0


@pytest.mark.timeout(400)
async def test_kills_in_callback_mode_bind_every_task_and_release_only_what_was_not_paid(tmp_path: Path) -> None:
    lost = {"submit-lost": 0.05, "submit-dropped": 0.05, **SLOW}
    tally = await stormed(tmp_path, Weather(callbacks=True, loses_answers=True), 40, seed=13, faults=lost)
    assert tally.broken == []
    assert tally.judged.paid == tally.judged.wanted > 0
    assert tally.judged.doubtful_paid == tally.unheard
    assert tally.released > 0


async def test_a_second_run_beside_the_first_is_refused_and_pays_for_nothing(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 8)
    async with standing_still() as (emulator, clock), fleet(2) as ships, ships.berth() as one, ships.berth() as two:
        arguments: tuple[str | Path, ...] = ("run", manifest, "--base-url", emulator.url, *PATIENT)
        first = asyncio.create_task(one.run(*arguments, cwd=tmp_path))
        await until(lambda: bool(emulator.tasks))
        (tmp_path / "beside").mkdir()
        async with asyncio.timeout(60):  # no time passes: one that is let in would wait for its tasks for ever
            second = await two.run(*arguments, cwd=tmp_path / "beside")
        assert second.code == BUSY, second.said
        clock.go()
        assert (await first).code == 0
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
