"""Each example does what it says, on the emulator."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.api.support import quick_emulator

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("APIXO_API_KEY", raising=False)
    quick_emulator(monkeypatch)


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(HERE / f"{name}.py"))


def test_a_dataframe_goes_in_and_comes_back_with_its_own_columns() -> None:
    made = example("from_a_dataframe")
    assert made["summary"].exit == 0
    frame = made["results"]
    assert frame["id"].tolist() == ["fox", "owl", "hare"]
    assert frame["scene"].tolist() == ["opening", "opening", "end"]
    assert all(Path(video).is_file() for video in frame["video"])


def test_a_run_is_watched_and_stopped_and_the_next_pays_for_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    made = example("watch_a_run")
    assert (made["summary"].exit, made["summary"].archived) == (0, 8)
    said = capsys.readouterr().out
    assert "Stopped by the program" in said
    first = re.search(r"(\d+) tasks? asked for by this run", said)
    assert first
    assert int(first[1]) + made["summary"].submitted == 8
    assert len(re.findall(r"^take-\d is here: .*\.mp4$", said, re.MULTILINE)) >= 2


def test_a_failed_row_is_told_mended_and_alone_paid_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    made = example("plan_and_failures")
    assert capsys.readouterr().out.splitlines() == [
        "2 tasks, up to $0.80",
        "market CONTENT_VIOLATION Content does not meet safety guidelines",
    ]
    assert (made["summary"].exit, made["summary"].submitted, made["summary"].archived) == (0, 1, 2)
