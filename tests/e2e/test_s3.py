"""A batch archived in S3, on a real server."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.program import QUICK, batchgen, emulated, paid, prompts, results, run, start
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def key_of(place: str) -> str:
    return urlsplit(place).path.lstrip("/")


async def test_a_batch_goes_to_s3_and_a_second_run_asks_and_fetches_nothing(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.make_bucket("night")
    manifest = prompts(tmp_path / "p.csv", 40)
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--to", "s3://night/films", **s3.environment)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 40, 40), ended.err
        tasks = {task.id: task for task in emulator.tasks}
        for row in results(tmp_path / "p.batch"):
            found = s3.client.get_object(Bucket="night", Key=key_of(row["video"]))
            content = found["Body"].read()
            assert content == await emulator.video(tasks[row["task_id"]])
            assert row["sha256"] == found["Metadata"]["sha256"] == sha256(content).hexdigest()
        local = [path.name for path in (tmp_path / "p.batch").rglob("*") if path.is_file()]
        assert sorted(local) == [".lock", "ledger.sqlite", "report.html", "results.csv", "run.log"]
        asked, fetched = len(emulator.requests), len(emulator.files)
        again = await run(emulator, manifest, "--to", "s3://night/films", **s3.environment)
        assert (again.code, again.summary["submitted"]) == (0, 0)
        assert (len(emulator.requests), len(emulator.files)) == (asked, fetched)
        assert (await batchgen("verify", "p.batch", cwd=tmp_path, **s3.environment)).code == 0
        s3.client.delete_object(Bucket="night", Key="films/r3.mp4")
        assert "r3" in (await batchgen("verify", "p.batch", cwd=tmp_path, **s3.environment)).err
    assert bucket is None or bucket


async def test_a_bucket_that_is_not_there_is_found_before_anything_is_paid(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", "s3://nowhere/x", **s3.environment)
        assert (ended.code, len(emulator.requests)) == (2, 0)
        assert "nowhere" in ended.err


async def test_wrong_credentials_are_found_before_anything_is_paid(s3: S3Server, tmp_path: Path) -> None:
    s3.make_bucket("locked")
    wrong = s3.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", "s3://locked/x", **wrong)
        assert (ended.code, len(emulator.requests)) == (2, 0)


async def test_kill_9_during_uploads_leaves_whole_objects_and_pays_for_nothing_twice(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.make_bucket("killed")
    manifest = prompts(tmp_path / "p.csv", 20)
    flags = ("--to", "s3://killed/x")
    async with emulated() as emulator:
        for fetched in (2, 8, 14):
            process = await start(
                *("run", manifest, "--base-url", emulator.url, *flags, *QUICK), cwd=tmp_path, **s3.environment
            )
            while len(emulator.files) < fetched and process.returncode is None:
                await asyncio.sleep(0.01)
            if process.returncode is None:
                process.kill()
            await process.communicate()
        ended = await run(emulator, manifest, *flags, "--in-doubt", "hold", **s3.environment)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert ended.summary["archived"] + ended.summary["in_doubt"] == 20
        for row in results(tmp_path / "p.batch"):
            if row["status"] == "archived":
                body = s3.client.get_object(Bucket="killed", Key=key_of(row["video"]))["Body"].read()
                assert sha256(body).hexdigest() == row["sha256"]
