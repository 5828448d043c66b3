"""A task is paid, and the ledger cannot take its id: the id must still reach a person."""

import re
from pathlib import Path

import pytest

from tests.e2e.program import (
    PATIENT,
    altered,
    batchgen,
    emulated,
    finished,
    paid,
    prompts,
    results,
    run,
    standing_still,
    start,
    wrong_files,
)
from tests.read_only_disk import read_only
from tests.waiting import until

RECORDED = 2
# After so many task ids no commit goes through any more.
FULL = f"""
class Full(sqlite3.Connection):
    ids = 0

    def execute(self, sql, parameters=()):
        if sql == "COMMIT" and Full.ids > {RECORDED}:
            raise ERROR
        Full.ids += sql.startswith("UPDATE attempt SET ended_at")
        return super().execute(sql, parameters)

plain = sqlite3.connect
sqlite3.connect = lambda *args, **more: plain(*args, factory=Full, **more)
"""


@pytest.mark.parametrize(
    "error",
    [
        "sqlite3.OperationalError('database or disk is full')",
        "sqlite3.DatabaseError('database disk image is malformed')",
        "ValueError('what nobody foresaw')",
    ],
)
async def test_a_task_id_that_cannot_be_recorded_is_said_with_what_attaches_it(tmp_path: Path, error: str) -> None:
    manifest = prompts(tmp_path / "p.csv", 10)
    broken = altered(tmp_path, {"batchgen.ledger.database": FULL.replace("ERROR", error)})
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--concurrency", "4", **broken)
        assert ended.code == 1
        assert "cannot be written" in ended.err + ended.out
        told = re.findall(
            r"^paid and not recorded: batchgen resolve \S+p\.batch --row (\S+) --attach (\S+)$", ended.err, re.MULTILINE
        )
        tasks = {task.id: task.input["prompt"].replace("prompt ", "r") for task in emulator.tasks}
        assert told
        assert dict(told).items() <= {row: task for task, row in tasks.items()}.items()
        assert len(told) == len(tasks) - RECORDED <= 4

        service = ("--base-url", emulator.url)
        for row, task in told:
            settled = await batchgen("resolve", "p.batch", "--row", row, "--attach", task, *service, cwd=tmp_path)
            assert settled.code == 0, settled.err
        # That a POST was held back could not be recorded either: its row is in doubt, and has no task.
        ended = await run(emulator, manifest, "--in-doubt", "resubmit")
        assert (ended.code, ended.summary["archived"]) == (0, 10)
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}
        assert len(results(tmp_path / "p.batch")) == 10
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


# After so many task ids the disk takes no more, and SQLite, which has written them, does not know.
UNSYNCED = f"""
class Counting(sqlite3.Connection):
    ids = 0

    def execute(self, sql, parameters=()):
        Counting.ids += sql.startswith("UPDATE attempt SET ended_at")
        return super().execute(sql, parameters)

plain = sqlite3.connect
sqlite3.connect = lambda *args, **more: plain(*args, factory=Counting, **more)
plain_sync = _sync

def _sync(file):
    if Counting.ids > {RECORDED}:
        raise OSError(5, "Input/output error")
    plain_sync(file)
"""


async def test_a_task_id_that_does_not_come_to_the_disk_is_said_with_what_attaches_it(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 10)
    async with emulated() as emulator:
        ended = await run(
            emulator, manifest, "--concurrency", "4", **altered(tmp_path, {"batchgen.ledger.database": UNSYNCED})
        )
        assert ended.code == 1
        assert "cannot be written: Input/output error" in ended.err + ended.out
        told = re.findall(
            r"^paid and not recorded: batchgen resolve \S+p\.batch --row (\S+) --attach (\S+)$", ended.err, re.MULTILINE
        )
        tasks = {task.input["prompt"].replace("prompt ", "r"): task.id for task in emulator.tasks}
        assert dict(told).items() <= tasks.items()
        assert len(tasks) - RECORDED <= len(told) <= len(tasks)

        ended = await run(emulator, manifest)  # the power was not cut
        assert (ended.code, ended.summary["archived"]) == (0, 10)
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}


# The disk is full when all else is written.
FULL_AT_LAST = """
class Full(sqlite3.Connection):
    def execute(self, sql, parameters=()):
        if sql.startswith("INSERT") and WRITTEN in parameters:
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, parameters)

plain = sqlite3.connect
sqlite3.connect = lambda *args, **more: plain(*args, factory=Full, **more)
"""


async def test_a_disk_that_is_full_once_all_is_told_takes_no_summary_away(tmp_path: Path) -> None:
    async with emulated() as emulator:
        broken = altered(tmp_path, {"batchgen.ledger.database": FULL_AT_LAST})
        ended = await run(emulator, prompts(tmp_path / "p.csv", 3), **broken)
    assert (ended.code, ended.summary["archived"]) == (0, 3)


async def test_a_batch_where_nothing_can_be_written_any_more_takes_no_summary_away(tmp_path: Path) -> None:
    manifest, batch = prompts(tmp_path / "p.csv", 3), tmp_path / "p.batch"
    async with standing_still() as (emulator, clock):
        process = await start("run", manifest, "--base-url", emulator.url, "--json", *PATIENT, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) == 3, process)
        with read_only(batch):
            clock.go()
            ended = await finished(process)
        assert (ended.code, ended.summary["archived"], ended.summary["rendered"]) == (1, 0, 3), ended.err
        assert (await run(emulator, manifest)).summary["archived"] == len(emulator.tasks) == 3


async def test_a_task_id_that_the_log_has_and_the_ledger_has_not_is_taken_by_the_next_run(tmp_path: Path) -> None:
    manifest, full = prompts(tmp_path / "p.csv", 10), "sqlite3.OperationalError('database or disk is full')"
    broken = altered(tmp_path, {"batchgen.ledger.database": FULL.replace("ERROR", full)})
    async with emulated() as emulator:
        await run(emulator, manifest, "--concurrency", "4", **broken)
        asked = len(emulator.tasks)
        assert asked > RECORDED
        # A task that was never asked for has nothing that names it.
        ended = await run(emulator, manifest, "--in-doubt", "resubmit")
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 10, 10)
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}
        assert await wrong_files(emulator, tmp_path / "p.batch") == []
