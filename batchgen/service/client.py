"""The client of the service's endpoints. One try a call: who calls decides whether there is another."""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp

from batchgen.redaction import redaction
from batchgen.request import Request
from batchgen.retry import moment, retry_after
from batchgen.service.wire import (
    Answer,
    Balance,
    Submitted,
    TaskStatus,
    TaskWord,
    Verdict,
    named_task,
    read_balance,
    read_status,
    read_submitted,
    submit_body,
)
from batchgen.system.proxy import proxy_of

ANSWER_LIMIT_BYTES = 1 << 20
HEAD_LINE_BYTES = 1 << 16  # a policy or a cookie may be long, and the answer behind it tells what was paid
MOST_LETTERS = 2000  # of what the service says, cut when no secret is in it any more
ASKED = "the task was asked for, but "
_PROXY = "the proxy of HTTPS_PROXY"
_Outcome = TypeVar("_Outcome", Submitted, TaskStatus, Balance)
_WORDS = ("message", "fail_code")
_JSON = {"Content-Type": "application/json"}
# No total: a POST that was sent is waited for, since to give it up is to not know whether it was paid.
SUBMIT_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30, sock_connect=10, sock_read=120)
DRIP_SECONDS = 300.0  # for which the head and the body of its answer may drip: a run's first POST leaves alone
COME_SECONDS = 1.0  # to hear what came while this process was stopped
STATUS_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)
_FAILURES = (aiohttp.ClientError, OSError, ValueError)  # of the network and the service; TimeoutError is an OSError

log = logging.getLogger("batchgen")


class Client:
    """Speaks to one origin with one key, which goes nowhere else: a redirect is never followed.

    ``origin`` is like ``https://api.apixo.ai``; ``model`` is the last part of the path; ``connections`` is how many
    there may be at once; ``callbacks`` tells that there are any. No outcome's words hold the key or a callback's
    secret, though the service may repeat what it was sent. Where the environment names a proxy, all goes through it.
    """

    def __init__(self, origin: str, key: str, model: str, connections: int = 24, *, callbacks: bool = False) -> None:
        self._origin = origin
        # Given with each request: what a session has by itself, aiohttp shows to a proxy, too.
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._model = quote(model, safe="")
        self._connections = connections
        self._proxy = proxy_of(origin)
        self._redact = redaction(key, callbacks=callbacks)

    async def __aenter__(self) -> Self:
        # A connection for each POST: one that the server closed meanwhile would leave the row in doubt for nothing.
        third = self._connections // 3
        self._submits = self._session(SUBMIT_TIMEOUT, force_close=True, limit=third, traces=[_trace_sent()])
        self._asks = self._session(STATUS_TIMEOUT, force_close=False, limit=2 * third)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._submits.close()
        await self._asks.close()

    async def submit(self, request: Request, callback_url: str | None = None) -> Submitted:
        """Ask for one paid task; never raises: whatever went wrong, it may have been paid for."""
        sent = SimpleNamespace(sent=False)
        try:
            answer = await self._post(submit_body(request, callback_url), sent)
            return self._redacted(read_submitted(answer))
        except Exception as error:
            if not isinstance(error, _FAILURES):
                log.error("unexpected error", exc_info=error)
            if not sent.sent:
                return Submitted(Verdict.NEVER_SENT, self._sentence(error))
            return Submitted(Verdict.UNKNOWN, ASKED + self._sentence(error))

    async def status(self, task_id: str) -> TaskStatus:
        """Ask how a task stands; never raises for what the network or the service does."""
        try:
            answer = await self._get(f"/api/v1/statusTask/{self._model}", {"taskId": task_id})
        except _FAILURES as error:
            return TaskStatus(TaskWord.TROUBLE, self._sentence(error), is_answered=False)
        return self._redacted(read_status(answer, task_id))

    async def balance(self) -> Balance:
        """Ask for the account's balance; never raises for what the network or the service does."""
        try:
            return self._redacted(read_balance(await self._get("/api/v1/apikeys/current-balance", {})))
        except _FAILURES as error:
            return Balance(TaskWord.TROUBLE, message=self._sentence(error))

    async def _post(self, body: bytes, sent: SimpleNamespace) -> Answer:
        url = f"{self._origin}/api/v1/generateTask/{self._model}"
        headers = self._headers | _JSON
        post = self._submits.post(url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=sent)
        async with await _head(post) as response:
            content = bytearray()
            try:
                await _read(response, content)
            except _FAILURES:
                is_named = named_task(content) is not None
                if 200 <= response.status < 300 and not is_named:  # else it is a refusal, known by its status
                    raise
                return _answer(response, content if is_named else b"", is_cut=True)
            return _answer(response, content)

    async def _get(self, path: str, params: dict[str, str]) -> Answer:
        content = bytearray()
        url, headers = self._origin + path, self._headers
        async with self._asks.get(url, params=params, headers=headers, allow_redirects=False) as response:
            await _read(response, content)
            return _answer(response, content)

    def _redacted(self, outcome: _Outcome) -> _Outcome:
        words = {name: text for name in _WORDS if (text := getattr(outcome, name, None))}
        hidden: dict[str, Any] = {name: self._redact(text)[:MOST_LETTERS] for name, text in words.items()}
        return outcome if hidden == words else replace(outcome, **hidden)

    def _sentence(self, error: Exception) -> str:
        """What happened, without the error's own text: that may hold the key or a link."""
        if (unreached := _unreached(error)) is not None:
            return f"{unreached} ({_PROXY})" if self._proxy else unreached
        return _broken(error)

    def _session(
        self,
        timeout: aiohttp.ClientTimeout,
        *,
        force_close: bool,
        limit: int,
        traces: Sequence[aiohttp.TraceConfig] = (),
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=force_close, limit=limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            proxy=self._proxy,
            trace_configs=list(traces),
            max_line_size=HEAD_LINE_BYTES,
            max_field_size=HEAD_LINE_BYTES,
        )


