"""The jobs whose video is to be fetched, in the order of their links' deaths, and those among them that rest."""

import heapq
from dataclasses import replace
from math import inf

from batchgen.ledger.ledger import Ledger
from batchgen.model import Job


class Rendered:
    """Gives each job out once at a time. That one rests is known to this process alone: the next run tries anew."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._taken: set[int] = set()
        self._tries: dict[int, int] = {}  # of those that rest or rested, so far
        self._until: dict[int, float] = {}  # those that rest
        self._waking: list[tuple[float, int]] = []  # the same as a heap, with some that no longer do
        # Where a host is gone, thousands rest: SQLite passes over them ten times as fast.
        self._ledger.database.execute("CREATE TEMP TABLE IF NOT EXISTS resting (job INTEGER PRIMARY KEY)")

    def take(self, now: float) -> Job | None:
        """Of the jobs that are there and do not rest, the one whose link dies first.

        It is taken until :meth:`rest` or :meth:`rouse` is called for it. ``now`` is a time as given to :meth:`rest`.
        """
        while self.next_waking() <= now and self._waking:
            self._wake(self._waking[0][1])
        found = self._ledger.database.execute(
            "SELECT job FROM job WHERE state = 'rendered' AND job NOT IN temp.resting ORDER BY completed_at"
        )
        for (key,) in found:
            if key not in self._taken:
                self._taken.add(key)
                job, tries = self._ledger.job(key), self._tries.pop(key, 0)
                return replace(job, tries=tries) if tries else job
        return None

    def rest(self, key: int, until: float, tries: int = 0) -> None:
        """Do not give a job out before ``until``, and then after so many tries; ``inf``: leave it to the next run."""
        self._taken.discard(key)
        self._tries[key], self._until[key] = tries, until
        heapq.heappush(self._waking, (until, key))
        self._ledger.database.execute("INSERT OR IGNORE INTO temp.resting VALUES (?)", (key,))

    def rouse(self, key: int) -> None:
        """The job does not rest."""
        self._taken.discard(key)
        self._tries.pop(key, None)
        if key in self._until:
            self._wake(key)

    def _wake(self, key: int) -> None:
        del self._until[key]
        self._ledger.database.execute("DELETE FROM temp.resting WHERE job = ?", (key,))

    def next_waking(self) -> float:
        """When the next job is given out again; ``inf``: none will be."""
        while self._waking and self._until.get(self._waking[0][1]) != self._waking[0][0]:
            heapq.heappop(self._waking)
        return self._waking[0][0] if self._waking else inf

    def has_remakes(self) -> bool:
        """Whether a job that is being fetched once more may have to be paid for again."""
        found = self._ledger.database.execute("SELECT job FROM job WHERE state = 'rendered' AND remake = 1")
        return any(self._until.get(key, 0.0) < inf for (key,) in found)
