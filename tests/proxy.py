"""A proxy on this machine, as a company has one between it and the network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext

REFUSED = b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Proxy:
    """Takes every tunnel to ``port`` of this machine; ``tls`` lets it speak TLS in the place of who listens there."""

    port: int
    tls: SSLContext | None = None
    refusals: float = 0  # so many at first, with ``status``
    status: int = 503
    url: str = ""
    heads: list[str] = field(default_factory=list)  # of what it was asked for

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one who connected."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if len(self.heads) <= self.refusals:
                writer.write(REFUSED % self.status)
                await writer.drain()
            else:
                await self._tunnel(reader, writer)
        writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self.tls:
            await writer.start_tls(self.tls)
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy_to(port: int, tls: SSLContext | None = None, refusals: float = 0) -> AsyncIterator[Proxy]:
    """A proxy that listens."""
    proxy = Proxy(port, tls, refusals)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
