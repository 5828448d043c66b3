"""What a person mends in failures.csv is not lost when a run writes the file anew."""

import csv
from pathlib import Path

import pytest

from batchgen.ledger import Ledger
from batchgen.report import written
from tests.e2e.program import QUICK, emulated, run, sheet, standing_still, start
from tests.waiting import until


def film(folder: Path) -> Path:
    """A sheet of which one row of two fails."""
    return sheet(folder / "film.csv", [{"id": "r0", "prompt": "[violation] x"}, {"id": "r1", "prompt": "y"}])


def mend(path: Path, prompt: str) -> bytes:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sheet(path, [rows[0] | {"prompt": prompt}, *rows[1:]])
    return path.read_bytes()


async def test_what_was_mended_is_kept_beside_and_told_also_to_who_wants_it_quiet(tmp_path: Path) -> None:
    manifest = film(tmp_path)
    failures = tmp_path / "film.batch" / "failures.csv"
    first, second = (failures.with_name(f"failures.mended{mark}.csv") for mark in ("", "-2"))
    async with emulated() as emulator:
        await run(emulator, manifest)
        written = failures.read_bytes()
        again = await run(emulator, manifest, "--quiet", "--retry-failed")
        assert ("was changed" in again.err, first.exists()) == (False, False)
        for kept, prompt in ((first, "kind"), (second, "kinder")):
            held = mend(failures, prompt)
            nightly = await run(emulator, manifest, "--quiet")
            said = "failures.csv has been changed since it was written, and is kept beside it; to run it:\n"
            assert f"{said}    batchgen run {kept} --base-url {emulator.url}\n" in nightly.err
            assert (kept.read_bytes(), failures.read_bytes()) == (held, written)
        ended = await run(emulator, second)
        assert (ended.summary["archived"], ended.summary["submitted"], failures.exists()) == (2, 1, False)


async def test_what_the_run_took_in_is_not_kept_but_what_was_changed_in_it_since(tmp_path: Path) -> None:
    failures = tmp_path / "film.batch" / "failures.csv"
    kept = failures.with_name("failures.mended.csv")
    async with standing_still() as (emulator, clock):
        clock.go()
        await run(emulator, film(tmp_path))
        mend(failures, "[violation] still")
        taken = await run(emulator, failures)
        assert (taken.summary["failed"], kept.exists()) == (1, False)
        clock.stop()
        mend(failures, "kind")
        running = await start("run", failures, "--base-url", emulator.url, *QUICK, cwd=tmp_path)
        await until(lambda: len(emulator.tasks) == 4)
        held = mend(failures, "kinder")
        clock.go()
        await running.communicate()
        assert (kept.read_bytes(), failures.exists()) == (held, False)


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_a_kill_leaves_while_the_file_is_written_is_no_change_of_a_person(tmp_path: Path, is_killed: bool) -> None:
    path, part = tmp_path / "failures.csv", tmp_path / "part"
    with Ledger.open(None) as ledger:
        for held in ("one", "two", "three"):
            part.write_text(held)
            assert written.keep_mended(ledger, path) is None
            written.note_held(ledger, written.digest(path), written.digest(part))
            if not is_killed or held == "one":
                part.replace(path)
        assert written.keep_mended(ledger, path) is None
        path.write_text("mine")
        assert written.keep_mended(ledger, path) == tmp_path / "failures.mended.csv"
        assert not path.exists()


def test_what_an_older_version_wrote_is_no_change_of_a_person(tmp_path: Path) -> None:
    path = tmp_path / "failures.csv"
    path.write_text("id,prompt")
    with Ledger.open(None) as ledger:
        assert written.keep_mended(ledger, path) is None
        assert path.exists()
