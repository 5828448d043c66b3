"""Callbacks: the status envelope sent when a task ends, repeated where refused, and how that goes wrong."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any

import aiohttp

from batchgen.emulator import wire
from batchgen.emulator.faults import Faults
from batchgen.emulator.records import Records
from batchgen.emulator.store import Store
from batchgen.emulator.tasks import Task

# Seconds of the service's clock until an attempt that was not answered with 200 is repeated (service.md).
REPEATS = (30.0, 120.0, 600.0)
ANSWER_SECONDS = 30.0  # how long the receiver may take (service.md); real seconds
LATE_SECONDS = 600.0
TRUTH_SECONDS = 10.0  # after a broken or forged callback, the true one
LOOK_SECONDS = 0.02  # how often the clock is looked at: it may be moved by hand

Describe = Callable[[Task, float], dict[str, Any]]  # the data of statusTask at a time


@dataclass(frozen=True)
class Delivery:
    """One callback to be sent."""

    task: Task
    kind: str = "true"
    attempt: int = 0


@dataclass
class Courier:
    """The sender of callbacks."""

    store: Store
    records: Records
    faults: Faults
    describe: Describe
    now: Callable[[], float]
    speed: float
    _due: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    def expect(self, task: Task) -> None:
        """Plan the callback of a task that was accepted just now."""
        name, _ = self.faults.draw("callback", task.id)
        if name == "callback-lost":
            self.store.tell(task)  # nor after a restart
        elif name in ("callback-broken", "callback-forged-failed", "callback-forged-url"):
            self._plan(task.ends, Delivery(task, name.removeprefix("callback-")))
            self._plan(task.ends + TRUTH_SECONDS / self.speed, Delivery(task))
        else:
            if name == "callback-early":
                self._plan(task.created, Delivery(task, "early"))
            if name == "callback-twice":
                self._plan(task.ends, Delivery(task))
            late = LATE_SECONDS / self.speed if name == "callback-late" else 0.0
            self._plan(task.ends + late, Delivery(task))

    def resume(self, task: Task) -> None:
        """Plan the callback of a task from before a restart; attempts that fell into the gap went nowhere."""
        for attempt, wait in enumerate(itertools.accumulate((0.0, *REPEATS))):
            due = task.ends + wait / self.speed
            if due >= self.now():
                self._plan(due, Delivery(task, attempt=attempt))
                return

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                while True:
                    await self._wait()
                    self._send_due(session)
            finally:
                for sending in self._sending:
                    sending.cancel()
                await asyncio.gather(*self._sending, return_exceptions=True)

    async def _wait(self) -> None:
        if not self._due:
            self._filled.clear()
            await self._filled.wait()
        await asyncio.sleep(max(0.0, min(LOOK_SECONDS, self._due[0][0] - self.now())))

    def _plan(self, due: float, delivery: Delivery) -> None:
        heappush(self._due, (due, next(self._order), delivery))
        self._filled.set()

    def _send_due(self, session: aiohttp.ClientSession) -> None:
        now = self.now()
        while self._due and self._due[0][0] <= now:
            sending = asyncio.create_task(self._deliver(session, heappop(self._due)[2]))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        status = await self._post(session, delivery)
        self.records.callback(delivery.task.id, delivery.kind, delivery.attempt, status)
        if delivery.kind != "true":
            return
        if status == 200:
            self.store.tell(delivery.task)
        elif delivery.attempt < len(REPEATS):
            due = self.now() + REPEATS[delivery.attempt] / self.speed
            self._plan(due, replace(delivery, attempt=delivery.attempt + 1))

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> int:
        headers = {"Content-Type": "application/json"}
        url = delivery.task.callback_url or ""
        try:
            async with session.post(url, data=self._text(delivery), headers=headers, allow_redirects=False) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: the address makes no request
            return 0

    def _text(self, delivery: Delivery) -> str:
        task, kind = delivery.task, delivery.kind
        data = self.describe(task, max(self.now(), task.ends))
        if kind == "forged-failed":
            data = {"taskId": task.id, "state": "failed", "failCode": "CONTENT_VIOLATION", "failMsg": "forged"}
        elif kind == "forged-url":
            data |= {"state": "success", "resultJson": '{"resultUrls":["https://forged.invalid/video.mp4"]}'}
        envelope = wire.envelope(200, "success", data)
        return wire.broken_json(envelope) if kind == "broken" else json.dumps(envelope)
