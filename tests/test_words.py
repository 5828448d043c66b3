"""One is said as one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.words import many
from tests.e2e.program import QUICK, batchgen, emulated, prompts, sheet
from tests.test_summary import DONE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((0, "row"), "0 rows"),
        ((1, "row"), "1 row"),
        (("1,000", "row"), "1,000 rows"),
        (("1", "row is", "rows are"), "1 row is"),
        ((2, "row is", "rows are"), "2 rows are"),
    ],
)
def test_a_number_is_said_with_its_noun(words: tuple[int | str, str], told: str) -> None:
    assert many(*words) == told


async def test_a_batch_of_one_row_is_told_of_in_the_singular(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    said = (await batchgen("plan", manifest, cwd=tmp_path)).out
    async with emulated() as emulator:
        service = ("--base-url", emulator.url, *QUICK)
        ended = await batchgen("run", manifest, *service, cwd=tmp_path)
        assert ended.out.startswith("1 row: 1 archived\n1 task paid for by this run (up to $1.30), ")
        prompts(manifest, 1, resolution="720p")
        said += ended.out + (await batchgen("run", manifest, *service, "--max-tasks", "0", cwd=tmp_path)).err
    sheet(manifest, [{"id": "other", "prompt": "prompt 0"}])
    renamed = (await batchgen("plan", manifest, cwd=tmp_path)).err
    assert "1 new row asks for the same as one that is gone, under another id, and is paid for as a new one" in renamed
    said += renamed
    for command in (("status", "p.batch"), ("verify", "p.batch")):
        said += (await batchgen(*command, cwd=tmp_path)).out
    assert "1 row was edited: it is a new job" in said
    assert not re.findall(r"\b1 (?:rows|tasks|videos|jobs|of them (?:are|were|keep) )\b.*", said), said


def test_a_stop_is_said_once() -> None:
    assert replace(DONE, exit=143, stopped="stopped by SIGTERM").advice()[0].startswith("stopped by SIGTERM. ")
