"""Callback mode: what a lost answer swallowed comes back, and nothing that a callback says is believed."""

import json
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from batchgen.emulator.faults import Moment
from batchgen.emulator.server import Emulator
from tests.e2e.program import Ended, altered, emulated, finished, paid, prompts, run, standing_still, start, wrong_files
from tests.waiting import free_port, until


def callback_flags(port: int) -> tuple[str, ...]:
    return ("--callback-url", f"http://127.0.0.1:{port}/hook", "--callback-listen", f"127.0.0.1:{port}")


async def run_with_callbacks(emulator: Emulator, manifest: Path, *arguments: str, **env: str) -> Ended:
    return await run(emulator, manifest, *callback_flags(free_port()), *arguments, **env)


async def test_each_task_has_a_secret_of_its_own_and_is_asked_about_once(tmp_path: Path) -> None:
    async with emulated() as emulator:
        ended = await run_with_callbacks(
            emulator, prompts(tmp_path / "p.csv", 10), "--first-poll", "60", "--poll-every", "5"
        )
        assert (ended.code, len(emulator.tasks)) == (0, 10)
        assert len({task.callback_url for task in emulator.tasks}) == 10
        polls = [request for request in emulator.requests if "statusTask" in request.path]
        assert len(polls) == 10


@pytest.mark.parametrize("fault", ["submit-lost", "submit-accepted-502", "submit-html"])
async def test_a_task_whose_answer_was_lost_is_brought_back_by_its_callback(tmp_path: Path, fault: str) -> None:
    async with emulated(faults={fault: 0.4}) as emulator:
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 10))
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 10, 10)
        assert ended.summary["submitted"] == 10
        assert emulator.faults.shown[fault] > 0
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


@pytest.mark.parametrize(
    "fault", ["callback-lost", "callback-twice", "callback-late", "callback-early", "callback-broken"]
)
async def test_callbacks_that_misbehave_change_nothing(tmp_path: Path, fault: str) -> None:
    async with emulated(faults={fault: 0.5}) as emulator:
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 8))
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 8, 8)


@pytest.mark.parametrize("fault", ["callback-forged-failed", "callback-forged-url"])
async def test_a_forged_callback_is_not_believed(tmp_path: Path, fault: str) -> None:
    async with emulated(faults={fault: 1.0}) as emulator:
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 5))
        assert (ended.code, ended.summary["archived"]) == (0, 5)
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_lost_answer_with_lost_callbacks_stays_in_doubt_and_is_not_paid_twice(tmp_path: Path) -> None:
    async with emulated(faults={"submit-lost": 0.5, "callback-lost": 0.5}) as emulator:
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 12))
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert ended.summary["archived"] + ended.summary["in_doubt"] == 12


def third_submit(fault: str) -> Callable[[Moment], str | None]:
    return lambda moment: fault if moment.endpoint == "submit" and moment.index == 2 else None


async def test_a_row_whose_callback_never_came_is_released_and_paid_for_once(tmp_path: Path) -> None:
    env = altered(tmp_path, {"batchgen.doubts.callbacks": "SILENCE_SECONDS, RECORD_SECONDS = 2.0, 0.1"})
    async with emulated() as emulator:
        emulator.faults.plan = third_submit("submit-500")
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 6), "--first-poll", "2", **env)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 6, 6)
        assert "1 row whose answer was lost" in ended.err


async def test_quick_polling_lets_no_row_be_released_sooner(tmp_path: Path) -> None:
    async with emulated() as emulator:
        emulator.faults.plan = third_submit("submit-500")
        ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 6), "--first-poll", "0.1")
        assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (1, 5, 1)


async def test_a_flood_of_forged_callbacks_asks_the_service_nothing(tmp_path: Path) -> None:
    port = free_port()
    async with standing_still() as (emulator, clock):
        process = await start(
            *("run", prompts(tmp_path / "p.csv", 3), "--base-url", emulator.url, "--json"),
            *callback_flags(port),
            *("--first-poll", "60", "--poll-every", "5"),
            cwd=tmp_path,
        )
        await until(lambda: len(emulator.tasks) == 3, process)
        body = json.dumps({"code": 200, "data": {"taskId": emulator.tasks[0].id, "state": "failed"}})
        before = len(emulator.requests)
        async with aiohttp.ClientSession() as session:
            for n in range(500):
                async with session.post(f"http://127.0.0.1:{port}/hook/{n:043}", data=body) as response:
                    assert response.status == 404
        assert len(emulator.requests) == before
        clock.go()
        assert (await finished(process)).summary["archived"] == 3


async def test_half_of_callback_mode_is_refused(tmp_path: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 1), "--callback-url", "http://127.0.0.1:1/x")
        assert (ended.code, len(emulator.requests)) == (2, 0)
