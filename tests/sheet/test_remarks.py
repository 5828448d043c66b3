"""What a person is told of a sheet that was taken in."""

import pytest

from batchgen.ledger import Intake
from batchgen.sheet.remarks import describe


@pytest.mark.parametrize(
    ("gone", "kept", "told"),
    [
        (1, 0, "1 row as it was before is no longer in the manifest"),
        (1, 1, "1 row as it was before is no longer in the manifest; its video is kept"),
        (3, 1, "3 rows as they were before are no longer in the manifest; 1 of them keeps its video"),
        (3, 2, "3 rows as they were before are no longer in the manifest; 2 of them keep their videos"),
    ],
)
def test_rows_that_are_gone_are_told_with_the_videos_that_are_kept_of_them(gone: int, kept: int, told: str) -> None:
    assert list(describe(Intake((), gone=gone, kept_videos=kept), "p.csv")) == [told]
