"""What a new user meets: each stumble is told before it costs."""

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from batchgen import Batch, UsageError
from tests.api.support import quick_emulator
from tests.e2e.program import QUICK, Ended, altered, batchgen, emulated, prompts, results, run, sheet

NO_KEY = {"APIXO_API_KEY": ""}


async def try_out(manifest: Path, *more: str) -> Ended:
    return await batchgen("run", manifest.name, "--emulator", "--json", *more, cwd=manifest.parent, **NO_KEY)


def mend(path: Path, **cells: str) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= cells
    sheet(path, rows)


async def test_what_was_mended_in_failures_csv_is_to_be_mended_in_the_sheet_too(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "film.csv", [{"id": "r0", "prompt": "[violation] x"}, {"id": "r1", "prompt": "y"}])
    failures = tmp_path / "film.batch" / "failures.csv"
    async with emulated() as emulator:
        plain = await batchgen("run", manifest, "--base-url", emulator.url, *QUICK, cwd=tmp_path)
        assert "(then in the sheet too: its next run goes by what it says)" in plain.out
        mend(failures, prompt="a kinder prompt")
        mended = await run(emulator, failures, "--quiet")
        assert "1 row was mended here: mend it in film.csv too, or its next run goes back to it as before" in mended.err
        assert mended.summary["archived"] == 2
        back = await run(emulator, manifest, "--quiet")
        assert "1 row is again as before failures.csv was mended: mend the sheet" in back.err
        mend(manifest, prompt="a kinder prompt")
        mended = await run(emulator, manifest, "--quiet")
        assert (mended.summary["archived"], "mended" in mended.err) == (2, False)
        assert len(emulator.tasks) == 3


async def test_a_plan_with_the_emulator_says_that_nothing_is_paid_and_what_the_service_takes(tmp_path: Path) -> None:
    prompts(tmp_path / "p.csv", 2)
    tried = await batchgen("plan", "p.csv", "--emulator", cwd=tmp_path)
    assert "\na run would ask the emulator for 2 tasks, and pay nothing; the service takes up to $2.60 (" in tried.out
    meant = await batchgen("plan", "p.csv", cwd=tmp_path)
    assert "\na run would pay for 2 tasks: up to $2.60 (" in meant.out


async def test_a_batch_that_was_tried_with_the_emulator_says_so_to_whoever_means_it(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    tried = await try_out(manifest)
    assert (tried.code, tried.summary["emulated"], tried.summary["spent_usd"]) == (0, True, 0.0)
    shown = await batchgen("run", "p.csv", "--emulator", cwd=tmp_path, **NO_KEY)
    assert "0 tasks asked for by this run (emulator: nothing was paid)" in shown.out
    said = "made with the emulator, and nothing in it was paid for: to begin in earnest, name another folder"
    for key in ({}, NO_KEY):
        meant = await batchgen("run", "p.csv", cwd=tmp_path, **key)
        assert (meant.code, said in meant.err, "add --emulator" in meant.err) == (2, True, True)
    planned = await batchgen("plan", "p.csv", cwd=tmp_path)
    assert (planned.code, said in planned.out) == (0, True)
    assert "paid already" not in planned.out


async def test_a_sheet_is_the_same_one_by_whatever_path_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 1))
        manifest = sheet(tmp_path / "sub" / ".." / "p.csv", [{"id": "new", "prompt": "all rows are others"}])
        ended = await run(emulator, manifest, "--batch", str(tmp_path / "p.batch"))
        assert (ended.code, ended.summary["archived"]) == (0, 1), ended.err


