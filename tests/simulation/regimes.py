"""How long generation takes, in the regimes of the benchmarks (seconds)."""

import random
from collections.abc import Callable

Draw = Callable[[random.Random, float], float]  # the second argument: how far the batch is, from 0 to 1


def _between(low: float, high: float) -> Draw:
    return lambda draw, _: draw.uniform(low, high)


def _skewed(draw: random.Random, _: float) -> float:
    return draw.lognormvariate(4.1, 0.35)  # median 60, one in twenty above 107


def _shifting(draw: random.Random, share: float) -> float:
    if share < 1 / 3:
        return draw.uniform(50, 70)
    return draw.uniform(20, 30) if share < 2 / 3 else draw.uniform(110, 130)


REGIMES: dict[str, Draw] = {
    "document": _between(50, 70),
    "1080p": _between(70, 90),
    "fast": _between(20, 30),
    "slow": _between(90, 180),
    "skewed": _skewed,
    "shifting": _shifting,
}


def times(regime: str, rows: int, seed: int = 1) -> list[float]:
    """The generation time of each row."""
    draw = random.Random(seed)
    return [REGIMES[regime](draw, row / rows) for row in range(rows)]
