"""The requests of the last minute, as the service may count them."""

from collections import deque
from collections.abc import Callable
from math import inf

MINUTE_SECONDS = 60.0
LOST_SECONDS = 180.0  # after which a request without an answer is taken to have been counted


class Window:
    """Counts how many requests may have reached the service within the last minute.

    A request counts from when it is sent until a minute after its answer came, since the service saw it some time
    between. ``clock`` gives seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: deque[float] = deque()  # when each request without an answer was sent
        self._answered: deque[float] = deque()  # when each request of the last minute was answered
        self._refused: deque[float] = deque()  # of them, those refused for their rate

    def sent(self) -> None:
        """One is sent."""
        self._sent.append(self._clock())

    def unused(self) -> None:
        """The last one was not sent after all."""
        if self._sent:
            self._sent.pop()

    def answered(self) -> None:
        """One was answered, or will not be."""
        if self._sent:
            self._sent.popleft()
        self._answered.append(self._clock())

    def refused(self) -> None:
        """The one just answered was refused for its rate."""
        self._refused.append(self._clock())

    def counts(self) -> tuple[int, int, int]:
        """How many may count, how many of them are answered, and how many of those were refused for their rate."""
        now = self._clock()
        while self._sent and self._sent[0] < now - LOST_SECONDS:
            self._sent.popleft()
        for times in (self._answered, self._refused):
            while times and times[0] <= now - MINUTE_SECONDS:
                times.popleft()
        return len(self._answered) + len(self._sent), len(self._answered), len(self._refused)

    def leaves_in(self, place: int) -> float:
        """Seconds until ``place`` + 1 of those that are answered, the oldest ones, count no more."""
        return self._answered[place] + MINUTE_SECONDS - self._clock()

    @property
    def since_sent(self) -> float:
        """Seconds since the last one was sent that has no answer; ``inf``: all have one."""
        return self._clock() - self._sent[-1] if self._sent else inf
