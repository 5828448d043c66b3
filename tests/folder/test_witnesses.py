"""What a note outside the folder tells of a batch's last run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.folder.witnesses import LOG, note_run, refuse_older
from batchgen.ledger import Ledger, money
from batchgen.model import Job, State
from tests.ledger.test_ledger import filled, first


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / LOG).touch()


def accept(ledger: Ledger, job: Job) -> None:
    ledger.settle(replace(job, state=State.IN_FLIGHT, task_id="task_1"), "accepted", "")


def test_a_ledger_that_does_not_know_the_last_task_that_was_noted_is_refused(tmp_path: Path) -> None:
    with filled(None) as ledger:
        money.begin_run(ledger)
        with ledger.copy() as before:
            accept(ledger, ledger.intend(first(ledger)))
            note_run(ledger, tmp_path)
            refuse_older(ledger, tmp_path)
            with pytest.raises(LedgerError, match="does not know the task task_1"):
                refuse_older(before, tmp_path)


def test_a_ledger_from_which_a_power_cut_took_the_last_answer_is_not_refused(tmp_path: Path) -> None:
    with filled(None) as ledger:
        money.begin_run(ledger)
        job = ledger.intend(first(ledger))
        with ledger.copy() as before:
            accept(ledger, job)
            note_run(ledger, tmp_path)
            refuse_older(before, tmp_path)


def test_a_home_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with filled(None) as ledger:
        money.begin_run(ledger)
        note_run(ledger, tmp_path)
        refuse_older(ledger, tmp_path)


def accepted(**facts: object) -> str:
    line = {"time": "2026-11-27T10:00:00.000Z", "event": "accepted", "job": 1, "task_id": "task_1"}
    return json.dumps(line | facts) + "\n"


@pytest.mark.parametrize("name", [LOG, f"{LOG}.1"])
def test_a_ledger_that_does_not_know_a_task_of_the_log_is_refused_also_where_that_was_just_rotated(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(accepted())
    with filled(None) as ledger, pytest.raises(LedgerError, match="does not know the task task_1"):
        refuse_older(ledger, tmp_path)


@pytest.mark.parametrize("facts", [{"task_id": "***"}, {"event": "sent"}, {"job": None}])
def test_a_line_of_the_log_that_names_no_task_of_a_row_proves_nothing(tmp_path: Path, facts: dict[str, object]) -> None:
    (tmp_path / LOG).write_text(accepted(**facts))
    with filled(None) as ledger:
        refuse_older(ledger, tmp_path)


def test_a_batch_is_refused_where_another_name_leads_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with filled(None) as ledger:
        money.begin_run(ledger)
        with ledger.copy() as before:
            accept(ledger, ledger.intend(first(ledger)))
            note_run(ledger, tmp_path / "link")
            with pytest.raises(LedgerError, match="does not know the task task_1"):
                refuse_older(before, tmp_path)
