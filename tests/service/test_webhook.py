"""The receiver of callbacks, over real sockets: what it takes, and what it does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from batchgen.errors import LedgerError, UsageError
from batchgen.service.webhook import Webhook
from tests.waiting import free_port, until

TOKEN = "t" * 43
BODY = json.dumps({"code": 200, "data": {"taskId": "task_1", "state": "success"}})


@asynccontextmanager
async def receiver(known: str = TOKEN) -> AsyncIterator[tuple[str, list[tuple[str, str | None]]]]:
    """A receiver that knows one token; gives its origin and what it received."""
    received: list[tuple[str, str | None]] = []

    def take(token: str, task_id: str | None) -> bool:
        received.append((token, task_id))
        return token == known

    port = free_port()
    async with Webhook("127.0.0.1", port, take):
        yield f"http://127.0.0.1:{port}", received


async def post(url: str, body: Any, method: str = "POST") -> int:
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as response:
        return response.status


async def test_a_callback_gives_its_token_and_task_id_under_any_path() -> None:
    async with receiver() as (origin, received):
        assert await post(f"{origin}/{TOKEN}", BODY) == 200
        assert await post(f"{origin}/behind/a/proxy/{TOKEN}", BODY) == 200
    assert received == [(TOKEN, "task_1")] * 2


async def test_what_scanners_send_is_no_matter_for_a_night_s_mail(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as (origin, received):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
        writer.write(b"GET * HTTP/1.1\r\n\r\n")
        assert b" 400 " in await reader.read(40)
        writer.close()
    assert (received, caplog.records) == ([], [])


async def test_who_is_still_sending_when_the_run_ends_is_not_waited_for() -> None:
    async with receiver() as (origin, received):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
        writer.write(f"POST /{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        await writer.drain()
        assert await post(f"{origin}/{TOKEN}", BODY) == 200  # and so the other has begun
    assert (await reader.read(), received) == (b"", [(TOKEN, "task_1")])
    writer.close()


@pytest.mark.parametrize("path", ["/", "/short", "/" + "x" * 44, f"/{TOKEN}/more", "/%2e%2e/x"])
async def test_a_path_that_no_token_has_is_not_looked_up(path: str) -> None:
    async with receiver() as (origin, received):
        assert await post(origin + path, BODY) == 404
    assert received == []


@pytest.mark.parametrize("body", [BODY, b"{"])
async def test_a_token_that_nobody_gave_is_answered_like_any_unknown_path(body: bytes) -> None:
    async with receiver(known="another") as (origin, _):
        assert await post(f"{origin}/{TOKEN}", body) == 404


async def test_only_a_post_is_a_callback() -> None:
    async with receiver() as (origin, received):
        assert await post(f"{origin}/{TOKEN}", None, "GET") == 404
    assert received == []


@pytest.mark.parametrize(
    ("body", "status"),
    [*((body, 400) for body in (b"", b"{", b"[]", b"7", b"[" * 60_000, b"\xff\xfe")), (b"x" * 70_000, 413)],
)
async def test_a_body_that_is_none_is_refused_and_its_callback_has_come_all_the_same(body: bytes, status: int) -> None:
    async with receiver() as (origin, received):
        assert await post(f"{origin}/{TOKEN}", body) == status
    assert received == [(TOKEN, None)]


async def test_a_body_that_breaks_off_belongs_to_a_callback_that_has_come() -> None:
    async with receiver() as (origin, received):
        _, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
        writer.write(b"POST /%b HTTP/1.1\r\nHost: me\r\nContent-Length: 99\r\n\r\n{" % TOKEN.encode())
        await writer.drain()
        writer.close()
        await until(lambda: bool(received))
    assert received == [(TOKEN, None)]


@pytest.mark.parametrize("task_id", ["aGk+/w==", "eu/wan~7", "x" * 700])
async def test_a_task_id_of_any_form_that_an_answer_may_have_is_taken(task_id: str) -> None:
    async with receiver() as (origin, received):
        assert await post(f"{origin}/{TOKEN}", json.dumps({"data": {"taskId": task_id}})) == 200
    assert received == [(TOKEN, task_id)]


@pytest.mark.parametrize("task_id", ["a b", "x" * 2000, "", None, 7.5, "\u202e", "a\nb"])
async def test_a_task_id_of_no_known_form_is_not_taken(task_id: Any) -> None:
    async with receiver() as (origin, received):
        assert await post(f"{origin}/{TOKEN}", json.dumps({"data": {"taskId": task_id}})) == 200
    assert received == [(TOKEN, None)]


async def test_a_port_that_is_taken_is_told() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UsageError, match=str(port)):
            async with Webhook("127.0.0.1", port, lambda *_: True):
                pass


async def test_a_callback_that_cannot_be_recorded_is_asked_for_again() -> None:
    def take(*_: object) -> bool:
        raise LedgerError("the disk is full")

    port = free_port()
    async with Webhook("127.0.0.1", port, take):
        assert await post(f"http://127.0.0.1:{port}/{TOKEN}", BODY) == 503
