"""What is late: videos fetched shortly before their links die, and a task that seems to run for ever."""

import random
import sqlite3
import time
from functools import partial
from pathlib import Path

from batchgen.emulator.faults import Faults, Moment
from tests.e2e.program import QUICK, altered, batchgen, emulated, prompts, results, run, sheet, wrong_files

DAY = 86_400.0


async def test_what_will_die_soon_is_fetched_first_and_the_oldest_of_it_before_others(tmp_path: Path) -> None:
    manifest, old = prompts(tmp_path / "p.csv", 60), 60
    ahead = 0.0
    async with emulated(clock=lambda: time.time() + ahead) as emulator:
        await run(emulator, manifest)
        ahead = 14 * DAY + 20 * 3600
        ages = random.Random(3).sample(range(old), old)  # in another order than the sheet's
        made = {f"r{n}": time.time() - ahead + age / 1000 for n, age in enumerate(ages)}
        tasks = {row["id"]: row["task_id"] for row in results(tmp_path / "p.batch")}
        with sqlite3.connect(tmp_path / "p.batch" / "ledger.sqlite") as ledger:
            ledger.execute("DELETE FROM video")
            for row, moment in made.items():
                ledger.execute(
                    "UPDATE job SET state = 'rendered', completed_at = ? WHERE task_id = ?", (moment, tasks[row])
                )
        for video in (tmp_path / "p.batch" / "videos").iterdir():
            video.unlink()
        emulator.files.clear()
        fetched_before_a_post: list[int] = []

        def look_on(moment: Moment) -> None:
            if moment.endpoint == "submit":
                fetched_before_a_post.append(len(emulator.files))

        emulator.faults = Faults(plan=look_on)
        ended = await run(emulator, prompts(manifest, old + 2), "--downloads", "1")
        assert (ended.code, ended.summary["archived"], ended.summary["submitted"]) == (0, old + 2, 2), ended.err
        asked = [Path(record.path).stem for record in emulator.files]
        assert asked[:old] == [tasks[row] for row in sorted(made, key=lambda row: made[row])]
        assert min(fetched_before_a_post) >= old
        assert len(emulator.tasks) == old + 2
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_task_that_runs_for_ever_is_left_in_flight_and_its_late_success_is_taken(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "[slow:360000] stuck"}, {"prompt": "[slow:0] quick"}])
    ahead = 0.0
    async with emulated(clock=lambda: time.time() + ahead) as emulator:
        ended = await run(emulator, manifest, "--first-poll", "0.02")
        assert (ended.code, ended.summary["archived"], ended.summary["in_flight"]) == (1, 1, 1)
        assert ended.summary["stopped"] is None
        told = await batchgen("run", manifest, "--base-url", emulator.url, "--first-poll", "0.02", cwd=tmp_path)
        assert (told.code, len(emulator.tasks)) == (1, 2)
        assert "1 in flight: paid for, and the next run picks it up" in told.out
        stuck = results(tmp_path / "p.batch")[0]
        assert (stuck["status"], stuck["task_id"]) == ("in_flight", emulator.tasks[0].id)
        ahead = 2 * 3600.0
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], ended.summary["submitted"]) == (0, 2, 0)
        assert (ended.summary["rows"], len(emulator.tasks)) == (2, 2)
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_task_that_runs_for_ever_is_given_up_by_name_and_can_be_taken_up_again(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "p.csv", [{"id": "stuck", "prompt": "[slow:360000] stuck"}])
    ahead = 0.0
    async with emulated(clock=lambda: time.time() + ahead) as emulator:
        service, quickly = ("--base-url", emulator.url), ("--first-poll", "0.02")
        resolve = partial(batchgen, "resolve", "p.batch", cwd=tmp_path)
        assert (await run(emulator, manifest, *quickly)).code == 1
        (task,) = [task.id for task in emulator.tasks]
        for words in ((), ("--resubmit",)):
            refused = await resolve("--row", "stuck", *words)
            assert (refused.code, "in flight: --abandon gives it up" in refused.err) == (2, True), refused.err
        assert "no row is in doubt" in (await resolve("--all", "--abandon")).out
        for told in ("stuck: given up\n", "settled so already"):
            given_up = await resolve("--row", "stuck", "--abandon")
            assert (given_up.code, told in given_up.out) == (0, True), given_up.err
        ended = await run(emulator, manifest, "--retry-failed")
        assert (ended.summary["failed"], len(emulator.tasks)) == (1, 1)
        rescued = await batchgen("rescue", "p.batch", *service, cwd=tmp_path)
        assert rescued.code == 0, rescued.out

        taken_up = await resolve("--row", "stuck", "--attach", task, *service)
        assert (taken_up.code, taken_up.out) == (0, f"stuck: its task is {task}; the next run fetches the video\n")
        assert (await resolve("--row", "stuck", "--abandon")).code == 0
        assert (await resolve("--row", "stuck", "--resubmit")).code == 0
        ended = await run(emulator, manifest, *quickly)
        assert (ended.summary["in_flight"], len(emulator.tasks)) == (1, 2)  # the person has paid once more
        ahead = 2 * 3600.0
        assert (await run(emulator, manifest)).code == 0
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_row_that_is_gone_from_the_sheet_while_its_task_runs_is_told_of(tmp_path: Path) -> None:
    rows = [{"id": "stuck", "prompt": "[slow:360000] stuck"}, {"id": "quick", "prompt": "[slow:0] quick"}]
    async with emulated() as emulator:
        service = ("--base-url", emulator.url)
        assert (await run(emulator, sheet(tmp_path / "p.csv", rows), "--first-poll", "0.02")).code == 1
        sheet(tmp_path / "p.csv", rows[1:])
        assert (await run(emulator, tmp_path / "p.csv", "--first-poll", "0.02")).code == 0
        rescued = await batchgen("rescue", "p.batch", *service, "--first-poll", "0.02", cwd=tmp_path)
    assert (rescued.code, "\n1 more in flight or to be fetched, whose rows were" in rescued.out) == (1, True), (
        rescued.out
    )
    assert "\n  1 more in flight or to be fetched, whose" in (await batchgen("status", "p.batch", cwd=tmp_path)).out


async def test_a_video_that_is_made_and_whose_link_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    quickly = altered(tmp_path, {"batchgen.steps.fetch": "backoff = lambda tries: 0.01"})
    async with emulated(faults={"status-zero-urls": 1.0}) as emulator:
        manifest = prompts(tmp_path / "p.csv", 1)
        told = await batchgen("run", manifest, "--base-url", emulator.url, *QUICK, cwd=tmp_path, **quickly)
        assert "made and not fetched" in told.out, told.out
        assert "the video is made, and gives no link that can be read" in told.out
        emulator.faults = Faults()
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 1, 1)
