"""What a person sets right from Python, by the command line's own ways."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest

from batchgen import Batch, UsageError
from batchgen.emulator.server import Emulator
from tests.api.support import at, rows
from tests.e2e.program import emulated, paid
from tests.report.batches import Wanted, film, make_batch


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """One that accepts tasks and loses half of the answers."""
    async with emulated(faults={"submit-lost": 0.5}, seed=3) as emulator:
        yield emulator


async def test_rows_in_doubt_are_shown_and_given_their_task_or_up(emulator: Emulator, tmp_path: Path) -> None:
    batch = at(emulator, rows(6), tmp_path / "b")
    doubtful = (await batch.run_async()).in_doubt
    frame = batch.results()
    known, lost, *_ = frame[frame["status"] == "in_doubt"]["id"]
    assert sum("asked for at" in line for line in batch.resolve()) == doubtful
    task = paid(emulator)[f"prompt {known.removeprefix('r')}"][0].id
    attached = await asyncio.to_thread(batch.resolve, known, attach=task)  # the service is in this loop
    assert attached == [f"{known}: its task is {task}; the next run fetches the video"]
    with pytest.raises(UsageError, match="--abandon needs --row ID, or --all"):
        batch.resolve(abandon=True)
    assert batch.resolve([lost], abandon=True)[0] == f"{lost}: given up"
    assert (await asyncio.to_thread(batch.rescue)).archived == 6 - doubtful + 1
    status = batch.status()
    assert (status.in_doubt, status.failed) == (doubtful - 2, 1)
    assert len(emulator.tasks) == 6
    with pytest.raises(UsageError, match="exclude each other"):
        batch.resolve(known, resubmit=True, abandon=True)
    with pytest.raises(UsageError, match="needs one --row"):
        batch.resolve(attach=task)
    assert batch.resolve(all=True, abandon=True)[-1].startswith(f"{doubtful - 2} row")
    assert batch.status().in_doubt == 0


async def test_what_is_missing_or_changed_is_named_and_fetched_again(tmp_path: Path) -> None:
    async with emulated() as emulator:
        batch = at(emulator, rows(3), tmp_path / "b")
        await batch.run_async()
        assert batch.verify().exit_code == 0
        missing, changed, _ = (Path(video) for video in batch.results()["video"])
        missing.unlink()
        changed.write_bytes(b"changed")
        assert [each.what for each in batch.verify().damaged] == ["missing", "changed"]
        assert not missing.exists()
        repaired = await asyncio.to_thread(batch.verify, repair=True)
        assert [each.what for each in repaired.damaged] == ["missing", "changed"]
        assert (repaired.repaired, repaired.exit_code) == (2, 0)
        assert str(repaired) == "3 videos read, 2 damaged, 2 fetched again"
        assert batch.verify().damaged == ()
        assert missing.exists()
        assert len(emulator.tasks) == 3


async def test_a_repair_that_fetches_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchgen.steps.fetch.FETCH_TRIES", 1)
    async with emulated() as emulator:
        batch = at(emulator, rows(2), tmp_path / "b")
        await batch.run_async()
        Path(batch.results()["video"][0]).unlink()
        emulator.link_seconds = 0.0
        repaired = await asyncio.to_thread(batch.verify, repair=True)
    assert (repaired.repaired, repaired.exit_code) == (0, 1)


@pytest.mark.parametrize(
    ("verb", "options", "told"),
    [
        ("verify", {"repiar": True}, r"--repiar: did you mean --repair\?"),
        ("verify", {"budget": 3}, "--budget: batchgen verify --help names them"),
        ("rescue", {"dowloads": 3}, r"--dowloads: did you mean --downloads\?"),
        ("rescue", {"only": ["r0"]}, "--only: batchgen rescue --help names them"),
        ("resolve", {"rows": ["r0"], "resubmit": True}, r"--rows: did you mean --row\?"),
        ("resolve", {"row": "r0", "task": "task_1"}, "--task: batchgen resolve --help names them"),
    ],
)
def test_what_is_no_option_of_a_verb_is_refused_before_anything_is_done(
    tmp_path: Path, verb: str, options: dict[str, object], told: str
) -> None:
    folder = make_batch(tmp_path / "b", [Wanted("fox", content=film(shade=90))])
    with pytest.raises(UsageError, match=f"^no such option {told}$"):
        getattr(Batch(folder, key="none-is-needed", budget=3), verb)(**options)


async def test_rows_in_doubt_may_be_numbers(emulator: Emulator, tmp_path: Path) -> None:
    batch = at(emulator, [{"id": n, "prompt": f"prompt {n}"} for n in range(6)], tmp_path / "b")
    await batch.run_async()
    doubtful = [int(row.id) for row in batch.rows() if row.status == "in_doubt"]
    assert batch.resolve(doubtful, abandon=True)[0] == f"{doubtful[0]}: given up"
    assert batch.status().in_doubt == 0


async def test_the_page_is_written_also_before_the_run_has_ended(tmp_path: Path) -> None:
    async with emulated() as emulator:
        batch = at(emulator, rows(3), tmp_path / "b", max_tasks=1)
        await batch.run_async()
        (tmp_path / "b" / "report.html").unlink()
        assert batch.report(xlsx=True) == tmp_path / "b" / "report.html"
        assert "prompt 2" in (tmp_path / "b" / "report.html").read_text("utf-8")
        assert (tmp_path / "b" / "results.xlsx").exists()


def test_the_workbook_of_a_report_has_the_pictures_that_the_report_made(tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "b", [Wanted("fox", content=film(shade=90))])
    Batch(folder).report(xlsx=True)
    with ZipFile(folder / "results.xlsx") as book:
        assert [name for name in book.namelist() if name.startswith("xl/media/")]


def test_a_batch_without_a_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="say where the batch is kept"):
        Batch(rows(1), batch="")


def test_a_folder_that_is_no_batch_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    batch = Batch(batch=folder, key="none-is-needed")
    attach = partial(batch.resolve, "a", attach="task_1")
    for verb in (batch.status, batch.results, batch.report, batch.verify, batch.resolve, attach):
        with pytest.raises(UsageError, match="is not a batch"):
            verb()
    assert not folder.exists()
    folder.mkdir()
    with pytest.raises(UsageError, match="is not a batch"):
        attach()
    assert not any(folder.iterdir())
