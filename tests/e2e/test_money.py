"""What a run may spend, what was paid already, and what a person settles."""

import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

from batchgen import Batch
from batchgen.cli import group
from tests.e2e.program import (
    KEY,
    QUICK,
    altered,
    batchgen,
    emulated,
    finished,
    kill_at,
    prompts,
    results,
    run,
    sheet,
    start,
    wrong_files,
)
from tests.waiting import until


async def test_a_run_stops_at_its_limit_of_tasks_and_the_next_goes_on(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 7)
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--max-tasks", "3")
        assert (ended.code, ended.summary["archived"], ended.summary["pending"]) == (4, 3, 4)
        assert "--max-tasks 3" in ended.summary["stopped"]
        ended = await run(emulator, manifest, "--max-tasks", "4")
        assert (ended.code, len(emulator.tasks)) == (0, 7)


async def test_a_limit_of_tasks_holds_over_crashes(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 30)
    async with emulated(speed=10.0) as emulator:
        arguments = ("run", manifest, "--base-url", emulator.url, "--max-tasks", "10", *QUICK)
        for wanted in (3, 6, 9, 1000):
            process = await start(*arguments, "--concurrency", str(wanted), cwd=tmp_path)
            await kill_at(process, emulator.tasks, wanted)
            if process.returncode != -signal.SIGKILL:  # an intent that a kill caught before its POST counts as well
                break
        assert process.returncode == 4
        assert len(emulator.tasks) <= 10


async def test_a_budget_is_never_passed(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 8, resolution="720p", duration="5")
    noon = {"TZ": f"NOON{time.gmtime().tm_hour - 12:+d}"}  # where it is: no day ends meanwhile
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--budget", "1.25", **noon)
        assert (ended.code, len(emulator.tasks)) == (4, 3)
        ended = await run(emulator, manifest, "--budget-per-day", "2", **noon)
        assert (ended.code, len(emulator.tasks)) == (4, 5)
        ended = await run(emulator, manifest, "--budget", "1", "--price", "720p=0.2")
        assert (ended.code, len(emulator.tasks)) == (4, 6)


async def test_plan_tells_the_price_of_what_is_pending_and_of_what_is_paid(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 4, resolution="720p", duration="5")
    async with emulated() as emulator:
        await run(emulator, manifest, "--max-tasks", "1")
        ended = await batchgen("plan", manifest, "--json", cwd=tmp_path)
        assert (ended.summary["estimate_usd"], ended.summary["paid_usd"]) == (pytest.approx(1.2), pytest.approx(0.4))
        prompts(manifest, 4, resolution="1080p", duration="5")
        told = (await batchgen("plan", manifest, cwd=tmp_path)).out
        assert "  $0.40 paid already, for the tasks of this batch so far\n" in told  # as the page counts it
        assert "up to $2.60 (up to $0.65 a task; prices of " in told


@pytest.mark.parametrize(
    "limits", [("--max-tasks", "3"), ("--budget", "1.25"), ("--budget-per-day", "0.8"), ("--budget", "0.1"), ()]
)
async def test_plan_tells_where_the_limits_of_the_same_run_would_stop_it(
    tmp_path: Path, limits: tuple[str, ...]
) -> None:
    manifest = prompts(tmp_path / "p.csv", 5, resolution="720p", duration="5")
    async with emulated() as emulator:
        words: tuple[str | Path, ...] = (
            manifest,
            "--base-url",
            emulator.url,
            "--to",
            str(tmp_path / "films"),
            *QUICK,
            *limits,
        )
        plan = (await batchgen("plan", *words, "--json", cwd=tmp_path)).summary
        told = (await batchgen("plan", *words, cwd=tmp_path)).out
        assert ("  and would stop after" in told) == bool(limits)
        assert not emulator.requests
        ended = await batchgen("run", *words, "--json", cwd=tmp_path)
        assert (plan["affordable"], plan["limit"]) == (len(emulator.tasks), ended.summary["stopped"] or None)


