"""batchgen init: files that a person can begin with, and nothing of theirs lost."""

import json
from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.starters import FILES, write_starter
from tests.manifest.reading import read_file


def test_what_is_written_can_be_run_as_it_is(tmp_path: Path) -> None:
    made = write_starter(tmp_path / "new" / "folder")
    assert [path.name for path in made] == ["prompts.csv", "prompts.yaml", "batchgen.schema.json"]
    sheet, document = read_file(made[0]), read_file(made[1])
    assert sheet.problems == []
    assert len(sheet.rows) == 7
    assert [problem for problem in document.problems if problem.fatal] == []
    assert len(document.rows) == 1 + 1 + 2 + 6 + 1
    assert json.loads(made[2].read_text("utf-8"))["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_ever_written_over(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.write_text("mine")
    with pytest.raises(UsageError, match="is there already; move it away"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"


def test_several_files_that_are_there_are_told_as_several(tmp_path: Path) -> None:
    write_starter(tmp_path)
    with pytest.raises(UsageError, match=r"batchgen\.schema\.json are there already; move them away"):
        write_starter(tmp_path)


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="there already"):
        write_starter(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_begun_is_taken_away_when_the_rest_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str) -> str:
        if name == "prompts.yaml":
            raise OSError(28, "No space left on device")
        return "x"

    monkeypatch.setattr("batchgen.starters._content", full)
    with pytest.raises(UsageError, match="No space left"):
        write_starter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_starter(tmp_path / "file" / "x")
