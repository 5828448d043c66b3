"""results.xlsx: what results.csv says, with links and posters, and nothing that runs."""

import io
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from zipfile import ZipFile

import av
import openpyxl
import pytest

from batchgen.errors import UsageError
from batchgen.ledger import Ledger, ResultRow, take_in
from batchgen.ledger.ledger import Video
from batchgen.ledger.stage import Naming
from batchgen.manifest import headings
from batchgen.model import Clip, Row, State
from batchgen.report import workbook
from batchgen.report.poster import Poster
from batchgen.request import Request
from batchgen.sheet import naming
from tests.manifest.reading import read_file

RULES = Naming(naming.content_id, naming.Template("{id}").names, naming.fold, naming.apart)
HOSTILE = [
    "=1+1",
    "@x",
    "'quoted",
    "'=2",
    "https://evil.example/",
    "_x000D_",
    "tab\tand\nline",
    "{=1}",
    "bell\x07",
    "x" * 40_000,
]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open(None) as opened:
        rows = [
            Row(
                n,
                n + 1,
                Request("wan-2-5", "text-to-video", prompt, seed=2**62 + n, duration=5),
                f"r{n}",
                {"own": prompt},
            )
            for n, prompt in enumerate(HOSTILE, 1)
        ]
        take_in(opened, rows, RULES)
        opened.remember({"columns": '["own"]'})
        for place in ("videos/r1 #1%.mp4", "s3://bucket/r2.mp4"):
            job = opened.next_pending()
            assert job
            intended = replace(opened.intend(job), state=State.IN_FLIGHT, task_id=f"t{job.key}", attempts=1)
            settled = opened.settle(intended, "accepted", "")
            clip = Clip(12345, "ab" * 32)
            videos = [Video(key, 0, place, clip) for key, _ in opened.missing_videos(settled, 0)]
            opened.archive(replace(settled, state=State.ARCHIVED), videos)
        yield opened


def no_poster(_: ResultRow) -> None:
    return None


def jpeg(path: Path) -> Path:
    frame = av.VideoFrame(400, 225, "yuvj420p")
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = 400, 225, "yuvj420p"
    codec.time_base = Fraction(1, 25)
    packets = [*codec.encode(frame), *codec.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))
    return path


def test_each_cell_is_of_its_kind_and_no_text_runs_or_links(ledger: Ledger, tmp_path: Path) -> None:
    workbook.write(ledger, tmp_path / "results.xlsx", no_poster)
    (sheet,) = openpyxl.load_workbook(tmp_path / "results.xlsx").worksheets
    header, *rows = [list(row) for row in sheet.iter_rows()]
    names = [cell.value for cell in header]
    assert names == [*headings.WORKBOOK, "own"]
    at = {name: place for place, name in enumerate(names)}
    assert [row[at["prompt"]].value for row in rows[:5]] == HOSTILE[:5]
    assert rows[-1][at["prompt"]].value == "x" * 32_766 + "…"
    assert {row[at["prompt"]].data_type for row in rows} == {"s"}
    assert {row[at["own"]].data_type for row in rows} == {"s"}
    assert {row[at["duration"]].value for row in rows} == {5}
    assert [row[at["seed"]].value for row in rows] == [str(2**62 + n) for n in range(1, len(HOSTILE) + 1)]
    links = {cell.coordinate: cell.hyperlink.target for row in rows for cell in row if cell.hyperlink}
    assert links == {"D2": "videos\\r1%20%231%25.mp4"}  # so Excel writes it; LibreOffice reads both
    assert rows[1][at["video"]].value == "s3://bucket/r2.mp4"
    assert stat.S_IMODE((tmp_path / "results.xlsx").stat().st_mode) == 0o600


def test_an_image_on_this_machine_is_called_as_the_manifest_calls_it(tmp_path: Path) -> None:
    image = f"sha256:{'a' * 64}.png"
    with Ledger.open(None) as ledger:
        request = Request("wan-2-5", "image-to-video", "a fox", image_urls=(image, "https://x.example/b.png"))
        take_in(ledger, [Row(1, 2, request, "a", {})], RULES)
        ledger.remember({"pictures": json.dumps({image: "Bilder/Tür 1.png"})})
        workbook.write(ledger, tmp_path / "results.xlsx", no_poster)
    (sheet,) = openpyxl.load_workbook(tmp_path / "results.xlsx").worksheets
    cell = sheet.cell(2, headings.WORKBOOK.index("image_urls") + 1)
    assert cell.value == "Bilder/Tür 1.png\nhttps://x.example/b.png"


def test_it_is_a_manifest_with_the_same_rows(ledger: Ledger, tmp_path: Path) -> None:
    workbook.write(ledger, tmp_path / "results.xlsx", no_poster)
    found = read_file(tmp_path / "results.xlsx")
    assert found.columns == ("own",)
    assert [problem.line for problem in found.fatal] == [10]  # the bell, which no prompt can hold
    kept = {row.id: row for row in found.rows if row.id != "r10"}  # a cell holds no more than 32,767 characters
    for row in ledger.results():
        if row.id in kept:
            assert kept[row.id].request == row.job.request
            assert kept[row.id].extras == row.extras


def test_a_poster_stands_beside_its_row(ledger: Ledger, tmp_path: Path) -> None:
    picture = Poster(jpeg(tmp_path / "p.jpg"), 400, 225)

    def poster(row: ResultRow) -> Poster | None:
        return picture if row.places else None

    workbook.write(ledger, tmp_path / "results.xlsx", poster)
    with ZipFile(tmp_path / "results.xlsx") as archive:
        media = [name for name in archive.namelist() if "media/" in name]
        assert av.open(io.BytesIO(archive.read(media[0]))).streams.video[0].width == 400
        drawing = archive.read("xl/drawings/drawing1.xml").decode()
    assert drawing.count("<xdr:pic>") == 2
    assert f'cx="{160 * 9525}" cy="{90 * 9525}"' in drawing


def test_beyond_the_links_that_a_sheet_can_hold_each_video_and_poster_is_named_without_one(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "_MOST_LINKS", 0)
    picture = Poster(jpeg(tmp_path / "p.jpg"), 400, 225)
    workbook.write(ledger, tmp_path / "results.xlsx", lambda row: picture if row.places else None)
    (sheet,) = openpyxl.load_workbook(tmp_path / "results.xlsx").worksheets
    cell = sheet.cell(2, headings.WORKBOOK.index("video") + 1)
    assert (cell.value, cell.hyperlink) == ("videos/r1 #1%.mp4", None)
    with ZipFile(tmp_path / "results.xlsx") as archive:
        drawing = archive.read("xl/drawings/drawing1.xml").decode()
    assert "hlinkClick" not in drawing


def test_a_file_that_is_there_stays_until_the_new_one_is_whole(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results.xlsx").write_text("old")
    monkeypatch.setattr(workbook, "_MOST_ROWS", 3)
    with pytest.raises(UsageError, match=r"results\.csv"):
        workbook.write(ledger, tmp_path / "results.xlsx", no_poster)
    assert [path.name for path in tmp_path.iterdir()] == ["results.xlsx"]
    assert (tmp_path / "results.xlsx").read_text() == "old"


def test_a_disk_that_is_full_is_told_as_one(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xlsxwriter.Workbook._store_workbook", fill_up)
    with pytest.raises(OSError, match="No space left on device"):
        workbook.write(ledger, tmp_path / "results.xlsx", no_poster)
    assert not (tmp_path / "results.xlsx").exists()