async def test_plan_foretells_the_time_and_the_room_of_what_the_limits_allow(tmp_path: Path) -> None:
    few = prompts(tmp_path / "few.csv", 3, resolution="720p")
    many = prompts(tmp_path / "many.csv", 100_000, resolution="720p")
    slowly = ("--concurrency", "10", "--deadline", "9h", "--json")
    whole = (await batchgen("plan", few, *slowly, cwd=tmp_path)).summary
    limited = await batchgen("plan", many, *slowly, "--max-tasks", "3", cwd=tmp_path)
    assert (limited.summary["to_submit"], limited.err) == (100_000, "")
    assert [limited.summary[name] for name in ("minutes", "gigabytes")] == [whole["minutes"], whole["gigabytes"]]


async def test_plan_tells_that_a_run_would_not_be_done_by_its_deadline(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 5)
    assert "--deadline 9s is 9 seconds away" in (await batchgen("plan", manifest, "--deadline", "9s", cwd=tmp_path)).err
    assert not (await batchgen("plan", manifest, "--deadline", "9h", cwd=tmp_path)).err
    assert not (
        await batchgen("plan", manifest, "--deadline", "20s", "--emulator", cwd=tmp_path)
    ).err  # ten times as fast


async def test_plan_says_no_more_than_what_is_wrong_if_it_is_to_be_quiet(tmp_path: Path) -> None:
    fine = await batchgen("plan", prompts(tmp_path / "p.csv", 5), "--quiet", cwd=tmp_path)
    assert (fine.code, fine.out, fine.err) == (0, "", "")
    wrong = await batchgen("plan", prompts(tmp_path / "q.csv", 5, resolution="8k"), "--quiet", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "8k" in wrong.err


async def test_large_sums_are_told_with_their_thousands_set_apart_and_a_budget_as_it_was_given(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 4, resolution="720p", duration="5")
    priced = ("--price", "720p=400000")
    told = (await batchgen("plan", manifest, *priced, cwd=tmp_path)).out
    assert "up to $8,000,000.00 (up to $2,000,000.00 a task; " in told
    async with emulated() as emulator:
        ended = await run(emulator, manifest, *priced, "--budget", "3000000")
    assert "--budget 3000000 is reached: $2,000,000.00 is spent or reserved" in ended.err


async def test_results_tell_what_each_row_cost_and_a_task_that_rows_share_once(tmp_path: Path) -> None:
    priced = {"resolution": "720p", "duration": "5"}
    manifest = sheet(
        tmp_path / "p.csv",
        [
            {"id": "a", "prompt": "one", "seed": "7", "client": "Nord", **priced},
            {"id": "b", "prompt": "one", "seed": "7", "client": "Süd", **priced},
            {"id": "c", "prompt": "one [violation]", "seed": "", "client": "Süd", **priced},
            {"id": "d", "prompt": "two", "seed": "", "client": "Süd", **priced},
        ],
    )
    async with emulated() as emulator:
        await run(emulator, manifest, "--only", "a,b,c", "--xlsx")
        await run(emulator, manifest, "--only", "c", "--retry-failed", "--xlsx")
    assert {row["id"]: row["cost_usd"] for row in results(tmp_path / "p.batch")} == {
        "a": "0.4", "b": "0", "c": "0.8", "d": "",
    }  # fmt: skip
    frame = Batch(tmp_path / "p.batch").results()
    assert frame.groupby("client")["cost_usd"].sum().round(6).to_dict() == {"Nord": 0.4, "Süd": 0.8}
    named, *cells = openpyxl.load_workbook(tmp_path / "p.batch" / "results.xlsx")["results"].iter_rows(values_only=True)
    assert [row[named.index("cost_usd")] for row in cells] == [0.4, 0, 0.8, None]


async def test_a_balance_that_will_not_do_is_told_and_a_service_without_one_is_no_error(tmp_path: Path) -> None:
    from batchgen.emulator.account import AccountLimits

    async with emulated(limits=AccountLimits(credits=0.9)) as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 5, resolution="720p", duration="5"))
        assert ended.code == 3
        assert "$0.90" in ended.err
        assert "$2.00" in ended.err


