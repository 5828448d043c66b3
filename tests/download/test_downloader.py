"""One video from a link of others: whole or not at all, from public hosts only, within bounds."""

import asyncio
import hashlib
import io
import itertools
import math
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from batchgen.download.addresses import may_connect
from batchgen.download.downloader import Bounds, Downloader
from batchgen.errors import DeadLinkError, DownloadError, NoVideoError
from batchgen.model import Clip
from tests.download.test_mp4 import FTYP, MDAT, MOOV, box, open_box
from tests.proxy import proxy_to
from tests.slow_disk import Slow
from tests.waiting import until

VIDEO = FTYP + MOOV + box(b"mdat", bytes(range(256)) * 4000)
OPEN_VIDEO = FTYP + MOOV + open_box(b"mdat", b"pictures" * 1000)
SECRET = "X-Amz-Signature=SIGSENTINEL"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


class Host:
    """A server that answers as ``reply`` says, to the byte; remembers each request's head."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.url = ""
        self.reply: Handler = send(head(VIDEO), VIDEO)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(request)
                await self.reply(reader, writer, request.split()[1])
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def head(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    named = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode()


def send(*pieces: bytes, close: bool = False, reset: bool = False) -> Handler:
    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _path: str) -> None:
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        if reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if close or reset:
            writer.close()

    return reply


def endless(start: bytes, piece: bytes, pause: float = 0) -> Handler:
    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _path: str) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


@asynccontextmanager
async def listening(host: Host, **options: Any) -> AsyncIterator[int]:
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    async with listening(host) as port:
        host.url = f"http://127.0.0.1:{port}/v/clip.mp4?{SECRET}"
        yield host


async def fetch(url: str, file: io.BytesIO | None = None, *, allow_loopback: bool = True, **options: Any) -> Clip:
    async with Downloader(allow_loopback=allow_loopback, at_once=4, **options) as downloader:
        return await downloader.fetch(url, io.BytesIO() if file is None else file)


async def refused(url: str, **options: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await fetch(url, **options)
    assert "SIGSENTINEL" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def test_a_video_arrives_whole_with_its_length_and_checksum(host: Host) -> None:
    file = io.BytesIO(b"x" * (len(VIDEO) + 100))
    file.seek(50)
    assert await fetch(host.url, file) == Clip(len(VIDEO), hashlib.sha256(VIDEO).hexdigest())
    assert file.getvalue() == VIDEO


async def test_the_request_says_nothing_but_what_is_needed(host: Host) -> None:
    await fetch(host.url)
    names = {line.split(":")[0].lower() for line in host.heads[0].splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}
    assert "Accept-Encoding: identity\r\n" in host.heads[0]


async def test_a_signed_link_is_asked_for_to_the_character(host: Host) -> None:
    query = "?sig=a%2Fb%2bc%7E~+%20&x=%E2%82%AC;(1)"
    await fetch(host.url.split("?")[0] + query)
    assert host.heads[0].split()[1] == "/v/clip.mp4" + query


async def test_cookies_are_neither_kept_nor_sent(host: Host) -> None:
    host.reply = send(head(VIDEO, Set_Cookie="a=b"), VIDEO)
    url = host.url.replace("127.0.0.1", "localhost")  # no jar takes cookies of bare addresses
    async with Downloader(allow_loopback=True, at_once=1) as downloader:
        await downloader.fetch(url, io.BytesIO())
        await downloader.fetch(url, io.BytesIO())
    assert "cookie" not in "".join(host.heads).lower()
    assert host.connections == 1


CHUNKED = head(Content_Length="", Transfer_Encoding="chunked")
CHUNKS = b"%x\r\n%s\r\n" % (len(VIDEO), VIDEO)


@pytest.mark.parametrize(
    "reply",
    [
        send(head(Content_Length=""), VIDEO, close=True),
        send(CHUNKED, CHUNKS, b"0\r\n\r\n"),
        send(CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(OPEN_VIDEO), OPEN_VIDEO)),
        send(head(OPEN_VIDEO), OPEN_VIDEO),
        send(head(VIDEO, Content_Encoding="identity", Content_Type="text/plain"), VIDEO),
        send(head(VIDEO, "206 Partial", Content_Range=f"bytes 0-{len(VIDEO) - 1}/{len(VIDEO)}"), VIDEO),
        send(head(VIDEO, Content_Security_Policy="x" * 60_000), VIDEO),
    ],
    ids=[
        *("to the end of the connection", "chunked", "open box in chunks", "open box with a length", "a wrong type"),
        *("a part that is all", "a long head"),
    ],
)
async def test_every_way_of_sending_a_whole_video_will_do(host: Host, reply: Handler) -> None:
    host.reply = reply
    assert (await fetch(host.url)).bytes in (len(VIDEO), len(OPEN_VIDEO))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (send(head(VIDEO), VIDEO[:-1], close=True), "ended before"),
        (send(head(VIDEO), VIDEO[:5000], reset=True), "connection"),
        (send(head(Content_Length=""), VIDEO[:-1], close=True), "cut"),
        (send(head(Content_Length=""), OPEN_VIDEO[:-1], close=True), "where it ends"),
        (send(CHUNKED, CHUNKS[:-20], close=True), "ended before"),
        (send(CHUNKED, b"zz\r\n", close=True), "clip.mp4: "),
        (send(head(VIDEO[:-9]), VIDEO), ""),
        (send(head(Content_Length=str(len(VIDEO) + 9)), VIDEO, close=True), "ended before"),
        (send(head(VIDEO, Content_Length="12x"), VIDEO), "not HTTP"),
        (send(head(VIDEO, Content_Encoding="gzip"), VIDEO), "compressed"),
        (send(head(VIDEO, Content_Encoding="br\x1b[1m"), VIDEO), ""),
        (send(head(b"<html>", Content_Type="text/html; \x9bcharset"), b"<html>"), "text/html"),
        (send(head(b"")), "empty"),
        (send(head(FTYP + MDAT), FTYP + MDAT), "moov"),
        (send(head(status="204 No Content", Content_Length="")), "HTTP 204"),
        (send(head(VIDEO, "206 Partial Content"), VIDEO), "HTTP 206"),
        (send(head(VIDEO, "206 Partial Content", Content_Range="bytes 0-9/99"), VIDEO), "HTTP 206"),
        (send(head(status="401 No")), "HTTP 401"),
        (send(head(status="429 No")), "HTTP 429"),
        (send(head(status="500 No")), "HTTP 500"),
        (send(head(status="503 No")), "HTTP 503"),
        (send(b"SSH-2.0-OpenSSH\r\n\r\n", close=True), "not HTTP"),
        (send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n"), "not HTTP"),
        (send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), "not HTTP"),
        (send(close=True), "connection"),
        (send(reset=True), "connection"),
        (send(head(status="302 Found")), "nowhere"),
        (send(head(status="302 Found", Location="/again?" + SECRET)), "more than 5 redirects"),
        (send(head(status="302 Found", Location="http://[bad?" + SECRET)), "cannot be read"),
        (send(head(status="302 Found", Location="http://host:99999/?" + SECRET)), "cannot be read"),
    ],
)
async def test_whatever_is_not_a_whole_video_is_an_error_in_plain_words(host: Host, reply: Handler, words: str) -> None:
    host.reply = reply
    error = await refused(host.url)
    is_no_video = "not a whole MP4" in str(error) and words not in ("cut", "where it ends")  # those two have no end
    assert type(error) is (NoVideoError if is_no_video else DownloadError)
    assert words in str(error)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_dead_link_is_told_apart(host: Host, status: int) -> None:
    host.reply = send(head(status=f"{status} Gone"))
    assert isinstance(await refused(host.url), DeadLinkError)


async def test_a_video_cut_at_any_place_is_never_taken_for_whole(host: Host) -> None:
    short = FTYP + MOOV + MDAT
    for cut in range(0, len(short), 13):
        for start in (head(short), head(Content_Length="")):
            host.reply = send(start, short[:cut], close=True)
            await refused(host.url)


async def test_an_error_tells_host_and_path_and_no_control_characters(host: Host) -> None:
    host.reply = send(head(status="500 No"))
    error = await refused(host.url.replace("clip", "cl\u202e\x1b]0;xip"))
    assert "127.0.0.1/v/cl" in str(error)


# Limits


async def test_a_silent_host_is_given_up(host: Host) -> None:
    host.reply = send()
    assert "in time" in str(await refused(host.url, bounds=Bounds(connect_seconds=0.1, silence_seconds=0.1)))


async def test_a_host_that_stalls_in_the_video_is_given_up(host: Host) -> None:
    host.reply = send(head(VIDEO), VIDEO[:1000])
    assert "in time" in str(await refused(host.url, bounds=Bounds(silence_seconds=0.1)))


async def test_a_head_that_drips_is_given_up(host: Host) -> None:
    host.reply = endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.02)
    assert "in time" in str(await refused(host.url, bounds=Bounds(connect_seconds=0.1, silence_seconds=0.1)))


async def test_a_video_that_drips_is_given_up_after_the_window(host: Host) -> None:
    host.reply = endless(head(VIDEO), b"x" * 100, pause=0.001)
    clock = itertools.count(0, 20)  # each piece seems to take 20 s
    error = await refused(host.url, clock=lambda: next(clock))
    assert "slower than 1,024 bytes" in str(error)


async def test_a_video_that_drips_after_a_quick_beginning_is_given_up(host: Host) -> None:
    host.reply = endless(head(Content_Length="") + b"x" * 100_000, b"x" * 100, pause=0.001)
    clock = itertools.count(0, 20)
    error = await refused(host.url, clock=lambda: next(clock), bounds=Bounds(most_bytes=150_000))
    assert "slower than 1,024 bytes" in str(error)


async def test_a_slow_video_above_the_least_rate_is_waited_for(host: Host) -> None:
    clock = itertools.count(0, 50)
    assert await fetch(host.url, clock=lambda: next(clock))


async def test_an_endless_video_is_stopped_at_the_cap(host: Host) -> None:
    host.reply = endless(head(Content_Length=""), b"x" * 65536)
    file = io.BytesIO()
    async with Downloader(allow_loopback=True, at_once=1, bounds=Bounds(most_bytes=10**6)) as downloader:
        with pytest.raises(DownloadError, match="more than the 1,000,000 bytes"):
            await downloader.fetch(host.url, file)
    assert len(file.getvalue()) <= 10**6


async def test_a_video_that_is_announced_too_big_is_not_begun(host: Host) -> None:
    host.reply = send(head(Content_Length=str(1 << 31)))
    assert "2,147,483,648 bytes are more" in str(await refused(host.url))


async def test_no_more_downloads_than_allowed_run_at_once(host: Host) -> None:
    running, most, three = 0, 0, asyncio.Barrier(3)

    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _path: str) -> None:
        nonlocal running, most
        running += 1
        await three.wait()
        await asyncio.sleep(0.01)  # so that a fourth would be here
        most = max(most, running)
        running -= 1
        writer.write(head(VIDEO) + VIDEO)

    host.reply = reply
    async with Downloader(allow_loopback=True, at_once=3) as downloader:
        await asyncio.gather(*(downloader.fetch(host.url, io.BytesIO()) for _ in range(12)))
    assert most == 3


async def test_to_wait_for_a_turn_is_no_failure_to_connect(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    steady, ahead = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: steady() + ahead)

    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _path: str) -> None:
        nonlocal ahead
        ahead += 61
        await asyncio.sleep(0)
        writer.write(head(VIDEO) + VIDEO)

    host.reply = reply
    bounds = Bounds(connect_seconds=60, silence_seconds=600, window_seconds=600)
    async with Downloader(allow_loopback=True, at_once=1, bounds=bounds) as downloader:
        await asyncio.gather(*(downloader.fetch(host.url, io.BytesIO()) for _ in range(5)))


async def test_the_announced_length_counts_even_if_the_library_does_not_check_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = iter([OPEN_VIDEO[:-1], b""])  # a whole MP4 by its boxes

    async def read(_response: Any) -> bytes:
        return next(pieces)

    monkeypatch.setattr("batchgen.download.downloader._read", read)
    host.reply = send(head(OPEN_VIDEO), OPEN_VIDEO)
    assert "were announced" in str(await refused(host.url))


class FullDisk(io.BytesIO):
    def write(self, _: Any) -> int:
        raise OSError(28, "No space left on device")


async def test_a_full_disk_is_not_the_links_fault(host: Host) -> None:
    with pytest.raises(OSError, match="No space"):
        await fetch(host.url, FullDisk())


async def test_a_slow_disk_does_not_keep_the_loop_from_its_work(host: Host) -> None:
    file = Slow()
    fetching = asyncio.create_task(fetch(host.url, file))
    await until(file.began.is_set)
    file.may_write.set()
    assert (await fetching).bytes == len(VIDEO)


async def test_a_download_that_failed_does_not_spoil_the_next(host: Host) -> None:
    async with Downloader(allow_loopback=True, at_once=1) as downloader:
        for bad in (
            send(head(VIDEO), VIDEO[:9], close=True),
            send(head(VIDEO[:-9]), VIDEO),
            send(head(status="500 No")),
        ):
            host.reply = bad
            with pytest.raises(DownloadError):
                await downloader.fetch(host.url, io.BytesIO())
        host.reply = send(head(VIDEO), VIDEO)
        assert await downloader.fetch(host.url, io.BytesIO())


# Whom it talks to


async def test_redirects_are_followed_within_what_is_allowed(host: Host) -> None:
    async def reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        step = int(path.rpartition("/")[2])
        writer.write(head(VIDEO) + VIDEO if step == 5 else head(status="302 Found", Location=f"/{step + 1}"))

    host.reply = reply
    base = host.url.partition("/v/")[0]
    assert await fetch(base + "/0")
    assert len(host.heads) == 6


# Every spelling of this machine and of inner networks; {port} is that of a server that must never be reached.
_INNER = """
https://127.0.0.1:{port}/ https://localhost:{port}/ https://localhost.:{port}/ http://127.0.0.1:{port}/
https://127.1:{port}/ https://2130706433:{port}/ https://0x7f000001:{port}/ https://0177.0.0.1:{port}/
https://0x7f.1:{port}/ https://127.0.0.1.:{port}/ https://0.0.0.0:{port}/ https://0:{port}/ https://127.9.9.9:{port}/
https://[::1]:{port}/ https://[::]:{port}/ https://[::ffff:127.0.0.1]:{port}/ https://[::ffff:7f00:1]:{port}/
https://[::127.0.0.1]:{port}/ https://①②⑦.0.0.1:{port}/ https://127。0。0。1:{port}/ https://user@127.0.0.1:{port}/
https://user:pw@127.0.0.1:{port}/ https://example.com@127.0.0.1:{port}/ https://example.com\\@127.0.0.1:{port}/
https://[64:ff9b::7f00:1]:{port}/ https://[2002:7f00:1::]:{port}/ https://[2001::7f00:1]:{port}/
https://[fe80::1%25lo]:{port}/ https://[ff02::1]:{port}/ https://10.0.0.1:{port}/ https://169.254.169.254/latest/
https://192.168.0.1/ https://224.0.0.1/ https://255.255.255.255/ https://100.100.100.200/ https://[fd00:ec2::254]/
ftp://127.0.0.1:{port}/ file:///etc/passwd //127.0.0.1:{port}/ 127.0.0.1:{port}/x javascript:alert(1) https:///x
data:video/mp4;base64,AAAA https:127.0.0.1:{port} http://2130706433:{port}/ https://%31%32%37.0.0.1:{port}/
"""
INNER = _INNER.split()


@pytest.mark.parametrize("link", INNER)
async def test_no_spelling_of_an_inner_address_is_reached(host: Host, link: str) -> None:
    port = host.url.split(":")[2].split("/")[0]
    await refused(link.format(port=port), allow_loopback=False, bounds=Bounds(connect_seconds=2))
    assert (host.connections, host.heads) == (0, [])


def test_the_table_of_inner_addresses_is_long_enough() -> None:
    assert len(INNER) >= 30


async def test_a_name_that_resolves_to_an_inner_address_is_refused_when_connecting(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with DNS rebinding: whatever was looked up before, what counts is where the connection would go."""
    port = int(host.url.split(":")[2].split("/")[0])
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.1", "10.0.0.1")]]

    async def getaddrinfo(*_args: Any, **_options: Any) -> Any:
        return answers[0]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    assert "not a public one" in str(await refused("https://videos.example/x", allow_loopback=False))
    assert host.connections == 0


