"""A batch from end to end: the real program, real sockets, what was paid counted at the service."""

import asyncio
import random
import shutil
import signal
import sqlite3
from itertools import cycle
from pathlib import Path

import pytest

from batchgen.model import LEDGER
from batchgen.outcome import REPORT_ROWS
from tests.e2e.program import (
    KEY,
    PATIENT,
    QUICK,
    altered,
    batchgen,
    emulated,
    finished,
    kill_at,
    paid,
    prompts,
    results,
    run,
    sheet,
    standing_still,
    start,
    wrong_files,
)
from tests.waiting import until


async def test_a_batch_is_made_and_a_second_run_asks_for_nothing(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 12, note="=1+1")
    async with emulated() as emulator:
        ended = await run(emulator, manifest)
        assert ended.code == 0, ended.err
        assert ended.summary["archived"] == ended.summary["submitted"] == ended.summary["rows"] == 12
        assert len(emulator.tasks) == 12
        assert await wrong_files(emulator, tmp_path / "prompts.batch") == []
        asked, fetched = len(emulator.requests), len(emulator.files)
        again = await run(emulator, manifest)
        assert (again.code, again.summary["submitted"], again.summary["archived"]) == (0, 0, 12)
        assert (len(emulator.requests), len(emulator.files)) == (asked, fetched)


async def test_a_batch_too_large_for_a_page_of_its_own_says_how_to_make_one(tmp_path: Path) -> None:
    manifest, page = prompts(tmp_path / "p.csv", REPORT_ROWS + 1), tmp_path / "p.batch" / "report.html"
    command = "no page to look at was made; to make one:\n    batchgen report p.batch\n"
    async with emulated() as emulator:
        words = ("run", "p.csv", "--base-url", emulator.url, "--limit", "1", *QUICK)
        large = await batchgen(*words, cwd=tmp_path)
        assert command in large.out
        assert not page.exists()
        prompts(manifest, 3)
        small = await batchgen(*words, cwd=tmp_path)
        assert "\nto look at: p.batch/report.html\n" in small.out
        assert command not in small.out
        prompts(manifest, REPORT_ROWS + 1)
        grown = await batchgen(*words, cwd=tmp_path)
        assert command in grown.out, "the page is of an earlier run"
        assert "to look at: p" not in grown.out
    assert len(emulator.tasks) == 1


async def test_results_stand_in_the_manifests_order_with_its_own_columns(tmp_path: Path) -> None:
    manifest = sheet(
        tmp_path / "p.csv",
        [
            {"prompt": "zebra", "status": "mine", "scene": "=2*3"},
            {"prompt": "[violation] ape", "status": "", "scene": "-"},
        ],
    )
    async with emulated() as emulator:
        ended = await run(emulator, manifest)
    assert ended.code == 1
    first, second = results(tmp_path / "p.batch")
    assert (first["prompt"], first["status"], first["manifest_status"], first["scene"]) == (
        *("zebra", "archived", "mine", "'=2*3"),
    )
    assert (second["status"], second["fail_code"]) == ("failed", "CONTENT_VIOLATION")
    assert second["fail_message"] == "Content does not meet safety guidelines"


async def test_results_read_back_as_a_manifest_pay_for_nothing(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "=1+1"}, {"prompt": "'tis"}, {"prompt": "'tis"}])
    async with emulated() as emulator:
        await run(emulator, manifest)
        ended = await run(emulator, tmp_path / "p.batch" / "results.csv", "--batch", tmp_path / "p.batch")
        assert (ended.code, ended.summary["submitted"], ended.summary["archived"]) == (0, 0, 3)


