"""The window through which a test in another process sees what the emulator saw."""

from typing import TYPE_CHECKING

from aiohttp import web

from batchgen.emulator.file_faults import good

if TYPE_CHECKING:
    from batchgen.emulator.server import Emulator


def routes(emulator: "Emulator") -> list[web.RouteDef]:
    """Return the routes under ``/_emulator/``: neither counted nor limited, and without a key."""

    async def tasks(_: web.Request) -> web.Response:
        return web.json_response([task.facts() for task in emulator.tasks])

    async def stats(_: web.Request) -> web.Response:
        return web.json_response(emulator.stats())

    async def records(request: web.Request) -> web.Response:
        return web.json_response(emulator.records.listed(request.match_info["name"]))

    async def video(request: web.Request) -> web.Response:
        task, index = emulator.find_video(request.match_info["name"])
        return good(await emulator.video(task, index))

    return [
        web.get("/_emulator/tasks", tasks),
        web.get("/_emulator/stats", stats),
        web.get("/_emulator/{name:requests|files|callbacks}", records),
        web.get("/_emulator/videos/{name}", video),
    ]
