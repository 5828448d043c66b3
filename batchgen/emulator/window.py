"""The window through which a test in another process sees what the emulator saw."""

from typing import TYPE_CHECKING

from aiohttp import web

from batchgen.emulator.file_faults import good

if TYPE_CHECKING:
    from batchgen.emulator.server import Emulator


class Window:
    """The routes under ``/_emulator/``: neither counted nor limited, and without a key."""

    def __init__(self, emulator: "Emulator") -> None:
        self._emulator = emulator

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the application."""
        return [
            web.get("/_emulator/tasks", self._tasks),
            web.get("/_emulator/stats", self._stats),
            web.get("/_emulator/{name:requests|files|callbacks}", self._records),
            web.get("/_emulator/videos/{name}", self._video),
        ]

    async def _tasks(self, _: web.Request) -> web.Response:
        return web.json_response([task.facts() for task in self._emulator.tasks])

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._emulator.stats())

    async def _records(self, request: web.Request) -> web.Response:
        return web.json_response(self._emulator.records.listed(request.match_info["name"]))

    async def _video(self, request: web.Request) -> web.Response:
        task, index = self._emulator.find_video(request.match_info["name"])
        return good(await self._emulator.video(task, index))
