"""What a person says of a sheet: which rows, with which values, from where; and what comes of its failures."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unicodedata import normalize
from zipfile import ZipFile

import openpyxl
import pytest

from batchgen.emulator.server import Emulator
from batchgen.planning.estimate import Estimate, lack_of_room
from batchgen.settings import Settings
from tests.e2e.program import QUICK, Ended, altered, batchgen, emulated, paid, pipe, prompts, results, run, sheet
from tests.ledger.older import as_it_was, as_of_schema_3, as_of_schema_4, with_crlf


async def resume(emulator: Emulator, batch: Path, *arguments: str | Path) -> Ended:
    return await batchgen(
        *("resume", batch, "--base-url", emulator.url, "--json", *QUICK, *arguments), cwd=batch.parent
    )


def states(batch: Path) -> dict[str, str]:
    return {row["id"]: row["status"] for row in results(batch)}


async def test_a_few_rows_are_tried_first_and_then_the_rest_is_made(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 6)
    async with emulated() as emulator:
        tried = await run(emulator, manifest, "--limit", "2")
        assert (tried.code, tried.summary["archived"], tried.summary["selected"]) == (0, 2, 2)
        assert (tried.summary["rows"], tried.summary["pending"]) == (6, 4)
        chosen = await run(emulator, manifest, "--only", "row:1,r4,zebra*")
        assert (chosen.code, chosen.summary["submitted"]) == (0, 1)
        assert '--only "zebra*" is not any row\'s' in chosen.err
        assert [id for id, state in states(tmp_path / "p.batch").items() if state == "archived"] == ["r0", "r1", "r4"]
        parts = [await run(emulator, manifest, "--shard", f"{n}/2") for n in (1, 2)]
        assert parts[1].summary["archived"] == 6
        assert max(map(len, paid(emulator).values())) == 1


async def test_only_chosen_failures_are_tried_again_and_the_exit_code_is_about_them(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "[violation] a"}, {"id": "b", "prompt": "[violation] b"}, {"id": "c", "prompt": "c"}]
    manifest = sheet(tmp_path / "p.csv", rows)
    async with emulated() as emulator:
        await run(emulator, manifest)
        again = await run(emulator, manifest, "--only", "b", "--retry-failed")
        assert {prompt: len(tasks) for prompt, tasks in paid(emulator).items()} == {
            "[violation] a": 1, "[violation] b": 2, "c": 1
        }  # fmt: skip
        assert again.code == 1
        assert (await run(emulator, manifest, "--only", "c", "--retry-failed")).code == 0


async def test_what_was_set_is_remembered_said_and_ended(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2, resolution="1080p")
    async with emulated() as emulator:
        await run(emulator, manifest, "--set", "resolution=720p", "--limit", "1")
        again = await run(emulator, manifest)
        assert "--set resolution=720p" in again.err
        quiet = await resume(emulator, tmp_path / "p.batch", "--quiet")
        assert (quiet.code, quiet.err, quiet.summary["submitted"]) == (0, "", 0)
        assert [task.input["resolution"] for task in emulator.tasks] == ["720p"] * 2
        plan = await batchgen("plan", manifest, "--set", "", cwd=tmp_path)
        assert "2 rows were edited: they are new jobs" in plan.err
        ended = await run(emulator, manifest, "--set", "")
        assert (ended.code, ended.summary["submitted"]) == (0, 2)
        assert (await run(emulator, manifest)).summary["submitted"] == 0
        assert [task.input["resolution"] for task in emulator.tasks][2:] == ["1080p"] * 2


async def test_what_is_set_of_a_manifest_that_is_gone_is_refused(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest, "--limit", "1")
        manifest.unlink()
        refused = await resume(emulator, tmp_path / "p.batch", "--set", "resolution=720p")
        assert (refused.code, "--set" in refused.err, len(emulator.tasks)) == (2, True, 1)
        assert (await resume(emulator, tmp_path / "p.batch")).summary["archived"] == 2


async def test_a_manifest_is_the_same_however_its_path_is_written_and_also_when_it_is_gone(tmp_path: Path) -> None:
    manifest, folder = prompts(tmp_path / "p.csv", 3), tmp_path / "film"
    folder.mkdir()

    async def beside(emulator: Emulator) -> Ended:
        where = ("--batch", "../p.batch", "--base-url", emulator.url, "--json", *QUICK)
        return await batchgen("run", "../p.csv", *where, cwd=folder)

    async with emulated() as emulator:
        await run(emulator, manifest, "--set", "resolution=1080p", "--max-tasks", "1")
        assert (await beside(emulator)).summary["archived"] == 3
        assert [task.input["resolution"] for task in emulator.tasks] == ["1080p"] * 3
        manifest.unlink()
        for ended in (await beside(emulator), await run(emulator, manifest)):
            assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 3, 3)
            assert "is gone; its rows are continued as they were" in ended.err


async def test_a_sheet_that_was_moved_with_its_batch_is_read_where_it_is_now(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    (before / "notes").mkdir(parents=True)
    prompts(before / "p.csv", 1)
    async with emulated() as emulator:
        await run(emulator, before / "p.csv", "--batch", "film")
        await batchgen("resume", "../film", "--base-url", emulator.url, cwd=before / "notes")
        before.rename(now)
        prompts(now / "p.csv", 3)
        ended = await resume(emulator, now / "film")
        assert (ended.summary["archived"], len(emulator.tasks), "is gone" in ended.err) == (3, 3, False)


async def test_a_sheet_through_a_pipe_is_kept_for_later_runs(tmp_path: Path) -> None:
    batch, lines = tmp_path / "night", b'{"id": "a", "prompt": "a"}\n{"id": "b", "prompt": "b"}\n'
    async with emulated() as emulator:
        flags = ("--base-url", emulator.url, "--json", *QUICK)
        piped = ("run", "-", "--format", "jsonl", "--batch", batch, *flags)
        plan = await pipe(lines, "plan", "-", "--format", "jsonl", "--batch", batch, cwd=tmp_path)
        assert "standard input: 2 rows, 2 of them new" in plan.out
        refused = await pipe(lines + b'{"id": "c"}\n', *piped, cwd=tmp_path)
        assert refused.code == 2
        assert "standard input: line 3" in refused.err
        assert not batch.exists()
        ended = await pipe(lines, *piped, "--limit", "1", cwd=tmp_path)
        assert (ended.code, ended.summary["archived"]) == (0, 1)
        assert (await pipe(b"x", *piped, cwd=tmp_path)).code == 2
        resumed = await resume(emulator, batch)
        assert (resumed.code, resumed.summary["archived"], len(emulator.tasks)) == (0, 2, 2)
        nameless = await pipe(lines, "run", "-", *flags, cwd=tmp_path)
        assert (nameless.code, "--batch" in nameless.err) == (2, True)


async def test_mended_failures_go_on_with_their_batch(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "a", "scene": "1"}, {"id": "bad", "prompt": "[violation]", "scene": "2"},
            {"id": "z", "prompt": "z", "scene": "3"}]  # fmt: skip
    manifest, batch = sheet(tmp_path / "p.csv", rows), tmp_path / "p.batch"
    async with emulated() as emulator:
        assert (await run(emulator, manifest)).code == 1
        failures = batch / "failures.csv"
        failures.write_text(failures.read_text().replace("[violation]", "mended"))
        ended = await run(emulator, failures)
        assert (ended.code, ended.summary["batch"], ended.summary["submitted"]) == (0, str(batch), 1)
        assert [(row["id"], row["prompt"], row["status"], row["scene"]) for row in results(batch)] == [
            ("a", "a", "archived", "1"), ("bad", "mended", "archived", "2"), ("z", "z", "archived", "3")
        ]  # fmt: skip
        assert not failures.exists()
        resumed = await resume(emulator, batch)
        assert (resumed.code, resumed.summary["submitted"]) == (0, 0)
        assert "continued as failures.csv has them" in resumed.err
        rows[1]["prompt"] = "mended"
        ended = await run(emulator, sheet(manifest, rows))
        assert (ended.code, ended.summary["submitted"], len(emulator.tasks)) == (0, 0, 4)


async def test_failures_are_fed_back_as_they_were_asked_for_whatever_was_said_of_the_sheet(tmp_path: Path) -> None:
    manifest = tmp_path / "p.csv"
    with manifest.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file).writerows([["id", "prompt"], ["é", "[violation] é"]])
    async with emulated() as emulator:
        await run(emulator, manifest, "--encoding", "cp1252", "--set", "seeds=1-2")
        ended = await run(emulator, tmp_path / "p.batch" / "failures.csv")
        assert (ended.summary["rows"], ended.summary["submitted"], len(emulator.tasks)) == (2, 0, 2)
        resumed = await resume(emulator, tmp_path / "p.batch", "--retry-failed")
        assert (resumed.summary["rows"], resumed.summary["submitted"]) == (2, 2)


async def test_a_workbook_of_the_results_has_links_and_posters_and_is_a_manifest(tmp_path: Path) -> None:
    manifest, book = prompts(tmp_path / "p.csv", 2), tmp_path / "p.batch" / "results.xlsx"
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--xlsx")
        assert ended.code == 0, ended.err
        (results_sheet,) = openpyxl.load_workbook(book).worksheets
        assert results_sheet["D2"].hyperlink.target.replace("\\", "/") == "videos/r0.mp4"
        with ZipFile(book) as archive:
            assert archive.read("xl/drawings/drawing1.xml").count(b"<xdr:pic>") == 2
        told = [(await batchgen("run", manifest, "--base-url", emulator.url, *asked, cwd=tmp_path)).out
                for asked in (["--xlsx"], [])]  # fmt: skip
        assert [f"\nwith posters: {book}\n" in out for out in told] == [True, False]
        assert not any("earlier" in out for out in told)
        more = ("run", prompts(manifest, 3), "--base-url", emulator.url, *QUICK)
        stale = "results.xlsx is of an earlier run; to write it anew:\n    batchgen report"
        assert [stale in (await batchgen(*more, *asked, cwd=tmp_path)).out for asked in ([], ["--xlsx"])] == [
            True,
            False,
        ]
        book.unlink()
        written = await batchgen("report", tmp_path / "p.batch", "--xlsx", cwd=tmp_path)
        assert written.out.splitlines()[-1] == str(book)
        again = await run(emulator, book)
        assert (again.code, again.summary["submitted"], again.summary["rows"]) == (0, 0, 3)


# -- the page before the money


async def plan(manifest: Path, *arguments: str) -> dict[str, Any]:
    ended = await batchgen("plan", manifest, "--json", *arguments, cwd=manifest.parent)
    assert ended.code == 0, ended.err
    return ended.summary


async def test_a_plan_of_a_new_sheet_goes_by_what_other_batches_of_the_service_have_learned(tmp_path: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "a.csv", 4), **home)
        manifest = prompts(tmp_path / "b.csv", 4, seed="1")
        here = {**home, "APIXO_BASE_URL": emulator.url}
        told = (await batchgen("plan", manifest, "--json", cwd=tmp_path, **here)).summary
        assert (told["minutes_from"], told["minutes"] < 1) == ("recalled", True)
        plain = (await batchgen("plan", manifest, cwd=tmp_path, **here)).out
        assert ", as tasks of other batches of yours took\n" in plain
        assert (await plan(manifest))["minutes_from"] == "document"
        rehearsed = (await batchgen("rehearse", manifest, cwd=tmp_path, **here)).out
        assert "(calculated, as tasks of other batches of yours took)" in rehearsed


SMALL = """
plain = disk_usage

