"""A ledger that is lost, or older than what was paid, as from a backup, pays for nothing again unasked."""

import asyncio
from pathlib import Path
from shutil import copyfile, copytree, rmtree

import pytest

from tests.e2e.program import KEY, PATIENT, altered, batchgen, emulated, kill_at, prompts, run, standing_still, start
from tests.s3_server import S3Server
from tests.waiting import until


async def test_a_ledger_that_was_put_back_from_a_backup_pays_for_nothing_again(tmp_path: Path) -> None:
    batch, backup = tmp_path / "prompts.batch", tmp_path / "backup.sqlite"
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 3))
        copyfile(batch / "ledger.sqlite", backup)
        manifest = prompts(tmp_path / "prompts.csv", 6)
        await run(emulator, manifest)
        copyfile(backup, batch / "ledger.sqlite")
        refused = await run(emulator, manifest)
        planned = await batchgen("plan", manifest, cwd=tmp_path)
        rescued = await batchgen("rescue", batch, "--base-url", emulator.url, cwd=tmp_path)
        assert len(emulator.tasks) == 6
        (batch / "run.log").rename(tmp_path / "run.log")
        meant = await run(emulator, manifest)
    for each in (refused, planned):
        assert each.code == 2
        assert f"{batch.name}/ledger.sqlite is older than run.log" in each.err
        assert any(task.id in each.err for task in emulator.tasks[3:6])
    assert (rescued.code, meant.code) == (0, 0)
    assert len(emulator.tasks) == 9


async def test_a_ledger_whose_log_was_lost_after_a_kill_pays_for_nothing_again(tmp_path: Path) -> None:
    batch, manifest = tmp_path / "prompts.batch", prompts(tmp_path / "prompts.csv", 6)
    async with standing_still() as (emulator, clock):
        process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=tmp_path)
        await kill_at(process, emulator.tasks, 6, 0.5)
        (batch / "ledger.sqlite-wal").rename(tmp_path / "wal")
        refused = await run(emulator, manifest)
        (batch / "ledger.sqlite-wal").unlink(missing_ok=True)
        (tmp_path / "wal").rename(batch / "ledger.sqlite-wal")
        clock.go()
        whole = await run(emulator, manifest)
    assert refused.code == 2
    assert "is older than run.log" in refused.err
    assert whole.code == 0
    assert len(emulator.tasks) == 6


async def test_a_ledger_that_is_gone_and_whose_batch_has_nothing_but_its_log_pays_for_nothing_again(
    tmp_path: Path,
) -> None:
    batch, manifest = tmp_path / "prompts.batch", prompts(tmp_path / "prompts.csv", 3)
    async with standing_still() as (emulator, _):
        process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=tmp_path)
        await kill_at(process, emulator.tasks, 3, 0.5)
        for file in batch.glob("ledger.sqlite*"):
            file.unlink()
        refused = await run(emulator, manifest)
        left = sorted(file.name for file in batch.iterdir())
    assert refused.code == 2
    assert "is older than run.log" in refused.err
    assert "ledger.sqlite" not in left
    assert len(emulator.tasks) == 3


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_a_ledger_that_a_kill_kept_from_being_put_back_is_named_with_what_to_do(tmp_path: Path, how: str) -> None:
    batch = tmp_path / "prompts.batch"
    ledger, left = batch / "ledger.sqlite", batch / ".ledger.sqlite.part"
    dying = altered(tmp_path, {"batchgen.ledger.whole_file": _DIES_AS_IT_PUTS_BACK})
    async with emulated(speed=20.0) as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 1))
        copyfile(ledger, tmp_path / "older.sqlite")
        manifest = prompts(tmp_path / "prompts.csv", 6)
        process = await start("run", manifest, "--base-url", emulator.url, cwd=tmp_path, **dying)
        await until(lambda: len(emulator.tasks) == 6, process)
        for file in batch.glob("ledger.sqlite*"):
            file.unlink()
        if how == "replaced":
            copyfile(tmp_path / "older.sqlite", ledger)
        await process.communicate()
        refused = [await run(emulator, manifest), await batchgen("plan", manifest, cwd=tmp_path)]
        refused += [await batchgen("status", batch, cwd=tmp_path)] if how == "removed" else []
        for each in refused:
            assert (each.code, "prompts.batch/.ledger.sqlite.part" in each.err) == (2, True), each.err
        for file in batch.glob("ledger.sqlite*"):
            file.unlink()
        left.rename(ledger)
        ended = await run(emulator, manifest)
    assert (process.returncode, ended.code, len(emulator.tasks)) == (-9, 0, 6)


