"""When a batch will be done, as it is foretold, against batches played through."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from batchgen.forecast import Pace, seconds_left


def played(slots: int, mean: float, ages: list[float], pending: int) -> float:
    """When the last of them ends, if each takes exactly the mean: task by task."""
    ends = [mean - age for age in ages]
    heapq.heapify(ends)
    last = max(ends, default=0.0)
    for _ in range(pending):
        began = heapq.heappop(ends) if len(ends) >= slots else 0.0
        last = max(last, began + mean)
        heapq.heappush(ends, began + mean)
    return last


@given(st.integers(1, 20), st.lists(st.floats(0, 50), max_size=20), st.integers(0, 200))
def test_tasks_that_all_take_the_same_are_foretold_exactly(slots: int, ages: list[float], pending: int) -> None:
    ages = ages[:slots]
    pace = Pace(slots, 1e9, mean=60.0, latest=60.0)
    assert abs(seconds_left(pace, ages, pending) - played(slots, 60.0, ages, pending)) < 1e-6


def test_a_low_rate_makes_the_batch_last_longer() -> None:
    assert seconds_left(Pace(1000, 1.0, 60.0, 70.0), [], 600) == 670.0


def test_the_first_minute_has_a_forecast_already() -> None:
    assert seconds_left(Pace(1000, 160.0, 60.0, 70.0), [5.0] * 1000, 1000) == 55.0 + 70.0


def test_a_task_older_than_most_is_expected_soon_but_not_at_once() -> None:
    assert 0 < seconds_left(Pace(10, 1.0, 60.0, 70.0), [500.0], 0) < 10
