"""Files in the place of links: known by their content, refused with the sheet's other mistakes."""

from hashlib import sha256
from pathlib import Path
from unicodedata import normalize

import pytest

from batchgen.images.files import Files
from batchgen.images.formats import MOST_BYTES
from batchgen.manifest import open_manifest
from batchgen.model import Problem, Row
from tests.images.samples import GIF, JPG, WEBP, png
from tests.manifest.reading import singly


def read(folder: Path, sheet: str, *, may_upload: bool = True) -> tuple[list[tuple[str, ...]], list[str]]:
    """The images of each row, and the problems."""
    (folder / "sheet.csv").write_text(sheet)
    files = Files(folder, may_upload=may_upload)
    found = list(singly(open_manifest(folder / "sheet.csv", model="wan-2-5", image_of=files.refer)))
    images = [item.request.image_urls for item in found if isinstance(item, Row)]
    return images, [str(item) for item in found if isinstance(item, Problem) and item.fatal]


def named(content: bytes, form: str) -> str:
    return f"sha256:{sha256(content).hexdigest()}.{form}"


def test_images_of_each_format_are_known_by_what_is_in_them(tmp_path: Path) -> None:
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


def test_an_image_of_10_mb_is_taken_and_other_riff_files_and_names_that_no_disk_holds_are_told(tmp_path: Path) -> None:
    (tmp_path / "full.png").write_bytes(png().ljust(MOST_BYTES, b"\0"))
    (tmp_path / "sound.webp").write_bytes(WEBP.replace(b"WEBP", b"WAVE"))
    rows = ["full.png", "sound.webp", "a" * 300 + ".png"]
    images, (sound, long) = read(tmp_path, "prompt,image_urls\n" + "".join(f"p,{cell}\n" for cell in rows))
    assert len(images) == 1
    assert "is not a JPG, PNG or WebP" in sound
    assert "cannot be read: File name too long" in long


def test_images_that_may_not_be_uploaded_are_one_problem_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    _, problems = read(tmp_path, f"prompt,image_urls\np,a.png\np,{named(JPG, 'jpg')}\n", may_upload=False)
    first, second = (problem.partition("column image_urls: ")[2] for problem in problems)
    assert first == second  # such are told in one line
    assert first.endswith("write a link, or with --images-to s3://bucket/prefix it is uploaded there")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("in/still12.jpg", "in/still 12.jpg"),
        ("in/Stil 12.JPG", "in/still 12.jpg"),
        ("in\\still 12.jpg", "in/still 12.jpg"),
        ("in/still 12.jpeg", "in/still 12.jpg"),
        ("foks.png", "fox.png"),
    ],
)
def test_a_misspelt_file_is_asked_about(tmp_path: Path, written: str, meant: str) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/still 11.jpg", "in/still 12.jpg", "in/still 13.jpg", "fox.png"):
        (tmp_path / name).write_bytes(JPG)
    _, (problem,) = read(tmp_path, f"prompt,image_urls\np,{written}\n")
    assert problem.endswith(f" (did you mean {meant}?)")


@pytest.mark.parametrize("written", ["in/still 14.jpg", "in/other.jpg", "nowhere/still 12.jpg", "in"])
def test_a_file_with_other_numbers_or_in_another_folder_is_not_taken_for_the_one_that_is_meant(
    tmp_path: Path, written: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "still 12.jpg").write_bytes(JPG)
    _, (problem,) = read(tmp_path, f"prompt,image_urls\np,{written}\n")
    assert "did you mean" not in problem


def test_a_file_that_is_gone_is_taken_as_it_was_and_one_that_has_changed_is_not(tmp_path: Path) -> None:
    before = {"sha256:" + "a" * 64 + ".png": "gone.png", "sha256:" + "b" * 64 + ".png": "changed.png"}
    (tmp_path / "changed.png").write_bytes(png(1))
    files = Files(tmp_path, may_upload=True, before=before)
    assert files.refer("gone.png") == "sha256:" + "a" * 64 + ".png"
    assert files.refer("changed.png") == named(png(1), "png")
    assert list(files.gone) == ["gone.png"]
    assert files.names() == {named(png(1), "png"): "changed.png"}
    with pytest.raises(ValueError, match="nor a file in"):
        files.refer("other.png")


def test_only_the_first_missing_files_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(JPG)
    _, problems = read(tmp_path, "prompt,image_urls\n" + "p,foks.png\n" * 30)
    assert [problem.endswith("(did you mean fox.png?)") for problem in problems] == [True] * 20 + [False] * 10


@pytest.mark.parametrize("places", [1, -1])
def test_a_file_is_found_whichever_way_its_letters_are_composed(tmp_path: Path, places: int) -> None:
    written, kept = (normalize("NFC", "küche/tür.jpg"), normalize("NFD", "küche/tür.jpg"))[::places]
    (tmp_path / kept).parent.mkdir()
    (tmp_path / kept).write_bytes(JPG)
    images, problems = read(tmp_path, f"prompt,image_urls\np,{written}\n")
    assert (images, problems) == ([(named(JPG, "jpg"),)], [])


@pytest.mark.parametrize("name", ["a|b.png", "https.png", "C:x.png"])
def test_a_files_name_is_not_taken_for_a_link(tmp_path: Path, name: str) -> None:
    for part in name.split("|"):
        (tmp_path / part).write_bytes(png())
    images, problems = read(tmp_path, f"prompt,image_urls\np,{name}\n")
    assert problems == []
    assert images == [(named(png(), "png"),) * len(name.split("|"))]
