"""A night tried beforehand: against an emulator, in a batch that is thrown away."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from batchgen.planning.plan import make_plan
from batchgen.planning.rehearsal import Rehearsal
from batchgen.settings import Settings
from tests.e2e.program import batchgen, emulated, prompts, run, sheet
from tests.images.samples import png


def contents(folder: Path) -> dict[str, str]:
    """Each file's checksum, but for what SQLite lays beside a file that is read."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


async def test_a_rehearsal_plays_the_sheet_and_leaves_nothing_behind(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"p {n}" + " [violation]" * (n == 2), "resolution": "720p"} for n in range(6)]
    manifest = sheet(tmp_path / "p.csv", rows)
    before = contents(tmp_path)
    ended = await batchgen(
        *("rehearse", manifest, "--concurrency", "2", "--json"), cwd=tmp_path, XDG_DATA_HOME=str(tmp_path / "data")
    )
    told = ended.summary
    assert (ended.code, told["played"], told["archived"], told["failures"]) == (0, 6, 5, {"CONTENT_VIOLATION": 1})
    assert (told["most_at_once"], told["speed"]) == (2, 100)
    assert told["minutes"] >= 2.5  # three rounds of the document's 50 seconds: no machine is faster
    assert contents(tmp_path) == before
    assert not (tmp_path / "data").exists()


async def test_only_what_a_run_would_pay_for_is_played_and_the_real_batch_is_untouched(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 5)
    async with emulated() as emulator:
        await run(emulator, manifest, "--limit", "3")
        before, asked = contents(tmp_path), len(emulator.requests)
        ended = await batchgen("rehearse", manifest, "--json", cwd=tmp_path)
        assert (ended.code, ended.summary["played"], ended.summary["plan"]["first_files"]) == (
            0,
            2,
            ["r3.mp4", "r4.mp4"],
        )
        assert ended.summary["minutes_from"] == "calculated"  # by what the batch has learned
        assert (contents(tmp_path), len(emulator.requests)) == (before, asked)
        await run(emulator, manifest)
        done = await batchgen("rehearse", manifest, cwd=tmp_path)
        assert "there is nothing to rehearse" in done.out


async def test_of_a_sheet_that_no_machine_could_play_so_fast_a_sample_is_played(tmp_path: Path) -> None:
    ended = await batchgen("rehearse", prompts(tmp_path / "p.csv", 2000), "--json", cwd=tmp_path)
    told = ended.summary
    assert (told["played"], told["archived"], told["minutes_from"]) == (59, 59, "calculated")
    assert (told["minutes"], told["most_at_once"]) == (told["plan"]["minutes"], 1000)
    assert told["requests_per_minute"] is None


def test_why_the_minutes_are_calculated_is_told_as_it_was(tmp_path: Path) -> None:
    plan = make_plan(Settings(batch=tmp_path / "b", manifest=prompts(tmp_path / "p.csv", 3)))
    told = Rehearsal(plan, 3, 3, {}, 100.0, 5.0, plan.minutes, "calculated", 3, None)
    slowly = "(calculated by the service's documented times: busy as this machine is, it was played more slowly)"
    assert slowly in str(told)
    sample = replace(told, plan=replace(plan, to_submit=2000))
    assert "(calculated by the service's documented times: this machine cannot play so much so fast)" in str(sample)
    assert "(calculated by the service's documented times)" in str(replace(told, plan=replace(plan, in_flight=1)))


async def test_images_are_not_uploaded_and_mistakes_are_told_as_by_a_plan(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    manifest = sheet(tmp_path / "p.csv", [{"id": "a", "prompt": "p", "image_urls": "a.png"}])
    ended = await batchgen("rehearse", manifest, "--images-to", "s3://nowhere/in", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["archived"]) == (0, 1), ended.err
    refused = await batchgen("rehearse", manifest, cwd=tmp_path)
    assert (refused.code, "--images-to" in refused.err) == (2, True)
