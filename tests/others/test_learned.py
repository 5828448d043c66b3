"""What one batch learned of a service's generation times, the user's next batch begins with."""

from pathlib import Path

import pytest

from batchgen.others import learned
from batchgen.request import Request
from batchgen.service.polling import Polling
from batchgen.system.private import user_file

REQUEST = Request("wan-2-5", "text-to-video", "a lake")
SERVICE = "https://api.apixo.ai"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, which is not there yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return user_file(learned.NAME)


def polling(seconds: float, memory: str | None = None) -> Polling:
    polling = Polling(memory=memory)
    for _ in range(100):
        polling.durations(REQUEST).ended(0.0, seconds + 1, seconds)
    return polling


def test_another_batch_begins_with_what_was_learned() -> None:
    learned.record(SERVICE, polling(25.0).memory())
    assert Polling(memory=learned.recall(SERVICE)).durations(REQUEST).mean == pytest.approx(25, rel=0.2)
    assert Polling().durations(REQUEST).mean > 50


def test_nothing_is_known_of_another_service() -> None:
    learned.record(SERVICE, polling(25.0).memory())
    assert learned.recall("http://127.0.0.1:1") is None


def test_kinds_that_a_run_did_not_meet_stay_known() -> None:
    learned.record(SERVICE, polling(25.0).memory())
    learned.record(SERVICE, "{}")
    assert "text-to-video" in (learned.recall(SERVICE) or "")


def test_an_account_is_known_by_a_part_of_its_key_s_hash(file: Path) -> None:
    learned.record(learned.account_name(SERVICE, "sentinel-key"), '{"rate":[60,3],"tasks":null}')
    assert learned.recall(learned.account_name(SERVICE, "sentinel-key")) == '{"rate":[60,3],"tasks":null}'
    assert learned.recall(learned.account_name(SERVICE, "another-key")) is None
    assert learned.recall(SERVICE) is None
    assert "sentinel" not in file.read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"https://api.apixo.ai": 7}', '{"https://api.apixo.ai": "x"}', "\0"])
def test_a_file_that_cannot_be_read_teaches_nothing_and_hinders_nothing(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    Polling(memory=learned.recall(SERVICE))
    learned.record(SERVICE, polling(25.0).memory())
    assert Polling(memory=learned.recall(SERVICE)).durations(REQUEST).mean < 30


def test_a_place_that_cannot_be_written_fails_nothing(file: Path) -> None:
    file.parent.write_text("")
    learned.record(SERVICE, polling(25.0).memory())
