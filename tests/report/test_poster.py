"""Posters: a bright frame of each video, made once, and never the end of a report."""

import io
import stat
import time
from pathlib import Path

import av
import pytest

from batchgen.report.poster import PIXELS, Poster, Posters
from tests.report.batches import film

SHA = "ab" * 32


@pytest.fixture
def posters(tmp_path: Path) -> Posters:
    return Posters(tmp_path / "posters")


def video(tmp_path: Path, **facts: int) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(film(**facts))
    return path


def brightness(poster: Poster | None) -> float:
    assert poster
    with av.open(str(poster.path), "r") as picture:
        frame = next(picture.decode(video=0)).reformat(width=64, height=8, format="gray")
    pixels = bytes(frame.planes[0])
    return sum(pixels) / len(pixels)


def test_a_poster_is_a_small_private_jpeg_named_by_the_video(posters: Posters, tmp_path: Path) -> None:
    made = posters.make(SHA, video(tmp_path))
    assert made
    assert made.path.read_bytes()[:3] == b"\xff\xd8\xff"
    assert made.path.name == f"{SHA}-{made.width}x{made.height}.jpg"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert brightness(made) > 150


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 640)])
def test_posters_of_all_shapes_keep_the_shape_and_weigh_the_same(
    posters: Posters, tmp_path: Path, width: int, height: int
) -> None:
    made = posters.make(SHA, video(tmp_path, width=width, height=height, frames=2))
    assert made
    assert made.ratio == pytest.approx(width / height, rel=0.02)
    assert made.width * made.height == pytest.approx(PIXELS, rel=0.02)


def test_a_video_that_fades_in_gives_a_frame_that_shows_something(posters: Posters, tmp_path: Path) -> None:
    assert brightness(posters.make(SHA, video(tmp_path, dark=12))) > 150


def test_a_video_that_stays_dark_gives_its_first_frame(posters: Posters, tmp_path: Path) -> None:
    assert brightness(posters.make(SHA, video(tmp_path, dark=48))) < 40


def test_a_poster_can_be_made_from_an_open_file(posters: Posters) -> None:
    assert posters.make(SHA, io.BytesIO(film(frames=2)))


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", film(frames=2)[:300]], ids=["empty", "html", "cut"]
)
def test_what_is_no_video_gives_no_poster_and_no_error(posters: Posters, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    assert posters.make(SHA, path) is None
    assert not list(tmp_path.glob("posters/*"))


def test_a_folder_that_cannot_be_written_gives_no_poster_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "posters").write_text("a file in the place of the folder")
    assert Posters(tmp_path / "posters").make(SHA, video(tmp_path)) is None


def test_a_poster_is_made_once(posters: Posters, tmp_path: Path) -> None:
    path = video(tmp_path)
    posters.make_all([(SHA, path)], seconds=60)
    path.unlink()
    again = Posters(tmp_path / "posters")
    again.make_all([(SHA, path)], seconds=60)
    assert again.find(SHA)


def test_no_time_makes_no_poster(posters: Posters, tmp_path: Path) -> None:
    posters.make_all([(SHA, video(tmp_path))], seconds=0)
    assert not posters.find(SHA)


def test_when_the_time_is_over_the_rest_is_left_to_the_next_report(
    posters: Posters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, *[99.0] * 10])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    videos = {f"{number:064x}": video(tmp_path) for number in range(3)}
    posters.make_all(videos.items(), seconds=5)
    assert [posters.find(sha256) is not None for sha256 in videos].count(True) == 1
