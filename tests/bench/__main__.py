"""``python -m tests.bench [--full] [NAME ...]``: the benchmarks, as tables on standard output."""

import sys
import time
from collections.abc import Callable, Iterator

from tests.bench import archiving, memory, processor, rows, scheduling

BENCHES: dict[str, Callable[..., Iterator[str]]] = {
    "races": scheduling.races,
    "simulations": scheduling.simulations,
    "processor": processor.processor,
    "archive": archiving.archive,
    "memory": memory.memory,
    "rows": rows.rows,
}


def main() -> None:
    full = "--full" in sys.argv
    names = [argument for argument in sys.argv[1:] if argument != "--full"] or list(BENCHES)
    for name in names:
        began = time.monotonic()
        for text in BENCHES[name](full=full):
            say(text)
        say(f"({name}: {time.monotonic() - began:.0f} s)\n")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


main()
