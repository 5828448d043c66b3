"""What a plan makes of what a run before it, or at this moment, has left open."""

from pathlib import Path

import pytest

from batchgen.catalog import DEFAULT_MODEL
from batchgen.folder.lock import Lock
from batchgen.ledger import Ledger, doubt, recovery
from batchgen.model import LEDGER
from batchgen.planning.plan import make_plan
from batchgen.settings import Settings
from batchgen.sheet.intake import take_in_manifest
from tests.e2e.program import prompts
from tests.ledger.test_ledger import first


def test_leave_to_pay_again_is_that_of_the_run_at_work_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    settings = Settings(batch=tmp_path / "p.batch", manifest=prompts(tmp_path / "p.csv", 1), model=DEFAULT_MODEL)
    settings.batch.mkdir()
    with Ledger.open(settings.batch / LEDGER) as ledger:
        take_in_manifest(settings, ledger)
        ledger.intend(first(ledger))
        recovery.recover(ledger)
        doubt.resubmit_held(ledger)
    with Lock(settings.batch):
        assert make_plan(settings).to_submit == 1
    after = make_plan(settings)
    assert (after.to_submit, after.in_doubt) == (0, 1)
