"""A batch that is steered while it runs: the real program, told by another of its kind."""

import json
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from batchgen.emulator.server import Emulator
from tests.e2e.program import PATIENT, Ended, batchgen, emulated, finished, paid, prompts, run, standing_still, start
from tests.waiting import until

BATCH = "prompts.batch"


async def begin(emulator: Emulator, folder: Path, *, rows: int = 8) -> Process:
    """A run of so many rows, two at once, that has paid for two of them and says how it stands."""
    manifest = prompts(folder / "prompts.csv", rows)
    process = await start(
        *("run", manifest, "--base-url", emulator.url, "--json", "--concurrency", "2", *PATIENT), cwd=folder
    )
    await until(lambda: len(emulator.tasks) >= 2 and (folder / BATCH / ".now.json").exists(), process)
    return process


def now(folder: Path) -> dict[str, Any]:
    """How the run says that it stands."""
    facts: dict[str, Any] = json.loads((folder / BATCH / ".now.json").read_text())
    return facts


async def ctl(folder: Path, *flags: str) -> Ended:
    return await batchgen("ctl", BATCH, *flags, cwd=folder)


async def test_a_paused_batch_submits_nothing_and_lives_until_it_may_go_on(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        told = await ctl(tmp_path, "--pause")
        assert (told.code, told.out) == (0, "2 tasks at once, 10000 requests a minute, paused\n")
        clock.go()
        await until(lambda: now(tmp_path)["archived"] == 2, process)
        standing = (await ctl(tmp_path, "--json")).summary
        assert (len(emulator.tasks), standing["archived"], standing["doing"]) == (2, 2, "paused")
        assert standing["waiting"] == f"paused; to go on: batchgen ctl {tmp_path / BATCH} --go"
        assert process.returncode is None
        await ctl(tmp_path, "--go", "--concurrency", "10")
        assert (await finished(process)).summary["archived"] == 8
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1


async def test_a_running_batch_goes_on_with_other_limits(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path, rows=12)
        told = await ctl(tmp_path, "--rate", "6000")
        assert told.out == "2 tasks at once, 6000 requests a minute, submitting\n"
        told = await ctl(tmp_path, "--concurrency", "5")
        assert told.out == "5 tasks at once, 6000 requests a minute, submitting\n"
        await until(lambda: len(emulator.tasks) >= 5, process)
        clock.go()
        await finished(process)
        assert emulator.account.peak_tasks == 5


async def test_a_drained_batch_fetches_what_is_in_flight_and_leaves_the_rest_to_the_next_run(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        await ctl(tmp_path, "--drain")
        clock.go()
        drained = await finished(process)
        assert (drained.code, drained.summary["stopped"]) == (4, "batchgen ctl --drain")
        assert (drained.summary["archived"], drained.summary["pending"], len(emulator.tasks)) == (2, 6, 2)
        assert (await run(emulator, tmp_path / "prompts.csv")).summary["archived"] == len(emulator.tasks) == 8


async def test_a_drain_is_not_taken_back(tmp_path: Path) -> None:
    async with standing_still() as (emulator, _):
        process = await begin(emulator, tmp_path)
        await ctl(tmp_path, "--drain")
        refused = await ctl(tmp_path, "--go")
        process.terminate()
        await finished(process)
    assert (refused.code, "submits nothing more" in refused.err) == (2, True)


async def test_a_drain_that_leaves_nothing_undone_is_no_stop(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path, rows=2)
        await ctl(tmp_path, "--drain")
        clock.go()
        drained = await finished(process)
        assert (drained.code, drained.summary["stopped"]) == (0, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_paused_batch(tmp_path: Path, number: signal.Signals) -> None:
    async with standing_still() as (emulator, _):
        process = await begin(emulator, tmp_path)
        await ctl(tmp_path, "--pause")
        process.send_signal(number)
        assert (await finished(process)).code == 128 + number


async def test_where_no_run_is_there_is_nothing_to_steer(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 1))
        told = await ctl(tmp_path, "--pause")
    assert told.code == 2
    assert told.err.startswith(f"batchgen: no run holds {BATCH}, there is nothing to steer; ")
    assert not list((tmp_path / BATCH).glob(".control*"))


async def test_an_order_to_a_run_that_died_does_nothing_to_the_next(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        dead = now(tmp_path)["run"]
        process.kill()
        await process.communicate()
        clock.go()
        order = {"id": "x", "to": dead, "concurrency": None, "rate": None, "action": "pause"}
        (tmp_path / BATCH / ".control.json").write_text(json.dumps(order))
        assert (await ctl(tmp_path)).code == 2
        again = await run(emulator, tmp_path / "prompts.csv", "--in-doubt", "resubmit")
        assert (again.code, again.summary["archived"]) == (0, 8)


async def test_what_is_no_order_is_thrown_away(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        order = tmp_path / BATCH / ".control.json"
        for text in ('{"action": "pause"}', "[" * 9000, '"', '{"id": "x", "to": null, "action": "drain"}'):
            order.write_text(text)
            await until(lambda: not order.exists(), process)
        clock.go()
        assert (await finished(process)).summary["archived"] == 8


async def test_what_is_said_while_a_batch_runs_is_for_its_owner_and_is_gone_afterwards(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        said = tmp_path / BATCH / ".now.json"
        assert said.stat().st_mode & 0o077 == 0
        clock.go()
        await finished(process)
        assert not said.exists()


async def test_a_running_batch_is_watched_to_its_end(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        watching = await start("status", BATCH, "--watch", cwd=tmp_path)
        assert watching.stderr
        seen = await watching.stderr.readline()
        clock.go()
        assert (await finished(process)).code == 0
        watched = await finished(watching)
    assert (watched.code, b"of 8 archived" in seen) == (0, True)
    assert "8 archived" in watched.out


async def test_who_stops_watching_stops_nothing_else(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        process = await begin(emulator, tmp_path)
        watching = await start("status", BATCH, "--watch", cwd=tmp_path)
        assert watching.stderr
        await watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        watched = await finished(watching)
        assert (watched.code, "8 rows of" in watched.out) == (0, True)
        clock.go()
        assert (await finished(process)).summary["archived"] == 8
