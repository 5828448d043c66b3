"""run.log: lines of JSON, rotated, for its owner alone."""

import json
import logging
import os
from pathlib import Path

import pytest

from batchgen.folder import journal


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(journal, "SIZE_LIMIT_BYTES", 10_000)
    return 10_000


def test_a_long_batch_keeps_four_files_of_a_limited_size_and_its_last_words(tmp_path: Path, small: int) -> None:
    log = tmp_path / "run.log"
    before = os.umask(0)
    try:
        with journal.journal(log, "", verbose=False):
            for n in range(2000):
                logging.getLogger("batchgen").info("accepted", extra={"job": n, "prompt": "🦊\n" * 5})
    finally:
        os.umask(before)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["run.log", "run.log.1", "run.log.2", "run.log.3"]
    assert all(file.stat().st_size <= small and file.stat().st_mode & 0o777 == 0o600 for file in files)
    lines = [json.loads(line) for file in reversed(files) for line in file.read_text().splitlines()]
    assert [line["job"] for line in lines] == list(range(2000 - len(lines), 2000))


def test_a_run_goes_on_with_the_log_of_the_run_before(tmp_path: Path) -> None:
    for n in range(2):
        with journal.journal(tmp_path / "run.log", "", verbose=False):
            logging.getLogger("batchgen").info("run", extra={"number": n})
    assert [json.loads(line)["number"] for line in (tmp_path / "run.log").read_text().splitlines()] == [0, 1]


def test_a_log_that_cannot_be_rotated_ends_no_run(tmp_path: Path, small: int) -> None:
    (tmp_path / "run.log.1").mkdir()
    (tmp_path / "run.log.1" / "in the way").touch()
    with journal.journal(tmp_path / "run.log", "", verbose=False):
        for n in range(500):
            logging.getLogger("batchgen").info("accepted", extra={"job": n})


def test_a_log_that_a_full_disk_does_not_take_ends_no_run() -> None:
    with journal.journal(Path("/dev/full"), "", verbose=False):
        logging.getLogger("batchgen").info("accepted")


def test_what_is_said_after_the_run_is_printed_by_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with journal.journal(tmp_path / "run.log", "", verbose=False):
        pass
    logging.getLogger("batchgen").warning("late")
    assert capsys.readouterr().err == ""


def test_the_callers_logging_is_as_it_was_once_no_run_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("batchgen")
    logger.setLevel(logging.WARNING)
    try:
        with journal.journal(tmp_path / "a.log", "", verbose=False):
            with journal.journal(tmp_path / "b.log", "", verbose=False):
                pass
            assert (logger.level, logger.propagate) == (logging.DEBUG, False)
        assert (logger.level, logger.propagate) == (logging.WARNING, True)
        logger.warning("late")
        assert [record.getMessage() for record in caplog.records] == ["late"]
    finally:
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("key", "said", "written"),
    [
        ("s3cret-k3y", "Xs3cret-k3yX s3cret-k3y", "X***X ***"),
        ("k", "task_k1 is asked for, k: ok", "task_k1 is asked for, ***: ok"),
        ("-k", "a -k b", "a *** b"),
        ("", "task_1", "task_1"),
    ],
)
def test_the_key_is_never_written_and_a_short_one_spoils_no_other_word(
    tmp_path: Path, key: str, said: str, written: str
) -> None:
    with journal.journal(tmp_path / "run.log", key, verbose=False):
        logging.getLogger("batchgen").info("told", extra={"words": said})
    assert json.loads((tmp_path / "run.log").read_text())["words"] == written


def test_what_signs_a_link_and_what_stands_behind_bearer_is_never_written(tmp_path: Path) -> None:
    with journal.journal(tmp_path / "run.log", "", verbose=False):
        said = "asked https://host.example/v.mp4?X-Amz-Signature=s3cret with Bearer s3cret"
        logging.getLogger("batchgen").info("told", extra={"words": said})
    line = json.loads((tmp_path / "run.log").read_text())
    assert line["words"] == "asked https://host.example/v.mp4?*** with ***"
