"""A batch that has ended is not told again, unless something changed."""

from pathlib import Path

import pytest

from batchgen.ledger import Ledger, recovery
from batchgen.report import written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results.csv").write_text("id\n")
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.remember({"service": "emulator"})
        written.note_current(ledger, tmp_path)
    return tmp_path


def is_current(folder: Path) -> bool:
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        recovery.recover(ledger)
        ledger.remember({"service": "emulator"})
        return written.are_current(ledger, folder)


def test_results_are_current_while_nothing_changes(folder: Path) -> None:
    assert is_current(folder)
    assert is_current(folder)


def test_a_change_of_the_ledger_makes_them_old(folder: Path) -> None:
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.remember({"service": "another"})
        ledger.remember({"service": "emulator"})
    assert not is_current(folder)


def test_results_that_were_changed_or_taken_away_are_not_current(folder: Path) -> None:
    (folder / "results.csv").write_text("mine\n")
    assert not is_current(folder)
    (folder / "results.csv").unlink()
    assert not is_current(folder)
