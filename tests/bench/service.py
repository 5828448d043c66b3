"""The emulator as a process of its own, its clock, limits and slots scaled together; it tells what it saw at the end.

``python -m tests.bench.service REGIME ROWS SPEED SLOTS``
"""

import asyncio
import json
import signal
import sys
from typing import Any

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator
from tests.simulation.regimes import times

RATE = 10_000  # requests a minute of the clients' clock; the document's
SAMPLES = 60


async def main(regime: str, rows: int, speed: float, slots: int) -> None:
    seconds = times(regime, rows)
    limits = AccountLimits(rate=round(RATE / speed), concurrency=slots)
    emulator = Emulator(
        speed=speed,
        limits=limits,
        tiny=True,
        generation=lambda body, _: seconds[int(body["input"]["prompt"].split()[-1])],
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with emulator:
        say(emulator.url)
        await stop.wait()
        say(json.dumps(seen(emulator)))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def seen(emulator: Emulator) -> dict[str, Any]:
    """Figures of what happened; seconds of the service's clock."""
    requests = emulator.requests
    calls = sum("statusTask" in request.path for request in requests)
    return {
        "span": (requests[-1].at - requests[0].at) * emulator.speed if requests else 0.0,
        "tasks": len(emulator.tasks),
        "status_calls": calls,
        "refused": sum(request.status == 429 for request in requests),
        "worst_window": emulator.account.worst_window,
        "in_use": in_use(emulator),
    }


def in_use(emulator: Emulator) -> list[int]:
    """How many tasks ran at each of ``SAMPLES`` moments."""
    tasks = emulator.tasks
    first, last = tasks[0].created, max(task.ends for task in tasks)
    moments = [first + (last - first) * (n + 0.5) / SAMPLES for n in range(SAMPLES)]
    return [sum(task.created <= moment < task.ends for task in tasks) for moment in moments]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