def disk_usage(place):
    usage = plain(place)
    return usage if "batchgen-" in str(place) else usage._replace(free=5_500_000)
"""


async def test_videos_that_would_not_fit_on_the_disk_are_told_beforehand_with_both_figures(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3, resolution="720p", duration="5")
    small = altered(tmp_path, {"batchgen.spending.disk_space": SMALL})
    for command in ("plan", "rehearse"):
        told = await batchgen(command, "p.csv", cwd=tmp_path, **small)
        assert (
            "the videos would weigh about 12.0 MB, as is guessed, and the disk of p.batch/videos has 5.5 MB free"
            in told.err
        )
    assert "free:" not in (await batchgen("plan", manifest, "--limit", "1", cwd=tmp_path, **small)).err
    assert "free:" not in (await batchgen("plan", manifest, cwd=tmp_path)).err
    estimated = Estimate(0, 1.0, "document", 1e9, "guess")
    assert not list(lack_of_room(Settings(tmp_path, destination="s3://bucket/night"), estimated))
    assert list(lack_of_room(Settings(tmp_path, destination="elsewhere"), estimated))


async def test_a_plan_says_what_a_run_takes_by_the_document_and_then_by_what_the_batch_knows(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": "same" if n < 4 else f"p{n}", "seed": "7" if n < 2 else "",
             "resolution": "720p", "duration": "5"} for n in range(8)]  # fmt: skip
    manifest = sheet(tmp_path / "p.csv", rows)
    before = await plan(manifest)
    assert (before["rows"], before["tasks"], before["duplicates"], before["repeats"]) == (8, 7, 1, 1)
    assert (before["to_submit"], before["estimate_usd"], before["paid_usd"]) == (7, 2.8, 0)
    assert (before["minutes"], before["minutes_from"]) == (pytest.approx(1.17), "document")
    assert (before["gigabytes"], before["gigabytes_from"]) == (0.032, "guess")
    assert before["first_files"] == ["r0.mp4", "r1.mp4", "r2.mp4", "r3.mp4", "r4.mp4"]
    assert (await plan(manifest, "--concurrency", "1"))["minutes"] == pytest.approx(7, abs=0.3)
    async with emulated() as emulator:
        await run(emulator, manifest, "--limit", "4")
    after = await plan(manifest, "--only", "r6")
    assert (after["selected"], after["to_submit"], after["archived"], after["first_files"]) == (1, 1, 4, ["r6.mp4"])
    assert (after["minutes_from"], after["gigabytes_from"]) == ("learned", "archived")
    assert 0 < after["minutes"] < before["minutes"]
    assert 0 < after["gigabytes"] < before["gigabytes"]
    told = await batchgen("plan", manifest, cwd=tmp_path)
    for words in (
        "8 rows, 0 of them new",
        "4 archived already",
        "1 with another row's request and seed: paid for once",
        "$1.20 paid already",
        "as this batch",
    ):
        assert words in told.out, told.out


async def test_a_task_that_should_have_ended_long_ago_is_told_apart_from_the_time_that_new_rows_take(
    tmp_path: Path,
) -> None:
    rows = [{"id": f"r{n}", "prompt": f"{'[slow:99999] ' * (n == 0)}p{n}", "resolution": "720p"} for n in range(4)]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "p.csv", rows[:2]), "--deadline", "4s")
        new = (await plan(sheet(tmp_path / "p.csv", rows[1:])))["minutes"]
        manifest = sheet(tmp_path / "p.csv", rows)
        with closing(sqlite3.connect(tmp_path / "p.batch" / "ledger.sqlite")) as ledger, ledger:
            ledger.execute("UPDATE job SET submitted_at = submitted_at - 72000")
        told = await plan(manifest)
        assert (told["in_flight"], told["overdue"], told["to_submit"], told["minutes"]) == (1, 1, 2, new)
        assert "1 task is in flight for longer than tasks take" in told["remarks"][-1]
        assert "it would take" not in (await batchgen("plan", manifest, "--only", "r1", cwd=tmp_path)).out


# -- line ends and signatures are no edits


ROWS = (
    'id,prompt,seed,image_urls\nfox,"a fox\nat dusk",1,\n,"a lake\nin rain",,\n'
    "turn,it turns,2,https://b.oss-cn-hangzhou.aliyuncs.com/a.jpg?x-oss-date={0}&x-oss-signature=SIGSENTINEL{0}\n"
)


async def test_a_sheet_that_was_saved_by_another_editor_and_signed_anew_buys_nothing_again(tmp_path: Path) -> None:
    manifest = tmp_path / "p.csv"
    async with emulated() as emulator:
        for number, end in enumerate(("\n", "\r\n", "\r", "\n")):
            manifest.write_text(ROWS.format(number).replace("\n", end), encoding="utf-8", newline="")
            ended = await run(emulator, manifest)
            assert (ended.code, len(emulator.tasks), "edited" in ended.err) == (0, 3, False)
        assert {task.input["prompt"] for task in emulator.tasks} == {"a fox\nat dusk", "a lake\nin rain", "it turns"}
    for name in ("results.csv", "ledger.sqlite", "run.log", "report.html"):
        assert b"SIGSENTINEL" not in (tmp_path / "p.batch" / name).read_bytes()


LOOSE = 'id,prompt,negative_prompt\nfox,a fox at dusk  ,\nlake," a café by a lake\n",blurry \n,  two  blanks ,\n'
TRIMMED = "id,prompt,negative_prompt\nfox,a fox at dusk,\nlake,a café by a lake,blurry\n,two  blanks,\n"


@pytest.mark.parametrize(("before", "after"), [(LOOSE, TRIMMED), (TRIMMED, LOOSE)], ids=["trimmed", "grown"])
@pytest.mark.parametrize("is_older", [False, True])
async def test_blanks_that_an_editor_trimmed_and_another_normal_form_buy_nothing_again_and_are_sent_as_they_are(
    tmp_path: Path, before: str, after: str, is_older: bool
) -> None:
    manifest = tmp_path / "p.csv"
    async with emulated() as emulator:
        manifest.write_text(before, encoding="utf-8", newline="")
        await run(emulator, manifest)
        sent = {task.input["prompt"] for task in emulator.tasks}
        assert ("a fox at dusk  " in sent) == (before is LOOSE)
        if is_older:
            as_of_schema_4(tmp_path / "p.batch" / "ledger.sqlite")
        manifest.write_text(normalize("NFD", after), encoding="utf-8", newline="")
        ended = await run(emulator, manifest)
        assert (ended.code, len(emulator.tasks), "edited" in ended.err) == (0, 3, False), ended.err
        manifest.write_text(after.replace("two  blanks", "two blanks"), encoding="utf-8", newline="")
        await run(emulator, manifest)
        assert len(emulator.tasks) == 4


async def test_what_the_version_before_paid_for_is_not_paid_for_again(tmp_path: Path) -> None:
    manifest, ledger = tmp_path / "p.csv", tmp_path / "p.batch" / "ledger.sqlite"
    manifest.write_text(ROWS.format(0), encoding="utf-8", newline="")
    async with emulated() as emulator:
        assert (await run(emulator, manifest, "--only", "fox,turn")).summary["archived"] == 2
        files = sorted((tmp_path / "p.batch" / "videos").iterdir())
        as_of_schema_3(ledger, as_it_was)
        looked = await batchgen("status", "p.batch", "--json", cwd=tmp_path)
        assert looked.summary["archived"] == 2
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["submitted"], len(emulator.tasks)) == (0, 1, 3)
        assert "edited" not in ended.err
        assert set(files) < set((tmp_path / "p.batch" / "videos").iterdir())


async def test_what_another_batch_of_the_version_before_paid_for_is_offered(tmp_path: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    index = tmp_path / "home" / "batchgen" / "paid.sqlite"
    rows = 'prompt,seed\n"a fox\nat dusk",1\nanother,2\n'
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(rows, encoding="utf-8")
    async with emulated() as emulator:
        await run(emulator, tmp_path / "a.csv", **home)
        as_of_schema_3(tmp_path / "a.batch" / "ledger.sqlite", with_crlf)
        with closing(sqlite3.connect(index)) as known, known:
            known.execute("ATTACH ? AS a", (str(tmp_path / "a.batch" / "ledger.sqlite"),))
            known.execute("UPDATE paid SET digest = (SELECT digest FROM a.job WHERE a.job.task_id = paid.task_id)")
            known.execute("PRAGMA user_version = 0")
        ended = await run(emulator, tmp_path / "b.csv", "--reuse", **home)
        assert (ended.code, ended.summary["archived"], ended.summary["submitted"]) == (0, 2, 0)


async def test_a_sheet_under_another_spelling_of_its_folder_is_the_same_with_what_was_set_for_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    prompts(tmp_path / "real" / "p.csv", 3)
    async with emulated() as emulator:
        await run(emulator, tmp_path / "link" / "p.csv", "--set", "resolution=720p")
        again = await run(emulator, tmp_path / "real" / "p.csv")
        assert (again.code, again.summary["submitted"], len(emulator.tasks)) == (0, 0, 3), again.err


@pytest.mark.parametrize("named", [(), ("--batch", "p.batch")])
async def test_a_sheet_that_was_moved_with_its_batch_is_the_same_with_what_was_set_for_it(
    tmp_path: Path, named: tuple[str, ...]
) -> None:
    (tmp_path / "before").mkdir()
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "before" / "p.csv", 3), *named, "--set", "resolution=720p")
        (tmp_path / "before").rename(tmp_path / "after")
        again = await run(emulator, tmp_path / "after" / "p.csv", *named)
        assert (again.code, again.summary["submitted"], len(emulator.tasks)) == (0, 0, 3), again.err


async def test_only_the_rows_with_a_value_in_a_column_of_the_sheet_or_a_parameter_are_made(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"r{n}",
            "prompt": f"prompt {n}",
            "Aspect Ratio": ("9:16", "16:9")[n % 2],
            "Client": ("Nord", "Süd")[n // 2],
        }
        for n in range(4)
    ]
    manifest = sheet(tmp_path / "prompts.csv", rows)
    async with emulated() as emulator:
        assert (await run(emulator, manifest, "--only", "client:süd,aspect_ratio:9:16")).summary["selected"] == 3
        assert sorted(paid(emulator)) == ["prompt 0", "prompt 2", "prompt 3"]
        refused = await run(emulator, manifest, "--only", "Clinet:Nord")
        assert (refused.code, "no value of a column that is called so" in refused.err) == (2, True)


async def test_a_column_that_was_renamed_buys_nothing_again_until_a_person_says_that_it_is_to_go(
    tmp_path: Path,
) -> None:
    manifest = prompts(tmp_path / "p.csv", 2, seed="7", note="x")
    bought = manifest.read_text("utf-8")
    async with emulated() as emulator:
        await run(emulator, manifest)
        for name in ("note", "id"):
            manifest.write_text(bought.replace(name, "Zeug", 1), "utf-8")
            assert (await run(emulator, manifest)).code == 0
        manifest.write_text(bought.replace("seed", "Zeug", 1), "utf-8")
        for refused in (await run(emulator, manifest), await batchgen("plan", manifest, cwd=tmp_path)):
            assert (refused.code, "no column is called seed any more" in refused.err) == (2, True)
            assert "say --set seed=" in refused.err
        assert len(emulator.tasks) == 2
        manifest.write_text(bought.replace("seed", "seeds", 1), "utf-8")
        assert ((await run(emulator, manifest)).code, len(emulator.tasks)) == (0, 2)
        manifest.write_text(bought.replace("seed", "Zeug", 1), "utf-8")
        assert ((await run(emulator, manifest, "--set", "seed=")).code, len(emulator.tasks)) == (0, 4)