async def test_a_link_with_a_user_or_password_is_not_followed(host: Host) -> None:
    for user in ("user@", "user:pw@", ":pw@"):
        error = await refused(host.url.replace("127.", user + "127."))
        assert "user or password" in str(error)
        assert "pw" not in str(error)
    assert host.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "//user:pw@127.0.0.1/",
        "http://user@127.0.0.1:1/",
        "http://example.com/",
        "gopher://127.0.0.1/",
    ],
)
async def test_a_redirect_is_checked_like_the_link_itself(host: Host, target: str) -> None:
    host.reply = send(head(status="302 Found", Location=target))
    await refused(host.url)
    assert len(host.heads) == 1


async def test_https_is_never_left_for_plain_http(host: Host, certificate: Path) -> None:
    secure = Host()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    async with listening(secure, ssl=server_side) as port:
        url = f"https://localhost:{port}/x?{SECRET}"
        assert await fetch(url, tls=trusting)
        assert "certificate" in str(await refused(url))
        secure.reply = send(head(status="302 Found", Location=host.url))
        assert "from https to plain http" in str(await refused(url, tls=trusting))
    assert host.connections == 0


@pytest.mark.parametrize("port_is_named", [False, True])
async def test_a_link_by_plain_http_is_followed_by_https(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, port_is_named: bool
) -> None:
    secure = Host()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    asked = []
    async with listening(secure, ssl=server_side) as port:

        async def getaddrinfo(host: str, asked_port: int, **_options: Any) -> Any:
            asked.append((host, asked_port))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        link = f"http://videos.example{':80' if port_is_named else ''}/x?{SECRET}"
        assert await fetch(link, tls=ssl.create_default_context(cafile=f"{certificate}.crt"))
    assert asked == [("videos.example", 443)]


