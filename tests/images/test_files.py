"""Files in the place of links: known by their content, refused with the sheet's other mistakes."""

from hashlib import sha256
from pathlib import Path

import pytest

from batchgen.images.files import Files
from batchgen.images.formats import MOST_BYTES
from batchgen.manifest import open_manifest
from batchgen.model import Problem, Row
from tests.images.pictures import GIF, JPG, WEBP, png
from tests.manifest.reading import singly


def read(folder: Path, sheet: str, *, may_upload: bool = True) -> tuple[list[tuple[str, ...]], list[str]]:
    """The images of each row, and the problems."""
    (folder / "sheet.csv").write_text(sheet)
    files = Files(folder, may_upload=may_upload)
    found = list(singly(open_manifest(folder / "sheet.csv", model="wan-2-5", picture=files.refer)))
    images = [item.request.image_urls for item in found if isinstance(item, Row)]
    return images, [str(item) for item in found if isinstance(item, Problem) and item.fatal]


def named(content: bytes, form: str) -> str:
    return f"sha256:{sha256(content).hexdigest()}.{form}"


def test_pictures_of_each_format_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, content in (("a.jpg", JPG), ("in/b c.png", png()), ("w.gif", WEBP), ("copy.jpeg", JPG)):
        (tmp_path / name).write_bytes(content)
    cells = ["a.jpg", "in/b c.png", "w.gif", str(tmp_path / "copy.jpeg"), '"[""a.jpg"", ""https://x.example/y.png""]"']
    images, problems = read(tmp_path, "prompt,image_urls\n" + "".join(f"p,{cell}\n" for cell in cells))
    assert problems == []
    jpg = named(JPG, "jpg")
    assert images == [(jpg,), (named(png(), "png"),), (named(WEBP, "webp"),), (jpg,), (jpg, "https://x.example/y.png")]


def test_what_cannot_be_sent_is_told_by_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "g.png").write_bytes(GIF)
    (tmp_path / "big.png").write_bytes(png() + bytes(MOST_BYTES))
    (tmp_path / "folder.png").mkdir()
    rows = ["none.jpg", "g.png", "big.png", "folder.png", "file:///etc/passwd", "www.example.com/a.jpg?sig=s3cret"]
    images, problems = read(tmp_path, "prompt,image_urls\n" + "".join(f"p,{cell}\n" for cell in rows))
    assert images == []
    for line, (problem, words) in enumerate(
        zip(
            problems,
            ["nor a file in", "is not a JPG", "10.0 MB", "nor a file in", "not a link", "nor a file"],
            strict=True,
        ),
        2,
    ):
        assert problem.startswith(f"line {line}, column image_urls: image_urls "), problem
        assert words in problem
        assert "s3cret" not in problem


def test_without_a_bucket_a_picture_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    _, problems = read(tmp_path, f"prompt,image_urls\np,a.png\np,{named(JPG, 'jpg')}\n", may_upload=False)
    assert [problem.rpartition("; ")[2] for problem in problems] == [
        "with --images-to s3://bucket/prefix it is uploaded there"
    ] * 2


@pytest.mark.parametrize("name", ["a|b.png", "https.png", "C:x.png"])
def test_a_files_name_is_not_taken_for_a_link(tmp_path: Path, name: str) -> None:
    for part in name.split("|"):
        (tmp_path / part).write_bytes(png())
    images, problems = read(tmp_path, f"prompt,image_urls\np,{name}\n")
    assert problems == []
    assert images == [(named(png(), "png"),) * len(name.split("|"))]
