"""What becomes of a batch's folder when a run in it is refused, or loses it."""

from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.folder.opening import open_for_run
from batchgen.ledger import Ledger
from batchgen.ledger.intake import take_in
from batchgen.model import LEDGER, Row
from batchgen.settings import Settings
from tests.ledger.test_intake import RULES, request
from tests.ledger.test_ledger import first


def refused_run(folder: Path, *, asks: bool) -> None:
    """A run that is refused, though it may have asked for a task already."""

    def run(ledger: Ledger) -> None:
        take_in(ledger, [Row(1, 2, request("p"), "r1")], RULES)
        if asks:
            ledger.intend(first(ledger))
        raise UsageError("refused")

    with pytest.raises(UsageError, match="refused"), open_for_run(Settings(batch=folder)) as (ledger, _):
        run(ledger)


def test_a_first_run_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    refused_run(tmp_path / "p.batch", asks=False)
    assert list(tmp_path.iterdir()) == []


def test_a_first_run_that_is_refused_after_it_has_asked_for_a_task_keeps_the_ledger(tmp_path: Path) -> None:
    refused_run(tmp_path / "p.batch", asks=True)
    assert (tmp_path / "p.batch" / LEDGER).is_file()


def test_a_run_whose_folder_was_moved_lays_its_ledger_into_no_other(tmp_path: Path) -> None:
    with open_for_run(Settings(batch=tmp_path / "p.batch")):
        (tmp_path / "p.batch").rename(tmp_path / "moved.batch")
        (tmp_path / "p.batch").mkdir()
    assert list((tmp_path / "p.batch").iterdir()) == []
    assert (tmp_path / "moved.batch" / LEDGER).is_file()
