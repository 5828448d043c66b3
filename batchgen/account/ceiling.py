"""A limit that is learned from refusals: down to what had passed, up again step by step, more and more carefully."""

from math import inf

FIRST_HOLD_SECONDS = 2.0
LONGEST_HOLD_SECONDS = 600.0
MOST_STRIKES = 8
KEPT_STRIKES = 5  # of what an earlier run learned: it may be out of date


class Ceiling:
    """How many of something the service bears, at most ``cap``. Times are seconds of one clock.

    A refusal lowers it to the level that had passed (from 1000 to 10 in one step, if it was 10) and holds it there;
    then one more is tried. If that passes, the steps up double, since the refusal was an accident or is over. If it
    is refused again at the same level, the hold doubles: a true limit is touched ever more rarely.

    ``proof`` is how long it takes to see that a higher level passes.
    """

    def __init__(self, cap: int, proof: float = 0.0) -> None:
        self.cap = cap
        self._proof = proof
        self._learned: int | None = None  # whatever the cap
        self._strikes = 0
        self.struck_at = 0  # the level of the last refusal; 0: there was none
        self._held_until = -inf
        self._step = 1

    @property
    def limit(self) -> int:
        """How many are borne, as far as is known."""
        return self.cap if self._learned is None else min(self.cap, self._learned)

    @property
    def is_learned(self) -> bool:
        """Whether it is lower than the cap."""
        return self.limit < self.cap

    def may_probe(self, now: float) -> bool:
        """Whether one more than the limit may be tried."""
        return self.is_learned and now >= self._held_until

    @property
    def refused_from(self) -> float:
        """The level from which on a refusal may be for this limit."""
        return max(0.9 * self.limit, self.struck_at if self.is_learned else 0)

    def is_known_limit(self, level: int) -> bool:
        """Whether a refusal at this level is no news."""
        return self.is_learned and self._strikes > 0 and level >= 0.9 * self.struck_at

    def refused(self, level: int, now: float) -> None:
        """With ``level`` of them there already, one more was refused."""
        self._strikes = min(self._strikes + 1, MOST_STRIKES) if self.is_known_limit(level) else 1
        self.struck_at = level
        self._learned = max(1, min(level, self.limit))
        self._step = 1
        self._held_until = now + self._hold_seconds  # whatever held a higher level

    @property
    def _hold_seconds(self) -> float:
        return min(LONGEST_HOLD_SECONDS, FIRST_HOLD_SECONDS * 2.0 ** (self._strikes - 1))

    def may_grow(self, level: int, now: float) -> bool:
        """Whether the limit is higher if ``level`` of them have passed."""
        return self.is_learned and (level > self.limit or (level == self.limit and now >= self._held_until))

    def passed(self, level: int, now: float) -> bool:
        """With it, there are ``level`` of them. Returns whether the limit has grown."""
        if not self.may_grow(level, now):
            return False
        grown = max(level, self.limit) + self._step
        self._learned = grown if grown < self.cap else None
        self._step *= 2
        self.hold(now, self._proof if self._strikes < 2 else self._hold_seconds)
        return True

    def hold(self, now: float, seconds: float) -> None:
        """Let it not grow for that long."""
        self._held_until = max(self._held_until, now + seconds)

    def recap(self, cap: int) -> None:
        """Another cap; what was learned below it stays."""
        self.cap = cap

    def to_memory(self) -> list[int] | None:
        """What the next run should begin with."""
        return None if self._learned is None else [self._learned, self._strikes]

    def take_memory(self, memory: object, now: float) -> None:
        """Begin with what an earlier run learned."""
        match memory:
            case [int(limit), int(strikes)] if limit > 0:
                self._learned = self.struck_at = limit
                self._strikes = min(max(strikes, 1), KEPT_STRIKES)
                self.hold(now, self._hold_seconds)