async def test_a_link_whose_host_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest)
        with sqlite3.connect(tmp_path / "p.batch" / "ledger.sqlite") as ledger:
            ledger.execute("DELETE FROM video")
            ledger.execute("UPDATE job SET state = 'rendered', urls = '[\"http://127.0.0.1:9/gone.mp4\"]'")
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 2, 2)
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_rows_with_the_same_seed_are_paid_for_once_and_archived_each(tmp_path: Path) -> None:
    rows = [{"id": name, "prompt": "twins", "seed": "7"} for name in ("a", "b", "c")]
    async with emulated() as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", rows))
        assert (len(emulator.tasks), ended.summary["archived"], ended.summary["reused"]) == (1, 3, 2)
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_each_video_of_a_task_that_gives_several_is_archived(tmp_path: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", [{"id": "x", "prompt": "[urls:3] three"}]))
    assert ended.code == 0
    assert sorted(path.name for path in (tmp_path / "p.batch" / "videos").iterdir()) == ["x.mp4", "x_2.mp4", "x_3.mp4"]


async def test_kill_9_at_any_moment_pays_for_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 60)
    draw = random.Random(11)
    kills = 0
    async with emulated(speed=50.0, faults={"submit-slow": 0.7}) as emulator:
        for _ in range(12):
            last, jitter = len(emulator.requests) + draw.randrange(10), draw.uniform(0, 0.05)
            process = await start(
                *("run", manifest, "--base-url", emulator.url, "--concurrency", "8", *QUICK), cwd=tmp_path
            )
            kills += await kill_at(process, emulator.requests, last, jitter)
        assert kills >= 6  # half of them come long before all rows are done, however quick the machine is
        ended = await run(emulator, manifest)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert ended.summary["pending"] == ended.summary["failed"] == ended.summary["in_flight"] == 0
        known = {row["task_id"] for row in results(tmp_path / "prompts.batch")}
        listed = {row["prompt"] for row in results(tmp_path / "prompts.batch") if row["status"] == "in_doubt"}
        lost = [task for task in emulator.tasks if task.id not in known and task.input["prompt"] not in listed]
        assert lost == []
        assert await wrong_files(emulator, tmp_path / "prompts.batch") == []
        finished = await run(emulator, manifest, "--in-doubt", "resubmit")
        assert (finished.code, finished.summary["archived"]) == (0, 60)


@pytest.mark.parametrize(
    "fault", ["submit-lost", "submit-cut", "submit-html", "submit-accepted-502", "submit-no-taskid"]
)
async def test_a_lost_answer_leaves_the_row_in_doubt_and_is_sent_again_only_when_told(
    tmp_path: Path, fault: str
) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 10)
    async with emulated(faults={fault: 0.4}) as emulator:
        ended = await run(emulator, manifest)
        doubtful = ended.summary["in_doubt"]
        assert doubtful > 0
        assert (ended.code, ended.summary["archived"]) == (1, 10 - doubtful)
        assert len(emulator.tasks) == 10
        await run(emulator, manifest)
        assert len(emulator.tasks) == 10
        emulator.faults.shares.clear()
        ended = await run(emulator, manifest, "--in-doubt", "resubmit")
        assert (ended.code, ended.summary["submitted"]) == (0, doubtful)
        assert f"may be paid for twice: up to ${1.3 * doubtful:.2f} more" in ended.err  # the dearest: nothing is said


async def test_tasks_at_once_and_requests_a_minute_are_never_exceeded_not_even_over_a_restart(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 24)
    async with emulated() as emulator:
        limits = ("--concurrency", "5", "--first-poll", "0.8")  # what may run holds its slot for twice that
        process = await start("run", manifest, "--base-url", emulator.url, *QUICK, *limits, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) >= 8, process)
        process.kill()
        await process.communicate()
        ended = await run(emulator, manifest, *limits)
        assert emulator.account.peak_tasks <= 5
        assert ended.summary["archived"] + ended.summary["in_doubt"] == 24


async def test_an_account_smaller_than_the_flags_say_is_served_without_loss(tmp_path: Path) -> None:
    from batchgen.emulator.account import AccountLimits

    manifest = prompts(tmp_path / "prompts.csv", 12)
    async with emulated(limits=AccountLimits(concurrency=4)) as emulator:
        ended = await run(emulator, manifest)
        assert (ended.code, len(emulator.tasks)) == (0, 12)


