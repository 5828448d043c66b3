"""Of a new sheet it is told what another batch beside it has paid for already."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from batchgen.cli import group
from batchgen.ledger import Ledger
from batchgen.model import EMULATOR, State
from tests.report.batches import Wanted, make_batch

SHEET = "id,prompt,resolution,duration,aspect_ratio,seed\nfox,{},720p,5,16:9,7\n"
TOLD = "1 of these rows is paid for in film.batch already"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("APIXO_BASE_URL", raising=False)


def plan(folder: Path, row: Wanted) -> str:
    manifest = folder / "film_v2.csv"
    manifest.write_text(SHEET.format(row.prompt), encoding="utf-8")
    done = CliRunner().invoke(group, ["plan", str(manifest)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("state", State)
def test_a_row_is_told_as_paid_for_whose_video_is_here_or_made_or_in_the_making(state: State, tmp_path: Path) -> None:
    row = Wanted("fox", state=state)
    make_batch(tmp_path / "film.batch", [row])
    assert (TOLD in plan(tmp_path, row)) == (state in (State.ARCHIVED, State.RENDERED, State.IN_FLIGHT))


def test_what_was_made_with_the_emulator_was_not_paid_for(tmp_path: Path) -> None:
    row = Wanted("fox")
    batch = make_batch(tmp_path / "film.batch", [row])
    with Ledger.open(batch / "ledger.sqlite") as ledger:
        ledger.remember({"service": EMULATOR})
    assert TOLD not in plan(tmp_path, row)
