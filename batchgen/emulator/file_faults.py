"""The faults of the videos' links: how a download goes wrong."""

import asyncio
import gzip
import struct
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from batchgen.emulator import wire
from batchgen.emulator.wire import Exchange

Act = Callable[[Exchange, bytes], Awaitable[web.StreamResponse]]
VIDEO = {"Content-Type": "video/mp4"}
DRIP_BYTES, DRIP_SECONDS = 64, 0.02
WRONG_BYTES = 1_000  # how far a false Content-Length is off
ENDLESS_CHUNK = bytes(65_536)


def good(content: bytes) -> web.Response:
    """Return the file as it is."""
    return web.Response(body=content, headers=VIDEO)


async def _refused(status: int, _: Exchange, __: bytes) -> web.StreamResponse:
    return wire.html(status, f"Error {status}")


async def _raw(exchange: Exchange, content: bytes, headers: dict[str, str | int]) -> web.StreamResponse:
    wire.write_raw(exchange.request, "200 OK", {**VIDEO, **headers, "Connection": "close"}, content)
    return wire.hang_up(exchange.request)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


async def _reset(exchange: Exchange, content: bytes) -> web.StreamResponse:
    headers: dict[str, str | int] = {**VIDEO, "Content-Length": len(content)}
    wire.write_raw(exchange.request, "200 OK", headers, _half(content))
    await asyncio.sleep(0.01)  # a reset overtakes what is still to be sent; let some of it arrive
    return wire.reset(exchange.request)


async def _cut(exchange: Exchange, content: bytes) -> web.StreamResponse:
    return await _raw(exchange, _half(content), {"Content-Length": len(content)})


async def _cut_no_length(exchange: Exchange, content: bytes) -> web.StreamResponse:
    return await _raw(exchange, _half(content), {})


async def _cut_chunked(exchange: Exchange, content: bytes) -> web.StreamResponse:
    chunk = f"{len(content):x}\r\n".encode() + _half(content)
    return await _raw(exchange, chunk, {"Transfer-Encoding": "chunked"})


async def _no_length(exchange: Exchange, content: bytes) -> web.StreamResponse:
    return await _raw(exchange, content, {})


async def _length_long(exchange: Exchange, content: bytes) -> web.StreamResponse:
    return await _raw(exchange, content, {"Content-Length": len(content) + WRONG_BYTES})


async def _length_short(exchange: Exchange, content: bytes) -> web.StreamResponse:
    short = max(len(content) - WRONG_BYTES, len(content) // 2)
    return await _raw(exchange, content, {"Content-Length": short})


async def _html(_: Exchange, __: bytes) -> web.StreamResponse:
    return wire.html(200, "This link has expired")


async def _empty(_: Exchange, __: bytes) -> web.StreamResponse:
    return good(b"")


async def _gzip(_: Exchange, content: bytes) -> web.StreamResponse:
    return web.Response(body=gzip.compress(content, 1), headers={**VIDEO, "Content-Encoding": "gzip"})


async def _gzip_cut(exchange: Exchange, content: bytes) -> web.StreamResponse:
    return await _raw(exchange, _half(gzip.compress(content, 1)), {"Content-Encoding": "gzip"})


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


async def _no_moov(_: Exchange, content: bytes) -> web.StreamResponse:
    return good(_without_moov(content))


async def _drip(exchange: Exchange, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={**VIDEO, "Content-Length": str(len(content))})
    await response.prepare(exchange.request)
    for place in range(0, len(content), DRIP_BYTES):
        if exchange.stopping.is_set():
            return wire.hang_up(exchange.request)
        await response.write(content[place : place + DRIP_BYTES])
        await asyncio.sleep(DRIP_SECONDS)
    return response


async def _stall(exchange: Exchange, content: bytes) -> web.StreamResponse:
    headers: dict[str, str | int] = {**VIDEO, "Content-Length": len(content)}
    wire.write_raw(exchange.request, "200 OK", headers, _half(content))
    return await wire.hang(exchange)


async def _endless(exchange: Exchange, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers=VIDEO)
    await response.prepare(exchange.request)
    await response.write(content)
    while not exchange.stopping.is_set():
        await response.write(ENDLESS_CHUNK)
        await asyncio.sleep(0)
    return wire.hang_up(exchange.request)


async def _redirect(exchange: Exchange, _: bytes) -> web.StreamResponse:
    location = str(exchange.request.url.update_query(direct="1"))
    return web.Response(status=302, headers={"Location": location})


async def _redirect_elsewhere(exchange: Exchange, _: bytes) -> web.StreamResponse:
    location = f"{exchange.elsewhere}{exchange.request.path}?direct=1"
    return web.Response(status=302, headers={"Location": location})


async def _redirect_loop(exchange: Exchange, _: bytes) -> web.StreamResponse:
    location = str(exchange.request.url.update_query(loop="1"))  # which the server always answers like this
    return web.Response(status=302, headers={"Location": location})


ACTS: dict[str, Act] = {
    **{f"file-{status}": partial(_refused, status) for status in (403, 404, 410, 500)},
    "file-reset": _reset,
    "file-cut": _cut,
    "file-cut-no-length": _cut_no_length,
    "file-cut-chunked": _cut_chunked,
    "file-no-length": _no_length,
    "file-length-long": _length_long,
    "file-length-short": _length_short,
    "file-html": _html,
    "file-empty": _empty,
    "file-gzip": _gzip,
    "file-gzip-cut": _gzip_cut,
    "file-no-moov": _no_moov,
    "file-drip": _drip,
    "file-stall": _stall,
    "file-endless": _endless,
    "file-redirect": _redirect,
    "file-redirect-elsewhere": _redirect_elsewhere,
    "file-redirect-loop": _redirect_loop,
}
