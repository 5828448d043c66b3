"""Figures for a terminal."""

from collections.abc import Sequence

BARS = " ▁▂▃▄▅▆▇█"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
             for row in [head, *rows]]  # fmt: skip
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def sparkline(values: Sequence[int], top: int, width: int = 60) -> str:
    """Values as bars, the highest ``top``."""
    step = max(1, len(values) / width)
    chosen = [values[int(n * step)] for n in range(min(width, len(values)))]
    return "".join(BARS[min(len(BARS) - 1, round(value / top * (len(BARS) - 1)))] for value in chosen)
