"""The faults of the videos' links: how a download goes wrong."""

import asyncio
import gzip
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from batchgen.emulator import wire
from batchgen.emulator.wire import Exchange

Act = Callable[[Exchange, bytes], Awaitable[web.StreamResponse]]
VIDEO = {"Content-Type": "video/mp4"}
GZIP = {"Content-Encoding": "gzip"}
DRIP_BYTES, DRIP_SECONDS = 64, 0.02
WRONG_BYTES = 1_000  # how far a false Content-Length is off
ENDLESS_CHUNK = bytes(65_536)


def good(content: bytes) -> web.Response:
    """Return the file as it is."""
    return web.Response(body=content, headers=VIDEO)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _whole(answer: Callable[[bytes], web.Response]) -> Act:
    """Answer with what is made of the file."""

    async def act(_: Exchange, content: bytes) -> web.StreamResponse:
        return answer(content)

    return act


def _raw(answer: Callable[[bytes], tuple[bytes, dict[str, str | int]]]) -> Act:
    """Write the bytes and headers that are made of the file, as they are, and close."""

    async def act(exchange: Exchange, content: bytes) -> web.StreamResponse:
        body, headers = answer(content)
        wire.write_raw(exchange, "200 OK", {**VIDEO, **headers, "Connection": "close"}, body)
        return wire.hang_up(exchange)

    return act


def _redirect(location: Callable[[Exchange], str]) -> Act:
    async def act(exchange: Exchange, _: bytes) -> web.StreamResponse:
        return wire.redirect(302, location(exchange))

    return act


async def _reset(exchange: Exchange, content: bytes) -> web.StreamResponse:
    headers: dict[str, str | int] = {**VIDEO, "Content-Length": len(content)}
    wire.write_raw(exchange, "200 OK", headers, _half(content))
    await asyncio.sleep(0.01)  # a reset overtakes what is still to be sent; let some of it arrive
    return wire.reset(exchange)


def _without_moov(content: bytes) -> bytes:
    kept, place = [], 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8:  # not an MP4 of ours: a test's own bytes
            return _half(content)
        if kind != b"moov":
            kept.append(content[place : place + size])
        place += size
    return b"".join(kept)


async def _drip(exchange: Exchange, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={**VIDEO, "Content-Length": str(len(content))})
    await response.prepare(exchange.request)
    for place in range(0, len(content), DRIP_BYTES):
        if exchange.stopping.is_set():
            return wire.hang_up(exchange)
        await response.write(content[place : place + DRIP_BYTES])
        await asyncio.sleep(DRIP_SECONDS)
    return response


async def _stall(exchange: Exchange, content: bytes) -> web.StreamResponse:
    headers: dict[str, str | int] = {**VIDEO, "Content-Length": len(content)}
    wire.write_raw(exchange, "200 OK", headers, _half(content))
    return await wire.hang(exchange)


async def _endless(exchange: Exchange, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers=VIDEO)
    await response.prepare(exchange.request)
    await response.write(content)
    while not exchange.stopping.is_set():
        await response.write(ENDLESS_CHUNK)
        await asyncio.sleep(0)
    return wire.hang_up(exchange)


ACTS: dict[str, Act] = {
    "file-403": _whole(lambda _: wire.html(403, "Error 403")),
    "file-404": _whole(lambda _: wire.html(404, "Error 404")),
    "file-410": _whole(lambda _: wire.html(410, "Error 410")),
    "file-500": _whole(lambda _: wire.html(500, "Error 500")),
    "file-reset": _reset,
    "file-cut": _raw(lambda file: (_half(file), {"Content-Length": len(file)})),
    "file-cut-no-length": _raw(lambda file: (_half(file), {})),
    "file-cut-chunked": _raw(lambda file: (b"%x\r\n" % len(file) + _half(file), {"Transfer-Encoding": "chunked"})),
    "file-no-length": _raw(lambda file: (file, {})),
    "file-length-long": _raw(lambda file: (file, {"Content-Length": len(file) + WRONG_BYTES})),
    "file-length-short": _raw(lambda file: (file, {"Content-Length": max(len(file) - WRONG_BYTES, len(file) // 2)})),
    "file-html": _whole(lambda _: wire.html(200, "This link has expired")),
    "file-empty": _whole(lambda _: good(b"")),
    "file-gzip": _whole(lambda file: web.Response(body=gzip.compress(file, 1), headers=VIDEO | GZIP)),
    "file-gzip-cut": _raw(lambda file: (_half(gzip.compress(file, 1)), {**GZIP})),
    "file-no-moov": _whole(lambda file: good(_without_moov(file))),
    "file-drip": _drip,
    "file-stall": _stall,
    "file-endless": _endless,
    "file-redirect": _redirect(lambda exchange: exchange.here(direct="1")),
    "file-redirect-elsewhere": _redirect(Exchange.there),
    # which the server always answers like this
    "file-redirect-loop": _redirect(lambda exchange: exchange.here(loop="1")),
}
