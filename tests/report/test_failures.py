"""failures.csv: a manifest of what failed, to mend and to feed back."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.ledger import Intake, Ledger, standing, take_in
from batchgen.ledger.stage import Naming
from batchgen.manifest import open_manifest
from batchgen.model import Job, State
from batchgen.report import failures
from batchgen.request import Request
from batchgen.sheet import naming
from tests.manifest.reading import read_file

RULES = Naming(naming.content_id, naming.Template("{id}").names, naming.fold, naming.apart)
SHEET = """id,prompt,seed,seeds,image_urls,Reason,scene
bad,=1+1,7,,,mine,'=x
worse,"'=2, ""two""
lines",,1-2,,,NA
,no id,,,"https://x.example/a.jpg?a=1,https://x.example/b.jpg",,@home
odd,a link in a link,,,"[""https://x.example/?u=1,https://y.example/z""]",,
good,fine,,,,,
"""


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open(None) as opened:
        yield opened


def take(ledger: Ledger, path: Path) -> Intake:
    return take_in(ledger, open_manifest(path, model="wan-2-5"), RULES)


def fail(ledger: Ledger, job: Job, state: State = State.FAILED, code: str | None = "CONTENT_VIOLATION") -> None:
    message = "Content does not meet safety guidelines" if code else None
    intended = ledger.intend(job)
    done = replace(intended, state=state, fail_code=code, fail_message=message, attempts=1, task_id=f"t{job.key}")
    ledger.settle(done, "accepted", "")


def filled(ledger: Ledger, folder: Path) -> Path:
    """A batch of which all rows but the good one have failed; returns its failures.csv."""
    (folder / "sheet.csv").write_text(SHEET)
    assert take(ledger, folder / "sheet.csv").is_usable
    while (job := ledger.next_pending()) and job.request.prompt != "fine":
        fail(ledger, job)
    path = folder / "failures.csv"
    ledger.remember({"columns": '["Reason", "scene"]'})
    failures.write(ledger, path)
    return path


def requests(ledger: Ledger) -> dict[str, tuple[Request, dict[str, str]]]:
    return {row.id: (row.job.request, row.extras) for row in ledger.results() if row.status is State.FAILED}


def test_the_failed_rows_come_back_to_the_character(ledger: Ledger, tmp_path: Path) -> None:
    path = filled(ledger, tmp_path)
    found = read_file(path)
    assert found.fatal == []
    assert found.columns == ("Reason", "scene")
    assert len(found.rows) == 5
    assert {row.id: (row.request, row.extras) for row in found.rows} == requests(ledger)
    assert open_manifest(path, model="wan-2-5").is_partial
    assert not open_manifest(tmp_path / "sheet.csv", model="wan-2-5").is_partial


def test_fed_back_unchanged_into_the_same_batch_it_pays_for_nothing(ledger: Ledger, tmp_path: Path) -> None:
    path = filled(ledger, tmp_path)
    before = requests(ledger)
    intake = take(ledger, path)
    assert (intake.is_usable, intake.rows, intake.new, intake.edited) == (True, 5, 0, 0)
    assert ledger.next_pending() is None
    assert requests(ledger) == before


def test_a_mended_row_is_an_edited_one_and_the_only_one_to_be_paid_for(ledger: Ledger, tmp_path: Path) -> None:
    path = filled(ledger, tmp_path)
    path.write_text(path.read_text().replace("no id", "mended"))
    intake = take(ledger, path)
    assert (intake.new, intake.edited) == (1, 1)
    job = ledger.next_pending()
    assert job is not None
    assert job.request.prompt == "mended"
    assert standing.pending_jobs(ledger) == 1


def test_after_the_mended_rows_the_whole_sheet_pays_only_for_what_it_lacks(ledger: Ledger, tmp_path: Path) -> None:
    path = filled(ledger, tmp_path)
    take(ledger, path)
    intake = take(ledger, tmp_path / "sheet.csv")
    assert (intake.rows, intake.new) == (6, 0)
    assert standing.pending_jobs(ledger) == 1  # the good one, which was never made


def test_each_row_says_in_words_why(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("id,prompt\na,a\nb,b\nc,c\n")
    take(ledger, tmp_path / "sheet.csv")
    for state, code in ((State.FAILED, "CONTENT_VIOLATION"), (State.EXPIRED, None), (State.FAILED, None)):
        job = ledger.next_pending()
        assert job
        fail(ledger, job, state, code)
    failures.write(ledger, tmp_path / "f.csv")
    with (tmp_path / "f.csv").open(newline="") as file:
        reasons = [line["reason"] for line in csv.DictReader(file)]
    assert reasons == [
        "failed: Content does not meet safety guidelines (CONTENT_VIOLATION); change the prompt",
        "expired: the video was made and paid for, but its link died before it could be fetched",
        "failed: the service gave no reason",
    ]


def test_no_cell_begins_like_a_formula_and_no_link_is_signed(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(
        "prompt,image_urls,x\n@a,https://x.example/a.jpg?X-Amz-Signature=s3cret&v=1,-1\n"
    )
    take(ledger, tmp_path / "sheet.csv")
    job = ledger.next_pending()
    assert job
    fail(ledger, job)
    ledger.remember({"columns": '["x"]'})
    failures.write(ledger, tmp_path / "f.csv")
    text = (tmp_path / "f.csv").read_text()
    assert "s3cret" not in text
    cells = [cell for line in csv.reader(text.splitlines()) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert take(ledger, tmp_path / "f.csv").new == 0


def test_an_image_on_this_machine_is_called_as_the_manifest_calls_it(ledger: Ledger, tmp_path: Path) -> None:
    hashes = [f"sha256:{letter * 64}.png" for letter in "abc"]
    (tmp_path / "sheet.csv").write_text("id,prompt,image_urls\nx,x,{}\ny,y,{}\nz,z,{}\n".format(*hashes))
    take(ledger, tmp_path / "sheet.csv")
    while job := ledger.next_pending():
        fail(ledger, job, code="INVALID_IMAGE_URL")
    names = {hashes[0]: "Bilder/Tür 1.png", hashes[1]: "a|b.png"}
    ledger.remember({"pictures": json.dumps(names)})
    failures.write(ledger, tmp_path / "f.csv")
    with (tmp_path / "f.csv").open(newline="") as file:
        called = [line["image_urls"] for line in csv.DictReader(file)]
    assert called == ["Bilder/Tür 1.png", '["a|b.png"]', hashes[2]]


def test_without_failures_there_is_no_file(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "failures.csv"
    path.write_text("of an earlier run")
    failures.write(ledger, path)
    assert list(tmp_path.iterdir()) == []


def test_a_planted_link_is_not_written_through(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".failures.csv.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        filled(ledger, tmp_path)
    assert (tmp_path / "victim").read_text() == "precious"
