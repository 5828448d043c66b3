"""When a batch will be done, as it is foretold, against batches played through."""

import heapq
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from batchgen.dispatch.forecast import Fetching, Pace, seconds_left, seconds_until_home


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


def test_a_task_older_than_most_may_take_as_long_again_as_it_is_late() -> None:
    late = [seconds_left(Pace(10, 1.0, 60.0, 70.0), [age], 0) for age in (71.0, 80.0, 500.0)]
    assert late == [6.0, 10.0, 430.0]


HOME = Pace(10, inf, 2.0, 2.0)


def test_downloads_that_are_still_to_come_are_counted() -> None:
    pace = Pace(1000, 1e9, 60.0, 60.0)
    assert seconds_until_home(pace, [], 0, HOME, [], 60) == 12.0, "six rounds of ten"
    assert seconds_until_home(pace, [50.0] * 60, 0, HOME, [], 0) == 10.0 + 12.0, "from the first that ends"
    assert seconds_until_home(pace, [0.0, 50.0], 0, HOME, [], 0) == 60.0 + 2.0, "the last that ends is fetched then"
    assert seconds_until_home(pace, [], 0, HOME, [], 0) == 0.0


@given(st.lists(st.floats(0, 50), max_size=20), st.integers(0, 50), st.integers(0, 50))
def test_it_takes_no_less_with_its_downloads_than_without(ages: list[float], pending: int, made: int) -> None:
    pace = Pace(20, 1e9, 60.0, 70.0)
    assert seconds_until_home(pace, ages, pending, HOME, [], made) >= seconds_left(pace, ages, pending)


def test_the_pace_of_downloads_is_the_one_that_is_seen() -> None:
    fetching = Fetching(4, guess=0.5)
    assert fetching.pace(0.0).mean == 0.5
    for key in range(400):
        fetching.began(key, 10.0 * key)
        fetching.ended(key, 10.0 * key + 8.0, is_home=True)
    assert 7.9 < fetching.pace(4000.0).mean <= 8.0


def test_downloads_that_have_not_ended_yet_tell_that_they_are_slow() -> None:
    fetching = Fetching(4, guess=0.5)
    for key in range(4):
        fetching.began(key, 0.0)
    assert fetching.pace(30.0).mean > 30.0
    fetching.ended(0, 30.0, is_home=False)
    assert sorted(fetching.ages(31.0)) == [31.0] * 3


def test_a_task_that_is_late_is_waited_for_whatever_is_to_come() -> None:
    pace = Pace(10, 1.0, 60.0, 70.0)
    assert seconds_left(pace, [500.0, 0.0], 0) == 430.0
    assert seconds_left(pace, [500.0], 1) == 430.0
    assert seconds_left(Pace(1, 1e9, 60.0, 70.0), [100.0], 1) == 76.0, "its slot is not free yet"


def test_what_runs_beyond_the_slots_makes_no_more_slots() -> None:
    assert seconds_left(Pace(2, 1e9, 60.0, 60.0), [50.0, 40.0, 30.0, 0.0], 3) == 60.0 + 10.0 + 60.0


def test_downloads_are_busy_from_now_on_if_there_is_one() -> None:
    pace = Pace(1000, 1e9, 60.0, 60.0)
    assert seconds_until_home(pace, [10.0], 0, HOME, [], 100) == 50.0 + 2.0
    assert seconds_until_home(pace, [10.0] * 30, 0, HOME, [0.0], 0) == 50.0 + 2.0
    assert seconds_until_home(pace, [0.0] + [50.0] * 60, 0, HOME, [], 0) == 60.0 + 2.0, "from the oldest on"


def test_a_download_that_failed_tells_nothing_of_the_pace() -> None:
    fetching = Fetching(1, guess=0.5)
    fetching.began(1, 0.0)
    fetching.ended(1, 10.0, is_home=False)
    assert fetching.pace(10.0).mean == 0.5
