"""What a run is said to take before it is paid for."""

from pathlib import Path

import pytest

from batchgen.planning import estimate
from batchgen.planning.estimate import Estimate, lack_of_room, lack_of_time
from batchgen.planning.plan import make_plan
from batchgen.settings import EMULATOR_SPEED, Settings
from batchgen.spending.disk_space import RESERVE_BYTES
from batchgen.steering.deadline import read_deadline
from tests.e2e.program import prompts


@pytest.mark.parametrize(("share", "is_told"), [(0.9, False), (1.1, True)])
def test_the_space_at_which_a_run_stops_is_none_for_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, is_told: bool
) -> None:
    monkeypatch.setattr(estimate, "free_bytes", lambda path: 2 * RESERVE_BYTES)
    run = Estimate(0, 1.0, "document", share * RESERVE_BYTES / 1e9, "guess")
    assert bool(list(lack_of_room(Settings(tmp_path), run))) is is_told


@pytest.mark.parametrize(("minutes", "is_told"), [(50.0, False), (70.0, True)])
def test_a_run_that_would_not_be_done_by_its_deadline_is_told(tmp_path: Path, minutes: float, is_told: bool) -> None:
    settings = Settings(tmp_path, deadline=read_deadline("1h"))
    assert bool(list(lack_of_time(settings, Estimate(0, minutes, "document", 1.0, "guess")))) is is_told


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
