"""The client over real sockets: what left, what came back, and where the key went."""

import asyncio
import json
import math
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe

import aiohttp
import pytest
from aiohttp import web

from batchgen.request import Request
from batchgen.service.client import ASKED, COME_SECONDS, DRIP_SECONDS, MOST_LETTERS, Client
from batchgen.service.wire import TaskWord, Verdict
from tests.proxy import proxy_to

KEY = "sentinel-key"
REQUEST = Request("wan-2-5", "text-to-video", "a cat")
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads a request and then does what the script says; gives its origin and the requests."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        seen.append(head + await reader.readexactly(length))
        try:
            await script(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http{'s' * bool(tls)}://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


def says(*parts: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        await writer.drain()

    return script


async def submit(origin: str) -> tuple[Verdict, str]:
    async with Client(origin, KEY, "wan-2-5") as client:
        outcome = await client.submit(REQUEST)
    assert KEY not in outcome.message
    return outcome.verdict, outcome.message


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 50\r\n\r\n",
    ],
    ids=["closed", "cut", "cut-chunk", "empty", "long-header", "nonsense", "502-cut"],
)
async def test_a_submit_that_left_and_got_no_clear_answer_is_unknown_and_is_sent_once(answer: bytes) -> None:
    async with raw_server(says(answer)) as (origin, seen):
        verdict, message = await submit(origin)
    assert verdict is Verdict.UNKNOWN
    assert message
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("broken", "verdict"),
    [("read_submitted", Verdict.UNKNOWN), ("submit_body", Verdict.NEVER_SENT)],
    ids=["sent", "not sent"],
)
async def test_a_mistake_of_ours_in_a_submit_is_as_if_no_answer_came(
    monkeypatch: pytest.MonkeyPatch, broken: str, verdict: Verdict
) -> None:
    def fail(*_: object) -> None:
        raise AttributeError

    monkeypatch.setattr(f"batchgen.service.client.{broken}", fail)
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as (origin, _):
        assert (await submit(origin))[0] is verdict


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [(b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), (b"X-Slow: ", b"a")],
    ids=["body", "head"],
)
async def test_a_submit_whose_answer_drips_without_an_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, beginning: bytes, drop: bytes
) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + beginning)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr("batchgen.service.client.DRIP_SECONDS", DRIP_SECONDS / 1000)
    monkeypatch.setattr("batchgen.service.client.COME_SECONDS", COME_SECONDS / 1000)
    async with raw_server(drip) as (origin, seen), asyncio.timeout(10):
        assert await submit(origin) == (Verdict.UNKNOWN, f"{ASKED}no answer came in time")
    assert len(seen) == 1


async def test_a_refusal_whose_body_is_cut_is_still_a_refusal() -> None:
    answer = b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 9\r\n\r\n{"
    async with raw_server(says(answer)) as (origin, _), Client(origin, KEY, "wan-2-5") as client:
        outcome = await client.submit(REQUEST)
    assert (outcome.verdict, outcome.retry_after) == (Verdict.BUSY, 3.0)


async def test_a_date_to_wait_for_is_one_of_the_service_s_clock() -> None:
    dates = b"Date: Thu, 01 Jan 2037 00:00:00 GMT\r\nRetry-After: Thu, 01 Jan 2037 00:00:07 GMT\r\n"
    answer = b"HTTP/1.1 429 Slow\r\n" + dates + b"Content-Length: 0\r\n\r\n"
    async with raw_server(says(answer)) as (origin, _), Client(origin, KEY, "wan-2-5") as client:
        assert (await client.submit(REQUEST)).retry_after == 7.0


async def test_a_400_whose_body_is_cut_may_be_of_the_row_or_of_the_account() -> None:
    answer = b"HTTP/1.1 400 Bad\r\nContent-Length: 90\r\n\r\n" + b'{"code": 400, "mess'
    async with raw_server(says(answer)) as (origin, _), Client(origin, KEY, "wan-2-5") as client:
        outcome = await client.submit(REQUEST)
    assert (outcome.verdict, outcome.code) == (Verdict.NEVER_SENT, "400")


NAMED = b'{"code": 200, "data": {"taskId": "task_1"}}'


@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 99\r\n\r\n" + NAMED,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(NAMED), NAMED),
        b"Content-Length: %d\r\n\r\n%b" % (len(NAMED) + 2, b"\xe4 " + NAMED),
        b"Content-Length: 99\r\n\r\n" + NAMED[:-2],
        b"Set-Cookie: %b\r\nContent-Length: %d\r\n\r\n%b" % (b"x" * 60_000, len(NAMED), NAMED),
    ],
    ids=["too short", "without an end", "not UTF-8", "broken off", "a long head"],
)
async def test_an_answer_that_names_its_task_is_an_acceptance_however_it_ends(answer: bytes) -> None:
    script = says(b"HTTP/1.1 200 OK\r\n" + answer)
    async with raw_server(script) as (origin, _), Client(origin, KEY, "wan-2-5") as client:
        outcome = await client.submit(REQUEST)
    assert (outcome.verdict, outcome.task_id) == (Verdict.ACCEPTED, "task_1")


