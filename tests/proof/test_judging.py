"""The figures show what was paid too seldom as well as what was paid too often."""

import pytest

from batchgen.emulator.tasks import Task
from tests.proof.judging import Judged, _count


def task(number: int, prompt: str) -> Task:
    return Task(f"task_{number}", "wan-2-5", {"input": {"prompt": prompt}}, created=0.0, ends=1.0, cents=40)


@pytest.mark.parametrize(
    ("paid", "figures", "broken"),
    [
        (["a", "b", "before the edit"], (3, 3), []),
        (["a", "a", "b"], (2, 3), ["paid twice: a ×2"]),
        (["a"], (2, 1), ["never paid: b"]),
        (["a", "b", "in doubt", "in doubt"], (2, 2), ["paid twice: in doubt ×2"]),
    ],
)
def test_wanted_is_what_the_sheet_asks_for(paid: list[str], figures: tuple[int, int], broken: list[str]) -> None:
    judged = Judged()
    tasks = [task(*each) for each in enumerate(paid)]
    _count(judged, tasks, asked={("a", ""), ("b", "")}, doubtful={("in doubt", "")})
    assert ((judged.wanted, judged.paid), judged.broken) == (figures, broken)
