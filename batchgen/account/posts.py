"""POSTs, each of which may be paid for: how many may wait for an answer, and how a service that gives none is tried."""

import logging
from collections.abc import Callable
from math import inf

from batchgen.retry import backoff

AT_ONCE = (16, 100)  # without an answer, which a crash leaves in doubt: for a quick service, and at most
MEMORY = 16  # answers, over which the time that they take is averaged
SPARE = 1.5  # times as many as would do if every answer took its time on average
MORE = 4  # may wait for each clear answer that came: what the account bears is not known at first
FAILURES_BEFORE_PAUSE = 5  # in a row; of those that may be paid, also among others
MADE_UP = 0.25  # of such a one, by an answer: that a fifth of all fail is no accident
LONGEST_PAUSE_SECONDS = 600.0  # a whole night of failures leaves some tens of rows in doubt
LONGEST_UNPAID_PAUSE_SECONDS = 30.0  # where nothing can have been paid

log = logging.getLogger("batchgen")


class Posts:
    """Whether one more POST may leave. ``clock`` gives seconds that never jump.

    Each one without a clear answer leaves a row in doubt. After a few in a row none leaves for a while; then one alone
    does, and if that fails too, the pause doubles. One that is answered ends it; but each leaves alone until answers
    have made up for those that may be paid, lest a service that loses every second answer leaves half of all in doubt.
    The first of a run leaves alone: it may be no service that answers. Each that is answered lets a few more leave: an
    account that bears few tasks refuses few, and a crash meanwhile leaves few in doubt.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.cause = ""  # of the last failure, in words
        self._clock = clock
        self._clear = 0  # answers, in this run
        self._may_be_paid = False  # one that failed
        self._lost = 0.0  # of those, what answers have not made up for
        self._seconds = 0.0  # until an answer, on average
        self._answers = 0  # of which that is the average
        self._failures = 0  # in a row, but for those that tell nothing new
        self._longest = 0.0  # that the last pause might be; 0: what it was for is over
        self._not_before = -inf
        self._was_revived = False  # since one was answered

    def may_leave(self, under_way: int, per_second: float) -> bool:
        """Whether one more may be without an answer: no more are than ``per_second`` needs, for a crash's sake."""
        if self.are_failing:
            return under_way == 0 and self.pause == 0.0
        if self._longest:
            return under_way == 0
        least, most = AT_ONCE
        return under_way < min(max(least, SPARE * self._seconds * per_second), most, 1 + MORE * self._clear)

    @property
    def are_failing(self) -> bool:
        """Whether so many failed that it is no accident: one that may be paid, where none was answered."""
        is_strange = self._may_be_paid and not self._clear
        return max(self._failures, self._lost) >= (1 if is_strange else FAILURES_BEFORE_PAUSE)

    @property
    def pause(self) -> float:
        """Seconds until the next one may leave."""
        return max(0.0, self._not_before - self._clock()) if self.are_failing else 0.0

    def took(self, seconds: float) -> None:
        """One was answered, after that long."""
        self._answers = min(self._answers + 1, MEMORY)
        self._seconds += (seconds - self._seconds) / self._answers

    def answered(self) -> None:
        """One was answered clearly."""
        self._lost = max(0.0, min(self._lost, FAILURES_BEFORE_PAUSE) - MADE_UP) if self._clear else 0.0
        self._failures, self._not_before = 0, -inf
        if not self._lost:
            self._longest = 0.0
        self._clear, self._was_revived = self._clear + 1, False

    def failed(self, cause: str, *, may_be_paid: bool, is_lost: bool = True) -> None:
        """One had no clear answer, or never left; not ``is_lost``: a firewall refused it, perhaps for its prompt."""
        now = self._clock()
        if now < self._not_before:  # it was under way when the pause began, and tells nothing new
            return
        self._failures += 1
        self._lost += may_be_paid and is_lost
        self._may_be_paid |= may_be_paid
        self.cause = cause or self.cause
        if self.are_failing:
            cap = LONGEST_PAUSE_SECONDS if may_be_paid else LONGEST_UNPAID_PAUSE_SECONDS
            self._longest = min(max(1.0, 2 * self._longest), cap)
            self._not_before = now + backoff(1, base=self._longest, cap=cap)
            log.warning("no clear answers: submitting pauses", extra={"seconds": self.pause, "cause": self.cause})

    def revive(self) -> None:
        """The whole service was silent and answers again: one may try at once, but not at each of its lucky answers."""
        if not self._was_revived:
            self._was_revived, self._not_before = True, -inf

    @property
    def is_revived(self) -> bool:
        """Whether the service was silent and answers again, and no POST since then has told of those to come."""
        return self._was_revived and self._not_before == -inf

    def complaint(self) -> str:
        """What is wrong, and why."""
        why = f" ({self.cause})" if self.cause else ""
        return f"to ask for a task brings no clear answer{why}"
