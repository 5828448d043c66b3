"""Connections that are open and dead: somebody took the request, answers nothing, and never closes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from batchgen.emulator.server import Emulator
from tests.e2e.program import altered, emulated, paid, prompts, run, wrong_files

# The first two requests of each kind are swallowed.
SWALLOWED = {b"GET /api/v1/statusTask": 2, b"GET /videos/": 2}
# The real times are a minute; what follows when they are over is the same.
IMPATIENT = {
    "batchgen.service.client": "STATUS_TIMEOUT = aiohttp.ClientTimeout(total=2.0, sock_connect=10, sock_read=1.0)",
    "batchgen.download.downloader": "Bounds.__init__.__defaults__ = (10.0, 1.0, *Bounds.__init__.__defaults__[2:])",
}


class Way:
    """A way to a server, on which connections die without a word."""

    def __init__(self, port: int) -> None:
        self.swallowed: Counter[bytes] = Counter()
        self.carriers: set[asyncio.Task[None]] = set()
        self._port = port

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self.carriers |= {
            asyncio.create_task(self._pour(reader, to_server)),
            asyncio.create_task(self._pour(from_server, writer)),
        }

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if self._is_swallowed(piece):
                await asyncio.Event().wait()
            writer.write(piece)
        writer.close()

    def _is_swallowed(self, piece: bytes) -> bool:
        for kind, most in SWALLOWED.items():
            if piece.startswith(kind) and self.swallowed[kind] < most:
                self.swallowed[kind] += 1
                return True
        return False


@asynccontextmanager
async def half_open(emulator: Emulator) -> AsyncIterator[Way]:
    """Put such a way in front of the emulator; its links lead there too."""
    way = Way(int(emulator.url.rsplit(":", 1)[1]))
    server = await asyncio.start_server(way.carry, "127.0.0.1", 0)
    emulator.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield way
    finally:
        server.close()
        for carrier in way.carriers:
            carrier.cancel()
        await asyncio.gather(*way.carriers, return_exceptions=True)


async def test_a_run_outlives_connections_on_which_nobody_answers(tmp_path: Path) -> None:
    async with emulated() as emulator, half_open(emulator) as way:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 5), **altered(tmp_path, IMPATIENT))
        assert (ended.code, ended.summary["archived"]) == (0, 5), ended.err
        assert way.swallowed == SWALLOWED
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}
        assert await wrong_files(emulator, tmp_path / "p.batch") == []
