"""How long generation takes: a life table, learned from what was seen, that forgets slowly.

Ages are seconds since the submit was answered, in bins that widen by a fixed share. Each bin counts how many tasks
were seen to run into it and how many ended in it; their quotient is the hazard, the share that ends a second. A task
seen running counts for every bin that it has lived through, so that "not yet" teaches as well as "done" does
(Kaplan and Meier's estimate). What came last counts most: after ``MEMORY`` ends an older one counts 1/e.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, log, sqrt

YOUNGEST_SECONDS = 0.05
WIDENING = 1.025
BINS = 500  # to three hours
MEMORY = 120.0  # ends: enough for a form, few enough that a wave of 1000 tasks replaces it eight times
PRIOR = 3.0  # tasks, as many as the first guess counts for
SMOOTHING = (1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9)  # over neighbouring bins: 5 % of age to either side
RENORMALIZE = 1e9  # the newest weight at which all are scaled down
HASTE = 0.3  # see :meth:`Durations.advances`; found by simulation, flat between 0.2 and 0.35
KEPT_QUANTILES = 40  # what a table is boiled down to between two runs
KEPT_WEIGHT = 60.0  # ends that it counts for then: the service may have changed meanwhile

_LOG_WIDENING = log(WIDENING)
_LOG_YOUNGEST = log(YOUNGEST_SECONDS)
_EDGES = [YOUNGEST_SECONDS * WIDENING**n for n in range(BINS + 1)]
_WIDTHS = [after - before for before, after in pairwise(_EDGES)]


@dataclass(frozen=True)
class Guess:
    """What is believed before anything was seen; times in seconds.

    Few tasks end before ``first``, but some may (a service faster than its document would else never be noticed);
    most end within ``spread`` after it; and what has not, ends later the older it is.
    """

    first: float
    spread: float

    def hazard(self, age: float) -> float:
        """The share of running tasks that ends a second."""
        if age < self.first / 10:
            return 0.0
        if age < self.first:
            return 0.03 / age
        if age < self.first + 2 * self.spread:
            return 1 / self.spread
        return 1 / age


class Durations:
    """The life table of one kind of task."""

    def __init__(self, guess: Guess) -> None:
        self._guess = [guess.hazard((low + high) / 2) for low, high in pairwise(_EDGES)]
        self._ends = [0.0] * BINS
        self._alive_steps = [0.0] * (BINS + 1)  # differences: what is added from a bin on
        self._weight = 1.0
        self._mean_sum = PRIOR * (guess.first + guess.spread / 2)
        self._mean_weight = PRIOR
        self.ends = 0  # seen, in this run
        self.is_stale = True
        self.refresh()

    # -- learning

    def running(self, since: float, age: float) -> None:
        """A task that was known to run at age ``since`` runs still at ``age``."""
        self._alive_steps[_bin(since)] += self._weight
        self._alive_steps[_bin(age)] -= self._weight
        self.is_stale = True

    def ended(self, since: float, age: float, told: float | None = None) -> None:
        """A task that was known to run at age ``since`` had ended at ``age``; ``told``: when, as the service says.

        What the service says is not believed where it contradicts what was seen.
        """
        self.ends += 1
        self._alive_steps[_bin(since)] += self._weight
        if told is not None and since * 0.98 <= told <= age * 1.02:
            self._end_in(_bin(min(max(told, since), age)), 1.0)
        else:
            self._end_between(_bin(since), _bin(age))
        self._weight *= exp(1 / MEMORY)
        if self._weight > RENORMALIZE:
            self._scale_down()
        self.is_stale = True

    def _end_in(self, at: int, share: float) -> None:
        self._ends[at] += share * self._weight
        self._alive_steps[at + 1] -= share * self._weight
        self._mean_sum += share * self._weight * _EDGES[at]
        self._mean_weight += share * self._weight

    def _end_between(self, low: int, high: int) -> None:
        """Spread an end whose moment is unknown as the table expects it."""
        expected = [hazard * width for hazard, width in zip(self._hazard[low : high + 1], _WIDTHS[low:], strict=False)]
        total = sum(expected)
        if total <= 0:
            self._end_in(high, 1.0)
            return
        for at, share in enumerate(expected, low):
            self._end_in(at, share / total)

    def _scale_down(self) -> None:
        self._ends = [value / self._weight for value in self._ends]
        self._alive_steps = [value / self._weight for value in self._alive_steps]
        self._mean_sum /= self._weight
        self._mean_weight /= self._weight
        self._weight = 1.0

    # -- what follows from it

    def refresh(self) -> None:
        """Let what was learned take effect: work for several times a second, not for each answer."""
        if not self.is_stale:
            return
        prior = PRIOR * self._weight
        alive = _smooth([max(0.0, value) for value in accumulate(self._alive_steps[:-1])])
        ends = _smooth(self._ends)
        self._hazard = [
            (end + prior * guess * width) / ((living + prior) * width)
            for end, living, guess, width in zip(ends, alive, self._guess, _WIDTHS, strict=True)
        ]
        mean = self.mean
        self._pace = [sqrt(hazard) * (hazard * mean) ** HASTE for hazard in self._hazard]
        steps = (pace * width for pace, width in zip(self._pace, _WIDTHS, strict=True))
        self._clock = list(accumulate(steps, initial=0.0))
        self.is_stale = False

    def place(self, age: float) -> tuple[int, float]:
        """Where an age stands in the table, for :meth:`advances`."""
        at = _bin(age)
        return at, age - _EDGES[at]

    def advances(self, births: Iterable[tuple[float, tuple[int, float]]], now: float) -> list[float]:
        """How far the clocks of tasks have gone since they were last known to run.

        ``births`` holds when each was submitted, and the :meth:`place` of the age at which it was known to run.

        A clock is the integral of the hazard's root, and asking each time it has advanced by the same amount is what
        finds ends soonest for a given number of requests: a question every p seconds costs 1/p requests and h·p/2
        slot-seconds a second, which is least for p in proportion to 1/√h. That holds where tasks of all ages run at
        once. In a batch's first waves tasks grow old together, and there is less to give when most is asked for:
        then those likeliest to have ended go first, and the others soon have their turn. ``HASTE`` leans that way.
        """
        clock, root = self._clock, self._pace
        gone = []
        for born, (before, into) in births:
            age = now - born
            at = int((log(age) - _LOG_YOUNGEST) / _LOG_WIDENING) if age > YOUNGEST_SECONDS else 0
            at = at if at < BINS else BINS - 1
            ahead = clock[at] + (age - _EDGES[at]) * root[at]
            gone.append(ahead - clock[before] - into * root[before])
        return gone

    @property
    def mean(self) -> float:
        """Seconds, as far as is known."""
        return self._mean_sum / self._mean_weight

    @property
    def known(self) -> float:
        """How many ends the table stands for, of this run and of earlier ones."""
        return sum(self._ends) / self._weight

    def latest(self, share: float = 0.995) -> float:
        """The age by which this share of the ends seen had come; 0 where none was seen."""
        return self._quantile(share) if sum(self._ends) > 0 else 0.0

    def _quantile(self, share: float) -> float:
        sums = list(accumulate(self._ends))
        at = bisect_right(sums, share * sums[-1])
        return _EDGES[min(at, BINS - 1) + 1]

    # -- from run to run

    def to_memory(self) -> list[float]:
        """How many ends the table stands for, and their quantiles in seconds."""
        known = self.known
        if known < 1:
            return []
        quantiles = [self._quantile((n + 0.5) / KEPT_QUANTILES) for n in range(KEPT_QUANTILES)]
        return [round(min(known, KEPT_WEIGHT), 1), *(float(f"{value / sqrt(WIDENING):.4g}") for value in quantiles)]

    def take_memory(self, memory: Sequence[float]) -> None:
        """Begin with what an earlier run knew."""
        if len(memory) < 2 or not all(value > 0 for value in memory):
            return
        share = min(memory[0], KEPT_WEIGHT) / (len(memory) - 1)
        self._alive_steps[0] += share * (len(memory) - 1) * self._weight
        for age in memory[1:]:
            self._end_in(_bin(age), share)
        self.is_stale = True
        self.refresh()


def _bin(age: float) -> int:
    if age <= YOUNGEST_SECONDS:
        return 0
    return min(BINS - 1, int((log(age) - _LOG_YOUNGEST) / _LOG_WIDENING))


def _smooth(values: list[float]) -> list[float]:
    a, b, c, d, e = SMOOTHING
    padded = [0.0, 0.0, *values, 0.0, 0.0]
    neighbours = zip(padded, padded[1:], padded[2:], padded[3:], padded[4:], strict=False)
    return [a * v + b * w + c * x + d * y + e * z for v, w, x, y, z in neighbours]
