"""The tasks in flight, by kind: what is known of each, and which are old enough to be asked about."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, takewhile
from math import inf
from typing import TypeAlias

from batchgen.model import Job
from batchgen.service.durations import Durations

Ages: TypeAlias = dict[Durations, list[float]]  # of tasks in flight in seconds, by what is known of their kind


@dataclass(slots=True, eq=False)
class Asked:
    """A task in flight. Times are of the loop's clock, ages in seconds."""

    job: Job
    table: Durations
    born: float
    known: float = 0.0  # the age at which it was last known to run
    place: tuple[int, float] = (0, 0.0)  # of that age in the table
    due: float = inf  # when it is asked; inf: not before the next plan
    is_fixed: bool = False  # due at that time, whatever is learned
    is_asked: bool = False  # the question is on its way
    hastened: float = -inf
    is_own: bool = True  # of this run: how old it is goes by the loop's clock alone
    again: bool = False  # a callback came while it was being asked


@dataclass(slots=True)
class Kind:
    """The tasks in flight of one kind. Most are too young to be asked about, and none of them is looked at."""

    unasked: dict[int, Asked] = field(default_factory=dict)  # the oldest first; one that is adopted is asked at once
    asked: dict[int, Asked] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.unasked) + len(self.asked)

    def __iter__(self) -> Iterator[Asked]:
        return chain(self.unasked.values(), self.asked.values())

    def born_until(self, moment: float) -> Iterator[Asked]:
        """Those that were asked about, and of the others those that are old enough."""
        return chain(takewhile(lambda task: task.born <= moment, self.unasked.values()), self.asked.values())
