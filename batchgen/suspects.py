"""Refusals of more than what a row asks for: are they of this row all the same, of all, or of all for now.

Those in words that are not the service's may come from a firewall, of one prompt, or from whoever stands in for the
service for a minute. The rows that are asked for next tell: if one gets through, it was not all.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from batchgen.errors import AccountError
from batchgen.model import Job

PROMPTS_BEFORE_STOP = 2  # different ones in a row, where nothing has got through yet
ROWS_BEFORE_STOP = 5  # in a row, in any case: a prompt may have several seeds, and stand beside one like it
DENIALS_BEFORE_STOP = 3  # by the service itself, in a row, where it has let others through
TRIES = 3  # of one row, where others get through
PATIENCE_SECONDS = 60.0  # for which all may be refused, where others got through


class Judgement(Enum):
    """Whom a refusal is of."""

    AGAIN = "again"  # not known: the row is asked for once more
    ALONE = "alone"  # the row
    FOR_NOW = "for now"  # all; it may pass
    ALL = "all"


@dataclass
class Suspects:
    """The jobs that failed so since the last one that got through, as they were when they were asked for."""

    jobs: list[Job] = field(default_factory=list)
    refusal: AccountError | None = None  # what it means if it is all
    _tries: Counter[int] = field(default_factory=Counter)  # job -> refusals
    _denials: int = 0
    _has_got_through: bool = False
    _are_many: bool = False  # so many that it is all, unless one that is under way gets through
    _all_since: float | None = None
    _is_over: bool = False  # the account was refused: what still comes in tells nothing of single rows

    def got_through(self) -> None:
        """The service itself answered a row: it was not all."""
        self._has_got_through, self._are_many, self._all_since, self._denials = True, False, None, 0
        if self.jobs:
            self.jobs = []

    @property
    def is_open(self) -> bool:
        """Whether the next answers tell if it is all."""
        return self._are_many or self._all_since is not None

    def judge(self, job: Job, refusal: AccountError, *, is_bare: bool, others: bool, now: float) -> Judgement:
        """Whom it is of that one more was refused; if it is of this row alone, it joins the suspects.

        ``is_bare``: in words that are not the service's. ``others`` are under way, and may tell. ``now`` is in seconds.
        """
        self.refusal = refusal
        if self._is_over:
            return Judgement.ALL
        if not is_bare:
            self._denials += 1
            return self._all() if self._denials >= DENIALS_BEFORE_STOP or not self._has_got_through else Judgement.AGAIN
        self._tries[job.key] += 1
        if self._all_since is not None:
            return self._all_for_now(now)
        if self._has_got_through and self._tries[job.key] < TRIES:
            return Judgement.AGAIN
        prompts = {other.request.prompt for other in (*self.jobs, job)}
        has_shown = not self._has_got_through and len(prompts) >= PROMPTS_BEFORE_STOP
        self._are_many = has_shown or len(self.jobs) + 1 >= ROWS_BEFORE_STOP
        if self._are_many and not others:
            return self._all_for_now(now) if self._has_got_through else self._all()
        self.jobs.append(job)
        return Judgement.ALONE

    def _all_for_now(self, now: float) -> Judgement:
        if self._all_since is None:
            self._all_since = now
        return Judgement.FOR_NOW if now - self._all_since < PATIENCE_SECONDS else self._all()

    def _all(self) -> Judgement:
        self._is_over = True
        return Judgement.ALL

    def acquit(self) -> list[Job]:
        """It is all of them: give back those that failed for it."""
        jobs, self.jobs = self.jobs, []
        return jobs

    @property
    def verdict(self) -> AccountError | None:
        """At a run's end: what it means if nothing has got through that would tell."""
        if not self.jobs or self._has_got_through:
            return None
        return AccountError(f"{self.refusal}; it may be of one row alone, but no other got through that would tell")
