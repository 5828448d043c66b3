"""The page served to this machine alone: live while a batch runs, and with the videos that lie on S3.

    /TOKEN/                 the page
    /TOKEN/data.json        its news, with an ETag
    /TOKEN/video/SHA.mp4    a local file, or a redirect to a link that is signed for an hour at this moment
    /TOKEN/poster/SHA.jpg   made when it is first looked at

Whoever does not know the token, or comes under another host's name (DNS rebinding), is told that nothing is here.
"""

import asyncio
import logging
import re
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self, TypeVar

from aiohttp import web

from batchgen.errors import ArchiveError, BatchgenError, UsageError
from batchgen.folder.lock import holder
from batchgen.ledger import Ledger
from batchgen.model import LEDGER
from batchgen.report.bucket import Buckets
from batchgen.report.cards import Links, locate
from batchgen.report.page import Page, gather, render
from batchgen.report.poster import Poster, Posters

_T = TypeVar("_T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Gives the ledger as it is now, the same one or another, and whether a run is at work on it.
Source = Callable[[], tuple[Ledger, bool]]

HOSTS = frozenset({"127.0.0.1", "localhost"})
REST_SECONDS = 1.0  # between two readings of the ledger; longer where reading takes long
REST_SHARE = 4
_FILE = re.compile(r"([0-9a-f]{64})\.(?:mp4|jpg)")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # beside the page's own, which cannot say this
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class View:
    """The batch at one moment."""

    page: Page
    news: bytes
    etag: str
    places: dict[str, str]  # SHA-256 -> where such a video is
    destination: str  # where those to come will be


class Reader:
    """Reads the ledger, when it has changed. All of it in one thread, which SQLite asks for."""

    def __init__(self, source: Source, batch: Path) -> None:
        self._source = source
        self._batch = batch
        self._ledger: Ledger | None = None
        self._state: object = None
        self._view: View | None = None
        self._next = 0.0

    def read(self) -> View:
        """How the batch stands, or stood a moment ago. Raises :class:`LedgerError` if the ledger cannot be read."""
        if self._view is None or time.monotonic() >= self._next:
            self._view = self._renewed()
        return self._view

    def _renewed(self) -> View:
        began = time.monotonic()
        ledger, running = self._source()
        if self._ledger and self._ledger is not ledger:
            self._ledger.close()
        self._ledger = ledger
        state = (ledger, ledger.database.one("PRAGMA data_version"), running)
        if self._view and state == self._state:
            return self._view
        places: dict[str, str] = {}
        page = gather(ledger, self._batch, _links(places), running=running)
        self._state = state
        self._next = time.monotonic() + max(REST_SECONDS, REST_SHARE * (time.monotonic() - began))
        etag = f'"{secrets.token_hex(8)}"'
        return View(page, page.to_json(), etag, places, ledger.fact("destination") or "")

    def close(self) -> None:
        """Let go of the ledger."""
        if self._ledger:
            self._ledger.close()


def _beside(batch: Path) -> Source:
    """The ledger in the batch's folder."""
    opened = cache(lambda: Ledger.open(batch / LEDGER, read_only=True))
    return lambda: (opened(), holder(batch) is not None)


def _links(places: dict[str, str]) -> Links:
    """Addresses under the page's own; they hold checksums, and no names that a sheet or an archive gave.

    ``places`` takes where the videos are.
    """

    def video(place: str, sha256: str) -> str:
        places[sha256] = place
        return f"video/{sha256}.mp4"

    return Links(video, lambda sha256: (f"poster/{sha256}.jpg", None))


class ReportServer:
    """The server, on 127.0.0.1 and a port that is free unless one is given."""

    def __init__(self, batch: Path, *, port: int = 0, source: Source | None = None) -> None:
        self._token = secrets.token_urlsafe(24)
        self._port = port
        self._reader = Reader(source or _beside(batch), batch)
        self._read_thread = ThreadPoolExecutor(1)
        self._threads = ThreadPoolExecutor(4)  # for posters and signing
        self._posters = Posters(batch / "posters")
        self._buckets = Buckets()
        self._batch = batch

    @property
    def url(self) -> str:
        """The page's address. Whoever has it may see the batch."""
        return f"http://127.0.0.1:{self._port}/{self._token}/"

    async def __aenter__(self) -> Self:
        """Read the ledger and listen. Raises :class:`UsageError` when the port is taken."""
        await self._read()
        app = web.Application(middlewares=[self._guard])
        base = f"/{self._token}"
        app.router.add_get(f"{base}/", self._page)
        app.router.add_get(f"{base}/data.json", self._news)
        app.router.add_get(f"{base}/video/{{file}}", self._video)
        app.router.add_get(f"{base}/poster/{{file}}", self._poster)
        # A log would hold the token; and what is no HTTP would be a traceback on the terminal.
        silent = logging.Logger("silent", logging.CRITICAL + 1)
        self._runner = web.AppRunner(app, access_log=None, logger=silent, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError as error:
            await self.__aexit__()
            raise UsageError(f"port {self._port} cannot be used: {error.strerror}") from None
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._in(self._read_thread, self._reader.close)
        self._read_thread.shutdown()
        self._threads.shutdown(cancel_futures=True)

    # -- the answers

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.path.removeprefix("/").partition("/")[0].encode()  # "*" has none
        host = request.host.rpartition(":")[0] or request.host  # without the port, which a tunnel may change
        if not secrets.compare_digest(asked, self._token.encode()) or host not in HOSTS:
            return web.Response(status=404, text="Nothing is here.\n", headers=_HEADERS)
        try:
            answer = await handler(request)
        except BatchgenError as error:
            answer = web.Response(status=503, text=f"{error}\n")
        except web.HTTPException as error:
            answer = web.Response(status=error.status, text=f"{error.reason}\n")
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    async def _page(self, _request: web.Request) -> web.Response:
        view = await self._read()
        known = (*view.places.values(), f"{view.destination}/video")
        media = await self._in(self._threads, lambda: self._buckets.origins(known))
        text = await self._in(self._read_thread, lambda: render(view.page, media=media, live=True))
        return web.Response(body=text.encode(errors="replace"), content_type="text/html", charset="utf-8")

    async def _news(self, request: web.Request) -> web.Response:
        view = await self._read()
        headers = {"ETag": view.etag}
        if request.headers.get("If-None-Match") == view.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=view.news, content_type="application/json", headers=headers)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        _, place = await self._place(request)
        if place.startswith("s3://"):
            link = await self._in(self._threads, lambda: self._buckets.sign(place))
            return web.Response(status=302, headers={"Location": link})
        path = locate(place, self._batch)
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": "video/mp4", "Cache-Control": "private, no-cache"})

    async def _poster(self, request: web.Request) -> web.StreamResponse:
        sha256, place = await self._place(request)
        poster = self._posters.find(sha256) or await self._in(self._threads, lambda: self._make_poster(sha256, place))
        if poster is None or not poster.path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(poster.path, headers={"Content-Type": "image/jpeg", "Cache-Control": "private"})

    def _make_poster(self, sha256: str, place: str) -> Poster | None:
        """From a few pieces of the object where it is on S3: a poster must not cost a whole download."""
        try:
            video = self._buckets.open(place) if place.startswith("s3://") else locate(place, self._batch)
        except ArchiveError:
            return None
        return self._posters.make(sha256, video) if video else None

    async def _place(self, request: web.Request) -> tuple[str, str]:
        """The checksum that is asked for, and where such a video is: only what the ledger names is ever opened."""
        found = _FILE.fullmatch(request.match_info["file"])
        place = (await self._read()).places.get(found[1]) if found else None
        if not found or place is None:
            raise web.HTTPNotFound
        return found[1], place

    async def _read(self) -> View:
        return await self._in(self._read_thread, self._reader.read)

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def serve(batch: Path, say: Callable[[str], None], *, port: int = 0, source: Source | None = None) -> None:
    """Serve the batch's page until SIGINT or SIGTERM; ``say`` is told its address when it listens.

    ``source`` gives the ledger, if it is not the one in the batch's folder, in the thread that reads it.
    Raises :class:`UsageError` when the port is taken, :class:`LedgerError` when the ledger cannot be read.
    """
    asyncio.run(_serve(ReportServer(batch, port=port, source=source), say))


async def _serve(server: ReportServer, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        say(server.url)
        await stop.wait()