def _trace_sent() -> aiohttp.TraceConfig:
    """Mark the request's context before its first byte is written: no mark, no byte."""

    async def mark(_session: Any, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(mark)
    return trace


async def _head(request: Awaitable[aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
    """Wait for the head of an answer, which may not drip for ever."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        late = loop.call_later(DRIP_SECONDS, lambda: limit.reschedule(loop.time() + COME_SECONDS))
        try:
            return await request
        finally:
            late.cancel()


async def _read(response: aiohttp.ClientResponse, content: bytearray) -> None:
    until = time.monotonic() + DRIP_SECONDS
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > ANSWER_LIMIT_BYTES:
            raise ValueError("the answer is longer than any the service gives")
        if time.monotonic() > until and not response.content.at_eof():
            raise TimeoutError


def _answer(response: aiohttp.ClientResponse, content: bytes | bytearray, *, is_cut: bool = False) -> Answer:
    text = response.headers.get("Retry-After")
    wait = None if text is None else retry_after(text, moment(response.headers.get("Date")) or time.time())
    return Answer(response.status, bytes(content), wait, is_cut)


def _broken(error: Exception) -> str:
    """What happened to a request on its way, or to its answer."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        wants = " (it wants a user and a password)" if error.status == 407 else ""
        return f"{_PROXY} answered HTTP {error.status}{wants}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the service's certificate is not valid; an authority of your own is named with SSL_CERT_FILE"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no secure connection could be made"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer came in time"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return "the connection broke before an answer came"
    return "the answer could not be read"


def _unreached(error: Exception) -> str | None:
    """Why no connection to the service came about; None for what happened on one."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} is not found"
    if isinstance(error, socket.gaierror):
        return "the name of the service's host is not found"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection came about in time"
    if not isinstance(error, aiohttp.ClientConnectorError) or isinstance(error, aiohttp.ClientSSLError):
        return None
    where = f"{error.host}:{error.port}"
    is_refused = isinstance(error.os_error, ConnectionRefusedError)
    return f"connection refused by {where}" if is_refused else f"no connection to {where} could be made"
