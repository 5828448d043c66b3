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


_held: list[socket.socket] = []


def free_port() -> int:
    """A port of this machine that nobody listens on, and that the system gives to nobody else meanwhile."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # who asks for this very port, so too, may listen
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])