@pytest.mark.parametrize("style", ["http", "body"])
async def test_a_refused_key_stops_the_batch_before_anything_is_paid(tmp_path: Path, style: str) -> None:
    async with emulated(keys={"another"}, error_style=style) as emulator:
        ended = await run(emulator, prompts(tmp_path / "prompts.csv", 40))
        assert (ended.code, ended.summary["pending"], len(emulator.tasks)) == (3, 40, 0)
        assert sum(request.method == "POST" for request in emulator.requests) <= 16
        assert "key" in ended.summary["stopped"].lower()


@pytest.mark.parametrize("style", ["http", "body"])
async def test_when_credits_run_out_what_was_paid_is_fetched_and_a_top_up_finishes_the_rest(
    tmp_path: Path, style: str
) -> None:
    from batchgen.emulator.account import AccountLimits

    manifest = prompts(tmp_path / "prompts.csv", 10, resolution="720p", duration="5")
    async with emulated(limits=AccountLimits(credits=1.6), error_style=style) as emulator:
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], ended.summary["pending"]) == (3, 4, 6)
        emulator.account.limits = AccountLimits(credits=100.0)
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 10, 10)


async def test_rows_that_are_refused_for_good_are_not_sent_again_unless_told(tmp_path: Path) -> None:
    rows = [{"prompt": "[400] no"}, {"prompt": "[violation] no"}, {"prompt": "[fail:NEW_CODE] no"}, {"prompt": "yes"}]
    manifest = sheet(tmp_path / "p.csv", rows)
    async with emulated() as emulator:
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["failed"], ended.summary["archived"]) == (1, 3, 1)
        asked = len(emulator.requests)
        await run(emulator, manifest)
        assert len(emulator.requests) == asked
        assert [row["fail_code"] for row in results(tmp_path / "p.batch")] == [
            "400",
            "CONTENT_VIOLATION",
            "NEW_CODE",
            "",
        ]
        await run(emulator, manifest, "--retry-failed")
        assert len(emulator.tasks) == 3 + 2


@pytest.mark.parametrize(
    "fault", ["file-cut", "file-cut-no-length", "file-html", "file-no-moov", "file-500", "file-403"]
)
async def test_a_bad_download_never_makes_a_new_task_nor_a_wrong_file(tmp_path: Path, fault: str) -> None:
    async with emulated(faults={fault: 0.3}) as emulator:
        ended = await run(emulator, prompts(tmp_path / "prompts.csv", 8))
        assert ended.summary["archived"] >= 6
        assert len(emulator.tasks) == 8
        assert await wrong_files(emulator, tmp_path / "prompts.batch") == []
        assert not list((tmp_path / "prompts.batch" / "videos").glob(".*"))


# Quick, though a link that is refused is tried for minutes.
SOON = {"batchgen.steps.fetch": "FETCH_TRIES = 3; backoff = lambda tries: 0.05"}


async def test_a_dead_link_is_asked_for_again_then_expired_and_never_made_again_on_its_own(tmp_path: Path) -> None:
    manifest, soon = prompts(tmp_path / "prompts.csv", 3), altered(tmp_path, SOON)
    async with emulated(link_seconds=0.0) as emulator:
        for _ in range(2):
            ended = await run(emulator, manifest, **soon)
            assert (ended.code, ended.summary["expired"], len(emulator.tasks)) == (1, 3, 3)
            assert ended.summary["expired_until"] is not None
        told = await batchgen("verify", "prompts.batch", cwd=tmp_path)
        assert (told.code, told.out) == (1, "0 videos read, 0 damaged; 3 are made and not archived\n")
        assert "batchgen verify prompts.batch --repair" in told.err
        assert results(tmp_path / "prompts.batch")[0]["fail_message"].endswith(" s after it was made")
        assert "link dead" in (tmp_path / "prompts.batch" / "run.log").read_text()
        emulator.link_seconds = 1000.0
        ended = await run(emulator, manifest, **soon)  # within the 15 days a link should live, it is tried again
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 3, 3)


