"""Until when a run may last, and which task is the last that it may ask for.

A time of day is the next one that the clock of the day shows; it is looked at again and again, since clocks are set and
summer time begins and ends. A duration goes by a clock that never jumps.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from itertools import product
from math import inf

from batchgen.errors import LimitReachedError, UsageError
from batchgen.words import seconds_words

LEARNING = 0.1  # how much of a fetch's time replaces what was believed of it
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)


@dataclass(frozen=True)
class Deadline:
    """A moment: at ``wall`` (Unix seconds), at ``mono`` (seconds of ``clock``), or the next ``daily`` (hour, minute).

    ``text`` is how a person wrote it.
    """

    text: str
    wall: float = inf
    mono: float = inf
    daily: tuple[int, int] | None = None
    day: Callable[[], float] = field(default=time.time, repr=False, compare=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @property
    def is_date(self) -> bool:
        """Whether it comes but once."""
        return self.daily is None and self.wall < inf

    def seconds_left(self) -> float:
        """Seconds until then, by the clocks as they are now; negative: it has passed."""
        now = self.day()
        wall = min(self.wall, _next(*self.daily, now)) if self.daily else self.wall
        return min(wall - now, self.mono - self.clock())


def read_deadline(
    text: str, day: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
) -> Deadline:
    """The deadline that ``06:00``, ``4h``, ``1h30m`` or ``2026-11-26T06:00`` means. Raises :class:`UsageError`.

    Without a zone it is local time. ``day`` gives Unix seconds, ``clock`` seconds that never jump.
    """
    text = text.strip()
    if found := _TIME_OF_DAY.fullmatch(text):
        hour, minute = int(found[1]), int(found[2])
        if hour < 24 and minute < 60:
            return Deadline(text, wall=_next(hour, minute, day()), daily=(hour, minute), day=day, clock=clock)
    elif text and (found := _DURATION.fullmatch(text)):
        hours, minutes, seconds = (int(number or 0) for number in found.groups())
        return Deadline(text, mono=clock() + 3600 * hours + 60 * minutes + seconds, day=day, clock=clock)
    elif _DATE.fullmatch(text):
        return Deadline(text, wall=_moment(text, day()), day=day, clock=clock)
    raise UsageError(f"--deadline {text}: write it like 06:00, 4h, 90m or 2026-11-26T06:00")


def _moment(text: str, now: float) -> float:
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--deadline {text}: there is no such date") from None
    if moment <= now:
        raise UsageError(f"--deadline {text} has passed")
    return moment


def _next(hour: int, minute: int, now: float) -> float:
    """When the clock on the wall shows this time next, after ``now``; both in Unix seconds."""
    return min(moment for moment in _occurrences(hour, minute, now) if moment > now)


def _occurrences(hour: int, minute: int, now: float) -> Iterator[float]:
    """The moments around ``now`` when a clock on the wall shows this time; both, on a day whose hour comes twice.

    An hour that is left out comes where it would have been.
    """
    today = _local(now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    for days, fold in product((-1, 0, 1, 2), (0, 1)):
        moment = (today + timedelta(days=days)).replace(fold=fold).timestamp()
        if fold == 0 or (_local(moment).hour, _local(moment).minute) == (hour, minute):
            yield moment


def _local(moment: float) -> datetime:
    return datetime.fromtimestamp(moment)  # noqa: DTZ006 (local time is what is asked for)


@dataclass
class LastCall:
    """Says when it is too late for one more task: what is in flight is to end, and to be fetched, by the deadline."""

    deadline: Deadline
    _: KW_ONLY
    lanes: int  # videos that are fetched at once
    fetch: float  # seconds that a fetch is believed to take

    def fetched(self, seconds: float) -> None:
        """A video was fetched in so many seconds."""
        self.fetch += LEARNING * (seconds - self.fetch)

    def check(self, generation: float, waiting: int) -> None:
        """Raise :class:`LimitReachedError` if a task asked for now may end too late.

        ``generation`` is how many seconds a task may take, ``waiting`` how many others are still to be fetched.
        """
        needed = generation + self.fetch * (1 + waiting / self.lanes)
        left = self.deadline.seconds_left()
        if left < needed:
            raise LimitReachedError(
                f"--deadline {self.deadline.text} is {seconds_words(max(0.0, left))} away, "
                f"and another task may take {seconds_words(needed)}"
            )