async def test_a_batch_knows_that_it_was_made_with_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_emulator(monkeypatch)
    manifest = prompts(tmp_path / "p.csv", 3)
    await try_out(manifest, "--limit", "1")
    rescued = await batchgen("rescue", "p.batch", "--json", cwd=tmp_path, **NO_KEY)
    assert (rescued.code, rescued.summary["pending"], rescued.summary["submitted"]) == (0, 2, 0)
    resumed = await batchgen("resume", "p.batch", "--json", "--limit", "2", cwd=tmp_path, **NO_KEY)
    assert (resumed.code, resumed.summary["archived"]) == (0, 2)
    attached = await batchgen("resolve", "p.batch", "--row", "r0", "--attach", "task_1", cwd=tmp_path, **NO_KEY)
    assert (attached.code, "r0 is not in doubt" in attached.err) == (2, True)
    summary = await Batch(tmp_path / "p.batch").run_async()
    assert (summary.archived, summary.emulated) == (3, True)


async def test_what_was_given_wrong_is_told_before_the_key_is_asked_for(tmp_path: Path) -> None:
    for words in (("run", "nothere.csv"), ("resume", "."), ("run", "p.csv")):
        ended = await batchgen(*words, cwd=tmp_path, **NO_KEY)
        assert (ended.code, "key" in ended.err) == (2, False), words
    assert list(tmp_path.iterdir()) == []
    prompts(tmp_path / "p.csv", 1)
    assert (await batchgen("run", "p.csv", cwd=tmp_path, **NO_KEY)).code == 3
    for wrong, told in (
        (("--deadline", "soon"), "--deadline soon"),
        (("--price", "x=1"), "--price x=1 is not a price"),
        (("--ping", "hc-ping.com/x"), "--ping: this is not an address"),
    ):
        for command in ("run", "plan"):
            ended = await batchgen(command, "p.csv", *wrong, cwd=tmp_path, **NO_KEY)
            assert (ended.code, told in ended.err) == (2, True), command


