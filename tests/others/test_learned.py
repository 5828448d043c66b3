"""What one batch learned of a service's generation times, the user's next batch begins with."""

from pathlib import Path

import pytest

from batchgen.others import learned
from batchgen.request import Request
from batchgen.service.polling import Polling

REQUEST = Request("wan-2-5", "text-to-video", "a lake")
SERVICE = "https://api.apixo.ai"


def polling(seconds: float, memory: str | None = None) -> Polling:
    polling = Polling(memory=memory)
    for _ in range(100):
        polling.durations(REQUEST).ended(0.0, seconds + 1, seconds)
    return polling


def test_another_batch_begins_with_what_was_learned(tmp_path: Path) -> None:
    file = tmp_path / "share" / "learned.json"
    learned.record(SERVICE, polling(25.0).memory(), file)
    assert Polling(memory=learned.recall(SERVICE, file)).durations(REQUEST).mean == pytest.approx(25, rel=0.2)
    assert Polling().durations(REQUEST).mean > 50


def test_nothing_is_known_of_another_service(tmp_path: Path) -> None:
    learned.record(SERVICE, polling(25.0).memory(), tmp_path / "learned.json")
    assert learned.recall("http://127.0.0.1:1", tmp_path / "learned.json") is None


def test_kinds_that_a_run_did_not_meet_stay_known(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    learned.record(SERVICE, polling(25.0).memory(), file)
    learned.record(SERVICE, "{}", file)
    assert "text-to-video" in (learned.recall(SERVICE, file) or "")


def test_an_account_is_known_by_a_part_of_its_key_s_hash(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    learned.record(learned.account_name(SERVICE, "sentinel-key"), '{"rate":[60,3],"tasks":null}', file)
    assert learned.recall(learned.account_name(SERVICE, "sentinel-key"), file) == '{"rate":[60,3],"tasks":null}'
    assert learned.recall(learned.account_name(SERVICE, "another-key"), file) is None
    assert learned.recall(SERVICE, file) is None
    assert "sentinel" not in file.read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"https://api.apixo.ai": 7}', '{"https://api.apixo.ai": "x"}', "\0"])
def test_a_file_that_cannot_be_read_teaches_nothing_and_hinders_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "learned.json"
    file.write_text(text)
    Polling(memory=learned.recall(SERVICE, file))
    learned.record(SERVICE, polling(25.0).memory(), file)
    assert Polling(memory=learned.recall(SERVICE, file)).durations(REQUEST).mean < 30


def test_a_place_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    learned.record(SERVICE, polling(25.0).memory(), tmp_path / "taken" / "learned.json")