async def test_a_video_that_another_batch_paid_for_is_offered_and_taken(tmp_path: Path) -> None:
    rows = [{"prompt": "shared", "seed": "1"}, {"prompt": "own", "seed": "2"}]
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "a.csv", rows[:1]), **home)
        manifest = sheet(tmp_path / "b.csv", rows)
        elsewhere = await batchgen("plan", manifest, "--json", cwd=tmp_path, **home)
        assert elsewhere.summary["offered"] == 0  # another service has none of its videos
        planned = await batchgen("plan", manifest, "--json", cwd=tmp_path, APIXO_BASE_URL=emulator.url, **home)
        assert planned.summary["offered"] == 1
        ended = await run(emulator, manifest, "--reuse", **home)
        assert (ended.code, ended.summary["archived"], ended.summary["submitted"]) == (0, 2, 1)
        assert ended.summary["reused"] == 1
        assert await wrong_files(emulator, tmp_path / "b.batch") == []


AHEAD = "import time as true\nclass time:\n    time = staticmethod(lambda: true.time() + 3600)\n"


async def test_what_was_paid_since_the_clock_was_set_back_is_offered_to_other_batches_too(tmp_path: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        await run(
            emulator,
            prompts(tmp_path / "a.csv", 1, seed="7"),
            **home,
            **altered(tmp_path, {"batchgen.others.reuse": AHEAD}),
        )
        await run(emulator, prompts(tmp_path / "a.csv", 2, seed="7"), **home)
        ended = await run(emulator, prompts(tmp_path / "b.csv", 2, seed="7"), "--reuse", **home)
    assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 2, 2)


async def test_that_rows_without_a_seed_are_taken_from_no_other_batch_is_told(tmp_path: Path) -> None:
    rows = [{"prompt": "a lake", "seed": ""}, {"prompt": "a fox", "seed": ""}, {"prompt": "an owl", "seed": "1"}]
    told = "--reuse takes nothing: 2 rows that are to be paid for have no seed"
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        manifest = sheet(tmp_path / "a.csv", rows)
        assert told in (await batchgen("plan", manifest, "--reuse", cwd=tmp_path, **home)).err
        assert told in (await run(emulator, manifest, "--reuse", **home)).err
        assert "--reuse" not in (await run(emulator, manifest, "--reuse", **home)).err  # nothing is to be paid for
        assert "--reuse" not in (await batchgen("plan", manifest, "--batch", "b.batch", cwd=tmp_path, **home)).err
        other = ("plan", manifest, "--batch", "b.batch", "--reuse")
        taken = await batchgen(*other, cwd=tmp_path, APIXO_BASE_URL=emulator.url, **home)
        assert ("takes nothing" in taken.err, "1 video is taken" in taken.err) == (False, True)


@pytest.mark.parametrize(("fault", "state"), [({}, "failed"), ({"file-404": 1.0}, "expired")])
async def test_leave_to_pay_again_for_what_failed_or_expired_lasts_for_one_run(
    tmp_path: Path, fault: dict[str, float], state: str
) -> None:
    mark = "" if fault else " [violation]"
    manifest = sheet(tmp_path / "p.csv", [{"id": f"r{n}", "prompt": f"prompt {n}{mark}"} for n in range(3)])
    hurried = altered(tmp_path, {"batchgen.steps.fetch": "FETCH_TRIES = 1"})
    async with emulated(faults=fault) as emulator:
        await run(emulator, manifest, **hurried)
        before = results(tmp_path / "p.batch")
        for words, code, asked in ((("--to", "/nowhere/at/all"), 2, 3), (("--max-tasks", "1"), 4, 4)):
            ended = await run(emulator, manifest, "--retry-failed", *words, **hurried)
            assert (ended.code, len(emulator.tasks)) == (code, asked), ended.err
            ended = await run(emulator, manifest, **hurried)
            assert (ended.code, ended.summary[state], len(emulator.tasks)) == (1, 3, asked), ended.err
        after = results(tmp_path / "p.batch")
        told = [[(row["task_id"], row["fail_code"], row["status"]) for row in rows] for rows in (before, after)]
        assert sum(was != now for was, now in zip(*told, strict=True)) == 1  # whose task was asked for again