async def test_a_manifest_does_not_take_over_the_batch_of_another(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    other = tmp_path / "p.yaml"
    other.write_text("jobs:\n- {id: x, prompt: something else}\n", encoding="utf-8")
    async with emulated() as emulator:
        await run(emulator, manifest)
        refused = await run(emulator, other)
        assert refused.code == 2
        assert (
            "p.batch belongs to p.csv, and none of its rows is in p.yaml; name another folder with --batch"
            in refused.err
        )
        assert (await batchgen("plan", "p.yaml", cwd=tmp_path)).code == 2
        assert [row["id"] for row in results(tmp_path / "p.batch")] == ["r0", "r1"]
        assert (await run(emulator, other, "--batch", "x.batch")).summary["archived"] == 1
        other.write_text("jobs:\n- {id: r1, prompt: another prompt}\n", encoding="utf-8")
        assert (await run(emulator, other)).summary["rows"] == 1  # a row of that id is known


async def test_a_value_that_is_set_for_some_rows_alone_is_told_to_hold_for_all(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 4)
    async with emulated() as emulator:
        await run(emulator, manifest)
        ended = await run(emulator, manifest, "--quiet", "--only", "row:1", "--set", "seed=77")
        assert '4 rows that were known are new ones, which the next run pays for; --set "" takes it back' in ended.err
        assert ended.summary["submitted"] == 1
        assert (await run(emulator, manifest, "--set", "")).summary["submitted"] == 0
        plain = await run(emulator, manifest, "--only", "row:1")
        assert "takes it back" not in plain.err


async def test_rows_that_are_named_and_not_there_are_a_mistake_and_a_state_without_rows_is_none(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        missed = await run(emulator, manifest, "--only", "zzz*")
        assert (missed.code, '--only "zzz*" is not any row\'s; no row is selected' in missed.err) == (2, True)
        assert (await batchgen("plan", "p.csv", "--only", "row:9", cwd=tmp_path)).code == 2
        assert (await run(emulator, manifest, "--only", "status:failed")).code == 0
        assert emulator.tasks == []


async def test_a_plan_shows_what_trying_again_and_taking_over_would_cost(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "seed": "1", "resolution": "720p", "duration": "5"},
        {"prompt": "[violation] b", "seed": "2"},
    ]
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        home["APIXO_BASE_URL"] = emulator.url
        await run(emulator, sheet(tmp_path / "a.csv", rows[:1]), **home)
        manifest = sheet(tmp_path / "b.csv", rows)
        plain = (await batchgen("plan", manifest, "--json", cwd=tmp_path, **home)).summary
        taken = (await batchgen("plan", manifest, "--json", "--reuse", cwd=tmp_path, **home)).summary
        assert (plain["to_submit"], plain["offered"], taken["to_submit"], taken["rendered"]) == (2, 1, 1, 1)
        await run(emulator, manifest, **home)
        before = (tmp_path / "b.batch" / "ledger.sqlite").read_bytes()
        plain = (await batchgen("plan", manifest, "--json", cwd=tmp_path, **home)).summary
        again = await batchgen("plan", manifest, "--json", "--retry-failed", cwd=tmp_path, **home)
        assert (plain["to_submit"], again.summary["to_submit"], again.summary["estimate_usd"]) == (0, 1, 1.3)
        assert "1 row that failed or expired is tried again" in again.err
        assert (tmp_path / "b.batch" / "ledger.sqlite").read_bytes() == before
    told = (await batchgen("plan", manifest, "--retry-failed", cwd=tmp_path, **home)).out
    assert "(prices of 2026-11-22; the dearest where resolution or duration is left open)" in told
    assert " MB, a guess" in told
    priced = await batchgen("plan", manifest, "--retry-failed", "--price", "720p=1", cwd=tmp_path, **home)
    assert "(prices as given" in priced.out


async def test_rows_that_were_given_up_are_told_apart_from_those_that_can_be_tried_again(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, manifest)
        shown = await batchgen("resolve", "p.batch", cwd=tmp_path)
        assert "  --resubmit       ask for it again; all of them: 3 rows, up to $3.90" in shown.out
        assert f"\n    batchgen resolve p.batch --row ID --base-url {emulator.url}\n" in shown.out
        await batchgen("resolve", "p.batch", "--row", "r0", "--abandon", cwd=tmp_path)
        manifest.write_text("id,prompt\nr0,prompt 0\nr1,prompt 1\n", encoding="utf-8")
        ended = await batchgen(*("run", manifest, "--base-url", emulator.url, "--max-tasks", "0", *QUICK), cwd=tmp_path)
        assert "1 given up by a person, and asked for again only with:\n    batchgen resolve" in ended.out
        assert "--retry-failed" not in ended.out
        planned = await batchgen("plan", "p.csv", cwd=tmp_path)
        assert "  1 given up by a person, and asked for again only with:\n" in planned.out
        assert "\n    batchgen resolve p.batch --row ID --resubmit\n" in planned.out
        assert "--retry-failed" not in planned.out
        again = await batchgen("resolve", "p.batch", "--resubmit", "--all", cwd=tmp_path)
        assert "r1: will be submitted again by the next run" in again.out
        assert "r2: no longer in doubt; no longer in the sheet either" in again.out
        for words in (("--row", "r1"), ("--row", "r1", "--abandon")):
            refused = await batchgen("resolve", "p.batch", *words, cwd=tmp_path)
            assert (refused.code, "r1 is not in doubt; nothing was changed" in refused.err) == (2, True)


def test_an_option_that_is_none_is_refused_before_anything_is_read() -> None:
    options: dict[str, Any] = {"buget": 3}
    with pytest.raises(UsageError, match="--budget"):
        Batch("nothere.csv", **options)


async def test_a_python_with_an_old_sqlite_is_told_by_every_command_that_needs_a_ledger(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    assert (await batchgen("run", manifest, "--emulator", "--batch", "known.batch", cwd=tmp_path)).code == 0
    old = altered(tmp_path, {"batchgen.ledger.database": OLD_SQLITE})
    for words in (("run", manifest, "--emulator"), ("plan", manifest), ("status", "known.batch")):
        ended = await batchgen(*words, cwd=tmp_path, **old)
        told = "has SQLite 3.34.1, and a ledger needs 3.37 or newer; use a Python that brings its own"
        assert (ended.code, told in ended.err, ended.out, ended.err.count("\n")) == (2, True, "", 1), ended.err
    assert not (tmp_path / "p.batch").exists()


OLD_SQLITE = "sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 34, 1), '3.34.1'"


async def test_a_folder_where_the_space_should_be_set_aside_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    (tmp_path / "p.batch" / ".ballast").mkdir(parents=True)
    ended = await batchgen("run", manifest, "--emulator", cwd=tmp_path)
    assert (ended.code, "p.batch cannot be written" in ended.err, "Nothing was sent" in ended.err) == (2, True, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "p.csv", "--emulator", "--batch", "x" * 300), "File name too long; name another"),
        (("status", "x" * 300), "File name too long; name another"),
        (("run", "p.csv", "--emulator", "--encoding", "utf-16"), "is not utf-16"),
        (
            ("run", "p.csv", "--emulator", "--name", "{id}\udcff"),
            "--name {id}\\udcff: this holds bytes that are not UTF-8",
        ),
        (("run", "p.csv", "--emulator", "--name", ""), "--name '': every video would have this name; use at least one"),
        (("run", "p.csv", "--emulator", "--model", "\udcff"), "this holds bytes that are not UTF-8"),
        (("plan", "p.csv", "--sheet", "\udcff"), "this holds bytes that are not UTF-8"),
        (("resolve", "known.batch", "--row", "\udcff", "--abandon"), "has no row"),
        (
            ("run", "p.csv", "--emulator", "--budget", "1e303"),
            "1e303 is out of range; write a number from 0 to 1000000000",
        ),
        (("run", "p.csv", "--emulator", "--price", f"720p={'9' * 400}"), "is not a price; write it like 720p=0.08"),
        (("run", "p.csv", "--emulator", "--metrics", "."), ". is not a plain file; name another"),
        (("run", "p.csv", "--emulator", "--metrics", "device"), "device is not a plain file; name another"),
        (("run", "p.csv", "--emulator", "--metrics", "p.txt"), "p.txt does not end in .prom, and node_exporter reads"),
        (
            ("run", "p.csv", "--emulator", "--base-url", "https://x.example"),
            "--base-url exclude each other: choose one",
        ),
        (("completion",), "missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish ("),
    ],
)
async def test_what_nobody_can_mean_is_told_as_such_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    prompts(tmp_path / "p.csv", 1)
    os.mkfifo(tmp_path / "device")
    if "known.batch" in words:
        await batchgen("run", "p.csv", "--emulator", "--batch", "known.batch", cwd=tmp_path)
    ended = await batchgen(*words, cwd=tmp_path)
    assert (ended.code, "a mistake in batchgen" in ended.err) == (2, False), ended.err
    assert told in ended.err
    assert not (tmp_path / "p.batch").exists()


