"""A batch from Python: the same ledger, the same lock and the same promises as from the command line."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from batchgen import Batch, BatchBusyError, ManifestError, Standing, UsageError
from batchgen.ledger import Ledger
from tests.api.support import accepted, at, quick_emulator, rows
from tests.e2e import program
from tests.e2e.program import KEY, batchgen, emulated, paid, prompts, standing_still, wrong_files
from tests.waiting import LONGEST_SECONDS


async def test_a_dataframe_is_made_in_order_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame(rows(6, note=1.0)).iloc[::-1]
    seen: list[Standing] = []
    async with emulated() as emulator:
        batch = at(emulator, frame, tmp_path / "b")
        summary = await batch.run_async(progress=seen.append)
        assert (summary.exit, summary.archived, summary.submitted) == (0, 6, 6)
        assert await wrong_files(emulator, tmp_path / "b") == []
    results = batch.results()
    assert results["id"].tolist() == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert results["note"].tolist() == [1.0] * 6
    assert (seen[-1].settled, seen[-1].archived, seen[-1].rows) == (6, 6, 6)
    assert capfd.readouterr() == ("", "")


async def test_plain_run_works_where_a_loop_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_emulator(monkeypatch)
    assert asyncio.get_running_loop().is_running()
    batch = Batch(rows(3), batch=tmp_path / "b", emulator=True)
    assert batch.plan(check_images=True).to_submit == 3
    assert batch.run().archived == 3
    assert batch.run().submitted == 0


def test_what_is_made_in_a_folder_that_all_may_read_is_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_emulator(monkeypatch)
    folder = tmp_path / "b"
    folder.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        assert Batch(rows(1), batch=folder, emulator=True).run(xlsx=True).archived == 1
        with Ledger.open(folder / "ledger.sqlite") as ledger:  # what lies beside it is there while it is open
            ledger.remember({"any": "thing"})
            open_to_others = [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    finally:
        os.umask(before)
    assert open_to_others == []


async def test_what_python_began_the_command_line_continues_and_pays_for_nothing_again(tmp_path: Path) -> None:
    async with emulated() as emulator:
        begun = await at(emulator, pd.DataFrame(rows(6)), tmp_path / "b", max_tasks=2).run_async()
        assert (begun.submitted, begun.exit) == (2, 4)
        quick = ("--base-url", emulator.url, "--json", *program.QUICK)
        ended = await batchgen("resume", tmp_path / "b", *quick, cwd=tmp_path)
        assert (ended.code, ended.summary["submitted"], ended.summary["archived"]) == (0, 4, 6)
        assert len(emulator.tasks) == 6


async def test_what_the_command_line_began_python_continues_from_the_folder_or_the_sheet(tmp_path: Path) -> None:
    sheet = prompts(tmp_path / "p.csv", 6)
    async with emulated() as emulator:
        await program.run(emulator, sheet, "--max-tasks", "2")
        more = await at(emulator, tmp_path / "p.batch", None, max_tasks=2).run_async()
        rest = await at(emulator, sheet, None).run_async()
        assert (more.submitted, rest.submitted, rest.exit, len(emulator.tasks)) == (2, 2, 0, 6)


async def test_to_cancel_it_records_every_answer_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        batch = at(emulator, rows(40), tmp_path / "b", concurrency=10)
        running = asyncio.create_task(batch.run_async())
        await accepted(emulator, 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        status = batch.status()
        assert (status.in_doubt, status.in_flight, status.pending) == (0, 10, 30)
        clock.go()
        assert (await at(emulator, rows(40), tmp_path / "b").run_async()).archived == 40
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1


async def test_a_progress_callback_that_raises_stops_the_run_gently(tmp_path: Path) -> None:
    def progress(standing: Standing) -> None:
        if standing.in_flight:
            raise ZeroDivisionError

    async with standing_still() as (emulator, clock):
        batch = at(emulator, rows(3), tmp_path / "b")
        with pytest.raises(ZeroDivisionError):
            await batch.run_async(progress=progress)
        assert batch.status().in_doubt == 0
        clock.go()
        assert (await batch.run_async()).archived == len(emulator.tasks) == 3


async def test_ctrl_c_stops_a_program_gently(tmp_path: Path) -> None:
    code = (
        "import sys; from batchgen import Batch; "
        "rows = [{'prompt': str(n)} for n in range(40)]; "
        "Batch(rows, batch='b', base_url=sys.argv[1], concurrency=10, first_poll=5, poll_every=0.1).run()"
    )
    async with standing_still() as (emulator, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, emulator.url),
            cwd=tmp_path,
            env=program.environment(),
            stderr=asyncio.subprocess.PIPE,
        )
        await accepted(emulator, 10)
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
        assert told.decode().rstrip().endswith("KeyboardInterrupt")
        status = Batch(tmp_path / "b").status()
        assert (status.in_doubt, status.in_flight, status.pending) == (0, 10, 30)


async def test_a_program_that_ends_stops_its_run_gently(tmp_path: Path) -> None:
    code = (
        "import sys, time; from batchgen import Batch; "
        "run = Batch([{'prompt': str(n)} for n in range(4)], batch='b', base_url=sys.argv[1], first_poll=60).start()\n"
        "while not (run.standing and run.standing.in_flight == 4): time.sleep(0.05)"
    )
    async with standing_still() as (emulator, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, emulator.url), cwd=tmp_path, env=program.environment()
        )
        async with asyncio.timeout(LONGEST_SECONDS):
            assert await process.wait() == 0
        status = Batch(tmp_path / "b").status()
        assert (status.in_flight, status.in_doubt, len(emulator.tasks)) == (4, 0, 4)
        assert "stopped by the program" in (tmp_path / "b" / "run.log").read_text()


async def test_a_run_that_is_stopped_before_it_begins_sends_nothing(tmp_path: Path) -> None:
    async with emulated() as emulator:
        run = at(emulator, rows(4), tmp_path / "b").start()
        run.stop()
        summary = await run
        assert (summary.submitted, summary.pending, summary.stopped) == (0, 4, "stopped by the program")
        assert emulator.tasks == []


async def test_the_block_of_a_run_ends_when_it_has_ended(tmp_path: Path) -> None:
    async with emulated() as emulator:
        async with at(emulator, rows(2), tmp_path / "b").start() as run:
            pass
        assert run.done
        assert run.standing
        assert run.standing.archived == 2


async def test_a_batch_that_is_held_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    async with standing_still() as (emulator, clock):
        batch = at(emulator, rows(2), tmp_path / "b")
        async with batch.start():
            await accepted(emulator, 1)
            before = (tmp_path / "b" / "rows.csv").read_text()
            with pytest.raises(BatchBusyError, match="another run holds"):
                await at(emulator, rows(9), tmp_path / "b").run_async()
            assert (tmp_path / "b" / "rows.csv").read_text() == before
            clock.go()
        assert len(emulator.tasks) == 2


async def test_rows_that_are_refused_leave_no_folder_and_name_each_mistake(tmp_path: Path) -> None:
    wrong = [{"prompt": "a", "seed": "x"}, {"prompt": "", "duration": 7}]
    async with emulated() as emulator:
        for source in (wrong, pd.DataFrame(wrong)):
            batch = at(emulator, source, tmp_path / "b")
            for refused in (batch.plan, lambda batch=batch: batch.start().wait()):
                with pytest.raises(ManifestError) as error:
                    await asyncio.to_thread(refused)
                assert [problem.line for problem in error.value.problems] == [2, 3, 3]
                assert str(error.value).startswith(("rows[0], column seed: ", "DataFrame.iloc[0], column seed: "))
        assert not (tmp_path / "b").exists()


def test_equal_mistakes_and_questions_are_told_by_the_rows_that_have_them(tmp_path: Path) -> None:
    lines = "three\nlines\r\nhere"
    wrong: list[dict[str, object]] = [
        {"prompt": lines},
        {"prompt": lines, "seed": object()},
        {"prompt": "b"},
        {"prompt": "c", "seed": object()},
    ]
    with pytest.raises(ManifestError, match=r"^rows\[1, 3\] \(2 rows\), column seed: .*\n2 errors$"):
        Batch(wrong, batch=tmp_path / "b").plan()
    asked = [{"prompt": lines}, {"prompt": "=SUM(A1)"}, {"prompt": "=SUM(A1)"}]
    (remark,) = Batch(asked, batch=tmp_path / "b").plan().remarks
    assert remark.startswith("warning: rows[1-2] (2 rows), column prompt: ")
    (remark,) = Batch([{"prompt": "a", "length": 5}], batch=tmp_path / "b").plan().remarks
    assert remark.startswith("warning: rows, column length: ")


@pytest.mark.parametrize(("source", "each"), [(list, "rows"), (pd.DataFrame, "DataFrame.iloc")])
def test_an_id_that_is_there_twice_is_told_by_the_place_of_both(tmp_path: Path, source: Any, each: str) -> None:
    twice = [{"id": "b", "prompt": "b"}, {"id": "line 3", "prompt": "a\n\n"}, {"id": "line 3", "prompt": "c"}]
    with pytest.raises(ManifestError) as error:
        Batch(source(twice), batch=tmp_path / "b").plan()
    told = f'{each}[2], column id: the id "line 3" is already in {each}[1]; give each row its own'
    assert str(error.value) == told


def test_a_row_without_a_prompt_is_told_also_where_the_prompt_is_all_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"^DataFrame\.iloc\[1-2\] \(2 rows\), column prompt: the prompt is missing"
    ):
        Batch(pd.DataFrame({"prompt": ["a", None, ""]}), batch=tmp_path / "b").plan()


async def test_ids_choose_rows_whatever_they_look_like(tmp_path: Path) -> None:
    names = ["a,b", "r*", "1", "row:2", "r0"]
    frame = pd.DataFrame({"id": names, "prompt": names, "wanted": [True, True, False, True, False]})
    async with emulated() as emulator:
        batch = at(emulator, frame, tmp_path / "b")
        assert batch.plan(only=frame[frame["wanted"]]["id"]).to_submit == 3
        summary = await batch.run_async(only=frame[frame["wanted"]]["id"].tolist())
        assert (summary.selected, summary.archived, sorted(paid(emulator))) == (3, 3, ["a,b", "r*", "row:2"])
        results = batch.results()
        assert batch.plan(only=set(results[results["status"] == "pending"]["id"])).to_submit == 2
        assert (await batch.run_async(only=(1, "a,b"))).submitted == 1
    with pytest.raises(UsageError, match=r'^--only names 1 id that no row has: "r\?"'):
        batch.plan(only=["r?"])
    with pytest.raises(UsageError, match="--only holds no id"):
        batch.plan(only=frame[frame["prompt"] == ""]["id"])
    for mask in (frame["wanted"], frame["wanted"].tolist()):
        with pytest.raises(UsageError, match="--only takes ids, and not a mask"):
            batch.plan(only=mask)


async def test_rows_that_are_refused_leave_a_batch_as_it_was(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await at(emulator, rows(2), tmp_path / "b").run_async()
        for wrong in ([{"id": "r0"}], [{"id": "r0", "prompt": object()}]):
            with pytest.raises(ManifestError):
                await at(emulator, wrong, tmp_path / "b").run_async()
        again = await at(emulator, tmp_path / "b", tmp_path / "b").run_async()
        assert (again.rows, again.submitted, again.exit) == (2, 0, 0)


async def test_two_batches_at_once_each_have_their_own_log(tmp_path: Path) -> None:
    async with emulated() as emulator:
        batches = [at(emulator, rows(n), tmp_path / f"b{n}") for n in (2, 3)]
        summaries = await asyncio.gather(*(batch.run_async() for batch in batches))
    assert [summary.archived for summary in summaries] == [2, 3]
    for number in (2, 3):
        log = [json.loads(line) for line in (tmp_path / f"b{number}" / "run.log").read_text().splitlines()]
        assert sum(line["event"] == "accepted" for line in log) == number


async def test_rescue_fetches_and_submits_nothing(tmp_path: Path) -> None:
    async with emulated(speed=20.0) as emulator:
        batch = at(emulator, rows(6), tmp_path / "b", concurrency=2)
        async with batch.start() as run:
            async for standing in run:
                if standing.in_flight:
                    run.stop()
        paid_for = len(emulator.tasks)
        summary = await asyncio.to_thread(batch.rescue)
        assert (summary.archived, summary.submitted, len(emulator.tasks)) == (paid_for, 0, paid_for)


async def test_a_plan_sends_and_changes_nothing_and_needs_no_key(tmp_path: Path) -> None:
    plan = Batch(pd.DataFrame(rows(3)), batch=tmp_path / "b", price={"720p": 0.5, "1080p": 1}).plan()
    assert (plan.manifest, plan.rows, plan.to_submit, plan.estimate_usd) == ("DataFrame", 3, 3, 30.0)
    assert list(tmp_path.iterdir()) == []


async def test_a_plan_of_a_folder_is_of_the_manifest_that_it_remembers(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await at(emulator, rows(3), tmp_path / "b", max_tasks=1).run_async()
    plan = Batch(tmp_path / "b", base_url=emulator.url).plan()
    assert (plan.rows, plan.archived, plan.to_submit) == (3, 1, 2)


async def test_the_key_is_shown_nowhere(tmp_path: Path) -> None:
    async with emulated() as emulator:
        batch = at(emulator, rows(1), tmp_path / "b", verbose=True)
        run = batch.start()
        await run
        assert KEY not in repr(batch) + repr(run) + repr(await run)
        assert KEY not in (tmp_path / "b" / "run.log").read_text()


def test_rows_in_memory_need_a_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"batch='film\.batch'"):
        Batch(rows(1))


@pytest.mark.parametrize("verb", ["status", "results"])
def test_a_folder_that_is_no_batch_is_refused(tmp_path: Path, verb: str) -> None:
    with pytest.raises(UsageError, match="is not a batch"):
        getattr(Batch(batch=tmp_path), verb)()
    assert list(tmp_path.iterdir()) == []


async def test_figures_for_prometheus_are_there_while_it_runs(tmp_path: Path) -> None:
    figures = tmp_path / "b.prom"
    seen: list[bool] = []
    async with emulated() as emulator:
        batch = at(emulator, rows(2), tmp_path / "b", metrics=figures)
        await batch.run_async(progress=lambda _: seen.append(figures.exists()))
    assert any(seen)
    assert 'state="archived"' in figures.read_text()
