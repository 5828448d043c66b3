"""A manifest through a pipe."""

import io
import stat
from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.manifest import standard_input
from batchgen.manifest.standard_input import spooled
from tests.manifest.reading import read_file
from tests.manifest.same_rows import ROWS, WRITERS


@pytest.mark.parametrize(
    ("form", "name"), [("csv", "rows.csv"), ("yaml", "rows.yaml"), ("jsonl", "rows.jsonl"), ("xlsx", "rows.xlsx")]
)
def test_what_is_piped_in_is_read_like_a_file(tmp_path: Path, form: str, name: str) -> None:
    WRITERS[name](tmp_path / name, list(ROWS))
    with (tmp_path / name).open("rb") as stream, spooled(stream, tmp_path, form) as path:
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_file(path).rows == read_file(tmp_path / name).rows


def test_nothing_too_much_and_an_unknown_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_input, "LARGEST", 3)
    for content, form, words in ((b"", "csv", "empty"), (b"1234", "csv", "larger"), (b"x", "jsn", "did you mean json")):
        with pytest.raises(UsageError, match=words), spooled(io.BytesIO(content), tmp_path, form):
            pass
    with pytest.raises(UsageError, match="cannot be kept"), spooled(io.BytesIO(b"x"), tmp_path / "none"):
        pass
    assert list(tmp_path.iterdir()) == []


def pipe(content: bytes, folder: Path, refuse: str = "") -> None:
    with spooled(io.BytesIO(content), folder) as path:
        assert path.read_bytes() == content
        if refuse:
            raise UsageError(refuse)


def test_a_sheet_that_is_refused_leaves_the_one_of_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bad"):
        pipe(b"1", tmp_path, refuse="bad")
    assert list(tmp_path.iterdir()) == []
    pipe(b"2", tmp_path)
    with pytest.raises(UsageError, match="bad"):
        pipe(b"3", tmp_path, refuse="bad")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["2"]
