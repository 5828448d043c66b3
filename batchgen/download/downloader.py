"""Fetches one video from a link that somebody else wrote: bounded in bytes, in time, and in whom it talks to.

Its sessions know no key and no cookie. The loop receives; what came is hashed and written in threads.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from batchgen.download import mp4
from batchgen.download.addresses import may_connect
from batchgen.download.sink import Sink
from batchgen.errors import DeadLinkError, DownloadError, NoVideoError, UsageError
from batchgen.model import Clip
from batchgen.system.proxy import proxy_of

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes 0-(\d{1,18})/(\d{1,18})", re.ASCII)
_NUMERIC = re.compile(r":|(^|\.)\d[^.]*\.?$")  # a host that may be taken for an address, like 127.1 or 0x7f000001
_DEAD = frozenset({403, 404, 410})
_READ_BUFFER_BYTES = 1 << 18
_HEAD_LINE_BYTES = 1 << 16  # a redirect to a signed link may be long, and so may a policy
_NOT_PUBLIC = "this address is not a public one"
# All that aiohttp and what is below it raise for a bad answer; ValueError: a host that cannot be encoded.
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError, EOFError)
_UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, TimeoutError)
_REASONS: tuple[tuple[type[Exception], str], ...] = (  # the first that fits
    (TimeoutError, "the host did not answer in time"),
    (aiohttp.ClientConnectorCertificateError, "the host's certificate is not valid"),
    (aiohttp.ClientConnectorDNSError, "the host's name is not known"),
    (aiohttp.ClientSSLError, "no secure connection to the host"),
    (aiohttp.ClientProxyConnectionError, "no connection to the proxy"),
    (aiohttp.ClientConnectorError, "no connection to the host"),
    (aiohttp.ClientPayloadError, "the connection ended before the video did"),
    (aiohttp.InvalidURL, "the link cannot be read"),
    (aiohttp.ClientHttpProxyError, "the proxy does not connect to the host"),
    (aiohttp.ClientResponseError, "the host's answer is not HTTP"),
    (HttpProcessingError, "the host's answer is not HTTP"),
    (ValueError, "the link cannot be read"),
)


@dataclass(frozen=True)
class Bounds:
    """What one download may take."""

    connect_seconds: float = 10.0  # to find and reach the host
    silence_seconds: float = 60.0  # until the whole head of the answer, and between two pieces of the video
    least_rate: int = 1024  # bytes a second, averaged over each window
    window_seconds: float = 60.0
    most_bytes: int = 1 << 30
    redirects: int = 5


@dataclass
class Downloader:
    """Fetches videos, ``at_once`` of them at a time; use it as ``async with``."""

    _: KW_ONLY
    allow_loopback: bool  # addresses of this machine, and plain http to them: for a service that is itself on it
    at_once: int
    plain_http: bool = False  # to everywhere
    bounds: Bounds = field(default_factory=Bounds)
    tls: ssl.SSLContext | None = None  # in the place of the certificates that are trusted
    clock: Callable[[], float] = time.monotonic  # seconds

    async def __aenter__(self) -> Self:
        # A wait for a connection would count as time to connect: so nobody waits inside the connector.
        self._slots = asyncio.Semaphore(self.at_once)
        self._session = self._open(self._guarded_socket)
        self._proxied = self._open(None)  # which connects to the proxy alone: it may well be an inner address
        return self

    def _open(self, socket_factory: Callable[[tuple[Any, ...]], socket.socket] | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.at_once, ssl=self.tls or True, socket_factory=socket_factory),
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=_HEAD_LINE_BYTES,
            max_field_size=_HEAD_LINE_BYTES,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self.bounds.connect_seconds, sock_read=self.bounds.silence_seconds
            ),
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._proxied.close()

    async def fetch(self, url: str, file: BinaryIO) -> Clip:
        """Stream the video at ``url`` into ``file``, from its first byte on; what it held is cut off.

        Tries once. Raises DeadLinkError for 403, 404 and 410, NoVideoError for what is no MP4, DownloadError for all
        else that is the link's or the network's fault, none with the link's query in its text; lets an OSError of
        writing ``file`` pass.
        """
        async with self._slots:
            file.seek(0)
            file.truncate()
            response = await self._follow(url)
            try:
                return await self._receive(response, file)
            finally:
                response.close()  # gives the connection up, unless all was read: then it is free already

    async def peek(self, url: str, count: int) -> tuple[bytes, int | None]:
        """Return the first ``count`` bytes of what is at ``url``, and its size, if told. Raises DownloadError."""
        async with self._slots:
            response = await self._follow(url)
            try:
                length = self._check_head(response)
                beginning = b""
                while len(beginning) < count and (piece := await _read(response)):
                    beginning += piece
                return beginning[:count], length
            finally:
                response.close()

    async def _follow(self, url: str) -> aiohttp.ClientResponse:
        """Return the first answer that is no redirect; each hop is checked before anything is sent."""
        target = _parse(url)
        for _ in range(self.bounds.redirects + 1):
            target = self._checked(target)
            response = await self._ask(target)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            target = _next(target, response.headers.get("Location"))
        raise DownloadError(f"{_shown(target)}: more than {self.bounds.redirects} redirects")

    def _checked(self, url: URL) -> URL:
        """The link as it may be followed: by https, where plain http is not safe."""
        if not url.host or url.scheme not in ("http", "https"):
            raise DownloadError(f"{_shown(url)}: not an https link")
        if url.raw_user is not None or url.raw_password is not None:
            raise DownloadError(f"{_shown(url)}: a link that holds a user or password is not followed")
        if url.scheme == "https" or self.plain_http or (self.allow_loopback and _is_loopback(url.host)):
            return url
        return url.with_port(443 if url.port == 80 else url.port).with_scheme("https")

    def _guarded_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for a resolved address (of getaddrinfo): every connection comes through here."""
        family, kind, protocol, _, address = info
        if not may_connect(address[0], allow_loopback=self.allow_loopback):
            raise OSError(_NOT_PUBLIC)
        return socket.socket(family, kind, protocol)

    async def _ask(self, url: URL) -> aiohttp.ClientResponse:
        """Send the request and read the head of the answer, which may not drip for ever."""
        with _translated(url):
            proxy = _proxy(url)
            session = self._proxied if proxy else self._session
            async with asyncio.timeout(self.bounds.connect_seconds + self.bounds.silence_seconds):
                return await session.get(url, allow_redirects=False, proxy=proxy)

    async def _receive(self, response: aiohttp.ClientResponse, file: BinaryIO) -> Clip:
        length = self._check_head(response)
        async with Sink(file) as sink:
            async for piece in self._pieces(response):
                await sink.take(piece)
        size = sink.bytes
        if length is not None and size != length:
            raise DownloadError(f"{_shown(response.url)}: {length:,} bytes were announced, {size:,} came")
        announced = length is not None or "Transfer-Encoding" in response.headers
        try:
            mp4.check(file, size, end_is_known=announced)
        except ValueError as error:
            kind = NoVideoError if announced else DownloadError  # where nobody knows the end, the network may be it
            raise kind(f"{_shown(response.url)}: not a whole MP4 ({_kind(response)}): {error}") from None
        return Clip(size, sink.sha256)

    def _check_head(self, response: aiohttp.ClientResponse) -> int | None:
        """Refuse what is no plain video; return the announced length in bytes, if there is one."""
        if response.status in _DEAD:
            raise DeadLinkError(f"{_shown(response.url)}: the host does not give it (HTTP {response.status})")
        if response.status != 200 and not _is_whole(response):
            raise DownloadError(f"{_shown(response.url)}: the host answered HTTP {response.status}")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", ""):
            raise DownloadError(
                f"{_shown(response.url)}: it came compressed ({_clean(encoding)[:40]}), which was not asked for"
            )
        with _translated(response.url):
            length = response.content_length
        if length is not None and length > self.bounds.most_bytes:
            raise DownloadError(
                f"{_shown(response.url)}: {length:,} bytes are more than the {self.bounds.most_bytes:,} allowed"
            )
        return length

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the body as it comes, for as long as it stays within the bounds."""
        pace, size = _Pace(self.bounds, self.clock), 0
        while piece := await _read(response):
            size += len(piece)
            if size > self.bounds.most_bytes:
                raise DownloadError(f"{_shown(response.url)}: more than the {self.bounds.most_bytes:,} bytes allowed")
            if pace.is_too_slow(len(piece)):
                raise DownloadError(f"{_shown(response.url)}: slower than {self.bounds.least_rate:,} bytes a second")
            yield piece


class _Pace:
    """Measures a download window by window: a drip never trips a timeout of silence."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds, self._clock = bounds, clock
        self._since, self._bytes = clock(), 0

    def is_too_slow(self, count: int) -> bool:
        """Whether the window that ends with these ``count`` bytes was too slow; False within a window."""
        self._bytes += count
        seconds = self._clock() - self._since
        if seconds < self._bounds.window_seconds:
            return False
        slow = self._bytes < self._bounds.least_rate * seconds
        self._since, self._bytes = self._clock(), 0
        return slow


