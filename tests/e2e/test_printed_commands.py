"""The commands that are printed do what they say, also for a batch that is not of the usual service."""

import shlex
import sqlite3
from pathlib import Path

from batchgen.ledger import Ledger
from batchgen.model import EMULATOR
from tests.e2e.program import QUICK, Ended, altered, batchgen, emulated, prompts, run
from tests.report.batches import Wanted, make_batch

SECRET = "p4ss"


def commands(text: str) -> list[list[str]]:
    """The commands that have a line to themselves, as words."""
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("    batchgen ")]


async def told(*words: str | Path, cwd: Path) -> str:
    ended = await batchgen(*words, cwd=cwd)
    return ended.out + ended.err


async def do(text: str, cwd: Path) -> Ended:
    (command,) = commands(text)
    return await batchgen(*command, cwd=cwd)


async def test_what_a_run_and_status_print_fetches_from_the_service_of_the_batch(tmp_path: Path) -> None:
    async with emulated(faults={"file-html": 1.0}) as emulator:
        once = altered(tmp_path, {"batchgen.steps.fetch": "FETCH_TRIES = 1"})
        sheet = prompts(tmp_path / "p.csv", 2)
        plain = await batchgen("run", sheet, "--base-url", emulator.url, *QUICK, cwd=tmp_path, **once)
        status = await told("status", "p.batch", cwd=tmp_path)
        emulator.faults.shares.clear()
        assert commands(plain.out)[0][2:] == commands(status)[0][2:] == ["--base-url", emulator.url]
        rescued = await do(status, tmp_path)
        assert (rescued.code, "2 archived" in rescued.out) == (0, True), rescued.err


async def test_what_verify_prints_repairs(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 1))
        (tmp_path / "p.batch" / "videos" / "r0.mp4").unlink()
        repaired = await do(await told("verify", "p.batch", cwd=tmp_path), tmp_path)
        assert (repaired.code, repaired.out) == (0, "1 video read, 1 damaged, 1 fetched again\n"), repaired.err


async def test_what_is_printed_to_continue_a_batch_continues_it(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 1))
        for words in (("ctl", "p.batch"), ("run", "p.batch")):
            resumed = await do(await told(*words, cwd=tmp_path), tmp_path)
            assert (resumed.code, "1 archived" in resumed.out) == (0, True), resumed.err


async def test_the_usual_service_and_the_emulator_are_not_named(tmp_path: Path) -> None:
    make_batch(tmp_path / "p.batch", [Wanted("fox")])
    assert commands(await told("ctl", "p.batch", cwd=tmp_path)) == [["resume", "p.batch"]]
    with Ledger.open(tmp_path / "p.batch" / "ledger.sqlite") as ledger:
        ledger.remember({"service": EMULATOR})
    assert commands(await told("ctl", "p.batch", cwd=tmp_path)) == [["resume", "p.batch"]]


async def test_an_address_with_a_password_in_a_strangers_folder_is_not_printed(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await run(emulator, prompts(tmp_path / "p.csv", 1))
    with sqlite3.connect(tmp_path / "p.batch" / "ledger.sqlite") as ledger:
        ledger.execute(f"UPDATE fact SET value = 'https://me:{SECRET}@evil.example' WHERE name = 'service'")
    said = await told("ctl", "p.batch", cwd=tmp_path)
    assert (commands(said), SECRET in said) == ([["resume", "p.batch"]], False)
