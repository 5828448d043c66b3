"""Videos that a person has moved are found where --to says, be their links dead or not."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.emulator.server import Emulator
from tests.e2e.program import QUICK, Ended, batchgen, emulated, prompts, results, run, sheet, wrong_files
from tests.s3_server import S3Server


def is_dead(emulator: Emulator, batch: Path) -> None:
    """Let no link live, and the service know of no task."""
    emulator.faults.shares |= {"status-404": 1.0, "file-404": 1.0}
    with closing(sqlite3.connect(batch / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE job SET completed_at = completed_at - 20 * 86400")


def places(batch: Path) -> list[str]:
    return [row["video"].removesuffix(f"/{row['id']}.mp4") for row in results(batch)]


async def test_videos_are_found_wherever_they_were_moved_to_and_nothing_is_asked_or_fetched(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.make_bucket("attic")
    manifest, batch = prompts(tmp_path / "p.csv", 3), tmp_path / "p.batch"
    one, other = tmp_path / "one", tmp_path / "other"

    def to_other_disk() -> None:
        one.rename(other)

    def to_bucket() -> None:
        for video in other.iterdir():
            s3.client.upload_file(str(video), "attic", f"old/{video.name}")
        shutil.rmtree(other)

    def to_other_prefix() -> None:
        for name in s3.keys("attic", "old/"):
            source = {"Bucket": "attic", "Key": name}
            s3.client.copy_object(Bucket="attic", Key=name.replace("old/", "new/"), CopySource=source)
            s3.client.delete_object(**source)

    def to_disk() -> None:
        (batch / "videos").mkdir()
        for name in s3.keys("attic", "new/"):
            s3.client.download_file("attic", name, str(batch / "videos" / Path(name).name))
            s3.client.delete_object(Bucket="attic", Key=name)

    async with emulated() as emulator:

        async def again(*words: str | Path) -> Ended:
            return await run(emulator, manifest, *words, **s3.environment)

        await again("--to", one)
        is_dead(emulator, batch)
        asked = len(emulator.requests), len(emulator.files)
        for move, to, place in (
            (to_other_disk, other, str(other)),
            (to_bucket, "s3://attic/old", "s3://attic/old"),
            (to_other_prefix, "s3://attic/new", "s3://attic/new"),
            (to_disk, batch / "videos", "videos"),
        ):
            move()
            ended = await again("--to", to)
            assert (ended.code, "3 archived videos found in" in ended.err) == (0, True), ended.err
            assert "no longer there" not in ended.err
            assert places(batch) == [place] * 3
            checked = await batchgen("verify", "p.batch", cwd=tmp_path, **s3.environment)
            assert (checked.code, checked.out) == (0, "3 videos read, 0 damaged\n"), checked.err
            assert "moved" not in (await again()).err
        assert (len(emulator.requests), len(emulator.files)) == asked


async def test_what_is_missing_says_what_to_do_if_it_was_moved(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest, "--to", tmp_path / "one")
        (tmp_path / "one").rename(tmp_path / "other")
        assert "if moved, say where to with run --to" in (await run(emulator, manifest)).err
        assert "if moved, say where to with run --to" in (await batchgen("verify", "p.batch", cwd=tmp_path)).err


async def test_a_file_of_the_same_name_with_other_content_is_not_taken_for_the_video(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest, "--to", tmp_path / "one")
        (tmp_path / "one").rename(tmp_path / "other")
        video = tmp_path / "other" / "r1.mp4"
        video.write_bytes(video.read_bytes()[::-1])
        ended = await run(emulator, manifest, "--to", tmp_path / "other")
        assert "1 archived video found in" in ended.err
        assert f"1 archived video is no longer there ({tmp_path}/one/r1.mp4)" in ended.err
        assert places(tmp_path / "p.batch") == [str(tmp_path / "other"), str(tmp_path / "one")]


async def test_what_was_copied_may_be_deleted_where_it_was(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest)
        shutil.copytree(tmp_path / "p.batch" / "videos", tmp_path / "disk")
        await run(emulator, manifest, "--to", tmp_path / "disk")
        shutil.rmtree(tmp_path / "p.batch" / "videos")
        assert (await batchgen("verify", "p.batch", cwd=tmp_path)).code == 0


async def test_a_destination_that_is_only_written_otherwise_is_not_read_again(tmp_path: Path) -> None:
    manifest, one = prompts(tmp_path / "p.csv", 2), tmp_path / "one"
    (tmp_path / "link").symlink_to(one)
    async with emulated() as emulator:
        await run(emulator, manifest, "--to", one)
        for other in (tmp_path / "link", str(one / ".." / "one")):
            assert "looked for" not in (await run(emulator, manifest, "--to", other)).err
        assert places(tmp_path / "p.batch") == [str(one)] * 2


async def test_what_is_moved_after_to_was_given_is_found_by_the_next_run(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", one)
        await run(emulator, prompts(tmp_path / "p.csv", 3), "--to", other)
        for video in one.iterdir():
            video.rename(other / video.name)
        ended = await run(emulator, tmp_path / "p.csv")
        assert "2 archived videos found in" in ended.err
        assert places(tmp_path / "p.batch") == [str(other)] * 3


async def test_a_repair_that_did_not_know_of_the_move_costs_nothing(tmp_path: Path) -> None:
    manifest, batch = prompts(tmp_path / "p.csv", 3), tmp_path / "p.batch"
    async with emulated() as emulator:
        await run(emulator, manifest, "--to", tmp_path / "one")
        is_dead(emulator, batch)
        (tmp_path / "one").rename(tmp_path / "other")
        repair = ("verify", "p.batch", "--repair", "--base-url", emulator.url, *QUICK)
        assert "3 damaged, 0 fetched again" in (await batchgen(*repair, cwd=tmp_path)).out
        ended = await run(emulator, manifest, "--to", tmp_path / "other")
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 3, 3), ended.err
        assert len(list((tmp_path / "other").iterdir())) == 3
        assert await wrong_files(emulator, batch) == []


async def test_a_folder_for_videos_within_the_batch_moves_with_it(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    async with emulated() as emulator:
        await run(emulator, prompts(here / "p.csv", 1), "--to", here / "p.batch" / "films")
        here.rename(there)
        ended = await run(emulator, prompts(there / "p.csv", 2))
        assert (ended.code, len(emulator.tasks)) == (0, 2), ended.err
        assert places(there / "p.batch") == ["films", "films"]
        assert await wrong_files(emulator, there / "p.batch") == []


@pytest.mark.parametrize("what", ["its videos", "the batch"])
async def test_what_was_moved_is_offered_to_other_batches_from_where_it_is(what: str, tmp_path: Path) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    rows = [{"prompt": "shared", "seed": "1"}]
    async with emulated() as emulator:
        await run(emulator, sheet(here / "a.csv", rows), **home)
        is_dead(emulator, here / "a.batch")
        with closing(sqlite3.connect(tmp_path / "home" / "batchgen" / "paid.sqlite")) as index, index:
            index.execute("UPDATE paid SET completed_at = completed_at - 20 * 86400")
        if what == "the batch":
            here.rename(there)
            await run(emulator, there / "a.csv", **home)
        else:
            (here / "a.batch" / "videos").rename(there)
            await run(emulator, here / "a.csv", "--to", there, **home)
        ended = await run(emulator, sheet(tmp_path / "b.csv", rows), "--reuse", **home)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 1, 1), ended.err