async def _read(response: aiohttp.ClientResponse) -> bytes:
    with _translated(response.url):
        return await response.content.readany()


@contextmanager
def _translated(url: URL) -> Iterator[None]:
    """Turn what aiohttp raises, which holds the whole link, into one sentence without its query."""
    try:
        yield
    except _NETWORK_ERRORS as error:
        reason = _reason(error)
        unreachable = isinstance(error, _UNREACHED) and reason != _NOT_PUBLIC
        raise DownloadError(f"{_shown(url)}: {reason}", unreachable=unreachable) from None


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and _NOT_PUBLIC in str(error.os_error):
        return _NOT_PUBLIC
    return next((text for kind, text in _REASONS if isinstance(error, kind)), "the connection broke")


def _parse(text: str) -> URL:
    """Read the link to the character: a signature may cover how it is spelled. Quote what HTTP cannot carry."""
    try:
        url = URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)
        _ = url.port  # which yarl looks at only when it is asked for
        return url
    except (ValueError, TypeError):
        raise DownloadError("the link cannot be read") from None


def _next(current: URL, location: str | None) -> URL:
    if not location:
        raise DownloadError(f"{_shown(current)}: a redirect to nowhere")
    target = current.join(_parse(location))
    if current.scheme == "https" and target.scheme == "http":
        raise DownloadError(f"{_shown(current)}: a redirect from https to plain http is not followed")
    return target


def _proxy(url: URL) -> str | None:
    """The proxy for a link. It looks up names itself; what is written as an address is checked here."""
    try:
        proxy = proxy_of(str(url))
    except UsageError as error:
        raise DownloadError(f"{_shown(url)}: {error}") from None
    if proxy and _NUMERIC.search(url.raw_host or "") and not may_connect(url.host or "", allow_loopback=False):
        raise DownloadError(f"{_shown(url)}: {_NOT_PUBLIC}")
    return proxy


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (
        may_connect(host, allow_loopback=True) and not may_connect(host, allow_loopback=False)
    )


def _shown(url: URL) -> str:
    """Host and path, fit for a terminal: the query is what signs a link."""
    return _clean(f"{url.raw_host or ''}{url.raw_path}")[:200]


def _is_whole(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer calls itself a part, though none was asked for, and is all of it (RFC 9110, 14.4)."""
    whole = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status == 206 and whole is not None and int(whole[1]) + 1 == int(whole[2])


def _kind(response: aiohttp.ClientResponse) -> str:
    return _clean(response.headers.get("Content-Type", "no type given"))[:60]


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
