"""results.csv: its columns, and that it is a manifest again."""

from pathlib import Path

import pytest

from batchgen.ledger import Ledger
from batchgen.model import State
from batchgen.report import failures, results
from tests.manifest.reading import read_file
from tests.report.batches import Wanted, make_batch


@pytest.mark.parametrize("name", ["status", "Status", " STATUS "])
def test_a_column_of_the_sheet_that_is_called_as_one_of_ours_is_told_apart_whatever_its_case(
    tmp_path: Path, name: str
) -> None:
    folder = make_batch(tmp_path, [Wanted("fox", "A fox", extras={name: "approved"})], (name,))
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        results.write(ledger, tmp_path / "results.csv")
    found = read_file(tmp_path / "results.csv")  # whose columns are unique
    assert found.fatal == []
    assert [row.extras for row in found.rows] == [{f"manifest_{name}": "approved"}]


def test_no_heading_can_become_a_formula(tmp_path: Path) -> None:
    failed = Wanted("fox", "A fox", State.FAILED, extras={"=1+1": "x"})
    folder = make_batch(tmp_path, [failed], ("=1+1",))
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        results.write(ledger, tmp_path / "results.csv")
        failures.write(ledger, tmp_path / "failures.csv")
    for name in ("results.csv", "failures.csv"):
        headings = (tmp_path / name).read_text(encoding="utf-8-sig").splitlines()[0].split(",")
        assert "'=1+1" in headings
        assert "=1+1" not in headings