async def test_an_expired_row_is_paid_for_again_when_a_person_says_so(tmp_path: Path) -> None:
    manifest, soon = prompts(tmp_path / "prompts.csv", 1), altered(tmp_path, SOON)
    async with emulated(link_seconds=0.0) as emulator:
        await run(emulator, manifest, **soon)
        arguments = ("run", manifest, "--base-url", emulator.url, "--retry-failed", *QUICK)
        process = await start(*arguments, cwd=tmp_path, **soon)
        await until(lambda: len(emulator.tasks) >= 2, process)
        emulator.link_seconds = 1000.0
        await process.communicate()
        assert (process.returncode, len(emulator.tasks)) == (0, 2)


async def test_a_broken_status_call_is_asked_again(tmp_path: Path) -> None:
    faults = cycle(("status-500", "status-404", "status-html", "status-close", "status-no-result"))
    async with emulated() as emulator:
        emulator.faults.plan = lambda moment: (
            next(faults) if moment.endpoint == "status" and moment.nth % 2 == 0 else None
        )
        ended = await run(emulator, prompts(tmp_path / "prompts.csv", 10))
        assert (ended.code, len(emulator.tasks)) == (0, 10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_the_run_with_results_and_loses_no_task(tmp_path: Path, number: signal.Signals) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 30)
    async with standing_still() as (emulator, clock):
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--json", "--concurrency", "10", *PATIENT), cwd=tmp_path
        )
        await until(lambda: len(emulator.tasks) >= 5, process)
        process.send_signal(number)
        summary = (await finished(process)).summary
        assert process.returncode == summary["exit"] == 128 + number
        assert (summary["in_doubt"], summary["in_flight"]) == (0, len(emulator.tasks))
        assert len(results(tmp_path / "prompts.batch")) == 30
        clock.go()
        ended = await run(emulator, manifest)
        assert (ended.code, len(emulator.tasks)) == (0, 30)


async def test_a_second_signal_ends_at_once_with_a_sentence(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 3)
    async with emulated(faults={"submit-hang": 1.0}) as emulator:
        process = await start("run", manifest, "--base-url", emulator.url, *QUICK, cwd=tmp_path)
        assert process.stderr
        await until(lambda: bool(emulator.tasks), process)
        for number in (signal.SIGINT, signal.SIGTERM):  # at the same moment, as timeout(1) does: it is the same one
            process.send_signal(number)
        told = b"-"
        while told and b": stopping" not in told:
            told = await process.stderr.readline()
        await asyncio.sleep(1)
        assert process.returncode is None
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 130
        assert err.decode().endswith("stopped at once; run the same command again: what is paid for is fetched\n")


async def test_a_second_run_of_a_batch_that_is_held_leaves_at_once(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 5)
    async with standing_still() as (emulator, clock):
        process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=tmp_path)
        await until(lambda: bool(emulator.tasks), process)
        ended = await batchgen("run", manifest, "--base-url", emulator.url, cwd=tmp_path)
        assert ended.code == 75
        assert f"process {process.pid}" in ended.err
        process.kill()
        await process.communicate()
        clock.go()
        assert (await run(emulator, manifest)).summary["pending"] == 0


async def test_resume_remembers_the_manifest_and_the_destination(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 4)
    async with emulated() as emulator:
        await run(emulator, manifest, "--to", tmp_path / "elsewhere", "--name", "{id}-{slug}")
        prompts(manifest, 6)
        ended = await batchgen(*("resume", "prompts.batch", "--base-url", emulator.url, "--json", *QUICK), cwd=tmp_path)
        assert (ended.code, ended.summary["rows"], ended.summary["submitted"]) == (0, 6, 2)
        assert len(list((tmp_path / "elsewhere").iterdir())) == 6
        assert results(tmp_path / "prompts.batch")[5]["video"] == str(tmp_path / "elsewhere" / "r5-prompt-5.mp4")
        for name, is_told in (("{id}-{slug}", False), ("{id}", True), ("{id}", False)):
            ended = await run(emulator, manifest, "--name", name)
            told = f"--name {name} holds for new rows: 6 rows keep the names that their files have\n"
            assert (told in ended.err) is is_told
        manifest.unlink()
        ended = await batchgen(*("resume", "prompts.batch", "--base-url", emulator.url, "--json", *QUICK), cwd=tmp_path)
        assert (ended.code, ended.summary["archived"]) == (0, 6)


