"""The figures for Prometheus: which rows stand where."""

from pathlib import Path

from batchgen.notices.metrics import Metered
from batchgen.steering.progress import Progress
from tests.steering.test_progress import standing


def test_a_run_at_work_tells_expired_rows_apart_from_failed_ones(tmp_path: Path) -> None:
    file = tmp_path / "night.prom"
    Metered(Progress(), file, tmp_path / "p.batch").show(standing(failed=5, expired=2))
    lines = file.read_text("utf-8").splitlines()
    assert [line.split()[-1] for line in lines if 'state="failed"' in line] == ["3"]
    assert [line.split()[-1] for line in lines if 'state="expired"' in line] == ["2"]
