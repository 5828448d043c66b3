"""A clock moved by hand, and a caller who speaks the API over a real socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from batchgen.emulator.server import Emulator

KEY = "Bearer test-key"
SUBMIT = "/api/v1/generateTask/wan-2-5"
STATUS = "/api/v1/statusTask/wan-2-5"


class HandClock:
    """Wall-clock seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_767_965_610.0

    def __call__(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


def body(outer: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A good request; ``fields`` go into its input, ``outer`` round it."""
    return {"input": {"mode": "text-to-video", "prompt": "a calm lake", **fields}} | (outer or {})


class Caller:
    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def post(self, sent: Any, **options: Any) -> tuple[int, dict[str, Any]]:
        options = {"headers": {"Authorization": KEY}, "json": sent} | options
        async with self.session.post(self.emulator.url + SUBMIT, **options) as response:
            return response.status, await response.json()

    async def submit(self, **fields: Any) -> str:
        """The taskId of an accepted request."""
        status, envelope = await self.post(body(**fields))
        assert (status, envelope["code"], envelope["message"]) == (200, 200, "success")
        task_id: str = envelope["data"]["taskId"]
        return task_id

    async def ask(self, task_id: str, path: str = STATUS) -> tuple[int, dict[str, Any]]:
        url = f"{self.emulator.url}{path}?taskId={task_id}"
        async with self.session.get(url, headers={"Authorization": KEY}) as response:
            return response.status, await response.json(content_type=None)

    async def data(self, task_id: str) -> dict[str, Any]:
        """What statusTask says of a task."""
        _, envelope = await self.ask(task_id)
        data: dict[str, Any] = envelope["data"]
        return data

    async def links(self, task_id: str) -> list[str]:
        result = json.loads((await self.data(task_id))["resultJson"])
        urls: list[str] = result["resultUrls"]
        return urls

    async def fetch(self, url: str, **options: Any) -> tuple[int, bytes]:
        async with self.session.get(url, **options) as response:
            return response.status, await response.read()


@asynccontextmanager
async def calling(emulator: Emulator) -> AsyncIterator[Caller]:
    """The emulator started, and someone to call it."""
    async with emulator, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Caller(emulator, session)
