"""The emulator as a process of its own: what the command ``batchgen emulator`` runs."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.faults import parse_shares
from batchgen.emulator.server import Emulator
from batchgen.emulator.wire import ErrorStyle


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
    *,
    host: str,
    port: int,
    speed: float,
    rate: int,
    concurrency: int,
    credits: float,
    error_style: ErrorStyle,
    faults: Sequence[str],
    state: Path | None,
    seed: int,
    tiny: bool,
) -> None:
    """Run the emulator until SIGINT or SIGTERM.

    ``faults`` are words ``NAME=SHARE``. Raises ValueError for a fault that is not one, OSError when the port is
    taken.
    """
    emulator = Emulator(
        speed=speed,
        limits=AccountLimits(rate=rate, concurrency=concurrency, credits=credits),
        error_style=error_style,
        faults=parse_shares(faults),
        seed=seed,
        tiny=tiny,
        state=state,
    )
    asyncio.run(serve(emulator, host, port))
