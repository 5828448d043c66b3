"""How a run shows its progress: a bar on a terminal, a line now and then elsewhere, or nothing."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from batchgen.errors import UsageError
from batchgen.model import Job, State
from batchgen.words import duration, many

if TYPE_CHECKING:
    from rich.text import Text

SETTLED = (State.ARCHIVED, State.FAILED, State.EXPIRED, State.IN_DOUBT)
RATE_OVER_SECONDS = 60.0
RATE_OVER_AT_LEAST_SECONDS = 10.0  # the first two rows that end together are no rate
LINE_EVERY_SECONDS = 30.0
LINE_SHARE = 0.1  # of the time a run has taken: a night's lines are to be read in the morning


@dataclass(frozen=True)
class Standing:
    """How a run stands at one moment. Counts are rows; the limits are tasks at once and requests a minute."""

    rows: int
    archived: int
    failed: int  # expired ones too
    expired: int
    in_doubt: int
    in_flight: int
    rendered: int
    pending: int
    per_minute: float  # rows settled
    seconds_left: float | None  # None: nobody can know
    doing: str  # submitting, paused, ...: see Dispatcher.doing
    waiting: str | None  # what for, in words
    concurrency: int
    rate: int
    bearable_concurrency: int  # what the account bears of it, as far as is known
    bearable_rate: int

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Standing":
        """The standing that ``asdict`` gave. Raises :class:`UsageError` where something is missing."""
        if any(field.name not in facts for field in fields(cls)):
            raise UsageError(
                "the run is of another version of batchgen, and how it stands cannot be shown; an order that it was "
                "given holds, and batchgen status without --watch tells of its rows"
            )
        return cls(**{field.name: facts[field.name] for field in fields(cls)})

    def facts(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return asdict(self)

    @property
    def settled(self) -> int:
        """Rows for which this run will do nothing more."""
        return self.archived + self.failed + self.in_doubt

    def __str__(self) -> str:
        """All of it in a line, but for what it waits for."""
        parts = [f"{self.archived} of {self.rows} archived"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.in_doubt} in doubt"] if self.in_doubt else []
        parts += [f"{self.in_flight} in flight"] if self.in_flight else []
        parts += [f"{self.rendered} to fetch"] if self.rendered else []
        if self.per_minute and self.settled < self.rows:
            parts.append(f"{_rate(self.per_minute)} a minute")
        if self.seconds_left:
            parts.append(f"about {duration(self.seconds_left)} left")
        return ", ".join(parts)

    def limits(self) -> str:
        """What holds now, as one sentence."""
        tasks = f"{many(self.concurrency, 'task')} at once"
        if self.bearable_concurrency < self.concurrency:
            tasks += f" (the account bears {self.bearable_concurrency})"
        requests = f"{many(self.rate, 'request')} a minute"
        if self.bearable_rate < self.rate:
            requests += f" (the account bears {self.bearable_rate})"
        return f"{tasks}, {requests}, {self.doing}"


class Tally:
    """How many rows stand where, kept up to date; and how fast they are settled."""

    def __init__(self, counts: dict[State, int], clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = dict(counts)
        self.rows = sum(counts.values())
        self._clock = clock
        self._seen = deque([(clock(), self.settled)])

    def changed(self, before: Job, after: Job) -> None:
        """A job went from one state to another, and the rows that want it with it."""
        self.counts[before.state] -= before.wanted
        self.counts[after.state] += after.wanted

    @property
    def settled(self) -> int:
        """Rows for which this run will do nothing more."""
        return sum(self.counts[state] for state in SETTLED)

    def per_minute(self) -> float:
        """Rows settled a minute, over the last minute, or since the first one was settled.

        It compares with what earlier calls saw, and has to be called now and then. 0 where more rows came back from
        being in doubt than were settled.
        """
        now = self._clock()
        if self.settled == self._seen[0][1] and len(self._seen) == 1:
            self._seen.clear()
        self._seen.append((now, self.settled))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RATE_OVER_SECONDS:
            self._seen.popleft()
        since, settled = self._seen[0]
        return max(0, self.settled - settled) * 60 / max(now - since, RATE_OVER_AT_LEAST_SECONDS)


def _rate(per_minute: float) -> str:
    return f"{per_minute:.0f}" if per_minute >= 9.5 else f"{per_minute:.1f}"


class Progress:
    """What a run tells its progress to. This one shows nothing."""

    def show(self, standing: Standing) -> None:
        """How the run stands: said twice a second, also when nothing changes."""

    def end(self) -> None:
        """Nothing more will be said."""


class Lines(Progress):
    """A line at intervals, and when something else is waited for: where there is no terminal, or nobody who sees it."""

    def __init__(self, say: Callable[[str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._began: float | None = None
        self._standing: Standing | None = None
        self._said: Standing | None = None
        self._said_at = 0.0

    def show(self, standing: Standing) -> None:
        """Say it, if it is time."""
        now = self._clock()
        self._began = now if self._began is None else self._began
        self._standing = standing
        every = max(LINE_EVERY_SECONDS, LINE_SHARE * (now - self._began))
        if self._said is None or now - self._said_at >= every or self._is_news(standing, now):
            self._speak(standing, now)

    def _is_news(self, standing: Standing, now: float) -> bool:
        said = self._said
        assert said
        if (standing.doing, standing.concurrency, standing.rate) != (said.doing, said.concurrency, said.rate):
            return standing.waiting is not None or said.waiting is not None
        is_other = (standing.waiting is None) != (said.waiting is None)
        return is_other and now - self._said_at >= LINE_EVERY_SECONDS / 3

    def _speak(self, standing: Standing, now: float) -> None:
        self._said, self._said_at = standing, now
        self._say(f"{standing}; {standing.waiting}" if standing.waiting else str(standing))

    def end(self) -> None:
        """Say how it ended."""
        if self._standing and self._standing != self._said:
            self._speak(self._standing, self._clock())


def _strip(standing: Standing, width: int) -> "Text":
    """The rows as one strip, legible without colours too."""
    from rich.text import Text

    parts = (
        (standing.archived, "█", "green"),
        (standing.failed, "█", "red"),
        (standing.in_doubt, "█", "yellow"),
        (standing.in_flight + standing.rendered, "▒", "cyan"),
        (standing.pending, "░", "dim"),
    )
    strip, rows, drawn = Text(no_wrap=True), 0, 0
    for number, sign, style in parts:
        rows += number
        until = round(rows * width / max(1, standing.rows))
        strip.append(sign * (until - drawn), style)
        drawn = until
    return strip


class Bar(Progress):
    """A bar on a terminal (rich), with what there is to say below it, in as many lines as that takes.

    ``shown`` makes a text fit for a terminal: the service's own words may be in it.
    """

    def __init__(self, shown: Callable[[str], str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._shown = shown
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def show(self, standing: Standing) -> None:
        """Draw it."""
        from rich.console import Group
        from rich.text import Text

        lines = [_strip(standing, self._live.console.width - 1), Text(str(standing))]
        if standing.waiting:
            lines.append(Text(self._shown(standing.waiting), style="yellow"))
        with suppress(OSError):  # the terminal is gone: the run goes on
            if not self._live.is_started:
                self._live.start()
                self._live.console.show_cursor()  # a program that is killed, or stopped by Ctrl-Z, would keep it
            self._live.update(Group(*lines), refresh=True)

    def end(self) -> None:
        """Take the bar away."""
        with suppress(OSError):
            self._live.stop()
