"""Files that take the place of others only when they are whole."""

import os
from pathlib import Path

import pytest

from batchgen.system.private import replacing


def test_a_file_is_replaced_when_the_new_one_is_whole_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "figures"
    path.write_text("before")
    with replacing(path, encoding="utf-8") as file:
        file.write("after")
        assert path.read_text() == "before"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o600)
    assert os.listdir(tmp_path) == ["figures"]


@pytest.mark.parametrize("shared", [False, True])
def test_what_fails_midway_leaves_the_file_that_was_there(tmp_path: Path, shared: bool) -> None:
    path = tmp_path / "figures"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path, shared=shared) as file:
        file.write(f"half, {1 / 0}")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["figures"]
