"""The network goes away in the middle of a batch, and comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.program import QUICK, altered, batchgen, emulated, paid, prompts, results, start, wrong_files
from tests.waiting import free_port, until

AWAY_SECONDS = 1.0


class Cable:
    """A way to the service that can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_there = await asyncio.open_connection(*self._there)
        self._writers |= {writer, to_there[1]}
        await asyncio.gather(_pour(reader, to_there[1]), _pour(to_there[0], writer))
        self._writers -= {writer, to_there[1]}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[Cable]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    laid = Cable(parts.hostname, parts.port)
    await laid.plug()
    try:
        yield laid
    finally:
        laid.cut()


async def test_a_batch_waits_for_the_network_and_goes_on_by_itself(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 15)
    async with emulated(speed=50.0) as emulator, cable(emulator.url) as way:
        process = await start(
            *("run", manifest, "--base-url", f"http://127.0.0.1:{way.port}", "--concurrency", "3", *QUICK), cwd=tmp_path
        )
        await until(lambda: len(emulator.tasks) >= 5, process)
        way.cut()
        await asyncio.sleep(0.3)  # what had reached the service before is accepted
        before = len(emulator.tasks)
        await asyncio.sleep(AWAY_SECONDS)
        assert len(emulator.tasks) == before
        await way.plug()
        _, err = await process.communicate()
        rows = results(tmp_path / "p.batch")
        doubtful = [row["prompt"] for row in rows if row["status"] == "in_doubt"]
        assert {row["status"] for row in rows} - {"in_doubt"} == {"archived"}, err.decode()
        assert len(doubtful) <= 3  # POSTs whose answers the cut took
        assert process.returncode == bool(doubtful)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert await wrong_files(emulator, tmp_path / "p.batch") == []


# The real limits are ten minutes, and a line every thirty seconds.
SOON = {
    "batchgen.account.account": "NEVER_HEARD_LIMIT_SECONDS = 3.0",
    "batchgen.steering.progress": "LINE_EVERY_SECONDS = 0.5",
}


async def test_a_service_that_nobody_reaches_is_given_up_and_the_cause_is_named(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    address = f"127.0.0.1:{free_port()}"
    ended = await batchgen(
        *("run", manifest, "--base-url", f"http://{address}", "--plain", *QUICK),
        cwd=tmp_path,
        **altered(tmp_path, SOON),
    )
    assert ended.code == 1
    told = [line for line in ended.err.splitlines() if "0 of 3 archived" in line]
    assert f"(connection refused by {address}); next try in" in ended.err
    waiting = [f"(connection refused by {address})" in line for line in told]
    assert waiting == sorted(waiting), "once it is said, it is said until it is over"
    assert f"connection refused by {address}" in ended.out
    assert "run the same command again" in ended.out
    assert {row["status"] for row in results(tmp_path / "p.batch")} == {"pending"}