async def test_whoever_attaches_a_task_of_another_time_is_told_so(tmp_path: Path) -> None:
    behind = [3600.0]
    async with emulated(clock=lambda: time.time() - behind[0]) as emulator:
        await run(emulator, prompts(tmp_path / "before.csv", 1))
        behind[0] = 0.0
        emulator.faults.shares["submit-lost"] = 1.0
        await run(emulator, prompts(tmp_path / "p.csv", 1))
        words = ("resolve", "p.batch", "--row", "r0", "--base-url", emulator.url, "--attach")
        told = await batchgen(*words, emulator.tasks[0].id, cwd=tmp_path)
        assert (told.code, "which is not when r0 was asked for" in told.out) == (0, True), told.out


async def test_a_row_in_doubt_is_settled_by_a_person(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, manifest)
        emulator.faults.shares.clear()
        tasks = {task.input["prompt"]: task.id for task in emulator.tasks}
        shown = await batchgen("resolve", "p.batch", cwd=tmp_path)
        assert all(f"r{n}" in shown.out for n in range(3))
        service = ("--base-url", emulator.url)

        words = ("resolve", "p.batch", "--row", "r0", "--attach", tasks["prompt 0"])
        elsewhere = await batchgen(*words, cwd=tmp_path)
        assert (elsewhere.code, f"made with the service {emulator.url}" in elsewhere.err) == (2, True)
        wrong = await batchgen("resolve", "p.batch", "--row", "r0", "--attach", "task_nobody", *service, cwd=tmp_path)
        assert wrong.code == 2
        for _ in range(2):
            right = await batchgen(
                *("resolve", "p.batch", "--row", "r0", "--attach", tasks["prompt 0"], *service), cwd=tmp_path
            )
            assert right.code == 0
        taken = await batchgen(
            *("resolve", "p.batch", "--row", "r1", "--attach", tasks["prompt 0"], *service), cwd=tmp_path
        )
        assert taken.code == 2
        assert "r0" in taken.err
        for _ in range(2):
            assert (await batchgen("resolve", "p.batch", "--row", "r1", "--resubmit", cwd=tmp_path)).code == 0
            assert (await batchgen("resolve", "p.batch", "--row", "r2", "--abandon", cwd=tmp_path)).code == 0
        assert (await batchgen("resolve", "p.batch", "--row", "nobody", "--abandon", cwd=tmp_path)).code == 2

        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"], ended.summary["failed"]) == (1, 2, 1)
        assert len(emulator.tasks) == 4
        assert results(tmp_path / "p.batch")[2]["fail_code"] == "ABANDONED"
        await run(emulator, manifest, "--retry-failed")
        assert len(emulator.tasks) == 4  # it may have been paid for: only who names it may pay again
        assert (await batchgen("resolve", "p.batch", "--row", "r2", "--resubmit", cwd=tmp_path)).code == 0
        assert (await run(emulator, manifest)).code == 0
        assert len(emulator.tasks) == 5


async def test_leave_to_pay_twice_lasts_for_one_run(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, manifest)
        emulator.faults.shares.clear()
        for words, code, asked in (
            (("--to", "/nowhere/at/all"), 2, 3),
            (("--max-tasks", "1"), 4, 4),
        ):
            assert (await run(emulator, manifest, "--in-doubt", "resubmit", *words)).code == code
            ended = await run(emulator, manifest)
            assert (ended.summary["in_doubt"], len(emulator.tasks)) == (6 - asked, asked)


async def test_what_lost_answers_may_cost_is_told_apart_from_what_is_known_to_be_paid(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3, resolution="720p", duration="5")
    async with emulated() as emulator:
        first = await run(emulator, manifest, "--limit", "1")
        emulator.faults.shares["submit-lost"] = 1.0
        then = await run(emulator, manifest)
        idle = await run(emulator, manifest)
    assert [(each.summary["spent_usd"], each.summary["doubtful_usd"]) for each in (first, then, idle)] == [
        (0.4, 0.0),
        (0.8, 0.8),
        (0.0, 0.0),
    ]


