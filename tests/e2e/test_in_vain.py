"""A run does not go on paying while nothing comes of what it has paid for, through no fault of the rows."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.emulator.faults import Moment
from batchgen.emulator.server import Emulator
from tests.e2e.program import SPEED, Ended, altered, emulated, paid, prompts, results, run, sheet, wrong_files
from tests.waiting import free_port

ROWS, AT_ONCE = 60, 10
ENOUGH = 20
# The real pauses are minutes, the real patience half an hour, and a minute goes by before a video is given up.
SOON = {
    "batchgen.account.harvest": "PAUSE_SECONDS = (0.2, 0.5)\nPATIENCE_SECONDS = 2.0",
    "batchgen.steps.fetch": "FETCH_TRIES = 2",
    "batchgen.steps.poll": "NO_RESULT_TRIES = 2",
}
IN_VAIN = "nothing comes of what is paid for: submitting pauses"
ERRS = "\n\nasync def err(self, job):\n    raise KeyError('nobody foresaw this')\n\n{place} = err"


async def run_soon(emulator: Emulator, manifest: Path, **codes: str) -> Ended:
    more = {f"batchgen.steps.{step}": SOON[f"batchgen.steps.{step}"] + code for step, code in codes.items()}
    env = altered(manifest.parent, SOON | more)
    return await run(emulator, manifest, "--concurrency", str(AT_ONCE), **env)


def told(batch: Path) -> list[str]:
    """What run.log says has happened."""
    return [json.loads(line)["event"] for line in (batch / "run.log").read_text().splitlines()]


def always_after(emulator: Emulator, tasks: int, fault: str) -> Callable[[Moment], str | None]:
    endpoint = fault.partition("-")[0]
    return lambda moment: fault if moment.endpoint == endpoint and len(emulator.tasks) >= tasks else None


def assert_held_back(ended: Ended, emulator: Emulator, cause: str) -> None:
    assert ENOUGH <= len(emulator.tasks) < 5 + ENOUGH + AT_ONCE + 10
    summary = ended.summary
    assert (ended.code, summary["pending"]) == (1, ROWS - len(emulator.tasks)), ended.err
    assert summary["stopped"].startswith("nothing came of the last ")
    assert cause in summary["stopped"]
    assert "nothing came of the last " in ended.err


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("file-403", "HTTP 403"),
        ("file-500", "HTTP 500"),
        ("file-html", "not a whole MP4"),
        ("status-zero-urls", "gives no link that can be read"),
    ],
)
async def test_no_row_after_row_is_paid_for_while_no_video_can_be_fetched_and_the_next_run_goes_on(
    tmp_path: Path, fault: str, cause: str
) -> None:
    manifest = prompts(tmp_path / "p.csv", ROWS)
    async with emulated() as emulator:
        emulator.faults.plan = always_after(emulator, 5, fault)
        assert_held_back(await run_soon(emulator, manifest), emulator, cause)
        assert told(tmp_path / "p.batch").count(IN_VAIN) == 1
        emulator.faults.plan = None
        again = await run(emulator, manifest)
        assert (again.code, again.summary["archived"], len(emulator.tasks)) == (0, ROWS, ROWS), again.err
        assert max(map(len, paid(emulator).values())) == 1
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_no_row_after_row_is_paid_for_while_the_host_of_the_videos_cannot_be_reached(tmp_path: Path) -> None:
    link = f"http://127.0.0.1:{free_port()}/v.mp4"
    manifest = sheet(tmp_path / "p.csv", [{"prompt": f"prompt {n} [url:{link}]"} for n in range(ROWS)])
    async with emulated() as emulator:
        assert_held_back(await run_soon(emulator, manifest), emulator, "no connection to the host")


async def test_no_row_after_row_is_paid_for_while_all_tasks_fail_and_none_for_its_row(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "p.csv", [{"prompt": f"prompt {n} [fail:MODEL_UNAVAILABLE]"} for n in range(ROWS)])
    async with emulated() as emulator:
        assert_held_back(await run_soon(emulator, manifest), emulator, "MODEL_UNAVAILABLE")


@pytest.mark.parametrize(("step", "place"), [("poll", "PollStep.poll"), ("fetch", "FetchStep.fetch")])
async def test_a_mistake_of_ours_in_each_task_does_not_pay_for_row_after_row(
    tmp_path: Path, step: str, place: str
) -> None:
    manifest = prompts(tmp_path / "p.csv", ROWS)
    async with emulated() as emulator:
        ended = await run_soon(emulator, manifest, **{step: ERRS.format(place=place)})
        assert_held_back(ended, emulator, "a mistake in batchgen itself; run.log has it")


async def test_a_run_goes_on_by_itself_once_videos_come_again(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", ROWS)
    async with emulated() as emulator:

        def plan(moment: Moment) -> str | None:
            is_away = IN_VAIN not in (tmp_path / "p.batch" / "run.log").read_text()
            return "file-500" if moment.endpoint == "file" and is_away else None

        emulator.faults.plan = plan
        ended = await run_soon(emulator, manifest)
        assert (ended.summary["stopped"], ended.summary["pending"], len(emulator.tasks)) == (None, 0, ROWS), ended.err
        assert ended.summary["archived"] >= ROWS - ENOUGH
        assert "a video came: submitting goes on" in told(tmp_path / "p.batch")


async def test_many_bad_rows_and_a_host_that_fails_now_and_then_hold_no_run_back(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"prompt {n}" + " [violation]" * (20 <= n < 80)} for n in range(200)]
    async with emulated(speed=4 * SPEED, faults={"file-500": 0.2, "file-403": 0.1, "status-404": 0.05}) as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", rows), "--concurrency", str(AT_ONCE))
        assert (ended.summary["archived"], ended.summary["failed"]) == (140, 60), ended.err
        assert IN_VAIN not in told(tmp_path / "p.batch")
        assert {row["status"] for row in results(tmp_path / "p.batch")[20:80]} == {"failed"}
