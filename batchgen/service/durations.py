"""How long generation takes: a life table, learned from what was seen, that forgets slowly.

Ages are seconds since the submit was answered, in bins that widen by a fixed share. Each bin counts how many tasks
were seen to run into it and how many ended in it; their quotient is the hazard, the share that ends in it. A task
seen running counts for every bin that it has lived through, so that "not yet" teaches as well as "done" does
(Kaplan and Meier's estimate). What came last counts most: after ``MEMORY`` ends an older one counts 1/e.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, log, sqrt
from operator import neg

YOUNGEST_SECONDS = 0.05
WIDENING = 1.025
BINS = 500  # to three hours
MEMORY = 120.0  # ends: enough for a form, few enough that a wave of 1000 tasks replaces it eight times
ENOUGH = 20.0  # ends of a kind: from then on they are believed
PRIOR = 3.0  # tasks, as many as the first guess counts for
SMOOTHING = (1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9)  # over neighbouring bins: 5 % of age to either side
RENORMALIZE = 1e9  # the newest weight at which all are scaled down
LEAST_ALIVE = 1e-200  # share: to be divided by
KEPT_QUANTILES = 40  # what a table is boiled down to between two runs
KEPT_WEIGHT = 60.0  # ends that it counts for then: the service may have changed meanwhile
KEPT_DOUBT = 5.0  # tasks more that the first guess counts for beside it: what has changed must be met with early

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
        self._guess = [guess.hazard((low + high) / 2) * (high - low) for low, high in pairwise(_EDGES)]
        self._ends = [0.0] * BINS
        self._alive_steps = [0.0] * (BINS + 1)  # differences: what is added from a bin on
        self._weight = 1.0
        self._doubt = 0.0
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

    def ended(self, since: float, age: float, reported: float | None = None) -> None:
        """A task that was known to run at age ``since`` had ended at ``age``; ``reported``: when, as the service says.

        What the service says is not believed where it contradicts what was seen.
        """
        self.ends += 1
        self._alive_steps[_bin(since)] += self._weight
        if reported is not None and since * 0.98 <= reported <= age * 1.02:
            self._end_in(_bin(min(max(reported, since), age)), 1.0)
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
        expected = self._hazard[low : high + 1]
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
        self._doubt /= self._weight
        self._weight = 1.0

    # -- what follows from it

    def refresh(self) -> None:
        """Let what was learned take effect: work for several times a second, not for each answer."""
        if not self.is_stale:
            return
        prior = PRIOR * self._weight + self._doubt
        alive = _smooth([max(0.0, value) for value in accumulate(self._alive_steps[:-1])])
        ends = _smooth(self._ends)
        self._hazard = [
            (end + prior * guess) / (living + prior)
            for end, living, guess in zip(ends, alive, self._guess, strict=True)
        ]
        share, self._alive = 1.0, [1.0]
        for hazard in self._hazard:
            share = max(LEAST_ALIVE, share * exp(-hazard))
            self._alive.append(share)
        steps = list(zip(self._alive, self._alive[1:], _WIDTHS, strict=False))
        self._fall = [(share - later) / width for share, later, width in steps]
        lives = [(share + later) / 2 * width for share, later, width in reversed(steps)]
        self._to_come = list(accumulate(lives, initial=0.0))[::-1]
        self.is_stale = False

    def place(self, age: float) -> tuple[int, float]:
        """Where an age stands in the table, for :meth:`idle`."""
        at = _bin(age)
        return at, age - _EDGES[at]

    def idle(self, births: Iterable[tuple[float, tuple[int, float]]], now: float) -> list[float]:
        """For how many seconds each of these tasks is expected to have been over, that were last known to run earlier.

        ``births`` holds when each was submitted, and the :meth:`place` of the age at which it was known to run.

        Of a task that was known to run at age k, the share alive(s)/alive(k) runs still at age s; the rest is over.
        So a task of age a has been over for the integral from k to a of 1 - alive(s)/alive(k), on average: what a
        question would find. Where the hazard h is small, that is h·(a-k)²/2.
        """
        alive, fall, to_come = self._alive, self._fall, self._to_come
        found = []
        for born, (before, into) in births:
            age = now - born
            at = int((log(age) - _LOG_YOUNGEST) / _LOG_WIDENING) if age > YOUNGEST_SECONDS else 0
            if at >= BINS:  # as :class:`Guess` has it
                found.append((age - _EDGES[before] - into) ** 2 / (2 * age))
                continue
            past = age - _EDGES[at]
            left = to_come[at] - past * (alive[at] - fall[at] * past / 2)
            share, drop = alive[before], fall[before] * into
            known = to_come[before] - into * (share - drop / 2)
            found.append(age - _EDGES[before] - into - (known - left) / (share - drop))
        return found

    def share_over(self, known: tuple[int, float], age: float) -> float:
        """The share of tasks known to run at an age, whose :meth:`place` is ``known``, that is over at a later one."""
        return 1 - self._alive[_bin(age)] / self._alive[known[0]]

    def age_of_idle(self, seconds: float) -> float:
        """The age from which on a task that was never asked about may be expected to have been over for so long."""
        unasked = self.place(0.0)
        at = bisect_left(range(BINS), seconds, key=lambda at: self.idle([(-_EDGES[at], unasked)], 0.0)[0])
        return _EDGES[max(0, at - 1)]

    @property
    def mean(self) -> float:
        """Seconds, as far as is known."""
        return self._mean_sum / self._mean_weight

    @property
    def expected(self) -> float:
        """Seconds, of a task of which nothing is known; until enough have ended, those count too that run longer."""
        return self.mean if self.known >= ENOUGH else max(self.mean, self._median())

    def _median(self) -> float:
        """The age that half of all are thought to reach."""
        return _EDGES[bisect_left(self._alive, -0.5, key=neg)]

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
        self._doubt = KEPT_DOUBT * self._weight
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
