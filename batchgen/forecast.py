"""When a batch will be done: a list schedule of what runs and what waits, by what is known of generation times."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

OVERDUE = 0.1  # of a generation time: what a task that is older than most is thought to take still


@dataclass(frozen=True)
class Pace:
    """How fast tasks start and end. Times in seconds."""

    slots: int  # tasks at once
    starts_per_second: float  # that the requests allow
    mean: float  # of a generation time
    latest: float  # by which nearly all have ended


def seconds_left(pace: Pace, ages: Sequence[float], pending: int) -> float:
    """How long until tasks of these ages, and as many more as are ``pending``, have ended.

    Each slot takes the next task as soon as it is free, so the last one starts in the slot whose turn it is by then.
    """
    left = sorted(max(pace.mean - age, OVERDUE * pace.mean) for age in ages)
    oldest = max((max(pace.latest - age, OVERDUE * pace.mean) for age in ages), default=0.0)
    if not pending:
        return oldest
    free = max(0, pace.slots - len(left))
    starts = [0.0] * min(free, pending) + left
    rounds, place = divmod(pending - 1, max(1, min(pace.slots, len(starts))))
    last_start = next(islice(starts, place, None)) + rounds * pace.mean
    return max(oldest, max(last_start, pending / pace.starts_per_second) + pace.latest)
