"""The emulator: the API's routes, the videos, and a window for tests to look through."""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from batchgen.emulator import file_faults, status_faults, submit_faults, window, wire
from batchgen.emulator.account import Account, AccountLimits, price_of
from batchgen.emulator.courier import Courier
from batchgen.emulator.faults import Faults
from batchgen.emulator.judge import RefusedError, judge_body, judge_key, parse_json
from batchgen.emulator.records import FileRecord, Records, RequestRecord
from batchgen.emulator.store import Store
from batchgen.emulator.studio import Studio, VideoBytes
from batchgen.emulator.tasks import Generation, Task, check_marks, describe, plan_task
from batchgen.emulator.wire import ErrorStyle, Exchange

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LINK_SECONDS = 15 * 86_400.0  # "Result URLs are valid for 15 days"
MINUTE = 60.0
_VIDEO_NAME = re.compile(r"(task_[0-9a-f]+)(?:-(\d{1,3}))?\.mp4")
_STOP_SECONDS = 0.1  # how long open requests may take when the emulator stops


class Emulator:
    """The hosted service, on a local port.

    ``speed`` divides the seconds of the service's clock (generation, the minute of the rate limit, the repeats
    of callbacks), not the links' life. ``keys`` None takes any key. ``generation`` is a range in seconds or a
    function of (body, taskId). ``state`` is the file in which accepted tasks outlive the process. ``clock``
    gives wall-clock seconds for generation, limits and expiry, and may be moved by hand. ``elsewhere`` is the
    origin to which redirects to another host go (by default this server under the name localhost).
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        limits: AccountLimits | None = None,
        error_style: ErrorStyle = "http",
        faults: Faults | Mapping[str, float] | None = None,
        seed: int = 0,
        keys: Collection[str] | None = None,
        models: Collection[str] = frozenset({"wan-2-5"}),
        generation: Generation = None,
        link_seconds: float = LINK_SECONDS,
        tiny: bool = False,
        video_bytes: VideoBytes | None = None,
        state: Path | None = None,
        clock: Callable[[], float] = time.time,
        elsewhere: str | None = None,
    ) -> None:
        self.speed, self.error_style, self.keys, self.models = speed, error_style, keys, models
        self.generation, self.link_seconds, self.elsewhere = generation, link_seconds, elsewhere
        self.clock = clock
        self.faults = faults if isinstance(faults, Faults) else Faults(faults, seed)
        self.account = Account(limits or AccountLimits(), MINUTE / speed)
        self.records = Records()
        self.requests, self.files = self.records.requests, self.records.files
        self.callbacks = self.records.callbacks  # every attempt to deliver one
        self.url = ""
        self._tiny, self._video_bytes = tiny, video_bytes
        self._store = Store(state)
        self.tasks = self._store.tasks  # that were accepted, in order
        self._rotations: Counter[str] = Counter()  # how often a task's links were made new

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen (port 0: a free one); the tasks of the state file, or before :meth:`stop`, are known."""
        self.faults.skip("submit", self._store.open())
        now = self.clock()
        self.account.restore([t.ends for t in self.tasks if t.ends > now], sum(t.cents for t in self.tasks))
        self._stopping = asyncio.Event()
        self._studio = Studio(tiny=self._tiny, video_bytes=self._video_bytes)
        self._runner = web.AppRunner(
            self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_SECONDS
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self._port}"  # noqa: S104 - compared only
        self._courier = Courier(self._store, self.records, self.faults, self.describe, self.clock, self.speed)
        for task in self.tasks:
            if task.callback_url and task.id not in self._store.told:
                self._courier.resume(task)
        self._sending = asyncio.create_task(self._courier.run())

    async def stop(self) -> None:
        """Stop listening and let everything go that hangs; :meth:`start` may follow."""
        self._stopping.set()
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending
        await self._runner.cleanup()
        self._studio.close()
        self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def urls(self, task: Task) -> list[str]:
        """Return the links to a task's videos, as they are now."""
        if task.given_urls:
            return list(task.given_urls)
        turn = self._rotations[task.id]
        query = f"?v={turn}" if turn else ""
        names = [f"{task.id}-{index}" if index else task.id for index in range(task.url_count)]
        return [f"{self.url}/videos/{name}.mp4{query}" for name in names]

    def describe(self, task: Task, now: float) -> dict[str, Any]:
        """Return what statusTask says of a task at this time of the clock."""
        return describe(task, now, self.urls(task))

    async def video(self, task: Task, index: int = 0) -> bytes:
        """Return the true bytes of a task's video, to compare with what was downloaded."""
        return await self._studio.video(task, index)

    def stats(self) -> dict[str, Any]:
        """Return the numbers that ``GET /_emulator/stats`` shows; money in USD."""
        account = self.account
        return {
            "accepted": len(self.tasks),
            "charged": account.charged / 100,
            "balance": account.balance,
            "running": account.running(self.clock()),
            "peak_tasks": account.peak_tasks,
            "worst_window": account.worst_window,
            "faults": dict(self.faults.shown),
            **self.records.counts(),
        }

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        app.add_routes(
            [
                web.post("/api/v1/generateTask/{model}", self._generate_task),
                web.get("/api/v1/statusTask/{model}", self._status_task),
                web.get("/api/v1/apikeys/current-balance", self._current_balance),
                web.get("/videos/{name}", self._video),
                *window.routes(self),
            ]
        )
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        record: RequestRecord | FileRecord
        answering: Awaitable[web.StreamResponse]
        if request.path.startswith("/api/"):
            record = self.records.request(request.method, request.path_qs)
            answering = self._judged(request, handler)
        elif request.path.startswith("/videos/"):
            record = self.records.file(request.path, request.headers)
            answering = handler(request)
        else:
            return await handler(request)
        try:
            response = await answering
        except asyncio.CancelledError:
            record.status = wire.NO_ANSWER
            raise
        record.status = response.status
        return response

    async def _judged(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self.account.count_request(self.clock())
            judge_key(request.headers.get("Authorization"), self.keys)
            return await handler(request)
        except RefusedError as refusal:
            return wire.refuse(self.error_style, refusal.code, refusal.message)
        except web.HTTPException as error:  # no such path, another method, a body too large
            return wire.refuse(self.error_style, error.status, error.reason)

    def _exchange(self, request: web.Request) -> Exchange:
        elsewhere = self.elsewhere or f"http://localhost:{self._port}"
        return Exchange(request, self.error_style, self.speed, self.clock(), elsewhere, self._stopping)

    def _model(self, request: web.Request) -> str:
        model = request.match_info["model"]
        if model not in self.models:
            raise RefusedError(404, "Model not found")
        return model

    async def _generate_task(self, request: web.Request) -> web.StreamResponse:
        model = self._model(request)
        raw = await request.read()

        def accept() -> dict[str, str]:
            body = parse_json(request.content_type, raw)
            return {"taskId": self._accept(model, body, request.headers["Authorization"]).id}

        if "direct" not in request.query:  # where a redirect led: without another fault
            name, _ = self.faults.draw("submit", _prompt(raw))
            if name is not None:
                return await submit_faults.ACTS[name](self._exchange(request), accept)
        return wire.answer(accept())

    def _accept(self, model: str, untrusted: object, authorization: str) -> Task:
        body = judge_body(untrusted)
        check_marks(body)
        now = self.clock()
        self.account.check_room(now, price_of(body))
        task_id = f"task_{secrets.token_hex(8)}"  # never the id of an emulator before this one
        task = plan_task(task_id, model, body, now, self.speed, self.generation, authorization)
        self._store.add(task)
        self.account.charge(now, task.ends, task.cents)
        if task.callback_url:
            self._courier.expect(task)
        return task

    async def _status_task(self, request: web.Request) -> web.StreamResponse:
        model, task_id = self._model(request), request.query.get("taskId")
        if not task_id:
            raise RefusedError(400, "Invalid parameters: taskId is required")
        task = self._store.find(task_id)
        exchange = self._exchange(request)
        if task is None or task.model != model:
            return status_faults.unknown(exchange)
        name, moment = self.faults.draw("status", task_id)
        if name == "status-rotate":
            self._rotations[task_id] += 1
        data = self.describe(task, exchange.now)
        return status_faults.ACTS[name](exchange, data, moment.nth) if name else wire.answer(data)

    async def _current_balance(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"code": 200, "data": self.account.balance})

    def find_video(self, name: str) -> tuple[Task, int]:
        """Return the task and the index of a video that can be had now, or raise HTTPNotFound."""
        found = _VIDEO_NAME.fullmatch(name)
        task = self._store.find(found[1]) if found else None
        index = int(found[2] or 0) if found else 0
        now = self.clock()
        if task is None or index >= task.url_count or task.state(now) != "success":
            raise web.HTTPNotFound
        if now >= task.ends + self.link_seconds:
            raise web.HTTPNotFound(text="This link has expired")
        return task, index

    async def _video(self, request: web.Request) -> web.StreamResponse:
        try:
            task, index = self.find_video(request.match_info["name"])
        except web.HTTPNotFound as missing:
            return wire.html(missing.status, missing.text or missing.reason)
        if request.query.get("v", "0") != str(self._rotations[task.id]):
            return wire.html(403, "Forbidden")
        name: str | None = None
        if "loop" in request.query:
            name = "file-redirect-loop"
        elif "direct" not in request.query:
            name, _ = self.faults.draw("file", request.path)
        content = await self.video(task, index)
        return await file_faults.ACTS[name](self._exchange(request), content) if name else file_faults.good(content)


def _prompt(raw: bytes) -> str:
    """Return the prompt of a body not yet judged, or nothing."""
    try:
        prompt = parse_json("application/json", raw)["input"]["prompt"]  # type: ignore[index]
    except (RefusedError, TypeError, LookupError):
        return ""
    return prompt if isinstance(prompt, str) else ""
