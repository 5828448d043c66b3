"""What other batches have paid for, and whether it is still to be had."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.ledger import Ledger, take_in
from batchgen.ledger.ledger import LINK_LIFE_SECONDS, Video
from batchgen.model import Clip, Row, State
from batchgen.others.reuse import Offer, offers, record
from tests.ledger.test_intake import RULES, request
from tests.ledger.test_ledger import first

SERVICE = "https://api.example"
CLIP = Clip(10, "ab" * 32)


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def asking(seed: int | None = 7) -> Ledger:
    """A new batch's ledger, of one row."""
    ledger = Ledger.open(None)
    ledger.remember({"service": SERVICE})
    take_in(ledger, [Row(1, 2, request("a lake", seed=seed), "r1")], RULES)
    return ledger


def record_one(batch: Path, state: State, *, places: Sequence[str] = (), seed: int | None = 7) -> None:
    """End a run of ``batch`` whose one row stands so; its video has ``places``."""
    with asking(seed) as ledger:
        job = ledger.intend(first(ledger))
        job = ledger.settle(replace(job, state=State.IN_FLIGHT, task_id="task_1"), "accepted", "")
        videos = [Video(1, part, place, CLIP) for part, place in enumerate(places)]
        ledger.archive(replace(job, state=state, completed_at=time.time()), videos)
        record(ledger, batch)


def offered_to(batch: Path, service: str = SERVICE) -> list[Offer]:
    with asking() as ledger:
        return offers(ledger, service, batch)


@pytest.mark.parametrize("state", State)
def test_what_is_archived_or_made_is_offered_to_other_batches_of_the_service_and_not_to_its_own(
    state: State, tmp_path: Path
) -> None:
    record_one(tmp_path / "a.batch", state, places=("videos/r1.mp4",))
    found = offered_to(tmp_path / "b.batch")
    assert bool(found) == (state in (State.ARCHIVED, State.RENDERED))
    assert [(offer.batch, offer.task_id) for offer in found] in ([], [(str(tmp_path / "a.batch"), "task_1")])
    assert offered_to(tmp_path / "a.batch") == []
    assert offered_to(tmp_path / "b.batch", "https://other.example") == []


@pytest.mark.parametrize(
    ("place", "files"),
    [("videos/r1.mp4", ["{}/a.batch/videos/r1.mp4"]), ("/disk/r1.mp4", ["/disk/r1.mp4"]), ("s3://night/r1.mp4", [])],
)
def test_a_video_on_disk_is_offered_with_its_file_and_one_in_s3_by_its_link_alone(
    place: str, files: list[str], tmp_path: Path
) -> None:
    record_one(tmp_path / "a.batch", State.ARCHIVED, places=(place,))
    (offer,) = offered_to(tmp_path / "b.batch")
    assert [file for file, _, _ in json.loads(offer.files)] == [file.format(tmp_path) for file in files]


@pytest.mark.parametrize(
    ("age_seconds", "names", "is_to_be_had"),
    [
        (LINK_LIFE_SECONDS - 60, (), True),
        (LINK_LIFE_SECONDS + 60, (), False),
        (LINK_LIFE_SECONDS + 60, ("here.mp4",), True),
        (LINK_LIFE_SECONDS + 60, ("here.mp4", "gone.mp4"), False),
    ],
)
def test_a_video_is_to_be_had_while_its_link_lives_or_all_its_files_are_in_their_places(
    age_seconds: float, names: tuple[str, ...], is_to_be_had: bool, tmp_path: Path
) -> None:
    (tmp_path / "here.mp4").touch()
    files = json.dumps([[str(tmp_path / name), 1, "0" * 64] for name in names])
    offer = Offer(1, "other.batch", "task_12345678", time.time() - age_seconds, files)
    assert offer.is_to_be_had == is_to_be_had
