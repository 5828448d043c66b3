"""A sheet that was given another name is a new batch: what another one beside it has paid for is told beforehand."""

import os
import shlex
import sqlite3
from pathlib import Path

from tests.e2e.program import QUICK, altered, batchgen, emulated, paid, prompts, run, sheet


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(number: str, command: str) -> str:
    return (
        f"{number} paid for in film.batch already, and would be paid for again in film_v2.batch; "
        f"to go on in film.batch:\n    batchgen run {command}"
    )


async def test_a_renamed_sheet_is_told_by_plan_and_run_where_its_rows_are_paid_for(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "film.csv", 5)
    async with emulated() as emulator:
        await run(emulator, manifest)
        before = files(tmp_path / "film.batch")
        manifest = prompts(tmp_path / "film_v2.csv", 6)
        service = f"--base-url {emulator.url}"
        for env in ({}, {"APIXO_BASE_URL": emulator.url}):
            plan = await batchgen("plan", "film_v2.csv", cwd=tmp_path, **env)
            command = f"film_v2.csv --batch film.batch {service}"
            assert (plan.code, plan.err.strip()) == (0, told("5 of these rows are", command))
        assert files(tmp_path / "film.batch") == before
        ended = await run(emulator, manifest, "--quiet", "--max-tasks", "1")
        assert told("5 of these rows are", f"{manifest} --batch {tmp_path / 'film.batch'} {service}") in ended.err
        again = await run(emulator, manifest, "--quiet", "--max-tasks", "1")
        assert "paid for in film.batch" not in again.err
        ended = await run(emulator, manifest, "--batch", tmp_path / "film.batch")
        assert (ended.code, ended.summary["submitted"], len(emulator.tasks)) == (0, 1, 8)
        assert "would be paid for again" not in ended.err


async def test_rows_without_ids_are_known_by_what_they_ask_for_and_an_id_that_both_have_must_be_the_same(
    tmp_path: Path,
) -> None:
    plain = [{"prompt": f"prompt {n}"} for n in range(4)]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "film.csv", plain))
        sheet(tmp_path / "film_v2.csv", [row | {"id": f"x{n}"} for n, row in enumerate(plain)])
        assert "4 of these rows are paid for" in (await batchgen("plan", "film_v2.csv", cwd=tmp_path)).err
        await run(emulator, prompts(tmp_path / "film.csv", 4))  # they have ids from now on
        assert (await batchgen("plan", "film_v2.csv", cwd=tmp_path)).err == ""
        sheet(tmp_path / "film_v2.csv", plain)
        assert "4 of these rows are paid for" in (await batchgen("plan", "film_v2.csv", cwd=tmp_path)).err
        assert len(emulator.tasks) == 4


async def test_nothing_is_told_where_the_batch_was_chosen_by_hand_or_little_is_shared_or_nothing_paid(
    tmp_path: Path,
) -> None:
    rows = [{"id": f"r{n}", "prompt": f"prompt {n}", "seed": str(n)} for n in range(6)]
    async with emulated() as emulator:
        home = {"XDG_DATA_HOME": str(tmp_path / "home"), "APIXO_BASE_URL": emulator.url}
        await batchgen("run", sheet(tmp_path / "film.csv", rows[:1]), "--emulator", cwd=tmp_path, **home)
        sheet(tmp_path / "film_v2.csv", rows[:1])
        assert (await batchgen("plan", "film_v2.csv", cwd=tmp_path, **home)).err == ""
        await run(emulator, tmp_path / "film.csv", "--batch", "real.batch", **home)
        assert (
            "1 of these rows is paid for in real.batch"
            in (await batchgen("plan", "film_v2.csv", cwd=tmp_path, **home)).err
        )
        for words in (("--batch", "other.batch"), ("--reuse",)):
            plan = await batchgen("plan", "film_v2.csv", *words, cwd=tmp_path, **home)
            assert "would be paid for again" not in plan.err
        elsewhere = await batchgen("run", "film_v2.csv", "--emulator", cwd=tmp_path, **home)
        assert "would be paid for again" not in elsewhere.err
        plan = await batchgen("plan", sheet(tmp_path / "film_v3.csv", rows), cwd=tmp_path, **home)
        assert plan.err == ""


THEIRS = """
plain = Path.is_file

def is_file(path):
    if "theirs" in str(path):
        raise PermissionError(13, "Permission denied")
    return plain(path)

Path.is_file = is_file
"""


async def test_of_many_rows_a_sample_is_looked_at_and_what_cannot_be_read_keeps_nobody_up(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "film.csv", 1000)
    async with emulated() as emulator:
        await run(emulator, manifest, "--max-tasks", "1")
        assert len(paid(emulator)) == 1
    with sqlite3.connect(tmp_path / "film.batch" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE job SET state = 'archived' WHERE position <= ?", (500,))
    for name, content in (("cut", b"SQLite format 3\0"), ("empty", b""), ("old", b"no ledger " * 999)):
        (tmp_path / f"{name}.batch").mkdir()
        (tmp_path / f"{name}.batch" / "ledger.sqlite").write_bytes(content)
    (tmp_path / "pipe.batch").mkdir()
    os.mkfifo(tmp_path / "pipe.batch" / "ledger.sqlite")
    (tmp_path / "file.batch").write_text("no folder")
    (tmp_path / "link.batch").symlink_to("link.batch")
    for n in range(9):
        (tmp_path / f"theirs{n}.batch").mkdir()
    manifest.rename(tmp_path / "film_v2.csv")
    plan = await batchgen(
        "plan", "film_v2.csv", cwd=tmp_path, **altered(tmp_path, {"batchgen.others.paid_beside": THEIRS})
    )
    assert plan.code == 0
    about = plan.err.removeprefix("about ").split(" ")[0]
    assert 400 < int(about) < 600


async def test_the_command_that_goes_on_in_the_other_batch_pays_for_nothing_again_whatever_was_set(
    tmp_path: Path,
) -> None:
    async with emulated() as emulator:
        prompts(tmp_path / "film.csv", 3)
        as_told = ("--set", "resolution=720p", "--encoding", "cp1252")
        await run(emulator, tmp_path / "film.csv", *as_told)
        (tmp_path / "film.csv").rename(tmp_path / "film_v2.csv")
        plan = await batchgen("plan", "film_v2.csv", *as_told, cwd=tmp_path)
        (command,) = (shlex.split(line)[1:] for line in plan.err.splitlines() if line.startswith("    batchgen "))
        ended = await batchgen(*command, *QUICK, cwd=tmp_path)
        assert (ended.code, len(emulator.tasks)) == (0, 3), command
        service = ("--base-url", emulator.url)
        assert command == ["run", "film_v2.csv", "--batch", "film.batch", *service, *as_told]


async def test_that_what_was_set_for_one_sheet_does_not_hold_for_another_is_told_where_it_costs(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "film.csv", 3), "--set", "resolution=720p")
        prompts(tmp_path / "film_v2.csv", 3)
        plan = ("plan", "film_v2.csv", "--batch", "film.batch")
        told = (
            "--set resolution=720p was said of film.csv, and does not hold for film_v2.csv unless it is said again: "
            "3 rows that were known are new ones, to be paid for"
        )
        assert told in (await batchgen(*plan, cwd=tmp_path)).err
        assert "was said of" not in (await batchgen(*plan, "--set", "resolution=720p", cwd=tmp_path)).err
        assert "was said of" not in (await batchgen(*plan, "--set", "", cwd=tmp_path)).err
