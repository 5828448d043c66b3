"""A service that gives one video to several tasks is not believed without a word."""

from pathlib import Path

import pytest

from batchgen.emulator.tasks import Task
from batchgen.emulator.video import encode_tiny
from tests.e2e.program import emulated, run, sheet


def one_for_all_foxes(task: Task) -> bytes:
    return encode_tiny("16:9", 5, b"fox" if "fox" in task.input["prompt"] else task.id.encode())


async def test_a_video_that_several_tasks_were_given_is_told_once(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": prompt} for n, prompt in enumerate(["fox", "cat", "a fox", "old fox", "dog"])]
    async with emulated(video_bytes=one_for_all_foxes) as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", rows), "--quiet")
        again = await run(emulator, sheet(tmp_path / "p.csv", [*rows, {"id": "r9", "prompt": "cow"}]), "--quiet")
    assert (ended.code, again.code, again.err) == (0, 0, "")
    (told,) = ended.err.splitlines()
    assert told.startswith("3 rows of this run have the same video as a row with another task (videos/r")
    assert "(videos/r0.mp4 and videos/r2.mp4, ...)" in told


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": "fox", "seed": "7"}] * 3,
        [{"prompt": "fox", "seed": "7", "provider": provider} for provider in ("value", "official")],
        [{"prompt": "fox", "seed": ""}] * 3,
    ],
    ids=["one task", "one seed", "each its own"],
)
async def test_what_is_the_same_by_its_seed_or_was_paid_for_once_is_no_news(
    tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    async with emulated() as emulator:
        ends = [await run(emulator, sheet(tmp_path / f"{name}.csv", rows), "--reuse", **home) for name in "ab"]
    assert [end.code for end in ends] == [0, 0]
    assert "the same video" not in "".join(end.err for end in ends)


async def test_equal_requests_without_a_seed_are_to_have_videos_of_their_own(tmp_path: Path) -> None:
    async with emulated(video_bytes=one_for_all_foxes) as emulator:
        ended = await run(emulator, sheet(tmp_path / "p.csv", [{"prompt": "fox"}] * 2))
    assert "2 rows of this run have the same video" in ended.err
