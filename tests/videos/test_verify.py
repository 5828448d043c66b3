"""What comes of reading every video again."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchgen.errors import ArchiveError
from batchgen.ledger import Ledger
from batchgen.model import State
from batchgen.videos.verify import WINDOW, Damage, Verified, in_window, read_again, set_aside
from tests.report.batches import Wanted, make_batch

DAMAGE = (Damage("a", "videos/a.mp4", "missing"), Damage("b", "videos/b.mp4", "changed"))


@pytest.mark.parametrize(
    ("damaged", "repaired", "run_exit", "code", "sentence"),
    [
        ((), None, 0, 0, "1 video read, 0 damaged"),
        (DAMAGE, None, 0, 1, "1 video read, 2 damaged"),
        (DAMAGE, 2, 0, 0, "1 video read, 2 damaged, 2 fetched again"),
        (DAMAGE, 2, 1, 0, "1 video read, 2 damaged, 2 fetched again"),  # other rows have failed
        (DAMAGE, 1, 1, 1, "1 video read, 2 damaged, 1 fetched again"),
        (DAMAGE, 0, 3, 3, "1 video read, 2 damaged, 0 fetched again"),
        (DAMAGE, 2, 143, 143, "1 video read, 2 damaged, 2 fetched again"),
    ],
)
def test_it_is_told_what_is_damaged_and_what_was_repaired(
    damaged: tuple[Damage, ...], repaired: int | None, run_exit: int, code: int, sentence: str
) -> None:
    found = Verified("x.batch", 1, damaged, repaired=repaired, run_exit=run_exit)
    assert (found.exit_code, str(found)) == (code, sentence)
    facts = json.loads(found.to_json())
    assert (facts["repaired"], facts["exit"], "run_exit" in facts) == (repaired, code, False)


def test_however_many_videos_there_are_few_are_held_at_once() -> None:
    taken, done = 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for taken in range(1, 1001):
            assert taken - done <= WINDOW + 1
            yield taken

    with ThreadPoolExecutor(4) as pool:
        for result in in_window(pool, lambda item: item, items()):
            done += 1
            assert result == done
    assert done == 1000


def test_once_a_store_fails_no_more_of_it_is_asked() -> None:
    begun = 0

    def fail(item: int) -> int:
        nonlocal begun
        begun += 1
        time.sleep(0.1)
        raise ArchiveError(f"video {item} is not to be had")

    with pytest.raises(ArchiveError, match="video 0 "), ThreadPoolExecutor(4) as pool:
        list(in_window(pool, fail, range(1000)))
    assert begun < 4 * 4


def test_what_is_there_again_before_it_is_fetched_stays_where_it_is(tmp_path: Path) -> None:
    """As on a disk that was not mounted; what has changed goes out of the way of the true one."""
    videos = [tmp_path / damage.place for damage in DAMAGE]
    videos[0].parent.mkdir()
    for video in videos:
        video.write_bytes(b"video")
    set_aside(tmp_path, DAMAGE)
    assert sorted(path.name for path in videos[0].parent.iterdir()) == ["a.mp4", "b.changed.mp4"]


def test_a_place_that_cannot_be_looked_at_is_told_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "videos").symlink_to("videos")
    with pytest.raises(ArchiveError, match=r"b\.mp4 cannot be moved aside"):
        set_aside(tmp_path, DAMAGE)


def test_a_video_that_expired_and_that_the_sheet_has_no_longer_is_not_waited_for(tmp_path: Path) -> None:
    batch = make_batch(tmp_path, [Wanted("fox", state=State.EXPIRED), Wanted("owl", "owl", state=State.EXPIRED)])
    with Ledger.open(batch / "ledger.sqlite") as ledger:
        ledger.database.execute("UPDATE row SET position = NULL WHERE id = 'owl'")
        ledger.database.execute("UPDATE job SET wanted = 0 WHERE job = 2")
        assert read_again(batch, ledger).unfetched == 1
