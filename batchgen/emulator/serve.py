"""The emulator as a process of its own: what the command ``batchgen emulator`` runs."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.faults import parse_shares
from batchgen.emulator.server import Emulator


async def serve(emulator: Emulator, host: str, port: int) -> None:
    """Run the emulator until SIGINT or SIGTERM; say its address on standard output when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await emulator.start(host, port)
    try:
        sys.stdout.write(f"emulator: {emulator.url}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await emulator.stop()


def serve_forever(
    *, host: str, port: int, rate: int, concurrency: int, credits: float, faults: Sequence[str], **settings: Any
) -> None:
    """Run the emulator, with these further settings, until SIGINT or SIGTERM.

    ``faults`` are words ``NAME=SHARE``. Raises ValueError for a fault that is not one, OSError when the port is taken.
    """
    limits = AccountLimits(rate=rate, concurrency=concurrency, credits=credits)
    asyncio.run(serve(Emulator(limits=limits, faults=parse_shares(faults), **settings), host, port))
