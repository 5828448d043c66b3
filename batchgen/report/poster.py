"""Posters: a frame of each video as a small JPEG, made once and kept in the batch's folder by the video's checksum."""

import logging
import os
import re
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO

from batchgen.system import private

PIXELS = 400 * 225  # at most, whatever the shape: posters of all shapes weigh the same, about 10 kB
DARK = 9  # mean luminance (0 is black, 255 white) up to which a frame is taken for a fade-in
FRAMES = 24  # to look through for a brighter one
QUALITY = "5"  # of JPEG, 2 (best) to 31
THREADS = 4
_NAME = re.compile(r"([0-9a-f]{64})-(\d{1,5})x(\d{1,5})\.jpg")

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Poster:
    """A finished picture."""

    path: Path
    width: int
    height: int

    @property
    def ratio(self) -> float:
        """Width by height, as the video's."""
        return self.width / self.height


class Posters:
    """The pictures of a batch: ``posters/{sha256 of the video}-{width}x{height}.jpg``. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Poster] = {}
        for path in folder.iterdir() if folder.is_dir() else ():
            if found := _NAME.fullmatch(path.name):
                self._known[found[1]] = Poster(path, int(found[2]), int(found[3]))

    def weigh(self) -> int:
        """The size of all that were made, in bytes."""
        return sum(poster.path.stat().st_size for poster in self._known.values() if poster.path.is_file())

    def find(self, sha256: str) -> Poster | None:
        """The poster of the video with this checksum, if it was made."""
        return self._known.get(sha256)

    def make(self, sha256: str, video: Path | BinaryIO) -> Poster | None:
        """The poster of ``video``, made if need be; None if it shows nothing, or cannot be written.

        A poster is a convenience: whatever goes wrong here is logged, and nothing more.
        """
        if known := self.find(sha256):
            return known
        try:
            picture, width, height = _jpeg(video)
            poster = Poster(self._folder / f"{sha256}-{width}x{height}.jpg", width, height)
            self._keep(picture, poster.path)
        except Exception as error:  # a decoder meets bytes that somebody else made: anything may happen
            log.debug("no poster", extra={"sha256": sha256, "reason": f"{type(error).__name__}: {error}"})
            return None
        return self._known.setdefault(sha256, poster)

    def make_all(self, videos: Iterable[tuple[str, Path]], seconds: float) -> None:
        """Make what is missing, for at most ``seconds``."""
        missing = dict(videos)
        until = time.monotonic() + seconds

        def make(video: tuple[str, Path]) -> Poster | None:
            return self.make(*video) if time.monotonic() < until else None

        if missing and seconds > 0:
            with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:  # PyAV lets go of the GIL
                list(pool.map(make, missing.items()))

    def _keep(self, picture: bytes, path: Path) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        part = self._folder / f".{secrets.token_hex(8)}.part"
        try:
            with open(part, "xb", opener=private.opener) as file:
                file.write(picture)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _jpeg(video: Path | BinaryIO) -> tuple[bytes, int, int]:
    """The picture with its width and height."""
    import av  # 50 ms, and most commands need no poster

    frame = _picture(video)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.thread_count = 1  # as everywhere here: one video a thread is faster than one video in all of them
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": QUALITY, "qmax": QUALITY}
    frame.pts, frame.pict_type = 0, 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets), frame.width, frame.height


def _picture(video: Path | BinaryIO) -> Any:
    """The first frame that is more than black, or else the first; small."""
    import av

    with av.open(str(video) if isinstance(video, Path) else video, "r") as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        first = _first(container, stream)
        if first is not None and _brightness(first) > DARK:
            return first
        container.seek(0)
        for frame in islice(container.decode(stream), FRAMES):
            picture = _small(frame)
            if _brightness(picture) > DARK:
                return picture
            first = first or picture
        if first is None:
            raise ValueError("no frame")
        return first


def _first(container: Any, stream: Any) -> Any:
    """The first frame from its own packet alone: a decoder that is read on would want some more before it gives one."""
    packet = next(container.demux(stream))
    frames = [*packet.decode(), *stream.codec_context.decode(None)]
    return _small(frames[0]) if frames else None


def _small(frame: Any) -> Any:
    scale = min(1.0, (PIXELS / (frame.width * frame.height)) ** 0.5)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    return frame.reformat(width=width, height=height, format="yuvj420p", threads=1)


def _brightness(picture: Any) -> float:
    """The mean luminance of every eighth pixel of every eighth line."""
    plane = picture.planes[0]
    pixels = memoryview(plane)
    starts = range(0, plane.line_size * plane.height, 8 * plane.line_size)
    return fmean(pixel for start in starts for pixel in pixels[start : start + plane.width : 8])