async def test_rows_in_doubt_are_settled_by_name_or_all_in_so_many_words(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 4, resolution="720p", duration="5")

    def resolve(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(group, ["resolve", str(tmp_path / "p.batch"), *words])
        return (2, str(done.exception)) if done.exception else (0, done.output)

    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, manifest)
        for word in ("--resubmit", "--abandon"):
            code, said = resolve(word)
            assert (code, f"{word} needs --row ID, or --all for all that are in doubt: 4 rows" in said) == (2, True)
        assert "4 rows, up to $1.60, once more for those" in resolve("--resubmit")[1]
        for words in (("--all",), ("--all", "--resubmit", "--row", "r0"), ("--all", "--attach", "task_1")):
            assert resolve(*words)[0] == 2, words
        code, said = resolve("--resubmit", "--row", "r0", "--row", "nobody")
        assert (code, "no row 'nobody'" in said) == (2, True)
        assert said_of(resolve()) == ["r0", "r1", "r2", "r3"]
        code, said = resolve("--resubmit", "--row", "r0", "--row", "r1")
        assert (code, said.splitlines()[-1]) == (0, "2 rows, up to $0.80, once more for those that were accepted")
        assert said_of(resolve()) == ["r2", "r3"]
        code, said = resolve("--resubmit", "--row", "r1", "--row", "r2")
        assert (code, said.splitlines()[0]) == (0, "r1 was settled so already; nothing was changed")
        code, said = resolve("--abandon", "--all")
        assert (code, said.splitlines()[0]) == (0, "r3: given up")
        assert resolve("--abandon", "--all") == (0, "no row is in doubt\n")


async def test_who_settles_a_row_is_told_of_those_that_share_its_task(tmp_path: Path) -> None:
    rows = [{"id": name, "prompt": "fox", "seed": "1"} for name in "abcdefgh"]
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, sheet(tmp_path / "p.csv", rows))
        assert len(emulator.tasks) == 1
    batch = Batch(tmp_path / "p.batch")
    told = batch.resolve("a", abandon=True)
    assert told[0] == "a (and b, c, d, e, f, ..., of the same task): given up"
    assert told[-1].startswith("8 rows; ")
    assert batch.resolve(list("bcdefgh"), resubmit=True)[0].startswith("b (and a, of the same task): will be submitted")
    assert batch.resolve(all=True, abandon=True) == ["no row is in doubt"]


async def test_a_row_that_is_gone_is_settled_with_its_partners_and_at_the_price_of_its_return(tmp_path: Path) -> None:
    whole = {"resolution": "720p", "duration": "5"}
    rows = [
        {"id": name, "prompt": prompt, "seed": "1", **whole}
        for name, prompt in zip("abcde", ("fox", "fox", "cat", "cat", "hen"), strict=True)
    ]
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, sheet(tmp_path / "p.csv", rows))
        await run(
            emulator, sheet(tmp_path / "p.csv", [rows[3], {**rows[0], "id": "f", "prompt": "dog"}]), "--max-tasks", "0"
        )
    batch = Batch(tmp_path / "p.batch")
    gone = "(no longer in the sheet)"
    assert f"a {gone} (and b {gone}, of the same task): fox" in batch.resolve("a")
    price = "5 rows, up to $1.20 ($0.80 of it if those gone come back), once more for those that were accepted"
    assert any(price in line for line in batch.resolve())
    assert batch.resolve("a", resubmit=True) == [
        f"a (and b {gone}, of the same task): no longer in doubt; no longer in the sheet either, so that it is "
        "submitted only if it comes back",
        "2 rows, up to $0.40 if they come back, once more for those that were accepted",
    ]
    told = batch.resolve("c", resubmit=True)
    assert told[0] == "c (and d, of the same task): will be submitted again by the next run"
    assert batch.resolve("e", abandon=True)[0] == "e: given up"


