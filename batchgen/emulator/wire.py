"""Answers, the well-formed and the broken: envelopes, and bytes written past the HTTP server."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

ErrorStyle = Literal["http", "body"]
NO_ANSWER = 499  # recorded where no whole answer was given, or the client left before it
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


@dataclass(frozen=True)
class Exchange:
    """One request and what a fault may need to answer it."""

    request: web.Request
    style: ErrorStyle
    speed: float
    now: float  # wall-clock seconds of the emulator's clock
    elsewhere: str  # origin of another host, for redirects
    stopping: asyncio.Event  # set when the emulator stops: whatever hangs lets go

    def here(self, **query: str) -> str:
        """Where a redirect leads that stays on this host."""
        return str(self.request.url.update_query(query))

    def there(self) -> str:
        """Where one to another host leads."""
        return f"{self.elsewhere}{self.request.path}?direct=1"


def envelope(code: int, message: str, data: Any) -> dict[str, Any]:
    """Return the document's frame round every answer."""
    return {"code": code, "message": message, "data": data}


def answer(data: Any) -> web.Response:
    """Return a good answer."""
    return web.json_response(envelope(200, "success", data))


def refuse(style: ErrorStyle, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error: in the HTTP status too, or (style ``body``) in the envelope alone."""
    status = code if style == "http" else 200
    return web.json_response(envelope(code, message, None), status=status, headers=headers)


def html(status: int, title: str) -> web.Response:
    """Return a page such as gateways and captive portals give."""
    return web.Response(status=status, text=HTML.format(title), content_type="text/html")


def redirect(status: int, location: str) -> web.Response:
    """Return a redirect."""
    return web.Response(status=status, headers={"Location": location})


def write_raw(exchange: Exchange, status: str, headers: dict[str, str | int], body: bytes) -> None:
    """Write an answer as it is, whatever its headers say; the connection stays open."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    if exchange.request.transport is not None:
        exchange.request.transport.write("\r\n".join(lines).encode() + body)


def hang_up(exchange: Exchange) -> web.Response:
    """Close the connection after what was written; the answer returned goes nowhere."""
    if exchange.request.transport is not None:
        exchange.request.transport.close()
    return web.Response(status=NO_ANSWER)


def reset(exchange: Exchange) -> web.Response:
    """Reset the connection (RST), as a crashed or overloaded host does."""
    if (transport := exchange.request.transport) is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=NO_ANSWER)


async def hang(exchange: Exchange) -> web.Response:
    """Say nothing more until the emulator stops."""
    await exchange.stopping.wait()
    return hang_up(exchange)


def write_json(exchange: Exchange, value: Any, *, status: str = "200 OK", share: float = 1.0) -> None:
    """Write a JSON answer with the right Content-Length, of which only a share is sent."""
    body = json.dumps(value).encode()
    headers: dict[str, str | int] = {"Content-Type": "application/json", "Content-Length": len(body)}
    write_raw(exchange, status, headers, body[: int(len(body) * share)])


def broken_json(value: Any) -> str:
    """Return JSON that breaks off."""
    text = json.dumps(value)
    return text[: len(text) * 2 // 3]