async def test_a_task_s_name_may_be_of_any_form_in_an_answer_that_breaks_off() -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code": 200, "data": {"taskId": "eu/aGk+w=="'
    async with raw_server(says(answer)) as (origin, _), Client(origin, KEY, "wan-2-5") as client:
        assert (await client.submit(REQUEST)).task_id == "eu/aGk+w=="


async def test_an_answer_that_breaks_off_within_the_task_s_name_names_none() -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code": 200, "data": {"taskId": "task_1'
    async with raw_server(says(answer)) as (origin, _):
        assert (await submit(origin))[0] is Verdict.UNKNOWN


TOKEN = token_urlsafe(32)


@pytest.mark.parametrize("address", ["https://me.example/cb/", "https%3A%2F%2Fme.example%2Fcb%2F", r"https:\/\/me\/"])
async def test_what_the_service_repeats_of_the_key_and_of_callbacks_secrets_is_in_no_words(address: str) -> None:
    words = f"no such key {KEY}; Bearer {KEY}; cannot reach {address}{TOKEN}"
    told = [
        {"code": 401, "message": words},
        {"code": 200, "data": {"taskId": "t", "state": "failed", "failCode": words, "failMsg": words}},
    ]
    seen = []
    for body in [json.dumps(each).encode() for each in told]:
        async with server_of(body) as origin, Client(origin, KEY, "wan-2-5", callbacks=True) as client:
            status = await client.status("t")
            seen += [(await client.submit(REQUEST)).message, status.message, status.fail_code]
    hidden = f"no such key ***; *** cannot reach {address}***"
    assert seen == [hidden, hidden, None, "", hidden, hidden]


async def test_a_secret_that_stands_where_long_words_are_cut_is_hidden_whole() -> None:
    body = json.dumps({"code": 400, "message": "x" * (MOST_LETTERS - 3) + " " + KEY}).encode()
    async with server_of(body) as origin, Client(origin, KEY, "wan-2-5") as client:
        message = (await client.submit(REQUEST)).message
    assert message == "x" * (MOST_LETTERS - 3) + " **"


@asynccontextmanager
async def server_of(body: bytes) -> AsyncIterator[str]:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as (origin, _):
        yield origin


async def test_a_submit_that_could_not_connect_was_never_sent() -> None:
    async with raw_server(says(b"")) as (origin, _):
        pass
    verdict, _ = await submit(origin)
    assert verdict is Verdict.NEVER_SENT


async def test_a_submit_to_a_host_without_an_address_was_never_sent() -> None:
    verdict, message = await submit("http://no-such-host.invalid")
    assert verdict is Verdict.NEVER_SENT
    assert message == "the name no-such-host.invalid is not found"


