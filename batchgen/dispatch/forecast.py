"""When a batch will be done: a list schedule of what runs and what waits, by what is known of generation times.

The videos come home as the tasks go: so many at once, each for as long as it was seen to take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

OVERDUE = 0.1  # of a generation time: the least that a task older than most is thought to take yet
FETCH_SHARE = 0.1  # of the first wait: what a fetch is believed to take until one was seen
MEMORY = 4  # times as many fetches as there are at once: what came before them counts ever less


@dataclass(frozen=True)
class Pace:
    """How fast tasks start and end. Times in seconds."""

    slots: int  # tasks at once
    starts_per_second: float  # that the requests allow
    mean: float  # of a generation time
    latest: float  # by which nearly all have ended

    def left(self, age: float) -> float:
        """How much longer a task of this age is thought to run."""
        return max(self.mean - age, OVERDUE * self.mean)


class Fetching:
    """How videos come home: which are on their way, and how long it takes. Times in seconds of any one clock."""

    def __init__(self, at_once: int, guess: float) -> None:
        self._at_once = at_once
        self._seconds, self._ends = guess, 1.0  # of the fetches that ended
        self._since: dict[int, float] = {}

    def began(self, key: int, now: float) -> None:
        """A job's video is being fetched."""
        self._since[key] = now

    def ended(self, key: int, now: float, *, is_home: bool) -> None:
        """It has been fetched, or not for now."""
        since = self._since.pop(key)
        if is_home:
            kept = 1 - 1 / (MEMORY * self._at_once)
            self._seconds = kept * self._seconds + now - since
            self._ends = kept * self._ends + 1

    def pace(self, now: float) -> Pace:
        """How fast they come: the time that all were on their way, over how many came home; "not yet" counts too."""
        mean = (self._seconds + sum(self.ages(now))) / self._ends
        return Pace(self._at_once, inf, mean, mean)

    def ages(self, now: float) -> list[float]:
        """For how long each has been on its way."""
        return [now - since for since in self._since.values()]


def seconds_left(pace: Pace, ages: Sequence[float], pending: int) -> float:
    """How long until tasks of these ages, and as many more as are ``pending``, have ended.

    Each slot takes the next task as soon as it is free, so the last one starts in the slot whose turn it is by then.
    One that is older than nearly all may take as long again as it is late.
    """
    ages = sorted(ages, reverse=True)
    last_end = max(*(abs(pace.latest - age) for age in (ages[0], ages[-1])), OVERDUE * pace.mean) if ages else 0.0
    if not pending:
        return last_end
    free = min(pending, max(0, pace.slots - len(ages)))
    rounds, place = divmod(pending - 1, max(1, min(pace.slots, free + len(ages))))
    last_start = rounds * pace.mean + (0.0 if place < free else pace.left(ages[place - free]))
    return max(last_end, max(last_start, pending / pace.starts_per_second) + pace.latest)


def seconds_until_home(
    pace: Pace, ages: Sequence[float], pending: int, home: Pace, fetches: Sequence[float], made: int
) -> float:
    """How long until all of these are fetched too, with ``made`` that wait for it and ``fetches``, the ages of others.

    Either the last task ends last, and is fetched then; or the lanes are busy from the next one on.
    """
    tasks = len(ages) + pending
    if not tasks:
        return seconds_left(home, fetches, made)
    soonest = 0.0 if made or fetches else pace.left(max(ages, default=0.0))
    busy = soonest + seconds_left(home, fetches, made + tasks)
    return max(seconds_left(pace, ages, pending) + home.mean, busy)
