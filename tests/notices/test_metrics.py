"""The figures for Prometheus: which rows stand where."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from batchgen.notices.metrics import Metered
from batchgen.steering.progress import Progress, Standing
from tests.steering.test_progress import standing


def test_a_run_at_work_tells_expired_rows_apart_from_failed_ones(tmp_path: Path) -> None:
    file = tmp_path / "night.prom"
    Metered(Progress(), file, tmp_path / "p.batch").show(standing(failed=5, expired=2))
    lines = file.read_text("utf-8").splitlines()
    assert [line.split()[-1] for line in lines if 'state="failed"' in line] == ["3"]
    assert [line.split()[-1] for line in lines if 'state="expired"' in line] == ["2"]


def test_a_file_that_cannot_be_written_keeps_a_run_from_nothing(tmp_path: Path) -> None:
    shown: list[Standing] = []
    progress = cast(Progress, SimpleNamespace(show=shown.append))
    metered = Metered(progress, tmp_path / "no such folder" / "night.prom", tmp_path / "p.batch")
    for _ in range(2):
        metered.show(standing())
    assert len(shown) == 2
