"""How a run shows its progress: a bar on a terminal, a line now and then elsewhere, or nothing."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from batchgen.model import Job, State

DONE = (State.ARCHIVED, State.FAILED, State.EXPIRED, State.IN_DOUBT)
LINE_EVERY_SECONDS = 30.0
REDRAW_EVERY_SECONDS = 0.1


class Tally:
    """How many rows stand where, kept up to date; and how fast they are done."""

    def __init__(self, counts: dict[State, int], clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = dict(counts)
        self.rows = sum(counts.values())
        self._clock = clock
        self._started = clock()
        self._done_before = self.done

    def changed(self, before: Job, after: Job) -> None:
        """A job went from one state to another, and the rows that want it with it."""
        self.counts[before.state] -= before.wanted
        self.counts[after.state] += after.wanted

    @property
    def done(self) -> int:
        """Rows for which this run will do nothing more."""
        return sum(self.counts[state] for state in DONE)

    @property
    def in_flight(self) -> int:
        """Rows whose task runs at the service."""
        return self.counts[State.SUBMITTING] + self.counts[State.IN_FLIGHT]

    def per_minute(self) -> float:
        """Rows done a minute, since the run began."""
        elapsed = self._clock() - self._started
        return (self.done - self._done_before) * 60 / elapsed if elapsed > 0 else 0.0

    def seconds_left(self) -> float | None:
        """At the rate so far; None while there is none yet."""
        rate = self.per_minute()
        return (self.rows - self.done) * 60 / rate if rate > 0 else None

    def sentence(self) -> str:
        """All of it in a line."""
        failed = self.counts[State.FAILED] + self.counts[State.EXPIRED]
        facts = [f"{self.done} of {self.rows} done", f"{self.in_flight} in flight"]
        facts += [f"{self.counts[State.RENDERED]} to fetch"] if self.counts[State.RENDERED] else []
        facts += [f"{failed} failed"] if failed else []
        facts += [f"{self.counts[State.IN_DOUBT]} in doubt"] if self.counts[State.IN_DOUBT] else []
        if rate := self.per_minute():
            facts.append(f"{rate:.0f} a minute")
        left = self.seconds_left()
        facts += [f"{_duration(left)} left"] if left else []
        return ", ".join(facts)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress(Protocol):
    """What a run tells its progress to."""

    def begin(self, counts: dict[State, int]) -> None:
        """The rows' states at the start."""

    def changed(self, before: Job, after: Job) -> None:
        """A job has come a step further."""

    def end(self) -> None:
        """Nothing more will change."""


class Silent:
    """Shows nothing."""

    def begin(self, counts: dict[State, int]) -> None:
        """Nothing."""

    def changed(self, before: Job, after: Job) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class Lines:
    """A line at intervals, for where there is no terminal."""

    def __init__(self, say: Callable[[str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._next = 0.0

    def begin(self, counts: dict[State, int]) -> None:
        """Start counting."""
        self._tally = Tally(counts, self._clock)
        self._next = self._clock() + LINE_EVERY_SECONDS

    def changed(self, before: Job, after: Job) -> None:
        """Say how it stands, if it is time."""
        self._tally.changed(before, after)
        if self._clock() >= self._next:
            self._next = self._clock() + LINE_EVERY_SECONDS
            self._say(self._tally.sentence())

    def end(self) -> None:
        """Say how it ended."""
        self._say(self._tally.sentence())


class Bar:
    """A bar on a terminal (rich)."""

    def begin(self, counts: dict[State, int]) -> None:
        """Draw the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._tally = Tally(counts)
        self._drawn = 0.0
        self._bar = Progress(
            BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=self._tally.rows, completed=self._tally.done)
        self._bar.start()

    def changed(self, before: Job, after: Job) -> None:
        """Move the bar."""
        self._tally.changed(before, after)
        now = time.monotonic()
        if now - self._drawn > REDRAW_EVERY_SECONDS:
            self._drawn = now
            words = self._tally.sentence().split(", ", 1)[1]
            self._bar.update(self._task, completed=self._tally.done, description=words)

    def end(self) -> None:
        """Take the bar away."""
        self._bar.stop()
