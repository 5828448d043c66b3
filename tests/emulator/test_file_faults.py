import asyncio
import gzip
from urllib.parse import urlsplit

import aiohttp
import pytest

from batchgen.emulator.server import Emulator

from .support import HandClock, calling
from .test_videos import boxes


async def download(name: str) -> tuple[bytes, bytes, bytes]:
    """The head and the body that came over the socket under a fault, and the true bytes."""
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True, faults={name: 1})) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(100)
        parts = urlsplit(caller.emulator.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(f"GET /videos/{task_id}.mp4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        came = bytearray()
        try:
            while chunk := await reader.read(65_536):
                came += chunk
        except ConnectionResetError:
            came += b"!reset"
        writer.close()
        head, _, body = bytes(came).partition(b"\r\n\r\n")
        return head, body, await caller.emulator.video(caller.emulator.tasks[0])


def length(head: bytes) -> int | None:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return None


@pytest.mark.parametrize("status", [403, 404, 410, 500])
async def test_links_are_refused(status: int) -> None:
    head, body, _ = await download(f"file-{status}")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert body.startswith(b"<html>")


async def test_cut_files_are_half_with_and_without_their_length() -> None:
    head, body, true = await download("file-cut")
    assert (length(head), body) == (len(true), true[: len(true) // 2])
    head, body, true = await download("file-cut-no-length")
    assert (length(head), body) == (None, true[: len(true) // 2])
    head, body, true = await download("file-cut-chunked")
    assert b"chunked" in head
    assert body == f"{len(true):x}\r\n".encode() + true[: len(true) // 2]


async def test_a_reset_comes_in_the_middle() -> None:
    head, body, true = await download("file-reset")
    assert length(head) == len(true)
    assert body == true[: len(true) // 2] + b"!reset"


async def test_lengths_are_missing_or_wrong() -> None:
    head, body, true = await download("file-no-length")
    assert (length(head), body) == (None, true)
    head, body, true = await download("file-length-long")
    assert (length(head), body) == (len(true) + 1000, true)
    head, body, true = await download("file-length-short")
    assert (length(head), body) == (len(true) - 1000, true)


async def test_something_else_comes_with_200() -> None:
    head, body, _ = await download("file-html")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body.startswith(b"<html>")
    head, body, _ = await download("file-empty")
    assert (length(head), body) == (0, b"")


async def test_gzip_is_announced_and_real() -> None:
    head, body, true = await download("file-gzip")
    assert b"Content-Encoding: gzip" in head
    assert (length(head), gzip.decompress(body)) == (len(body), true)
    head, body, true = await download("file-gzip-cut")
    assert length(head) is None
    with pytest.raises(EOFError):
        gzip.decompress(body)


async def test_the_index_is_missing() -> None:
    head, body, true = await download("file-no-moov")
    assert length(head) == len(body)
    assert [name for name in boxes(true) if name != "moov"] == boxes(body)


@pytest.mark.parametrize("name", ["file-drip", "file-stall", "file-endless"])
async def test_downloads_that_never_end_let_go_when_the_emulator_stops(name: str) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, tiny=True, faults={name: 1})
    async with calling(emulator) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(100)
        true = await emulator.video(emulator.tasks[0])
        async with caller.session.get(f"{emulator.url}/videos/{task_id}.mp4") as response:
            first = await response.content.readexactly(64)
            assert first == true[:64]
            if name == "file-endless":
                assert len(await response.content.readexactly(len(true) + 100_000)) > len(true)
                assert response.content_length is None
            else:
                assert response.content_length == len(true)
            await emulator.stop()
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await response.content.read()
        await emulator.start()


async def test_redirects_lead_to_the_file_elsewhere_or_nowhere() -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, tiny=True, faults={"file-redirect": 1})
    async with calling(emulator) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(100)
        link = f"{emulator.url}/videos/{task_id}.mp4"
        true = await emulator.video(emulator.tasks[0])
        assert await caller.fetch(link) == (200, true)
        assert [record.status for record in emulator.files] == [302, 200]
        emulator.faults.shares = {"file-redirect-elsewhere": 1}
        async with caller.session.get(link, allow_redirects=False) as response:
            assert response.headers["Location"].startswith("http://localhost:")
        emulator.faults.shares = {"file-redirect-loop": 1}
        with pytest.raises(aiohttp.TooManyRedirects):
            await caller.fetch(link)
