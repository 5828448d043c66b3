"""Small things that tests of several rooms need."""

import asyncio
import socket
from collections.abc import Callable

LONGEST_SECONDS = 60


async def until(happened: Callable[[], bool], process: asyncio.subprocess.Process | None = None) -> None:
    """Wait for what other tasks or programs bring about; not for what a ``process`` would have, that has ended."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while not happened():
            if process and process.returncode is not None:
                raise AssertionError(f"it ended too early, with {process.returncode}: {await process.communicate()}")
            await asyncio.sleep(0.01)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