def said_of(shown: tuple[int, str]) -> list[str]:
    """The rows that resolve shows."""
    return [line.split(":")[0] for line in shown[1].splitlines() if line.startswith("r")]


async def test_rescue_fetches_what_is_paid_and_submits_nothing(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 12)
    async with emulated(speed=20.0) as emulator:
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--concurrency", "4", *QUICK), cwd=tmp_path
        )
        await until(lambda: len(emulator.tasks) >= 6, process)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        tasks = len(emulator.tasks)
        ended = await batchgen("rescue", "p.batch", "--base-url", emulator.url, "--json", *QUICK, cwd=tmp_path)
        assert (len(emulator.tasks), ended.summary["archived"], ended.summary["submitted"]) == (tasks, tasks, 0)
        assert ended.summary["pending"] == 12 - tasks


async def test_verify_names_exactly_what_is_missing_or_changed_and_repairs_it(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 9)
    videos = tmp_path / "p.batch" / "videos"
    async with emulated() as emulator:
        await run(emulator, manifest)
        assert (await batchgen("verify", "p.batch", cwd=tmp_path)).code == 0
        (videos / "r1.mp4").unlink()
        lost = (
            "1 archived video is no longer there (videos/r1.mp4); if moved, say where to with run --to; "
            "to fetch it again, while its link lives:\n"
        )
        assert lost in (await run(emulator, manifest)).err
        assert (await batchgen("status", "p.batch", cwd=tmp_path)).out.endswith(
            f"  {lost}    batchgen verify p.batch --repair --base-url {emulator.url}\n"
        )
        content = bytearray((videos / "r4.mp4").read_bytes())
        content[len(content) // 2] ^= 1
        (videos / "r4.mp4").write_bytes(content)
        (videos / "r7.mp4").write_bytes(content[:-1])
        ended = await batchgen("verify", "p.batch", "--json", cwd=tmp_path)
        assert ended.code == 1
        assert ended.err.endswith(f":\n    batchgen verify p.batch --repair --base-url {emulator.url}\n")
        assert [(damage["id"], damage["what"]) for damage in ended.summary["damaged"]] == [
            ("r1", "missing"),
            ("r4", "changed"),
            ("r7", "changed"),
        ]
        repair = ("verify", "p.batch", "--repair", "--base-url", emulator.url, *QUICK)
        repaired = await batchgen(*repair, cwd=tmp_path)
        assert (repaired.code, repaired.out) == (0, "9 videos read, 3 damaged, 3 fetched again\n"), repaired.err
        (videos / "r1.mp4").unlink()
        told = (await batchgen(*repair, "--json", cwd=tmp_path)).summary
        assert (told["checked"], len(told["damaged"]), told["repaired"], told["exit"]) == (9, 1, 1, 0)
        assert (await batchgen("verify", "p.batch", cwd=tmp_path)).code == 0
        assert await wrong_files(emulator, tmp_path / "p.batch") == []
        assert len(emulator.tasks) == 9


async def test_a_repair_that_is_refused_or_cut_off_loses_no_damage_from_sight(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 3))
        (tmp_path / "p.batch" / "videos" / "r1.mp4").unlink()
        repair = ("verify", "p.batch", "--repair", *QUICK)
        here = ("--base-url", emulator.url)
        for words, env, code in (((), {}, 2), (here, {"APIXO_API_KEY": ""}, 3)):
            assert (await batchgen(*repair, *words, cwd=tmp_path, **env)).code == code
            left = await batchgen("verify", "p.batch", cwd=tmp_path)
            assert (left.code, left.out) == (1, "3 videos read, 1 damaged\n")
        emulator.faults.shares["file-500"] = 1.0
        soon = altered(tmp_path, {"batchgen.steps.fetch": "FETCH_TRIES = 2"})  # minutes otherwise
        refused = await batchgen(*repair, *here, cwd=tmp_path, **soon)
        assert (refused.code, "1 damaged, 0 fetched again; 1 is made and not" in refused.out) == (1, True), refused.out
        left = await batchgen("verify", "p.batch", cwd=tmp_path)
        assert (left.code, left.out) == (1, "2 videos read, 0 damaged; 1 is made and not archived\n")
        emulator.faults.shares.clear()
        repaired = await batchgen(*repair, *here, cwd=tmp_path)
        assert (repaired.code, len(emulator.tasks)) == (0, 3), repaired.out
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


