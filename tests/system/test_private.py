"""The user's own files: written whole in the place of others, and known again there."""

import os
from pathlib import Path

import pytest

from batchgen.system.private import is_at, replacing


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


def test_a_file_that_is_moved_is_at_its_place_no_more_though_a_link_to_it_is(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.touch()
    facts = place.stat()
    assert is_at(place, facts)
    place.rename(tmp_path / "b")
    assert not is_at(place, facts)
    place.symlink_to("b")
    assert not is_at(place, facts)
