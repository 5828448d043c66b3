"""--set: a value for the whole batch, under the same rules as a cell."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.manifest import open_manifest, overrides
from batchgen.model import Problem, Row
from batchgen.request import Request
from tests.manifest.reading import singly
from tests.manifest.same_rows import ROWS, WRITERS

MODEL = "wan-2-5"


def read_with(path: Path, *settings: str) -> tuple[list[Row], list[Problem]]:
    found = list(singly(open_manifest(path, model=MODEL, overrides=overrides.parse(settings, model=MODEL))))
    return [item for item in found if isinstance(item, Row)], [item for item in found if isinstance(item, Problem)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_set_value_stands_in_the_place_of_every_rows_own(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, list(ROWS))
    rows, problems = read_with(tmp_path / name, "resolution=1080p", "seed=5", "negative_prompt=", " Duration = 10s")
    assert [problem for problem in problems if problem.fatal] == []
    assert len(rows) == len(ROWS)  # a set seed empties seeds
    assert {(r.request.resolution, r.request.seed, r.request.duration) for r in rows} == {("1080p", 5, 10)}
    assert {r.request.negative_prompt for r in rows} == {None}


def test_set_seeds_make_a_video_of_each_row_with_each(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,prompt,seed\nx,a,7\ny,b,\n")
    rows, _ = read_with(tmp_path / "a.csv", "seeds=1-2")
    assert [(row.id, row.request.seed) for row in rows] == [("x-s1", 1), ("x-s2", 2), ("y-s1", 1), ("y-s2", 2)]


def test_a_set_value_takes_the_place_of_a_list_so_that_nothing_is_made_twice(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("jobs:\n- {prompt: a, resolution: [720p, 1080p], id: x}\n")
    rows, _ = read_with(tmp_path / "a.yaml", "resolution=720p")
    assert [(row.id, row.request.resolution) for row in rows] == [("x", "720p")]


def test_a_cell_that_is_overridden_need_not_be_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,resolution\na,4k\n")
    rows, problems = read_with(tmp_path / "a.csv", "resolution=720p")
    assert (len(rows), problems) == (1, [])


def test_a_set_value_that_does_not_fit_a_row_is_told_at_the_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,image_urls\na,https://x.example/a.jpg\nb,\n")
    rows, problems = read_with(tmp_path / "a.csv", "mode=image-to-video")
    assert [row.request.prompt for row in rows] == ["a"]
    assert [(p.line, p.fatal) for p in problems] == [(3, True)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["resolution"], "NAME=VALUE"),
        (["resolution=4k"], "write 720p or 1080p"),
        (["resolutoin=720p"], "did you mean resolution"),
        (["scene=x"], "is not a parameter"),
        (["id=x"], "the same id"),
        (["prompt= "], "leave no row a prompt"),
        (["seed=1", "seed=2"], "given twice"),
        (["seed=1", "seeds=2-3"], "given twice"),
        (["seed=1.5"], "whole number"),
        (["duration=7"], "5 or 10"),
    ],
)
def test_a_bad_setting_is_bad_usage(settings: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        overrides.parse(settings, model=MODEL)


def test_what_is_set_is_a_mapping_of_parameters() -> None:
    found: Mapping[str, str] = overrides.parse(["SEED=1"], model=MODEL)
    assert dict(found) == {"seed": "1", "seeds": ""}
    assert Request(MODEL, "text-to-video", "a").resolution is None
