"""What a run is said to take before it is paid for."""

from pathlib import Path

import pytest

from batchgen.planning import estimate
from batchgen.planning.estimate import Estimate, lack_of_room
from batchgen.planning.plan import make_plan
from batchgen.settings import EMULATOR_SPEED, Settings
from batchgen.spending.disk_space import RESERVE_BYTES
from tests.e2e.program import prompts


@pytest.mark.parametrize(("gigabytes", "is_told"), [(0.9, False), (1.1, True)])
def test_the_space_at_which_a_run_stops_is_none_for_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: float, is_told: bool
) -> None:
    monkeypatch.setattr(estimate, "free_bytes", lambda path: RESERVE_BYTES + 1_000_000_000)
    run = Estimate(0, 1.0, "document", gigabytes, "guess")
    assert bool(list(lack_of_room(Settings(tmp_path), run))) is is_told


def test_a_run_with_the_emulator_is_said_to_take_as_long_as_its_speed_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    manifest = prompts(tmp_path / "p.csv", 3)
    tried, meant = (
        make_plan(Settings(batch=tmp_path / "p.batch", manifest=manifest, emulator=is_tried)).minutes
        for is_tried in (True, False)
    )
    assert meant == pytest.approx(tried * EMULATOR_SPEED, rel=0.1)
