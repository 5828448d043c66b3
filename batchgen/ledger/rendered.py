"""The jobs whose video is to be fetched, in the order of their links' deaths, and those among them that rest."""

from dataclasses import replace
from math import inf

from batchgen.ledger.ledger import Ledger
from batchgen.model import Job


class Rendered:
    """Gives each job out once at a time. That one rests is known to this process alone: the next run tries anew."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._taken: set[int] = set()
        self._resting: dict[int, tuple[float, int]] = {}  # job -> until when, and its tries so far

    def take(self, now: float) -> Job | None:
        """Of the jobs that are there and do not rest, the one whose link dies first.

        It is taken until :meth:`rest` or :meth:`rouse` is called for it. ``now`` is a time as given to :meth:`rest`.
        """
        found = self._ledger.database.execute("SELECT job FROM job WHERE state = 'rendered' ORDER BY completed_at")
        for (key,) in found:
            until, tries = self._resting.get(key, (now, 0))
            if key not in self._taken and until <= now:
                self._taken.add(key)
                self._resting.pop(key, None)
                job = self._ledger.job(key)
                return replace(job, tries=tries) if tries else job
        return None

    def rest(self, key: int, until: float, tries: int = 0) -> None:
        """Do not give a job out before ``until``, and then after so many tries; ``inf``: leave it to the next run."""
        self._taken.discard(key)
        self._resting[key] = until, tries

    def rouse(self, key: int) -> None:
        """The job does not rest."""
        self._taken.discard(key)
        self._resting.pop(key, None)

    def next_waking(self) -> float:
        """When the next job is given out again; ``inf``: none will be."""
        return min((until for until, _ in self._resting.values()), default=inf)

    def has_remakes(self) -> bool:
        """Whether a job that is being fetched once more may have to be paid for again."""
        found = self._ledger.database.execute("SELECT job FROM job WHERE state = 'rendered' AND remake = 1")
        return any(self._resting.get(key, (0.0, 0))[0] < inf for (key,) in found)
