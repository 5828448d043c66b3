"""The account's limits: requests a minute, tasks at once, and credits."""

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from batchgen.emulator.judge import DEFAULT_DURATION, DEFAULT_RESOLUTION, Body, RefusedError

# US cents for a second of video: 720p $0.08, 1080p $0.13 (the vendor's price page).
CENTS_PER_SECOND = {"720p": 8, "1080p": 13}


def price_of(body: Body) -> int:
    """Return the price of a request in US cents."""
    fields = body["input"]
    rate = CENTS_PER_SECOND[fields.get("resolution", DEFAULT_RESOLUTION)]
    return rate * int(fields.get("duration", DEFAULT_DURATION))


@dataclass(frozen=True)
class AccountLimits:
    """What the account allows; the defaults are the document's, the credits are plenty."""

    rate: int = 10_000  # requests in any minute of the service's clock (60 s / speed)
    concurrency: int = 1_000  # tasks pending or processing at once
    credits: float = 1_000_000.0  # USD at the start


class Account:
    """One account's use of its limits. Times are seconds of the emulator's clock."""

    def __init__(self, limits: AccountLimits, window: float) -> None:
        self.limits = limits
        self.window = window  # how long "a minute" is, in seconds
        self.worst_window = 0
        self.peak_tasks = 0
        self.charged = 0  # US cents
        self._requests: deque[float] = deque()
        self._ends: list[float] = []  # heap: when each running task ends

    @property
    def balance(self) -> float:
        """The credits left, in USD."""
        return (round(self.limits.credits * 100) - self.charged) / 100

    def restore(self, ends: list[float], charged: int) -> None:
        """Take up what an emulator before this one accepted."""
        self._ends = list(ends)
        heapify(self._ends)
        self.charged = charged

    def running(self, now: float) -> int:
        """Return how many tasks are pending or processing."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        return len(self._ends)

    def count_request(self, now: float) -> None:
        """Count one request to the API, refused ones too.

        Raises RefusedError: 429 when more than ``rate`` requests came in the sliding window that ends now.
        """
        requests = self._requests
        while requests and requests[0] <= now - self.window:
            requests.popleft()
        requests.append(now)
        self.worst_window = max(self.worst_window, len(requests))
        if len(requests) > self.limits.rate:
            raise RefusedError(429, "Rate limit exceeded")

    def check_room(self, now: float, cents: int) -> None:
        """Let pass one more task of this price.

        Raises RefusedError: 429 when the tasks at once are used up, 400 "Insufficient credits" as documented.
        """
        if self.running(now) >= self.limits.concurrency:
            raise RefusedError(429, "Concurrent task limit exceeded")
        if self.charged + cents > round(self.limits.credits * 100):
            raise RefusedError(400, "Insufficient credits")

    def charge(self, now: float, ends: float, cents: int) -> None:
        """Start a task that runs until ``ends`` and pay for it."""
        heappush(self._ends, ends)
        self.charged += cents
        self.peak_tasks = max(self.peak_tasks, self.running(now))
