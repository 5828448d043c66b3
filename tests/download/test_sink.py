"""What comes is hashed and written in threads, and the loop does not wait for the disk."""

import asyncio
import hashlib
import io
import time
from typing import Any

import pytest

from batchgen.download.sink import WRITE_BYTES, Sink
from tests.slow_disk import Slow
from tests.waiting import until

PIECES = [bytes([n]) * (WRITE_BYTES // 4) for n in range(20)]


class Full(io.BytesIO):
    def write(self, _: Any) -> int:
        raise OSError(28, "No space left on device")


async def begun(file: Slow) -> None:
    await until(file.began.is_set)


async def fill(sink: Sink, pieces: list[bytes] = PIECES) -> None:
    async with sink:
        for piece in pieces:
            await sink.take(piece)


async def test_all_is_written_in_order_with_its_checksum() -> None:
    file = io.BytesIO()
    sink = Sink(file)
    await fill(sink)
    whole = b"".join(PIECES)
    assert file.getvalue() == whole
    assert (sink.bytes, sink.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


@pytest.mark.parametrize("content", [b"", b"a little"])
async def test_little_is_written_like_much(content: bytes) -> None:
    file = io.BytesIO()
    async with Sink(file) as sink:
        await sink.take(content)
    assert file.getvalue() == content
    assert (sink.bytes, sink.sha256) == (len(content), hashlib.sha256(content).hexdigest())


async def test_while_the_disk_is_slow_the_loop_goes_on_and_little_is_taken() -> None:
    file = Slow()
    sink = Sink(file)
    filling = asyncio.create_task(fill(sink))
    await begun(file)  # the loop turns
    for _ in range(100):
        await asyncio.sleep(0)
    assert sink.bytes < 3 * WRITE_BYTES
    file.may_write.set()
    await filling
    assert file.getvalue() == b"".join(PIECES)


@pytest.mark.parametrize("count", [1, 4, 20])
async def test_what_the_disk_says_is_raised_at_the_latest_at_the_end(count: int) -> None:
    with pytest.raises(OSError, match="No space"):
        await fill(Sink(Full()), PIECES[:count])


async def test_where_what_comes_breaks_off_no_thread_touches_the_file_afterwards() -> None:
    file = Slow()

    async def break_off() -> None:
        async with Sink(file) as sink:
            for piece in PIECES[:4]:
                await sink.take(piece)
            raise ValueError("cut")

    breaking = asyncio.create_task(break_off())
    await begun(file)
    assert not breaking.done()
    file.may_write.set()
    with pytest.raises(ValueError, match="cut"):
        await breaking
    assert len(file.getvalue()) == WRITE_BYTES


async def test_a_disk_that_hangs_does_not_keep_a_run_that_is_cut_off() -> None:
    file = Slow()
    filling = asyncio.create_task(fill(Sink(file)))
    await begun(file)
    filling.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await filling
    assert time.monotonic() - began < 20  # not the half minute that the disk would take
    file.may_write.set()
