import asyncio
import io
import struct

import av
import pytest

from batchgen.emulator import video
from batchgen.emulator.server import Emulator
from batchgen.emulator.tasks import Task

from .support import Caller, HandClock, calling

KEY_A, KEY_B = b"a" * 32, b"b" * 32


def boxes(content: bytes) -> list[str]:
    names, place = [], 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        names.append(kind.decode())
        place += size
    assert place == len(content)
    return names


def decoded(content: bytes) -> tuple[int, int, int, float, str, str]:
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        seconds = (container.duration or 0) / 1_000_000
        context = stream.codec_context
        return stream.width, stream.height, frames, seconds, context.name, str(context.pix_fmt)


@pytest.mark.parametrize(
    ("resolution", "aspect", "size"),
    [
        ("720p", "16:9", (1280, 720)),
        ("720p", "9:16", (720, 1280)),
        ("720p", "1:1", (960, 960)),
        ("1080p", "16:9", (1920, 1080)),
        ("1080p", "9:16", (1080, 1920)),
        ("1080p", "1:1", (1080, 1080)),
    ],
)
async def test_a_video_decodes_to_the_size_that_was_asked_for(
    resolution: str, aspect: str, size: tuple[int, int]
) -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        content = await _download(caller, clock, resolution=resolution, aspect_ratio=aspect)
        assert decoded(content) == (*size, 120, 5.0, "h264", "yuv420p")
        names = boxes(content)
        assert names[0] == "ftyp"
        assert names.index("moov") < names.index("mdat")


async def _download(caller: Caller, clock: HandClock, **fields: object) -> bytes:
    task_id = await caller.submit(**fields)
    clock.pass_seconds(100)
    (link,) = await caller.links(task_id)
    async with caller.session.get(link) as response:
        content = await response.read()
        assert (response.status, response.content_type) == (200, "video/mp4")
        assert response.content_length == len(content)
    return content


async def test_a_video_lasts_as_long_as_was_asked_for_and_moves() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        content = await _download(caller, clock, duration=10)
        assert decoded(content)[2:4] == (240, 10.0)
    with av.open(io.BytesIO(content), "r") as container:
        first, *_, later = [frame for frame, _ in zip(container.decode(video=0), range(13), strict=False)]
        assert bytes(first.planes[0]) != bytes(later.planes[0])


async def test_the_same_seed_prompt_and_parameters_give_the_same_bytes() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        first = await _download(caller, clock, seed=5)
        assert await _download(caller, clock, seed=5) == first
        assert await _download(caller, clock, seed=6) != first
        assert await _download(caller, clock, seed=5, prompt="another") != first
        assert await _download(caller, clock, seed=5, negative_prompt="blurry") != first
    async with calling(Emulator(clock=clock)) as caller:
        assert await _download(caller, clock, seed=5) == first


async def test_without_a_seed_each_task_has_its_own_video() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True)) as caller:
        assert await _download(caller, clock) != await _download(caller, clock)


def test_drawing_is_the_same_each_time_and_unlike_for_another_key() -> None:
    one = video.encode((128, 72), 5, KEY_A)
    assert video.encode((128, 72), 5, KEY_A) == one
    assert video.encode((128, 72), 5, KEY_B) != one


@pytest.mark.parametrize(("aspect", "size"), video.TINY_SIZES.items())
def test_tiny_videos_play_and_differ(aspect: str, size: tuple[int, int]) -> None:
    one, other = video.encode_tiny(aspect, 5, KEY_A), video.encode_tiny(aspect, 5, KEY_B)
    assert one != other
    assert one == video.encode_tiny(aspect, 5, KEY_A)
    assert decoded(one) == (*size, 120, 5.0, "h264", "yuv420p")
    assert boxes(one)[-1] == "free"
    assert len(one) < 20_000


async def test_a_test_may_give_the_bytes_itself() -> None:
    clock = HandClock()

    def prompt_bytes(task: Task) -> bytes:
        prompt: str = task.input["prompt"]
        return prompt.encode()

    async with calling(Emulator(clock=clock, video_bytes=prompt_bytes)) as caller:
        assert await _download(caller, clock, prompt="these") == b"these"


async def test_two_downloads_at_once_are_one_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    encode = video.encode

    def counted(size: tuple[int, int], seconds: int, key: bytes) -> bytes:
        drawn.append(key)
        return encode((64, 36), seconds, key)

    monkeypatch.setattr(video, "encode", counted)
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(100)
        (link,) = await caller.links(task_id)
        answers = await asyncio.gather(*[caller.fetch(link) for _ in range(5)])
        assert len(set(answers)) == 1
        assert len(drawn) == 1


async def test_what_memory_does_not_hold_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchgen.emulator.studio.MEMORY_BYTES", 0)
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(100)
        (link,) = await caller.links(task_id)
        assert await caller.fetch(link) == await caller.fetch(link)