@pytest.mark.parametrize("left", [None, b""])
async def test_a_batch_that_lost_its_ledger_is_refused_by_run_and_plan_alike(
    tmp_path: Path, left: bytes | None
) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest)
        ledger = tmp_path / "p.batch" / "ledger.sqlite"
        ledger.unlink()
        if left is not None:
            ledger.write_bytes(left)
        for ended in (await run(emulator, manifest), await batchgen("plan", manifest, cwd=tmp_path)):
            assert (ended.code, len(emulator.tasks)) == (2, 2)
            assert "without it every video would be paid for again; put the ledger back" in ended.err


async def test_a_user_without_a_home_has_nothing_of_other_batches_and_all_else(tmp_path: Path) -> None:
    homeless = 'import pwd; pwd.getpwuid = {}.__getitem__; os.environ.pop("HOME")'
    env = altered(tmp_path, {"batchgen.system.private": homeless})
    async with emulated() as emulator:
        manifest = prompts(tmp_path / "prompts.csv", 2, seed="7")
        planned = await batchgen("plan", manifest, cwd=tmp_path, **env)
        assert (planned.code, "2 tasks" in planned.out) == (0, True), planned.err
        ended = await run(emulator, manifest, **env)
        assert (ended.code, ended.summary["archived"]) == (0, 2), ended.err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["altered", "prompts.batch", "prompts.csv"]
