"""When to ask for a task's state: the document's advice at first, then what was learned of each kind of task."""

import json

from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS, DEFAULT_POLL_EVERY_SECONDS
from batchgen.model import object_in
from batchgen.request import Request
from batchgen.service.durations import ENOUGH, Durations, Guess

PATIENCE = 72  # times the first wait (an hour, at the document's 50 s): then the task is left for the next run
LATE = 4  # times the first wait: from then on a task is late, and asked for less and less often
LATE_SHARE = 0.1  # of the time it has taken so far
SPREAD = 4  # times the interval: the document's 50-70 s, asked for every 5
REFRESH_AT_ONCE = 3
MOST_KINDS = 64  # kept between runs
SPARE_SHARE = 0.98  # the rest is left to whoever else uses the account


class Polling:
    """The API's document's advice, or what takes its place; and what is known. Times in seconds.

    ``spare_share`` is how much of the requests that submits leave over may be spent on finding out sooner.
    ``memory`` is what :meth:`memory` gave in an earlier run.
    """

    def __init__(
        self,
        first: float = DEFAULT_FIRST_POLL_SECONDS,
        every: float = DEFAULT_POLL_EVERY_SECONDS,
        *,
        spare_share: float | None = None,
        memory: str | None = None,
    ) -> None:
        self.first = first
        self.every = every
        self.spare_share = SPARE_SHARE if spare_share is None else spare_share
        self._tables: dict[str, Durations] = {}
        self._recall(memory)

    def _recall(self, memory: str | None) -> None:
        for kind, quantiles in object_in(memory or "").items():
            if isinstance(quantiles, list) and all(isinstance(value, int | float) for value in quantiles):
                self._table(kind).take_memory(quantiles)

    def usual(self) -> Durations:
        """What is known of the kind of task that was seen most."""
        return max(self._tables.values(), key=lambda table: table.ends) if self._tables else self._guess()

    def durations(self, request: Request) -> Durations:
        """What is known of the kind of task that a request makes."""
        return self._table(kind_of(request))

    def _table(self, kind: str) -> Durations:
        if kind not in self._tables:
            self._tables[kind] = self._guess()
        return self._tables[kind]

    def _guess(self) -> Durations:
        return Durations(Guess(self.first, SPREAD * self.every))

    def refresh(self) -> None:
        """Let what was learned take effect, of a few kinds in turn: it is work."""
        for kind in [kind for kind, table in self._tables.items() if table.is_stale][:REFRESH_AT_ONCE]:
            table = self._tables.pop(kind)
            table.refresh()
            self._tables[kind] = table  # behind the others

    def memory(self) -> str:
        """What was learned, for the next run: JSON, less than 500 bytes a kind."""
        known = {kind: table.to_memory() for kind, table in list(self._tables.items())[:MOST_KINDS]}
        return json.dumps({kind: memory for kind, memory in known.items() if memory}, separators=(",", ":"))

    def wait(self, elapsed: float) -> float:
        """How long to wait before the next question, by the document, about a task submitted ``elapsed`` ago."""
        if elapsed < self.first:
            return self.first - elapsed
        if elapsed < LATE * self.first:
            return self.every
        return max(self.every, LATE_SHARE * elapsed)

    def gives_up(self, elapsed: float) -> bool:
        """Whether a task asked about for ``elapsed`` is left as it is until the next run."""
        return elapsed > PATIENCE * self.first

    def latest(self, request: Request) -> float:
        """By when the task that a request makes has ended, most likely: as learned, or the document's 90 seconds."""
        table = self.durations(request)
        document = self.first + 2 * SPREAD * self.every
        return table.latest() if table.known >= ENOUGH else max(document, table.latest())

    @property
    def doubt(self) -> float:
        """How long a task that may have been started is counted as one in flight."""
        return 2 * self.first


def kind_of(request: Request) -> str:
    """What a task's generation time depends on, as a word."""
    facts = (request.model, request.mode, request.resolution, request.duration, request.provider)
    return "|".join("" if fact is None else str(fact) for fact in facts)
