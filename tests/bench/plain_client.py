"""What the document's tips say, and no more: a slot for each task, wait 50 s, then ask every 5 s.

``python -m tests.bench.plain_client MANIFEST FOLDER URL SPEED SLOTS``
"""

import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
from aiolimiter import AsyncLimiter

PER_SECOND = 10_000 / 60
WAIT, EVERY = 50.0, 5.0


class Plain:
    """The client."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path, speed: float, slots: int) -> None:
        self._session = session
        self._folder = folder
        self._speed = speed
        self._slots = asyncio.Semaphore(slots)
        self._limiter = AsyncLimiter(3, 3 / PER_SECOND / 0.99)

    async def make(self, row: dict[str, str]) -> None:
        async with self._slots:
            body = {"request_type": "async", "input": {"mode": "text-to-video", "prompt": row["prompt"]}}
            task = (await self._ask("POST", "generateTask", json=body))["taskId"]
            await asyncio.sleep(WAIT / self._speed)
            while (data := await self._ask("GET", "statusTask", params={"taskId": task}))["state"] != "success":
                await asyncio.sleep(EVERY / self._speed)
        async with self._session.get(json.loads(data["resultJson"])["resultUrls"][0]) as response:
            (self._folder / f"{row['id']}.mp4").write_bytes(await response.read())

    async def _ask(self, method: str, name: str, **more: Any) -> dict[str, Any]:
        """ "Exceeding limits returns 429 error. Wait and retry." """
        while True:
            async with self._limiter, self._session.request(method, f"/api/v1/{name}/wan-2-5", **more) as response:
                if response.status != 429:
                    data: dict[str, Any] = (await response.json())["data"]
                    return data
            await asyncio.sleep(EVERY / self._speed)


async def main(manifest: Path, folder: Path, url: str, speed: float, number: int) -> None:
    folder.mkdir()
    headers = {"Authorization": "Bearer bench"}
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    async with aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        client = Plain(session, folder, speed, number)
        await asyncio.gather(*(client.make(row) for row in rows))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])))
