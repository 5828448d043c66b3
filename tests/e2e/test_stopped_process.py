"""A process that was stopped for a while, as by Ctrl-Z or a container's pause, goes on where it was."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from batchgen.emulator.server import Emulator
from tests.e2e.program import SPEED, altered, emulated, finished, paid, prompts, start
from tests.waiting import until

STOPPED_SECONDS = 3.0
# The real times are minutes; what follows when they are over is the same.
IMPATIENT = {
    "batchgen.service.client": """
SUBMIT_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30, sock_connect=10, sock_read=2.0)
STATUS_TIMEOUT = aiohttp.ClientTimeout(total=2.0, sock_connect=10, sock_read=2.0)
DRIP_SECONDS = 2.0
""",
    "batchgen.system.awake": "GAP_SECONDS = 1.0",
    "batchgen.account.account": "SILENCE_LIMIT_SECONDS = 2.0",
}


LATENCY_SECONDS = 0.3


@asynccontextmanager
async def far_away(emulator: Emulator) -> AsyncIterator[None]:
    """The emulator's answers take a while to come."""
    port = int(emulator.url.rpartition(":")[2])

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, to_server, 0.0), pour(from_server, writer, LATENCY_SECONDS))

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                await asyncio.sleep(seconds)
                writer.write(piece)
        writer.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        emulator.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield


async def test_a_run_does_not_give_up_a_service_that_it_did_not_hear_while_it_was_stopped(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 8)
    async with emulated(speed=SPEED / 5) as emulator, far_away(emulator):
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--json", "--first-poll", "2", "--poll-every", "0.2"),
            cwd=tmp_path,
            **altered(tmp_path, IMPATIENT),
        )
        await until(lambda: sum("statusTask" in request.path for request in emulator.requests) > 8, process)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_SECONDS)
        process.send_signal(signal.SIGCONT)
        ended = await finished(process)
        assert (ended.code, ended.summary["archived"]) == (0, 8), ended.err


async def test_what_was_answered_while_the_process_was_stopped_is_heard(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 3)
    async with emulated(speed=SPEED / 5, faults={"submit-slow": 1.0}) as emulator:
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--json", "--first-poll", "2", "--poll-every", "0.2"),
            cwd=tmp_path,
            **altered(tmp_path, IMPATIENT),
        )
        await until(lambda: len(emulator.tasks) == 1, process)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_SECONDS)
        process.send_signal(signal.SIGCONT)
        ended = await finished(process)
        assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (0, 3, 0), ended.err
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}
