"""Drawing a video from thirty-two bytes: a two-colour slope with discs that circle before it.

One second is encoded once and its packets are repeated, which makes a video cost a fifth or a tenth. There is
one encoder thread, because the number of threads changes the bytes.
"""

import colorsys
import math
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

FPS = 24
Size = tuple[int, int]
Colour = tuple[int, int, int]  # Y, U, V

# Width and height. For 1:1 the document gives no size: the emulator takes the lines of 16:9's short side at
# 1080p (1080), and 960 at 720p, which has about the pixels of 1280x720.
SIZES: dict[tuple[str, str], Size] = {
    ("720p", "16:9"): (1280, 720),
    ("720p", "9:16"): (720, 1280),
    ("720p", "1:1"): (960, 960),
    ("1080p", "16:9"): (1920, 1080),
    ("1080p", "9:16"): (1080, 1920),
    ("1080p", "1:1"): (1080, 1080),
}
TINY_SIZES: dict[str, Size] = {"16:9": (64, 36), "9:16": (36, 64), "1:1": (48, 48)}
_OPTIONS = {"preset": "ultrafast", "qp": "28", "g": str(FPS), "bf": "0"}


@dataclass(frozen=True)
class Disc:
    """A disc that goes once round its centre in a second, so that the second can be repeated (in pixels)."""

    centre: tuple[int, int]
    radius: int
    orbit: int
    phase: float
    turn: int  # 1 clockwise, -1 the other way
    colour: Colour

    def at(self, moment: float) -> tuple[int, int]:
        """Return its middle after this part of a second: even, as the colour planes are half as wide."""
        angle = self.phase + self.turn * math.tau * moment
        x, y = self.centre
        return x + 2 * round(self.orbit * math.cos(angle) / 2), y + 2 * round(self.orbit * math.sin(angle) / 2)

    def spans(self, band: int) -> list[tuple[int, bytes]]:
        """Return its rows in a plane (0 is Y): how far left of the middle each begins, and its bytes."""
        radius = self.radius // 2 if band else self.radius
        halves = (round(math.sqrt(radius**2 - row**2)) for row in range(-radius, radius + 1))
        return [(half, bytes((self.colour[band],)) * (2 * half)) for half in halves]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # BT.601, limited range
    return round(16 + 219 * luma), round(128 + 126 * (blue - luma)), round(128 + 160 * (red - luma))


def _disc(random: Random, size: Size, hue: float) -> Disc:
    width, height = size
    radius = 2 * round(random.uniform(0.03, 0.09) * min(size))
    orbit = 2 * round(random.uniform(0.02, 0.05) * min(size))
    edge = radius + orbit + 2  # it never leaves the picture
    return Disc(
        centre=(
            2 * random.randint(edge // 2, (width - edge) // 2),
            2 * random.randint(edge // 2, (height - edge) // 2),
        ),
        radius=radius,
        orbit=orbit,
        phase=random.uniform(0, math.tau),
        turn=random.choice((1, -1)),
        colour=_colour(hue + random.uniform(0.3, 0.7), random.uniform(0.4, 0.9), random.uniform(0.6, 1.0)),
    )


def _slope(start: int, end: int, width: int, stride: int, height: int, *, rising: bool) -> bytes:
    """Return a plane that goes from one value to another across the diagonal, rows ``stride`` bytes long."""
    steps = width + height
    ramp = bytes(start + (end - start) * min(step, steps) // steps for step in range(stride + height))
    rows = range(height) if rising else range(height - 1, -1, -1)
    return b"".join(ramp[row : row + stride] for row in rows)


class Scene:
    """What one video shows: its slope and its discs, ready to be painted plane by plane."""

    def __init__(self, size: Size, key: bytes) -> None:
        random = Random(key)  # noqa: S311 - a picture, not a secret
        hue, rising = random.random(), random.random() < 0.5
        first, last = _colour(hue, 0.75, 0.35), _colour(hue + random.uniform(0.08, 0.4), 0.65, 0.9)
        self._discs = [_disc(random, size, hue) for _ in range(random.randint(3, 6))]
        self._spans = [[disc.spans(band) for disc in self._discs] for band in range(3)]
        self._slopes = [
            _slope(first[band], last[band], plane.width, plane.line_size, plane.height, rising=rising)
            for band, plane in enumerate(VideoFrame(*size, "yuv420p").planes)
        ]
        self._canvas = [bytearray(slope) for slope in self._slopes]  # new memory for each frame would cost more

    def paint(self, frame: VideoFrame, moment: float) -> None:
        """Paint the scene after this part of a second."""
        middles = [disc.at(moment) for disc in self._discs]
        for band, plane in enumerate(frame.planes):
            pixels, stride, scale = self._canvas[band], plane.line_size, 2 if band else 1
            pixels[:] = self._slopes[band]
            for (x, y), spans in zip(middles, self._spans[band], strict=True):
                start = (y // scale - len(spans) // 2) * stride + x // scale
                for half, row in spans:
                    pixels[start - half : start + half] = row
                    start += stride
            plane.update(bytes(pixels))


def _second(size: Size, key: bytes) -> Iterator[VideoFrame]:
    """Yield the frames of one second, each drawing shown twice: half the work, and it still moves."""
    scene, frame = Scene(size, key), VideoFrame(*size, "yuv420p")
    for number in range(0, FPS, 2):
        scene.paint(frame, number / FPS)
        for pts in (number, number + 1):
            frame.pts = pts
            yield frame


def _add_stream(container: av.container.OutputContainer, size: Size) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options=_OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


def _write(path: Path, size: Size, seconds: int, key: bytes) -> None:
    # faststart moves the index to the front, and for that libav opens the file a second time: a real file.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = _add_stream(container, size)
        packets = [packet for frame in _second(size, key) for packet in stream.encode(frame)]
        packets += stream.encode(None)
        base = packets[0].time_base
        length = round(1 / base) if base else FPS
        for second in range(seconds):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.stream, copy.time_base = stream, base
                copy.pts = (packet.pts or 0) + second * length
                copy.dts = (packet.dts or 0) + second * length
                copy.is_keyframe = packet.is_keyframe
                container.mux(copy)


def encode(size: Size, seconds: int, key: bytes) -> bytes:
    """Return an H.264 MP4 (yuv420p, the index first) of this size and length: same key, same bytes."""
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        path = Path(folder) / "video.mp4"
        _write(path, size, seconds, key)
        return path.read_bytes()


@lru_cache(maxsize=16)
def _tiny(size: Size, seconds: int) -> bytes:
    return encode(size, seconds, b"tiny")


def encode_tiny(aspect: str, seconds: int, key: bytes) -> bytes:
    """Return a small MP4 that plays: encoded once for its shape, its own by the key in a ``free`` box."""
    return _tiny(TINY_SIZES[aspect], seconds) + struct.pack(">I4s", 8 + len(key), b"free") + key
