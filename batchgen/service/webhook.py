"""The receiver of callbacks: each has its own secret in its path, and nothing that its body says is believed.

The service signs nothing (its document knows no signature), repeats a callback that is not answered with 200, and may
send one twice. So the receiver records what came, answers, and leaves the rest to a status call.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Self

from aiohttp import web

from batchgen.errors import LedgerError, UsageError
from batchgen.service.wire import read_callback

BODY_LIMIT_BYTES = 64 * 1024
BODY_TIMEOUT_SECONDS = 5.0
STOP_SECONDS = 1.0  # for who is still sending when the run ends: the service repeats it, and the next run asks anyway
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # secrets.token_urlsafe(32)


class Webhook:
    """Listens on ``host:port`` while entered; ``received`` is called with a token and the task id, if the body has one.

    ``received`` returns whether the token is known; it must have recorded what it was told when it returns.
    """

    def __init__(self, host: str, port: int, received: Callable[[str, str | None], bool]) -> None:
        self._host = host
        self._port = port
        self._received = received

    async def __aenter__(self) -> Self:
        # A log would show the secrets; and what scanners send that is no HTTP would be a traceback in a night's mail.
        silent = logging.Logger("silent", logging.CRITICAL + 1)
        server = web.Server(self._handle, access_log=None, logger=silent)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise UsageError(f"callbacks cannot be received at {where}: {error.strerror}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        token = request.path.rpartition("/")[2]
        if request.method != "POST" or not _TOKEN.fullmatch(token):
            return web.Response(status=404)
        status, task_id = 200, None
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                task_id = read_callback(await _body(request))
        except (TimeoutError, ConnectionError):
            status = 408
        except OverflowError:
            status = 413
        except ValueError:
            status = 400
        try:  # whatever its body says, who knows the secret is the service: the task was accepted
            return web.Response(status=status if self._received(token, task_id) else 404)
        except LedgerError:  # not on record: the service is to repeat it
            return web.Response(status=503)


async def _body(request: web.BaseRequest) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise OverflowError
    return bytes(body)
