"""Posts that are not accepted while the service answers all else: refused by who stands before it, or not answered."""

import time
from pathlib import Path

import pytest

from batchgen.emulator.faults import Moment, Plan
from tests.e2e.program import QUICK, altered, batchgen, emulated, paid, prompts, results, run, sheet, start


def firewall(*words: str) -> Plan:
    """Who refuses each prompt that holds one of the words."""
    return lambda moment: _refuses(moment, words)


def _refuses(moment: Moment, words: tuple[str, ...]) -> str | None:
    is_refused = moment.endpoint == "submit" and any(word in moment.key for word in words)
    return "submit-403-html" if is_refused else None


async def test_a_prompt_that_a_firewall_refuses_fails_alone_and_is_tried_again_when_told(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 12)
    async with emulated() as emulator:
        emulator.faults.plan = firewall("prompt 0", "prompt 7")
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (1, 10, 2)
        failed = {row["id"]: row for row in results(tmp_path / "p.batch") if row["status"] == "failed"}
        assert list(failed) == ["r0", "r7"]
        assert failed["r7"]["fail_code"] == "403"
        assert "refused with HTTP 403, in words that are not the service's" in failed["r7"]["fail_message"]
        asked = len(emulator.requests)
        assert (await run(emulator, manifest)).code == 1
        assert len(emulator.requests) == asked
        emulator.faults.plan = None
        ended = await run(emulator, manifest, "--retry-failed")
        assert (ended.code, len(emulator.tasks)) == (0, 12)


async def test_the_first_prompt_with_all_its_seeds_may_be_what_a_firewall_refuses(tmp_path: Path) -> None:
    rows = [{"prompt": "select", "seeds": "1-4"}, *({"prompt": f"prompt {n}", "seeds": "1"} for n in range(6))]
    async with emulated() as emulator:
        emulator.faults.plan = firewall("select")
        ended = await run(emulator, sheet(tmp_path / "p.csv", rows))
    assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (1, 6, 4)


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
    assert "look at --base-url and --model" in ended.summary["stopped"]
    assert posts <= 2


IMPATIENT = {"batchgen.suspects": "PATIENCE_SECONDS = 1.0"}


@pytest.mark.parametrize("fault", ["submit-404-html", "submit-403-html", "submit-401"])
async def test_refusals_that_pass_within_a_minute_end_no_night_and_fail_no_row(tmp_path: Path, fault: str) -> None:
    manifest = prompts(tmp_path / "p.csv", 40)
    begun: list[float] = []

    def window(moment: Moment) -> str | None:
        if moment.endpoint != "submit" or moment.index < 10:
            return None
        begun.append(time.monotonic())
        is_short = fault == "submit-401"  # in the service's own words: two in a row at most
        return fault if (len(begun) <= 2 if is_short else begun[-1] - begun[0] < 2.0) else None

    async with emulated() as emulator:
        emulator.faults.plan = window
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 40, 40), ended.err


async def test_two_prompts_at_the_head_that_a_firewall_refuses_do_not_stop_every_night(tmp_path: Path) -> None:
    async with emulated() as emulator:
        emulator.faults.plan = firewall("prompt 1", "prompt 2")
        ended = await run(emulator, prompts(tmp_path / "p.csv", 9))
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (1, 7, 2)


async def test_a_firewall_that_refuses_all_from_some_time_on_stops_the_run_and_fails_no_row(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 40)
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            "submit-403-html" if moment.endpoint == "submit" and moment.index >= 10 else None
        )
        ended = await run(emulator, manifest, "--concurrency", "5", **altered(tmp_path, IMPATIENT))
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (3, 10, 0)
        assert "the service refuses the account" in ended.summary["stopped"]
        emulator.faults.plan = None
        assert (await run(emulator, manifest)).code == 0
        assert len(emulator.tasks) == 40


# The real pauses grow to ten minutes, and a line comes every thirty seconds.
SOON = {"batchgen.posts": "LONGEST_PAUSE_SECONDS = 1.5", "batchgen.progress": "LINE_EVERY_SECONDS = 0.5"}


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