async def test_a_video_comes_through_the_proxy_of_the_environment(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = Host()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    async with listening(secure, ssl=server_side) as port, proxy_to(port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        link, tls = f"https://videos.example/x?{SECRET}", ssl.create_default_context(cafile=f"{certificate}.crt")
        assert await fetch(link, allow_loopback=False, tls=tls) == Clip(len(VIDEO), hashlib.sha256(VIDEO).hexdigest())
    (head,) = proxy.heads
    assert head.startswith("CONNECT videos.example:443 ")
    assert SECRET not in head


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "[fd00::1]", "localhost"]
)
async def test_no_inner_address_is_reached_through_a_proxy_either(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with proxy_to(1) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert "this address is not a public one" in str(await refused(f"https://{host}/x", allow_loopback=False))
    assert not proxy.heads


async def test_a_proxy_that_lets_nobody_through_is_no_fault_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy_to(1, refusals=math.inf) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = await refused(f"https://videos.example/x?{SECRET}")
    assert (str(error), error.unreachable) == ("videos.example/x: the proxy does not connect to the host", True)
    error = await refused(f"https://videos.example/x?{SECRET}")
    assert (str(error), error.unreachable) == ("videos.example/x: no connection to the proxy", True)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@proxy.example")
    words = str(await refused(f"https://videos.example/x?{SECRET}"))
    assert words.startswith("videos.example/x: HTTPS_PROXY is no proxy that can be used")


async def test_plain_http_is_for_loopback_alone(host: Host) -> None:
    assert "not a public one" in str(await refused(host.url, allow_loopback=False))
    before = host.connections
    host.reply = send(head(status="302 Found", Location="http://videos.invalid/x"))
    assert "name is not known" in str(await refused(host.url))
    assert (before, host.connections) == (0, 1)


@pytest.mark.parametrize(
    "url", ["", "https://", "https://" + "a" * 70 + ".com/", "https://a..b/", "https://[::1", "\ud800"]
)
async def test_a_link_that_is_none_is_an_error_like_any_other(url: str) -> None:
    await refused(url)


_DENIED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254
64:ff9b::a00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:db8::1 2002:a00:1:: 2002:808:808::
3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 localhost 1.2.3 2130706433 01.2.3.4
"""
DENIED = _DENIED.split()


@pytest.mark.parametrize("ip", [*DENIED, "", "8.8.8.8 ", "8.8.8.8/32"])
def test_an_address_that_is_not_public_is_denied(ip: str) -> None:
    assert not may_connect(ip, allow_loopback=False)


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
)
def test_a_public_address_is_allowed(ip: str) -> None:
    assert may_connect(ip, allow_loopback=False)


def test_loopback_is_allowed_on_request_and_nothing_else_by_it() -> None:
    loopback = {ip for ip in DENIED if may_connect(ip, allow_loopback=True)}
    assert loopback == {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}


async def test_no_error_of_the_library_leaks_whatever_breaks(host: Host) -> None:
    """Every class of aiohttp's errors that reaching and reading a host can raise is an answer of the downloader."""
    for error in (aiohttp.ServerTimeoutError, aiohttp.TooManyRedirects, aiohttp.ClientPayloadError):
        assert issubclass(error, aiohttp.ClientError)
    async with listening(Host()) as port:
        pass
    assert "no connection" in str(await refused(f"http://127.0.0.1:{port}/x?{SECRET}"))
    assert "name is not known" in str(await refused(f"https://no-such-host.invalid/x?{SECRET}"))
