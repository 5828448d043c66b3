"""Whoever only looks at a batch changes nothing of it, though its ledger be of an older program."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchgen.api.results import read_frame, read_results
from batchgen.cli import group
from batchgen.model import State
from batchgen.replica import address_in
from batchgen.report.serve import Reader, _beside
from tests.e2e.program import batchgen, sheet
from tests.ledger.test_migration import old_ledger
from tests.read_only_disk import read_only
from tests.report.batches import Wanted, make_batch


def _told(*words: str | Path) -> str:
    told = CliRunner().invoke(group, [*map(str, words)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


def _served(batch: Path) -> None:
    reader = Reader(_beside(batch), batch)
    reader.read()
    reader.close()


LOOKS: dict[str, Callable[[Path], object]] = {
    "status": lambda batch: _told("status", batch),
    "report": lambda batch: _told("report", batch, "--xlsx"),
    "report --serve": _served,
    "rows": lambda batch: list(read_results(batch, None)),
    "results": lambda batch: read_frame(batch, None, {}),
    "where its copy is": lambda batch: address_in(batch / "ledger.sqlite"),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_to_look_at_a_batch_leaves_its_ledger_as_it_is(tmp_path: Path, look: Callable[[Path], object]) -> None:
    before = old_ledger(tmp_path / "ledger.sqlite").read_bytes()
    look(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def _backup(folder: Path) -> Path:
    sheet(folder / "p.csv", [{"id": "fox", "prompt": "A fox"}])
    return make_batch(folder / "p.batch", [Wanted("fox", content=b"video"), Wanted("owl", "owl", state=State.IN_DOUBT)])


def test_a_batch_in_a_backup_is_looked_at(tmp_path: Path) -> None:
    batch = _backup(tmp_path)
    before = {path.name: path.read_bytes() for path in batch.iterdir() if path.is_file()}
    with read_only(batch):
        assert "  1 archived\n  1 in doubt\n" in _told("status", batch)
        assert "owl: owl\n" in _told("resolve", batch)
        assert '"id": "owl"' in _told("resolve", batch, "--json")
        assert "1 of them new" in _told("plan", tmp_path / "p.csv")
        assert "1 video read, 0 damaged" in _told("verify", batch)
        _served(batch)
    assert {path.name: path.read_bytes() for path in batch.iterdir() if path.is_file()} == before


async def test_what_must_write_into_a_backup_says_so_and_what_to_do(tmp_path: Path) -> None:
    batch = _backup(tmp_path)
    with read_only(batch):
        for words in (("run", "p.csv"), ("resume", batch), ("resolve", batch, "--row", "owl", "--abandon")):
            refused = await batchgen(*words, cwd=tmp_path)
            assert (refused.code, "and go on with the copy alone" in refused.err) == (2, True), refused.err
        page = await batchgen("report", batch, cwd=tmp_path)
        assert (page.code, "is read-only; to see the page all the same:" in page.err) == (2, True), page.err
        assert page.err.endswith(f"\n    batchgen report {batch} --serve\n")