@pytest.mark.parametrize("words", [("rescue", "p.batch"), ("run", "p.csv")], ids=lambda words: words[0])
async def test_a_repair_while_a_disk_is_not_mounted_loses_no_video_whose_link_is_dead(
    words: tuple[str, str], tmp_path: Path
) -> None:
    disk, unplugged = tmp_path / "disk", tmp_path / "unplugged"
    disk.mkdir()
    async with emulated() as emulator:
        here = ("--base-url", emulator.url, *QUICK)
        await run(emulator, prompts(tmp_path / "p.csv", 3), "--to", disk / "videos")
        with closing(sqlite3.connect(tmp_path / "p.batch" / "ledger.sqlite")) as ledger, ledger:
            ledger.execute("UPDATE job SET completed_at = completed_at - 20 * 86400")
        emulator.faults.shares["status-404"] = 1.0
        disk.rename(unplugged)
        disk.mkdir()
        repaired = await batchgen("verify", "p.batch", "--repair", *here, cwd=tmp_path)
        told = "3 videos read, 3 damaged, 0 fetched again; 3 are made and not archived\n"
        assert (repaired.code, repaired.out) == (1, told), repaired.err
        shutil.rmtree(disk)
        unplugged.rename(disk)
        again = await batchgen(*words, "--json", *here, cwd=tmp_path)
        assert (again.code, again.summary["archived"], len(emulator.tasks)) == (0, 3, 3), again.err
        assert (await batchgen("verify", "p.batch", cwd=tmp_path)).out == "3 videos read, 0 damaged\n"
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_video_that_cannot_be_read_hides_no_other_damage_and_is_fetched_again(tmp_path: Path) -> None:
    videos = tmp_path / "p.batch" / "videos"
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 5))
        for row in (0, 1, 2):
            (videos / f"r{row}.mp4").unlink()
        (videos / "r0.mp4").mkdir()
        (videos / "r0.mp4" / "notes.txt").write_text("mine")
        (videos / "r2.mp4").symlink_to("r2.mp4")
        ended = await batchgen("verify", "p.batch", "--json", cwd=tmp_path)
        told = [(damage["id"], damage["what"]) for damage in ended.summary["damaged"]]
        assert (ended.code, told) == (1, [("r0", "unreadable"), ("r1", "missing"), ("r2", "unreadable")])
        assert "videos/r0.mp4: unreadable (row r0)" in ended.err
        repaired = await batchgen("verify", "p.batch", "--repair", "--base-url", emulator.url, *QUICK, cwd=tmp_path)
        assert (repaired.code, repaired.out) == (0, "5 videos read, 3 damaged, 3 fetched again\n"), repaired.err
        assert (videos / "r0.mp4" / "notes.txt").read_text() == "mine"
        assert (videos / "r2.unreadable.mp4").is_symlink()
        assert (await batchgen("verify", "p.batch", cwd=tmp_path)).code == 0
        assert await wrong_files(emulator, tmp_path / "p.batch") == []
        assert len(emulator.tasks) == 5


async def test_status_warns_of_paid_videos_that_are_not_archived(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated(faults={"file-500": 1.0}) as emulator:
        process = await start("run", manifest, "--base-url", emulator.url, "--json", *QUICK, cwd=tmp_path)
        await until(lambda: len({file.path for file in emulator.files}) == 2, process)
        process.send_signal(signal.SIGTERM)
        assert (await finished(process)).summary["rendered"] == 2
        ended = await batchgen("status", "p.batch", cwd=tmp_path)
        assert "batchgen rescue" in ended.out
        assert KEY not in ended.out
