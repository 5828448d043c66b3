"""When a batch was at work: the pauses between its runs are left out, so that three nights fit on one axis."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Self, TypeAlias

Span: TypeAlias = tuple[float, float]  # from, until: Unix seconds

PAUSE_SECONDS = 60.0  # shorter ones are part of the work
PAUSE_SHARE = 0.25  # of all work: against a night, a few minutes are no pause
GAP = 0.03  # of the axis, between two sittings


@dataclass(frozen=True)
class Sittings:
    """The spans of work, in order and apart from each other; at least one."""

    spans: tuple[Span, ...]

    @classmethod
    def of(cls, work: Iterable[Span], runs: Sequence[float] = ()) -> Self | None:
        """The sittings of what was done when; None if nothing was. ``runs``: when a run began, in order."""
        merged = _merge(work, 0.0)
        if not merged:
            return None
        pause = max(PAUSE_SECONDS, PAUSE_SHARE * sum(end - start for start, end in merged))
        return cls(tuple((start, max(end, start + 1.0)) for start, end in _merge(merged, pause, runs)))

    @property
    def seconds(self) -> float:
        """All of them together."""
        return sum(end - start for start, end in self.spans)

    @property
    def gap(self) -> float:
        """The share of the axis between two sittings: with very many of them, less."""
        return min(GAP, 0.3 / len(self.spans))

    def place(self, moment: float) -> float:
        """Where on the axis, from 0 to 1; what lies in a pause is put to its edge."""
        number = max(0, bisect_right([start for start, _ in self.spans], moment) - 1)
        start, end = self.spans[number]
        before = sum(stop - begin for begin, stop in self.spans[:number])
        worked = before + min(max(moment, start), end) - start
        drawn = 1 - self.gap * (len(self.spans) - 1)
        return number * self.gap + drawn * worked / self.seconds

    def bins(self, number: int) -> list[Span]:
        """About so many equal pieces, none of which reaches over a pause."""
        pieces: list[Span] = []
        for start, end in self.spans:
            count = max(1, round(number * (end - start) / self.seconds))
            step = (end - start) / count
            edges = [*(start + step * index for index in range(count)), end]
            pieces += pairwise(edges)
        return pieces


def _merge(work: Iterable[Span], pause: float, runs: Sequence[float] = ()) -> list[Span]:
    """Join the spans that overlap, or have a shorter pause than that between them, but not over a run's beginning."""
    merged: list[Span] = []
    for start, end in sorted(work):
        last = merged[-1][1] if merged else -inf
        if start <= last or (start <= last + pause and bisect_right(runs, last) == bisect_right(runs, start)):
            merged[-1] = (merged[-1][0], max(last, end))
        else:
            merged.append((start, end))
    return merged


def most_at_once(work: Sequence[Span], bins: Sequence[Span]) -> list[int]:
    """How many spans overlap at the most within each bin."""
    changes = sorted([*((start, 1) for start, _ in work), *((end, -1) for _, end in work)])
    most: list[int] = []
    now = position = 0
    for _, until in bins:
        peak = now
        while position < len(changes) and changes[position][0] < until:
            now += changes[position][1]
            peak = max(peak, now)
            position += 1
        most.append(peak)
    return most


def per_minute(moments: Iterable[float], bins: Sequence[Span]) -> list[float]:
    """How many moments fall into each bin, as a rate."""
    counts = [0] * len(bins)
    starts = [start for start, _ in bins]
    for moment in moments:
        if (number := bisect_right(starts, moment) - 1) >= 0:
            counts[number] += 1
    return [count * 60 / (end - start) for count, (start, end) in zip(counts, bins, strict=True)]