_DIES_AS_IT_PUTS_BACK = """
def _set_aside(*_):
    import signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [False, True])
async def test_a_whole_folder_that_was_put_back_from_a_backup_pays_for_nothing_again(
    tmp_path: Path, *, killed: bool
) -> None:
    batch, backup = tmp_path / "prompts.batch", tmp_path / "backup"
    async with standing_still() as (emulator, clock):
        clock.go()
        await run(emulator, prompts(tmp_path / "prompts.csv", 3))
        copytree(batch, backup)
        manifest = prompts(tmp_path / "prompts.csv", 6)
        if killed:
            process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=tmp_path)
            await kill_at(process, emulator.tasks, 6, 0.5)
        else:
            await run(emulator, manifest)
        rmtree(batch)
        copytree(backup, batch)
        planned = await batchgen("plan", manifest, cwd=tmp_path)
        rescued = await batchgen("rescue", batch, "--base-url", emulator.url, cwd=tmp_path)
        refused = await run(emulator, manifest)
        assert len(emulator.tasks) == 6
        (batch / "run.log").unlink()
        meant = [await run(emulator, manifest) for _ in range(2)]
    for each in (refused, planned):
        assert each.code == 2
        assert f"{batch.name} is older than this batch's last run" in each.err
    assert [rescued.code, *(each.code for each in meant)] == [0, 0, 0]
    assert len(emulator.tasks) == 9


async def test_a_folder_that_was_put_back_as_it_was_in_the_midst_of_a_run_pays_for_nothing_again(
    tmp_path: Path,
) -> None:
    batch, backup, manifest = tmp_path / "prompts.batch", tmp_path / "backup", prompts(tmp_path / "prompts.csv", 6)
    often = altered(tmp_path, {"batchgen.folder.witnesses": "NOTE_SECONDS = 0.1"})
    async with standing_still() as (emulator, _):
        arguments = ("run", manifest, "--base-url", emulator.url, "--concurrency", "3", *PATIENT)
        process = await start(*arguments, cwd=tmp_path, **often)
        await until(lambda: len(emulator.tasks) == 3, process)
        await asyncio.sleep(0.5)
        copytree(batch, backup)
        await batchgen("ctl", batch, "--concurrency", "6", cwd=tmp_path)
        await kill_at(process, emulator.tasks, 6, 0.5)
        rmtree(batch)
        copytree(backup, batch)
        refused = await run(emulator, manifest)
        assert refused.code == 2
        assert f"{batch.name} is older than this batch's last run" in refused.err
        assert len(emulator.tasks) == 6


async def test_a_copy_of_a_batch_elsewhere_and_the_batch_itself_are_run_in_turn(tmp_path: Path) -> None:
    batch, copy = tmp_path / "prompts.batch", tmp_path / "copy.batch"
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 3))
        copytree(batch, copy)
        manifest = prompts(tmp_path / "prompts.csv", 4)
        ends = [await run(emulator, manifest, "--batch", place) for place in (batch, copy, batch, copy)]
    assert [end.code for end in ends] == [0] * 4
    assert len(emulator.tasks) == 5


@pytest.mark.parametrize("where", ["folder", "bucket"])
async def test_a_batch_that_is_lost_with_its_folder_pays_for_nothing_again_where_its_videos_are(
    where: str, s3: S3Server, tmp_path: Path
) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 5)
    to = ("--to", tmp_path / "out" if where == "folder" else "s3://night/films")
    async with emulated() as emulator:
        await run(emulator, manifest, *to, "--limit", "3", **s3.environment)
        rmtree(tmp_path / "prompts.batch")
        refused = await run(emulator, manifest, *to, **s3.environment)
        planned = await batchgen("plan", manifest, *to, cwd=tmp_path, **s3.environment)
        assert not (tmp_path / "prompts.batch").exists()
        assert len(emulator.tasks) == 3
        named = await run(emulator, manifest, *to, "--name", "new-{id}", **s3.environment)
    assert refused.code == 2
    assert "3 of the first 5 videos of this batch, which has asked for none yet, are in" in refused.err
    assert planned.code == (2 if where == "folder" else 0)
    assert (named.code, len(emulator.tasks)) == (0, 8)


async def test_a_few_files_of_the_same_names_hold_no_new_batch_up(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "r1.mp4").write_bytes(b"mine")
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "prompts.csv", 3), "--to", tmp_path / "out")
    assert (ended.code, len(emulator.tasks)) == (0, 3)
    assert "1 of the first 3 videos of this batch, which has asked for none yet, is in" in ended.err
    assert (tmp_path / "out" / "r1.mp4").read_bytes() == b"mine"


async def test_a_destination_that_was_refused_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "out" / f"r{number}.mp4").write_bytes(b"mine")
    manifest = prompts(tmp_path / "prompts.csv", 3)
    async with emulated(keys={KEY}) as emulator:
        await run(emulator, manifest, APIXO_API_KEY="expired")
        refused = await run(emulator, manifest, "--to", tmp_path / "out")
        ended = await run(emulator, manifest)
    assert (refused.code, ended.code, len(emulator.tasks)) == (2, 0, 3)
    assert len(list((tmp_path / "prompts.batch" / "videos").glob("*.mp4"))) == 3
