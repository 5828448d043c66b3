"""Whoever only looks at a batch changes nothing of it, though its ledger be of an older program."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchgen.api.results import read_frame, read_results
from batchgen.cli import group
from batchgen.replica import address_in
from batchgen.report.serve import Reader, _beside
from tests.ledger.test_migration import old_ledger


def _told(*words: str | Path) -> None:
    told = CliRunner().invoke(group, [*map(str, words)], catch_exceptions=False)
    assert told.exit_code == 0, told.output


def _served(batch: Path) -> None:
    reader = Reader(_beside(batch), batch)
    reader.read()
    reader.close()


LOOKS: dict[str, Callable[[Path], object]] = {
    "status": lambda batch: _told("status", batch),
    "report": lambda batch: _told("report", batch, "--xlsx"),
    "report --serve": _served,
    "rows": lambda batch: list(read_results(batch)),
    "results": read_frame,
    "where its copy is": lambda batch: address_in(batch / "ledger.sqlite"),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_to_look_at_a_batch_leaves_its_ledger_as_it_is(tmp_path: Path, look: Callable[[Path], object]) -> None:
    before = old_ledger(tmp_path / "ledger.sqlite").read_bytes()
    look(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before
