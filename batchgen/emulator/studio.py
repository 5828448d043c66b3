"""Making the videos of tasks: in threads, at the first download, kept in bounded memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from batchgen.emulator.judge import DEFAULT_ASPECT, DEFAULT_RESOLUTION
from batchgen.emulator.tasks import Task, video_key

MEMORY_BYTES = 64 * 2**20  # about 300 videos; what is dropped is drawn again, to the same bytes
VideoBytes = Callable[[Task], bytes]


def _draw(task: Task, key: bytes, *, tiny: bool = False) -> bytes:
    from batchgen.emulator import video  # libav is loaded only when something is drawn

    aspect = task.input.get("aspect_ratio", DEFAULT_ASPECT)
    if tiny:
        return video.encode_tiny(aspect, task.duration, key)
    return video.encode(video.SIZES[task.input.get("resolution", DEFAULT_RESOLUTION), aspect], task.duration, key)


class Studio:
    """The maker of videos. ``video_bytes`` makes them instead of drawing; ``tiny`` draws small ones."""

    def __init__(self, *, tiny: bool, video_bytes: VideoBytes | None) -> None:
        self._tiny = tiny
        self._video_bytes = video_bytes
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._making: dict[bytes, asyncio.Future[bytes]] = {}
        self._threads = ThreadPoolExecutor(2, "emulator-video")

    async def video(self, task: Task, index: int) -> bytes:
        """Return the bytes of a task's video (``index`` from 0, where the task has several)."""
        if self._video_bytes is not None:
            return self._video_bytes(task)
        key = video_key(task, index)
        if self._tiny:
            return _draw(task, key, tiny=True)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        return await self._make(task, key)

    async def _make(self, task: Task, key: bytes) -> bytes:
        if key not in self._making:  # two downloads at once are one drawing
            loop = asyncio.get_running_loop()
            self._making[key] = loop.run_in_executor(self._threads, _draw, task, key)
        made = await asyncio.shield(self._making[key])
        if self._making.pop(key, None) is not None:
            self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: bytes) -> None:
        self._kept[key] = made
        self._kept_bytes += len(made)
        while self._kept_bytes > MEMORY_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
