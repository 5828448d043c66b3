"""The faults of generateTask: what the emulator does instead of a good answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web

from batchgen.emulator import wire
from batchgen.emulator.faults import RETRY_FORMS
from batchgen.emulator.wire import Exchange

Accept = Callable[[], dict[str, str]]  # judges and charges, and returns the answer's data: the taskId
Act = Callable[[Exchange, Accept], Awaitable[web.StreamResponse]]
GATEWAY = {
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}
SLOW_SECONDS = 10.0


async def _lost(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.hang_up(exchange.request)


async def _reset(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.reset(exchange.request)


async def _hang(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return await wire.hang(exchange)


async def _cut(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    wire.write_json(exchange.request, wire.envelope(200, "success", accept()), share=0.5)
    return wire.hang_up(exchange.request)


async def _empty(_: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return web.Response(content_type="application/json")


async def _html(_: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.html(200, "Welcome")


async def _no_taskid(_: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.answer({})


async def _slow(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    data = accept()
    await asyncio.sleep(SLOW_SECONDS / exchange.speed)
    return wire.answer(data)


async def _idle_close(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    wire.write_json(exchange.request, wire.envelope(200, "success", accept()))
    return wire.hang_up(exchange.request)


async def _dropped(exchange: Exchange, _: Accept) -> web.StreamResponse:
    return wire.hang_up(exchange.request)


async def _accepted_500(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.refuse(exchange.style, 500, GATEWAY[500])


async def _accepted_gateway(status: int, _: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return wire.html(status, GATEWAY[status])


async def _gateway(status: int, _: Exchange, __: Accept) -> web.StreamResponse:
    return wire.html(status, GATEWAY[status])


async def _refused(code: int, message: str, exchange: Exchange, _: Accept) -> web.StreamResponse:
    return wire.refuse(exchange.style, code, message)


async def _refusal_cut(exchange: Exchange, _: Accept) -> web.StreamResponse:
    refusal = wire.envelope(400, "Invalid parameters", None)
    wire.write_json(exchange.request, refusal, status="400 Bad Request", share=0.5)
    return wire.hang_up(exchange.request)


async def _429_body(_: Exchange, __: Accept) -> web.StreamResponse:
    return wire.refuse("body", 429, "Rate limit exceeded")


async def _429_html(_: Exchange, __: Accept) -> web.StreamResponse:
    return wire.html(429, "Too Many Requests")


def _retry_after(form: str, now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=-60 if form == "past" else 2)
    dates = {
        "date": "%a, %d %b %Y %H:%M:%S GMT",
        "past": "%a, %d %b %Y %H:%M:%S GMT",
        "rfc850": "%A, %d-%b-%y %H:%M:%S GMT",
        "asctime": "%a %b %d %H:%M:%S %Y",
        "iso": "%Y-%m-%dT%H:%M:%SZ",
    }
    if form in dates:
        return moment.strftime(dates[form])
    return {"empty": "", "digits": "２"}.get(form, RETRY_FORMS[form])


async def _429(form: str, exchange: Exchange, _: Accept) -> web.StreamResponse:
    headers = {"Retry-After": _retry_after(form, exchange.now)}
    return wire.refuse(exchange.style, 429, "Rate limit exceeded", headers)


async def _redirect(status: int, exchange: Exchange, _: Accept) -> web.StreamResponse:
    location = str(exchange.request.url.update_query(direct="1"))
    return web.Response(status=status, headers={"Location": location})


async def _redirect_elsewhere(exchange: Exchange, _: Accept) -> web.StreamResponse:
    location = f"{exchange.elsewhere}{exchange.request.path}?direct=1"
    return web.Response(status=307, headers={"Location": location})


ACTS: dict[str, Act] = {
    "submit-lost": _lost,
    "submit-reset": _reset,
    "submit-hang": _hang,
    "submit-cut": _cut,
    "submit-empty": _empty,
    "submit-html": _html,
    "submit-no-taskid": _no_taskid,
    "submit-slow": _slow,
    "submit-idle-close": _idle_close,
    "submit-dropped": _dropped,
    "submit-accepted-500": _accepted_500,
    **{f"submit-accepted-{status}": partial(_accepted_gateway, status) for status in (403, 502, 503, 504)},
    "submit-500": partial(_refused, 500, GATEWAY[500]),
    "submit-502": partial(_gateway, 502),
    "submit-503": partial(_refused, 503, GATEWAY[503]),
    "submit-504": partial(_gateway, 504),
    "submit-400-cut": _refusal_cut,
    "submit-401": partial(_refused, 401, "Invalid or missing API Key"),
    "submit-403-html": partial(_gateway, 403),
    "submit-404-html": partial(_gateway, 404),
    "submit-429": partial(_refused, 429, "Rate limit exceeded"),
    "submit-429-body": _429_body,
    "submit-429-html": _429_html,
    **{f"submit-429-{form}": partial(_429, form) for form in RETRY_FORMS},
    **{f"submit-redirect-{status}": partial(_redirect, status) for status in (301, 302, 303, 307, 308)},
    "submit-redirect-elsewhere": _redirect_elsewhere,
}
