"""What comes of reading every video again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchgen.verify import WINDOW, Damage, Verified, in_window

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
