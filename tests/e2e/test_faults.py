"""What nobody foresaw ends in a sentence, never in a traceback, and nothing that is paid is lost."""

import json
from pathlib import Path

import pytest

from batchgen.errors import FaultError
from tests.e2e.program import KEY, altered, batchgen, emulated, prompts, run


def broken(folder: Path, place: str, error: str) -> dict[str, str]:
    """An environment in which a function of the program raises an error."""
    module, name = place.rsplit(".", 1)
    return altered(folder, {module: f"def {name}(*_, **__): raise {error}"})


async def test_results_that_cannot_be_written_are_told_and_nothing_is_paid_for_again(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    async with emulated() as emulator:
        await run(emulator, prompts(manifest, 1))
        (tmp_path / "p.batch" / ".results.csv.part").mkdir()
        ended = await run(emulator, prompts(manifest, 3))
        assert (ended.code, ended.summary["archived"]) == (1, 3)
        assert "p.batch cannot be written: Is a directory. What is paid is in the ledger" in ended.summary["stopped"]
        (tmp_path / "p.batch" / ".results.csv.part").rmdir()
        again = await run(emulator, manifest)
        assert (again.code, len(emulator.tasks)) == (0, 3)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (f"KeyError('Bearer {KEY}')", "a mistake in batchgen itself, not in what you gave it (KeyError"),
        ("MemoryError()", "the memory of this machine is used up"),
        ("__import__('sqlite3').DatabaseError('disk image is malformed')", "the ledger cannot be read or written"),
    ],
)
async def test_an_error_that_nobody_foresaw_is_one_sentence_and_its_details_are_in_the_log(
    tmp_path: Path, error: str, words: str
) -> None:
    async with emulated() as emulator:
        ended = await run(
            emulator, prompts(tmp_path / "p.csv", 1), **broken(tmp_path, "batchgen.report.results.write", error)
        )
        assert len(emulator.tasks) == 1
    assert ended.code == 1
    line = ended.err.strip().splitlines()[-1]
    log = tmp_path / "p.batch" / "run.log"
    assert line.startswith(f"batchgen: {words}")
    assert line.endswith(f"{log} has the details. What is paid is in the ledger; run the same command again")
    last = json.loads(log.read_text().splitlines()[-1])
    assert "Traceback" in last["traceback"]
    assert KEY not in log.read_text()


GIVES_OUT = """
from batchgen.errors import LedgerError

def give_out(*_):
    raise LedgerError("ledger.sqlite cannot be read")
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [
        (
            "batchgen.ledger.ledger",
            "real = Ledger.next_pending\nLedger.next_pending = lambda self: real(self) or give_out()",
        ),
        ("batchgen.report.results", "write = give_out"),
    ],
    ids=["at work", "at the end"],
)
async def test_a_ledger_that_gives_out_once_tasks_were_asked_for_does_not_end_as_if_nothing_was_sent(
    tmp_path: Path, module: str, code: str
) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 1), **altered(tmp_path, {module: GIVES_OUT + code}))
        assert (ended.code, len(emulator.tasks)) == (1, 1)
    assert ended.err.endswith("batchgen: ledger.sqlite cannot be read\n")


async def test_an_error_outside_a_run_says_where_it_arose(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    ended = await batchgen(
        "plan", manifest, cwd=tmp_path, **broken(tmp_path, "batchgen.sheet.remarks.describe", "KeyError(1)")
    )
    assert ended.code == 1
    assert "(KeyError at plan.py, line " in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_file_that_the_system_refuses_is_named() -> None:
    told = str(FaultError(OSError(28, "No space left on device", "/data/x")))
    assert told == "/data/x: No space left on device. What is paid is in the ledger; run the same command again"


async def test_a_folder_that_cannot_be_locked_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "p.batch" / ".lock").mkdir(parents=True)
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 1))
        assert (ended.code, len(emulator.requests)) == (2, 0)
    assert "p.batch cannot be written" in ended.err
