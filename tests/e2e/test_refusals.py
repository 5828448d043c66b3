"""Posts that are not accepted while the service answers all else: refused by who stands before it, or not answered."""

import time
from pathlib import Path

import pytest

from batchgen.emulator.faults import Moment, Plan
from tests.e2e.program import QUICK, altered, batchgen, emulated, paid, prompts, results, run, start

# The real pauses grow to ten minutes, and a line comes every thirty seconds.
SOON = {
    "batchgen.account.posts": "LONGEST_PAUSE_SECONDS = 1.5",
    "batchgen.steering.progress": "LINE_EVERY_SECONDS = 0.5",
}


def firewall(*words: str) -> Plan:
    """Who refuses each prompt that holds one of the words."""
    return lambda moment: _refuses(moment, words)


def _refuses(moment: Moment, words: tuple[str, ...]) -> str | None:
    is_refused = moment.endpoint == "submit" and any(word in moment.key for word in words)
    return "submit-403-html" if is_refused else None


async def test_a_prompt_that_a_firewall_refuses_is_alone_in_doubt_since_no_firewall_proves_anything(
    tmp_path: Path,
) -> None:
    manifest = prompts(tmp_path / "p.csv", 12)
    async with emulated() as emulator:
        emulator.faults.plan = firewall("prompt 1", "prompt 7")
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (1, 8, 4)
        doubtful = [row["id"] for row in results(tmp_path / "p.batch") if row["status"] == "in_doubt"]
        assert doubtful == ["r1", "r7", "r10", "r11"]
        told = await batchgen("resolve", "p.batch", cwd=tmp_path)
        assert "refused with HTTP 403, in words that are not the service's" in told.out
        asked = len(emulator.requests)
        assert (await run(emulator, manifest)).code == 1
        assert len(emulator.requests) == asked
        emulator.faults.plan = None
        assert (await batchgen("resolve", "p.batch", "--all", "--resubmit", cwd=tmp_path)).code == 0
        ended = await run(emulator, manifest)
        assert (ended.code, len(emulator.tasks)) == (0, 12)


@pytest.mark.parametrize("rows", [1, 20])
async def test_an_address_that_is_not_the_services_stops_the_run_after_two_posts(tmp_path: Path, rows: int) -> None:
    async with emulated() as emulator:
        elsewhere = f"{emulator.url}/elsewhere"
        ended = await batchgen(
            *("run", prompts(tmp_path / "p.csv", rows), "--base-url", elsewhere, "--concurrency", "1", "--json"),
            *QUICK,
            cwd=tmp_path,
        )
        posts = sum(request.method == "POST" for request in emulator.requests)
    assert (ended.code, ended.summary["pending"], ended.summary["failed"]) == (3, rows, 0)
    assert "this is not the service, or it does not know the model" in ended.summary["stopped"]
    assert "put --base-url or --model right, and run again" in ended.summary["stopped"]
    assert posts <= 2


@pytest.mark.parametrize("fault", ["submit-404-html", "submit-redirect-302"])
async def test_who_stands_in_for_the_service_for_a_while_ends_no_night_and_leaves_few_rows_in_doubt(
    tmp_path: Path, fault: str
) -> None:
    manifest = prompts(tmp_path / "p.csv", 60)
    begun: list[float] = []

    def window(moment: Moment) -> str | None:
        if moment.endpoint != "submit" or moment.index < 10:
            return None
        begun.append(time.monotonic())
        return fault if begun[-1] - begun[0] < 2.0 else None

    async with emulated() as emulator:
        emulator.faults.plan = window
        ended = await run(emulator, manifest)
        doubtful = ended.summary["in_doubt"]
        assert (ended.code, ended.summary["archived"] + doubtful) == (1, 60), ended.err
        assert 1 <= doubtful <= 16 + 5


async def test_a_refusal_that_is_not_the_services_and_came_after_it_had_accepted_pays_nothing_twice(
    tmp_path: Path,
) -> None:
    manifest = prompts(tmp_path / "p.csv", 40)
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            "submit-accepted-403" if moment.endpoint == "submit" and 10 <= moment.index < 18 else None
        )
        ended = await run(emulator, manifest, **altered(tmp_path, SOON))
        assert (ended.summary["in_doubt"], ended.summary["pending"]) == (8, 0)
        await run(emulator, manifest)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert len(emulator.tasks) == 40


async def test_a_firewall_that_refuses_one_poll_stops_nothing(tmp_path: Path) -> None:
    async with emulated(faults={"status-403-html": 0.2}) as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 20))
        assert (ended.code, ended.summary["archived"]) == (0, 20)


async def test_a_key_that_is_refused_once_amid_answers_ends_no_night(tmp_path: Path) -> None:
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            f"{moment.endpoint}-401" if moment.endpoint in ("submit", "status") and moment.index == 10 else None
        )
        ended = await run(emulator, prompts(tmp_path / "p.csv", 20))
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 20, 20), ended.err


async def test_a_key_that_is_refused_from_some_time_on_stops_the_run_and_fails_no_row(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 40)
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            "submit-401" if moment.endpoint == "submit" and moment.index >= 10 else None
        )
        ended = await run(emulator, manifest, "--concurrency", "5")
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (3, 10, 0)
        assert "the service refuses the account" in ended.summary["stopped"]
        emulator.faults.plan = None
        assert (await run(emulator, manifest)).code == 0
        assert len(emulator.tasks) == 40


async def test_a_refusal_that_always_breaks_off_holds_up_no_other_row(tmp_path: Path) -> None:
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            "submit-400-cut" if moment.endpoint == "submit" and "prompt 0" in moment.key else None
        )
        ended = await run(emulator, prompts(tmp_path / "p.csv", 9))
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (1, 8, 1)
        posts = sum(request.method == "POST" for request in emulator.requests)
        assert posts == 8 + 3


@pytest.mark.parametrize("fault", ["submit-500", "submit-html"])
async def test_a_service_that_answers_no_post_clearly_leaves_few_rows_in_doubt_and_the_run_goes_on_after_it(
    tmp_path: Path, fault: str
) -> None:
    manifest = prompts(tmp_path / "p.csv", 60)
    async with emulated(faults={fault: 1.0}) as emulator:
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--plain", *QUICK), cwd=tmp_path, **altered(tmp_path, SOON)
        )
        assert process.stderr
        told = ""
        while "no good answer from the service" not in told:
            line = await process.stderr.readline()
            assert line, told
            told += line.decode()
        emulator.faults.shares.clear()
        _, err = await process.communicate()
        rows = results(tmp_path / "p.batch")
    doubtful = [row for row in rows if row["status"] == "in_doubt"]
    assert 5 <= len(doubtful) <= 16 + 10
    assert {row["status"] for row in rows} == {"archived", "in_doubt"}, err.decode()
    assert process.returncode == 1
    assert max(len(tasks) for tasks in paid(emulator).values()) == 1
