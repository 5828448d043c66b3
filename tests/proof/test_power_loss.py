"""A power cut at any moment: what was promised to be on the disk is, and in the order that makes the promise."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from batchgen.emulator.server import Emulator
from tests.e2e.program import emulated, prompts
from tests.proof.fleet import fleet
from tests.proof.power import Disk, replay, traced
from tests.proof.scene import FAST, SPEED

ROWS = 5
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
ATTEMPTS = "SELECT json_extract(request, '$.prompt'), attempt.task_id FROM attempt JOIN job USING (job)"


async def traced_run(folder: Path, emulator: Emulator) -> Path:
    """A run with one task at a time, so that each answer is recorded before the next POST."""
    manifest, trace = prompts(folder / "p.csv", ROWS), folder / "trace"
    arguments = ("run", manifest, "--base-url", emulator.url, "--concurrency", "1", *FAST)
    assert await asyncio.to_thread(traced, trace, *arguments, cwd=folder) == 0
    return trace


@needs_strace
async def test_a_power_cut_at_any_post_leaves_its_intent_and_each_task_id_before_it(tmp_path: Path) -> None:
    ledger = tmp_path / "p.batch" / "ledger.sqlite"
    async with emulated(speed=SPEED) as emulator:
        trace = await traced_run(tmp_path, emulator)
    tasks = [(task.input["prompt"], task.id) for task in emulator.tasks]
    posts: list[int] = []

    def posted(disk: Disk, body: bytes) -> None:
        left = disk.ledger(ledger, ATTEMPTS)
        before = len(posts)
        posts.append(len(left))
        assert left[:before] == tasks[:before], "a task id that had come is not on the disk"
        assert left[before:] == [(tasks[before][0], None)], "the intent of a POST is not on the disk"
        assert tasks[before][0].encode() in body

    disk = replay(trace, posted, lambda *_: None)
    assert posts == list(range(1, ROWS + 1))
    assert disk.ledger(ledger, ATTEMPTS) == tasks


@needs_strace
async def test_a_video_in_the_ledger_is_on_the_disk_with_its_name_before(tmp_path: Path) -> None:
    batch = tmp_path / "p.batch"
    async with emulated(speed=SPEED) as emulator:
        trace = await traced_run(tmp_path, emulator)
    told: set[str] = set()

    def synced(disk: Disk, path: str) -> None:
        if path != str(batch / "ledger.sqlite-wal"):
            return
        for place, digest in disk.ledger(batch / "ledger.sqlite", "SELECT place, lower(hex(sha256)) FROM video"):
            if place not in told:
                told.add(place)
                assert disk.durable_hash(batch / place) == digest, "the ledger names a file that is not all on the disk"
                named = disk.order.index(("link", str(batch / place)))
                assert any(done == "fsync" and file.endswith(".part") for done, file in disk.order[:named])
                assert ("fsync", str(batch / "videos")) in disk.order[named:], "its name is not on the disk"

    replay(trace, lambda *_: None, synced)
    assert len(told) == ROWS


async def test_a_file_is_synced_then_named_then_its_folder_synced_then_recorded(tmp_path: Path) -> None:
    manifest, log = prompts(tmp_path / "p.csv", 1), tmp_path / "points.json"
    async with emulated(speed=SPEED) as emulator, fleet(1) as ships, ships.berth() as berth:
        went = await berth.run("run", manifest, "--base-url", emulator.url, *FAST, cwd=tmp_path, log=log)
    assert went.code == 0, went.said
    seen = [(name, side) for name, side in json.loads(log.read_text())]
    steps = [
        ("fsync an unfinished video", "after"),
        ("link to a video", "before"),
        ("link to a video", "after"),
        ("fsync folder videos", "after"),
        ("sql INSERT OR REPLACE INTO video VALUES (?, ?, ?, ?, ?, ?)", "before"),
    ]
    start = seen.index(("download", "after"))
    assert [point for point in seen[start:] if point in steps] == steps
