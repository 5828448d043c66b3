"""The faults of statusTask: how the emulator spoils the data that it would have given."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from batchgen.emulator import wire
from batchgen.emulator.wire import Exchange

Data = dict[str, Any]
Act = Callable[[Exchange, Data, int], web.Response]  # the int counts the questions about the task before this one
UNKNOWN_TIMES = 3


def unknown(exchange: Exchange) -> web.Response:
    """Return the answer about a task that is not known."""
    return wire.refuse(exchange.style, 404, "Task not found")


def _at_first(exchange: Exchange, data: Data, nth: int) -> web.Response:
    return unknown(exchange) if nth < UNKNOWN_TIMES else wire.answer(data)


def _garbage(_: Exchange, data: Data, __: int) -> web.Response:
    text = wire.broken_json(wire.envelope(200, "success", data))
    return web.Response(text=text, content_type="application/json")


def _in_state(state: str) -> Act:
    return lambda _, data, __: wire.answer({"taskId": data["taskId"], "state": state})


def _with_result(change: Callable[[str], object]) -> Act:
    """A success whose resultJson is changed; None leaves it out."""

    def act(_: Exchange, data: Data, __: int) -> web.Response:
        if data["state"] == "success":
            data["resultJson"] = change(data["resultJson"])
        return wire.answer({name: value for name, value in data.items() if value is not None})

    return act


ACTS: dict[str, Act] = {
    "status-401": lambda exchange, *_: wire.refuse(exchange.style, 401, "Invalid or missing API Key"),
    "status-403-html": lambda *_: wire.html(403, "Forbidden"),
    "status-500": lambda exchange, *_: wire.refuse(exchange.style, 500, "Internal Server Error"),
    "status-502": lambda *_: wire.html(502, "Bad Gateway"),
    "status-404": lambda exchange, *_: unknown(exchange),
    "status-unknown-at-first": _at_first,
    "status-429": lambda exchange, *_: wire.refuse(exchange.style, 429, "Rate limit exceeded", {"Retry-After": "1"}),
    "status-close": lambda exchange, *_: wire.hang_up(exchange),
    "status-html": lambda *_: wire.html(200, "Welcome"),
    "status-garbage": _garbage,
    "status-unknown-state": _in_state("queued"),
    "status-late": _in_state("processing"),
    "status-no-result": _with_result(lambda _: None),
    "status-invalid-result": _with_result(lambda result: result[:-2]),
    "status-object-result": _with_result(json.loads),
    "status-zero-urls": _with_result(lambda _: '{"resultUrls":[]}'),
    "status-rotate": lambda _, data, __: wire.answer(data),  # the server has made the links new
}
