"""A ledger that is older than what was paid, as from a backup, or without its log, pays for nothing again unasked."""

from pathlib import Path
from shutil import copyfile, copytree, rmtree

import pytest

from tests.e2e.program import PATIENT, batchgen, emulated, kill_at, prompts, run, standing_still, start


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


async def test_a_copy_of_a_batch_elsewhere_and_the_batch_itself_are_run_in_turn(tmp_path: Path) -> None:
    batch, copy = tmp_path / "prompts.batch", tmp_path / "copy.batch"
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "prompts.csv", 3))
        copytree(batch, copy)
        manifest = prompts(tmp_path / "prompts.csv", 4)
        ends = [await run(emulator, manifest, "--batch", place) for place in (batch, copy, batch, copy)]
    assert [end.code for end in ends] == [0] * 4
    assert len(emulator.tasks) == 5