async def test_a_column_of_the_sheets_own_names_videos_and_one_that_is_not_there_is_told_before_anything_is_paid(
    tmp_path: Path,
) -> None:
    rows = [{"prompt": "a", "Shot ID": "1/2"}, {"prompt": "b", "Shot ID": "1/2"}, {"prompt": "c", "Shot ID": "3"}]
    manifest = sheet(tmp_path / "p.csv", rows)
    async with emulated() as emulator:
        refused = await run(emulator, manifest, "--name", "{shot}")
        assert (refused.code, len(emulator.tasks)) == (2, 0)
        assert "there is no field {shot}: did you mean {Shot ID}?" in refused.err
        assert (await run(emulator, manifest, "--name", "take-{shot id}")).code == 0
    videos = sorted(path.name for path in (tmp_path / "p.batch" / "videos").iterdir())
    assert [name for name in videos if len(name) < 14] == ["take-1-2.mp4", "take-3.mp4"]
    assert len(videos) == 3  # of two that would be called the same, one is told apart
    assert sorted(Path(row["video"]).name for row in results(tmp_path / "p.batch")) == videos


async def test_a_destination_that_is_given_while_nothing_is_to_be_done_holds_for_the_next_run(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    async with emulated() as emulator:
        resume = ("resume", "p.batch", "--base-url", emulator.url, "--json", *QUICK)
        await run(emulator, manifest)
        assert (await run(emulator, manifest, "--to", "no/where")).code == 2
        moved = await run(emulator, manifest, "--to", "elsewhere")
        assert f"videos of later runs go to {tmp_path / 'elsewhere'}" in moved.err
        assert (moved.code, moved.summary["submitted"]) == (0, 0)
        assert "later runs" not in (await run(emulator, manifest, "--to", "elsewhere")).err
        prompts(manifest, 2)
        assert (await batchgen(*resume, cwd=tmp_path)).code == 0
    assert [row["video"] for row in results(tmp_path / "p.batch")] == [
        "videos/r0.mp4",
        str(tmp_path / "elsewhere/r1.mp4"),
    ]


@pytest.mark.parametrize("is_moved", [False, True])
async def test_a_run_whose_folder_was_moved_or_taken_away_pays_for_nothing_more(tmp_path: Path, is_moved: bool) -> None:
    manifest, batch = prompts(tmp_path / "p.csv", 40), tmp_path / "p.batch"
    async with emulated(speed=20.0) as emulator:
        arguments = ("run", manifest, "--base-url", emulator.url, "--to", tmp_path / "videos", "--concurrency", "2")
        process = await start(*arguments, *QUICK, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) >= 3, process)
        batch.rename(tmp_path / "moved") if is_moved else shutil.rmtree(batch)
        out, err = await process.communicate()
        assert process.returncode == 1
        assert b"the batch's folder was moved or removed; bring it back, and run again" in out
        assert b"Traceback" not in err
        assert len(emulator.tasks) < 20
        if is_moved:
            (tmp_path / "moved").rename(batch)
            assert (await run(emulator, manifest)).summary["archived"] == len(emulator.tasks) == 40


