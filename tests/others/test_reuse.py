"""What other batches have paid for, and whether it is still to be had."""

import json
import time
from pathlib import Path

import pytest

from batchgen.ledger.ledger import LINK_LIFE_SECONDS
from batchgen.others.reuse import Offer


@pytest.mark.parametrize(
    ("age_seconds", "names", "is_to_be_had"),
    [
        (LINK_LIFE_SECONDS - 60, (), True),
        (LINK_LIFE_SECONDS + 60, (), False),
        (LINK_LIFE_SECONDS + 60, ("here.mp4",), True),
        (LINK_LIFE_SECONDS + 60, ("here.mp4", "gone.mp4"), False),
    ],
)
def test_a_video_is_to_be_had_while_its_link_lives_or_all_its_files_are_in_their_places(
    age_seconds: float, names: tuple[str, ...], is_to_be_had: bool, tmp_path: Path
) -> None:
    (tmp_path / "here.mp4").touch()
    files = json.dumps([[str(tmp_path / name), 1, "0" * 64] for name in names])
    offer = Offer(1, "other.batch", "task_12345678", time.time() - age_seconds, files)
    assert offer.is_to_be_had == is_to_be_had