async def test_a_submit_whose_secure_connection_fails_was_never_sent() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        verdict, _ = await submit(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert verdict is Verdict.NEVER_SENT


async def test_nothing_is_sent_through_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        proxy = f"127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{proxy}")
    outcome = await submit("https://api.example")
    assert outcome == (Verdict.NEVER_SENT, f"connection refused by {proxy} (the proxy of HTTPS_PROXY)")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@no-such-proxy.invalid:3128")
    outcome = await submit("https://api.example")
    assert outcome == (
        Verdict.NEVER_SENT,
        "the name no-such-proxy.invalid is not found (the proxy of HTTPS_PROXY)",
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "the proxy of HTTPS_PROXY answered HTTP 503"),
        (407, "the proxy of HTTPS_PROXY answered HTTP 407 (it wants a user and a password)"),
    ],
)
async def test_nothing_is_sent_through_a_proxy_that_refuses(
    monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    async with proxy_to(1, refusals=math.inf) as proxy:
        proxy.status = status
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = await submit("https://api.example")
        async with Client("https://api.example", KEY, "wan-2-5") as client:
            task = await client.status("t")
    assert outcome == (Verdict.NEVER_SENT, words)
    assert (task.word, task.message, task.is_answered) == (TaskWord.TROUBLE, words, False)
    assert KEY not in "".join(proxy.heads)


async def test_a_proxy_learns_its_own_password_and_where_to_connect_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with raw_server(says(b"")) as (origin, seen):
        port = int(origin.rpartition(":")[2])
        async with proxy_to(port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:secret@"))
            verdict, _ = await submit("https://api.example")
    assert (verdict, seen) == (Verdict.NEVER_SENT, [])  # who listens there speaks no TLS
    (head,) = proxy.heads
    assert head.startswith("CONNECT api.example:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in head
    assert KEY not in head
    assert "Bearer" not in head


async def test_a_service_whose_connection_does_not_come_about_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchgen.service.client.SUBMIT_TIMEOUT", aiohttp.ClientTimeout(sock_connect=0.1))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_connection(deaf.getsockname()):
        outcome = await submit(f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert outcome == (Verdict.NEVER_SENT, "no connection came about in time")


async def test_a_service_whose_certificate_nobody_vouches_for_learns_nothing(certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), server_side) as (origin, seen):
        outcome = await submit(origin)
        async with Client(origin, KEY, "wan-2-5") as client:
            assert (await client.status("t")).word is TaskWord.TROUBLE
    words = "the service's certificate is not valid; an authority of your own is named with SSL_CERT_FILE"
    assert (outcome, seen) == ((Verdict.NEVER_SENT, words), [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_a_submit_is_not_followed(status: int) -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (elsewhere, taken):
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}/x\r\nContent-Length: 0\r\n\r\n".encode()
        async with raw_server(says(head)) as (origin, seen):
            verdict, _ = await submit(origin)
    assert verdict is Verdict.MISDIRECTED
    assert (len(seen), len(taken)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_a_status_call_is_not_followed(status: int) -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (elsewhere, taken):
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}/x\r\nContent-Length: 0\r\n\r\n".encode()
        async with raw_server(says(head)) as (origin, seen), Client(origin, KEY, "wan-2-5") as client:
            assert (await client.status("t")).word is TaskWord.TROUBLE
    assert (len(seen), len(taken)) == (1, 0)


async def test_each_submit_has_a_connection_of_its_own_so_that_none_dies_of_a_stale_one() -> None:
    body = json.dumps({"code": 200, "data": {"taskId": "t"}}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with raw_server(says(answer)) as (origin, seen), Client(origin, KEY, "wan-2-5") as client:
        for _ in range(5):
            assert (await client.submit(REQUEST)).verdict is Verdict.ACCEPTED
    assert len(seen) == 5


async def test_the_key_and_the_model_go_where_the_document_says() -> None:
    async with raw_server(says(b"")) as (origin, seen):
        await submit(origin)
    assert seen[0].startswith(b"POST /api/v1/generateTask/wan-2-5 HTTP/1.1\r\n")
    assert b"Authorization: Bearer sentinel-key\r\n" in seen[0]
    assert b"Content-Type: application/json\r\n" in seen[0]


async def test_an_answer_without_end_is_given_up() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async with raw_server(endless) as (origin, _):
        verdict, _ = await submit(origin)
        async with Client(origin, KEY, "wan-2-5") as client:
            assert (await client.status("t")).word is TaskWord.TROUBLE
    assert verdict is Verdict.UNKNOWN


async def test_a_task_is_asked_for_by_its_id_to_the_character() -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.query["taskId"])
        return web.json_response({"code": 200, "data": {"taskId": "a b&c", "state": "processing"}})

    app = web.Application()
    app.router.add_get("/api/v1/statusTask/wan-2-5", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with Client(site.name, KEY, "wan-2-5") as client:
        status = await client.status("a b&c")
    await runner.cleanup()
    assert (status.word, asked) == (TaskWord.RUNNING, ["a b&c"])


async def test_a_status_call_that_fails_is_trouble_in_a_sentence_without_the_key() -> None:
    async with raw_server(says(b"")) as (origin, _):
        pass
    async with Client(origin, KEY, "wan-2-5") as client:
        status = await client.status("t")
    assert status.word is TaskWord.TROUBLE
    assert status.message == f"connection refused by {origin.removeprefix('http://')}"
