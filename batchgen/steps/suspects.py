"""Refusals of the account, the address or the model: whether they hold for all rows, or one is an accident.

Those in words that are not the service's may come from a firewall, of one prompt, or from whoever stands in for the
service for a minute, perhaps once the task was accepted. Where nothing else got through it is no service that refuses.
"""

from dataclasses import dataclass, field

from batchgen.errors import AccountError
from batchgen.model import Job

PROMPTS_BEFORE_STOP = 2  # different ones, refused so while nothing gets through
ROWS_BEFORE_STOP = 5  # in any case: a prompt may have several seeds
DENIALS_BEFORE_STOP = 3  # by the service itself, in a row, where it has let others through


@dataclass
class Suspects:
    """The jobs that were refused so, as they were when they were asked for; none, once one has got through."""

    jobs: list[Job] = field(default_factory=list)
    refusal: AccountError | None = None  # what it means if it is all
    _denials: int = 0
    _has_got_through: bool = False
    _is_over: bool = False  # the account was refused: what still comes in tells nothing of single rows

    def got_through(self) -> None:
        """The service itself answered a row."""
        self._has_got_through, self._denials = True, 0
        if self.jobs:
            self.jobs = []

    def is_denied(self) -> bool:
        """One more was refused by the service itself. Returns whether that is no accident."""
        self._denials += 1
        self._is_over |= not self._has_got_through or self._denials >= DENIALS_BEFORE_STOP
        return self._is_over

    def is_all(self, job: Job, refusal: AccountError) -> bool:
        """One more was refused in words that are not the service's. Returns whether all are; else it is a suspect."""
        if self._has_got_through:  # then it proves nothing, whatever else is refused meanwhile
            return False
        if self._is_over:
            return True
        self.refusal = refusal
        prompts = {other.request.prompt for other in (*self.jobs, job)}
        if len(prompts) >= PROMPTS_BEFORE_STOP or len(self.jobs) + 1 >= ROWS_BEFORE_STOP:
            self._is_over = True
        else:
            self.jobs.append(job)
        return self._is_over

    def acquit(self) -> list[Job]:
        """All are refused: give back those of which that was not known."""
        self._is_over = True
        jobs, self.jobs = self.jobs, []
        return jobs

    @property
    def verdict(self) -> AccountError | None:
        """At a run's end: what it means if nothing has got through that would tell."""
        if not self.jobs:
            return None
        return AccountError(f"{self.refusal}; it may be of one row alone, but no other got through that would tell")
