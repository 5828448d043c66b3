"""Rows that were refused in words that are not the service's, as by a firewall: they alone, or all would be.

The rows that are asked for next tell: if one gets through, it was they; if they get the same, it is all.
"""

from dataclasses import dataclass, field

from batchgen.errors import AccountError
from batchgen.model import Job

PROMPTS_BEFORE_STOP = 2  # different ones in a row, where nothing has got through yet
ROWS_BEFORE_STOP = 5  # in a row, in any case: a prompt may have several seeds, and stand beside one like it


@dataclass
class Suspects:
    """The jobs that failed so since the last one that got through, as they were when they were asked for."""

    jobs: list[Job] = field(default_factory=list)
    refusal: AccountError | None = None  # what it means if it is all
    _has_got_through: bool = False
    _is_over: bool = False  # the account was refused: what still comes in tells nothing of single rows

    def got_through(self) -> None:
        """The service itself answered a row: it was they."""
        self._has_got_through = True
        if self.jobs:
            self.jobs = []

    def is_all(self, job: Job, refusal: AccountError) -> bool:
        """One more was refused so. Returns whether it is all of them; if not, it joins the suspects."""
        self.refusal = refusal
        prompts = {other.request.prompt for other in (*self.jobs, job)}
        needed = PROMPTS_BEFORE_STOP if not self._has_got_through else ROWS_BEFORE_STOP
        if self._is_over or len(prompts) >= needed or len(self.jobs) + 1 >= ROWS_BEFORE_STOP:
            return True
        self.jobs.append(job)
        return False

    def acquit(self) -> list[Job]:
        """It is all of them: give back those that failed for it."""
        self._is_over = True
        jobs, self.jobs = self.jobs, []
        return jobs

    @property
    def verdict(self) -> AccountError | None:
        """At a run's end: what it means if nothing has got through that would tell."""
        if not self.jobs or self._has_got_through:
            return None
        return AccountError(f"{self.refusal}; it may be of one row alone, but no other got through that would tell")