async def test_a_run_whose_folder_was_moved_writes_nothing_into_the_one_that_is_there_now(tmp_path: Path) -> None:
    manifest, batch = prompts(tmp_path / "p.csv", 40), tmp_path / "p.batch"
    async with emulated(speed=20.0) as emulator:
        arguments = ("run", manifest, "--base-url", emulator.url, "--to", tmp_path / "videos", "--concurrency", "2")
        process = await start(*arguments, *QUICK, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) >= 3, process)
        batch.rename(tmp_path / "moved")
        batch.mkdir()
        (batch / "results.csv").write_text("another batch's")
        out, _ = await process.communicate()
        assert process.returncode == 1
        assert b"bring it back, and run again; its results are not written" in out
        assert [file.name for file in batch.iterdir()] == ["results.csv"]
        assert (batch / "results.csv").read_text() == "another batch's"


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
async def test_a_run_whose_ledger_was_taken_away_pays_for_nothing_more_and_puts_it_back(
    tmp_path: Path, how: str
) -> None:
    manifest, ledger = prompts(tmp_path / "p.csv", 40), tmp_path / "p.batch" / LEDGER
    async with emulated(speed=20.0) as emulator:
        arguments = ("run", manifest, "--base-url", emulator.url, "--concurrency", "2")
        process = await start(*arguments, *QUICK, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) >= 3, process)
        if how == "removed":
            for file in ledger.parent.glob(f"{LEDGER}*"):
                file.unlink()
        else:
            ledger.rename(tmp_path / "moved")
        if how == "replaced":
            shutil.copy(tmp_path / "moved", ledger)
        out, err = await process.communicate()
        assert process.returncode == 1
        assert b"the batch's ledger.sqlite was moved, removed or replaced; as it was it is put back: run again" in out
        assert b"Traceback" not in err
        assert len(emulator.tasks) < 20
        again = await run(emulator, manifest)
        assert (again.code, again.summary["archived"], len(emulator.tasks)) == (0, 40, 40)
        assert (ledger.parent / "ledger.replaced.sqlite").is_file() == (how == "replaced")
        assert not list(ledger.parent.glob("*.part*"))
        assert not await wrong_files(emulator, ledger.parent)


async def test_a_ledger_refuses_another_service(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 1)
    async with emulated() as emulator, emulated() as other:
        await run(emulator, manifest)
        ended = await run(other, manifest)
        assert (ended.code, len(other.requests)) == (2, 0)
        assert f"continue it with --base-url {emulator.url}, or name another folder with --batch" in ended.err


async def test_an_address_from_which_nothing_was_asked_for_does_not_hold_the_batch(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 2)
    async with emulated() as emulator, emulated() as other:
        assert (await run(other, manifest, "--max-tasks", "0")).code == 4
        plan = await batchgen("plan", manifest, cwd=tmp_path, APIXO_BASE_URL=emulator.url)
        assert "is refused" not in plan.err
        schedule = ("schedule", manifest, "--at", "02:00", "--", "--base-url", emulator.url)
        assert (await batchgen(*schedule, cwd=tmp_path)).code == 0
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], len(other.tasks)) == (0, 2, 0), ended.err
        assert (await run(other, manifest)).code == 2
        plan = await batchgen("plan", manifest, cwd=tmp_path, APIXO_BASE_URL=other.url)
        assert "is refused" in plan.err


async def test_a_batch_of_the_emulator_stays_one_though_nothing_was_asked_for(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 1)
    async with emulated() as emulator:
        await batchgen("run", manifest, "--emulator", "--max-tasks", "0", cwd=tmp_path)
        assert "was made with the emulator" in (await run(emulator, manifest)).err
        await run(emulator, manifest, "--batch", "real.batch", "--max-tasks", "0")
        tried = await batchgen("run", manifest, "--emulator", "--batch", "real.batch", cwd=tmp_path)
        assert (tried.code, emulator.tasks) == (2, [])


async def test_results_without_their_ledger_are_refused(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 1)
    async with emulated() as emulator:
        await run(emulator, manifest)
        for file in (tmp_path / "prompts.batch").glob("ledger.sqlite*"):
            file.unlink()
        ended = await run(emulator, manifest)
        assert (ended.code, len(emulator.tasks)) == (2, 1)
        assert "--batch" in ended.err
        for command in ("status", "resume", "verify"):
            ended = await batchgen(command, "prompts.batch", cwd=tmp_path)
            assert (ended.code, "holds results but no ledger.sqlite: put the ledger back" in ended.err) == (2, True)


