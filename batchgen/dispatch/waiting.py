"""Waiting for an event, for a time."""

import asyncio


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for the event, which is set after ``seconds`` (None: for as long as it takes)."""
    if seconds is None:
        await event.wait()
        return
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
