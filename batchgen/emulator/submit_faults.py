"""The faults of generateTask: what the emulator does instead of a good answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from batchgen.emulator import wire
from batchgen.emulator.faults import RETRY_FORMS
from batchgen.emulator.wire import Exchange

Accept = Callable[[], dict[str, str]]  # judges and charges, and returns the answer's data: the taskId
Act = Callable[[Exchange, Accept], Awaitable[web.StreamResponse]]
Answer = Callable[[Exchange], web.StreamResponse]
GATEWAY = {
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}
BUSY = "Rate limit exceeded"
SLOW_SECONDS = 10.0


def _accepted(answer: Answer) -> Act:
    """Accept, and answer so."""

    async def act(exchange: Exchange, accept: Accept) -> web.StreamResponse:
        accept()
        return answer(exchange)

    return act


def _instead(answer: Answer) -> Act:
    """Answer so, and accept nothing."""

    async def act(exchange: Exchange, _: Accept) -> web.StreamResponse:
        return answer(exchange)

    return act


def _page(status: int) -> Answer:
    return lambda _: wire.html(status, GATEWAY[status])


def _refusal(code: int, message: str) -> Answer:
    return lambda exchange: wire.refuse(exchange.style, code, message)


def _refusal_cut(exchange: Exchange) -> web.StreamResponse:
    refusal = wire.envelope(400, "Invalid parameters", None)
    wire.write_json(exchange, refusal, status="400 Bad Request", share=0.5)
    return wire.hang_up(exchange)


async def _hang(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    accept()
    return await wire.hang(exchange)


async def _cut(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    wire.write_json(exchange, wire.envelope(200, "success", accept()), share=0.5)
    return wire.hang_up(exchange)


async def _slow(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    data = accept()
    await asyncio.sleep(SLOW_SECONDS / exchange.speed)
    return wire.answer(data)


async def _idle_close(exchange: Exchange, accept: Accept) -> web.StreamResponse:
    wire.write_json(exchange, wire.envelope(200, "success", accept()))
    return wire.hang_up(exchange)


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


def _busy(form: str) -> Answer:
    return lambda exchange: wire.refuse(
        exchange.style, 429, BUSY, headers={"Retry-After": _retry_after(form, exchange.now)}
    )


def _redirect(status: int) -> Answer:
    return lambda exchange: wire.redirect(status, exchange.here(direct="1"))


ACTS: dict[str, Act] = {
    "submit-lost": _accepted(wire.hang_up),
    "submit-reset": _accepted(wire.reset),
    "submit-hang": _hang,
    "submit-cut": _cut,
    "submit-empty": _accepted(lambda _: web.Response(content_type="application/json")),
    "submit-html": _accepted(lambda _: wire.html(200, "Welcome")),
    "submit-no-taskid": _accepted(lambda _: wire.answer({})),
    "submit-slow": _slow,
    "submit-idle-close": _idle_close,
    "submit-dropped": _instead(wire.hang_up),
    "submit-accepted-500": _accepted(_refusal(500, GATEWAY[500])),
    **{f"submit-accepted-{status}": _accepted(_page(status)) for status in (403, 502, 503, 504)},
    "submit-500": _instead(_refusal(500, GATEWAY[500])),
    "submit-502": _instead(_page(502)),
    "submit-503": _instead(_refusal(503, GATEWAY[503])),
    "submit-504": _instead(_page(504)),
    "submit-400-cut": _instead(_refusal_cut),
    "submit-401": _instead(_refusal(401, "Invalid or missing API Key")),
    "submit-403-html": _instead(_page(403)),
    "submit-404-html": _instead(_page(404)),
    "submit-429": _instead(_refusal(429, BUSY)),
    "submit-429-body": _instead(lambda _: wire.refuse("body", 429, BUSY)),
    "submit-429-html": _instead(lambda _: wire.html(429, "Too Many Requests")),
    **{f"submit-429-{form}": _instead(_busy(form)) for form in RETRY_FORMS},
    **{f"submit-redirect-{status}": _instead(_redirect(status)) for status in (301, 302, 303, 307, 308)},
    "submit-redirect-elsewhere": _instead(lambda exchange: wire.redirect(307, exchange.there())),
}
