"""What comes home of what is paid for: how a run that pays for nothing is held back."""

import logging
from collections.abc import Callable
from math import inf

from batchgen.retry import backoff

FAILURES_BEFORE_PAUSE = 20  # in a row: a host that fails at half of all videos comes to so many once in a million
PAUSE_SECONDS = (60.0, 600.0)  # before one task alone is tried: the first, and the longest
PATIENCE_SECONDS = 1800.0  # as for a service that is silent: then a person should look

log = logging.getLogger("batchgen")


class Harvest:
    """Whether one more task may be paid for. ``clock`` gives seconds that never jump.

    A task fails here if it gives no video for a reason that others share, or one that cannot be fetched at the first
    try. After many in a row no more are asked for until one video comes home. Once all that are under way have
    failed too, one task alone is tried after a pause, and if that fails, the next pause is twice as long.

    Only this run's tasks count: the links of earlier ones may be dead for good.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.failures = 0  # in a row
        self.cause = ""  # of the last one, in words
        self._clock = clock
        self._under_way: set[int] = set()  # jobs of which nothing is known yet
        self._failed: set[int] = set()  # those that failed: their videos may come home all the same
        self._failing_since = inf
        self._pauses = 0
        self._not_before = -inf

    def asked(self, job: int) -> None:
        """The job's task is paid for."""
        self._under_way.add(job)

    def came(self, job: int) -> None:
        """The job's video is here."""
        if job not in self._under_way and job not in self._failed:
            return
        self._under_way.discard(job)
        self._failed.discard(job)
        if self.is_failing:
            log.info("a video came: submitting goes on")
        self.failures, self._pauses, self._failing_since, self._not_before = 0, 0, inf, -inf

    def failed(self, job: int, cause: str) -> None:
        """The job's task came to nothing so far; told again, that is no news."""
        if job not in self._under_way:
            return
        self._under_way.discard(job)
        self._failed.add(job)
        self.failures, self.cause = self.failures + 1, cause
        if self.failures == FAILURES_BEFORE_PAUSE:
            self._failing_since = self._clock()
            log.warning("nothing comes of what is paid for: submitting pauses", extra={"cause": cause})
        if self.is_failing and not self._under_way:
            self._pauses += 1
            least, most = PAUSE_SECONDS
            self._not_before = self._clock() + backoff(self._pauses, base=least, cap=most)

    def failed_alone(self, job: int) -> None:
        """The job's task came to nothing, for a reason that tells nothing of others."""
        self._under_way.discard(job)

    def begin_anew(self) -> None:
        """A person lets the run go on: one task is tried at once, and patience begins anew."""
        if self.is_failing:
            self._failing_since, self._pauses, self._not_before = self._clock(), 0, -inf

    @property
    def is_failing(self) -> bool:
        """Whether so many failed in a row that it is no accident."""
        return self.failures >= FAILURES_BEFORE_PAUSE

    @property
    def is_given_up(self) -> bool:
        """Whether that lasts so long that a person should look."""
        return self.is_failing and self._patience <= 0

    @property
    def _patience(self) -> float:
        return self._failing_since + PATIENCE_SECONDS - self._clock()

    @property
    def pause(self) -> float:
        """Seconds until one more may be asked for, or all is given up; whatever comes home meanwhile ends it."""
        if not self.is_failing:
            return 0.0
        pause = inf if self._under_way else self._not_before - self._clock()
        return max(0.0, min(pause, self._patience))

    def complaint(self) -> str:
        """What is wrong, and why."""
        return f"nothing came of the last {self.failures} tasks ({self.cause})"