async def test_a_bad_manifest_is_told_whole_and_nothing_is_sent_or_made(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "prompt": "x", "resolution": "4k", "seed": "1.5"},
        {"id": "a", "prompt": "", "resolution": "", "seed": ""},
    ]
    async with emulated() as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", rows))
        assert (ended.code, len(emulator.requests)) == (2, 0)
    for words in ("line 2, column resolution", "line 2, column seed", "line 3, column prompt"):
        assert words in ended.err, ended.err
    assert not (tmp_path / "p.batch").exists()


async def test_a_destination_that_cannot_be_written_is_found_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "prompts.csv", 2), "--to", tmp_path / "file")
        assert (ended.code, len(emulator.requests)) == (2, 0)
        assert "file" in ended.err


async def test_the_key_goes_to_the_api_alone_and_into_no_file(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 3), "--verbose")
        assert all(KEY not in str(record) for record in emulator.files)
        assert all(task.authorization == f"Bearer {KEY}" for task in emulator.tasks)
    for path in (tmp_path / "prompts.batch").rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0


async def test_a_run_without_a_key_says_how_to_give_one(tmp_path: Path) -> None:
    ended = await batchgen("run", prompts(tmp_path / "p.csv", 1), cwd=tmp_path, APIXO_API_KEY="")
    assert ended.code == 3
    assert "APIXO_API_KEY" in ended.err


async def test_plain_http_to_another_machine_is_refused(tmp_path: Path) -> None:
    ended = await batchgen(*("run", prompts(tmp_path / "p.csv", 1), "--base-url", "http://api.example"), cwd=tmp_path)
    assert ended.code == 2
    assert "https" in ended.err


async def test_plan_sends_nothing_and_says_what_run_then_does(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 3)
    async with emulated() as emulator:
        ended = await batchgen("plan", manifest, "--json", cwd=tmp_path)
        assert (ended.code, ended.summary["to_submit"]) == (0, 3)
        assert not (tmp_path / "prompts.batch").exists()
        await run(emulator, manifest)
        prompts(manifest, 5)
        ended = await batchgen("plan", manifest, "--json", cwd=tmp_path)
        assert (ended.summary["to_submit"], ended.summary["archived"], ended.summary["new"]) == (2, 3, 2)
        assert (await run(emulator, manifest)).summary["submitted"] == 2


async def test_status_tells_where_a_batch_stands(tmp_path: Path) -> None:
    rows = [{"prompt": "good"}, {"prompt": "[violation] bad"}]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "p.csv", rows))
    ended = await batchgen("status", "p.batch", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["archived"], ended.summary["failures"]) == (0, 1, {"CONTENT_VIOLATION": 1})
    ended = await batchgen("status", tmp_path, cwd=tmp_path)
    assert ended.code == 2


async def test_the_embedded_emulator_finishes_a_batch_that_was_killed(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 3, resolution="720p")
    process = await start("run", manifest, "--emulator", cwd=tmp_path)
    accepted = tmp_path / "prompts.batch" / ".emulator"
    await until(lambda: accepted.exists() and accepted.stat().st_size > 0, process)
    process.kill()
    await process.communicate()
    ended = await batchgen("run", manifest, "--emulator", "--json", "--in-doubt", "resubmit", cwd=tmp_path)
    assert (ended.code, ended.summary["archived"]) == (0, 3)
    assert (await batchgen("run", manifest, cwd=tmp_path)).code == 2


async def test_a_run_ends_though_more_videos_cannot_be_fetched_than_links_are_remembered(tmp_path: Path) -> None:
    few = {
        "batchgen.dispatch.fetcher": "FRESH_LINKS = 2",
        "batchgen.steps.fetch": "FETCH_TRIES = 3; backoff = lambda tries: 0.05",
    }
    async with emulated(faults={"file-500": 1.0}) as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 5), **altered(tmp_path, few))
        assert (ended.code, ended.summary["rendered"]) == (1, 5)
        assert len(emulator.files) == 5 * 3
