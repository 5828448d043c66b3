"""Ledgers as runs leave them, made without a run: rows in any state, with videos and with none."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from batchgen.ledger import Ledger
from batchgen.model import State
from batchgen.request import Request
from batchgen.settings import SERVICE_URL

HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "<!--<script>alert(1)//",
    "javascript:alert(1)",
    "{{data}} ${alert(1)} &lt;b&gt;",
    "abc\u202egnp.exe",
    "\x1b[31mred\x1b[0m\x07\x00",
)
BEGUN = 1_795_000_000.0  # Unix seconds


@dataclass(frozen=True)
class Wanted:
    """A row as a test wants it."""

    id: str
    prompt: str = "A red fox trots across fresh snow"
    state: State = State.ARCHIVED
    seed: int | None = 7
    resolution: str = "720p"
    aspect_ratio: str = "16:9"
    images: tuple[str, ...] = ()
    fail_code: str | None = None
    fail_message: str | None = None
    extras: dict[str, str] = field(default_factory=dict)
    places: tuple[str, ...] | None = None  # None: videos/{id}.mp4 where it is archived
    content: bytes = b""
    start: float = 0.0  # seconds after BEGUN
    generation: float = 60.0
    price: int = 400_000


def make_batch(folder: Path, rows: Sequence[Wanted], columns: Sequence[str] = ()) -> Path:
    """A batch's folder with a ledger of these rows, and the files of those that are archived on the disk."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.remember(
            {"manifest": "/sheets/prompts.csv", "service": SERVICE_URL, "columns": json.dumps(list(columns))}
        )
        with ledger.database.transaction():
            for number, row in enumerate(rows, 1):
                _add(ledger, folder, number, row)
    return folder


def _add(ledger: Ledger, folder: Path, number: int, row: Wanted) -> None:
    request = Request(
        model="wan-2-5",
        mode="text-to-video",
        prompt=row.prompt,
        resolution=row.resolution,
        duration=5,
        aspect_ratio=row.aspect_ratio,
        image_urls=row.images,
        seed=row.seed,
    )
    digest = bytes.fromhex(request.digest)
    began = row.state is not State.PENDING
    task = f"task_{number}" if row.state not in (State.PENDING, State.SUBMITTING, State.IN_DOUBT) else None
    ended = row.state in (State.ARCHIVED, State.RENDERED, State.FAILED, State.EXPIRED)
    start = BEGUN + row.start if began else None
    execute = ledger.database.execute
    execute(
        "INSERT INTO job (job, digest, request, state, wanted, position, task_id, fail_code, fail_message, attempts, "
        "submitted_at, completed_at, generation_ms) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(number, digest, request.to_json(), row.state, number, task, row.fail_code, row.fail_message, int(began)),
            *(start, BEGUN + row.start + row.generation if ended else None, row.generation * 1000 if ended else None),
        ),
    )
    execute(
        "INSERT INTO row (row, id, given, digest, job, position, number, name, fold, extras) "
        "VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
        (number, row.id, digest, *(number,) * 3, f"{number}.mp4", number.to_bytes(8, "big"), json.dumps(row.extras)),
    )
    if task:
        execute(
            "INSERT INTO attempt (job, started_at, task_id, price) VALUES (?, ?, ?, ?)",
            (number, start, task, row.price),
        )
    if row.state is State.ARCHIVED:
        archive(ledger, folder, number, row)


def archive(ledger: Ledger, folder: Path, number: int, row: Wanted) -> None:
    """Put the row's video where it is recorded to be."""
    sha256 = hashlib.sha256(row.content or row.id.encode()).digest()
    for part, place in enumerate(row.places or (f"videos/{number}.mp4",)):
        if row.content and "://" not in place:
            (folder / place).write_bytes(row.content)
        ledger.database.execute(
            "INSERT INTO video VALUES (?, ?, ?, ?, ?, ?)",
            (number, part, place, len(row.content), sha256, BEGUN + row.start + row.generation + 1),
        )


def film(*, shade: int = 200, width: int = 320, height: int = 180, dark: int = 0, frames: int = 48) -> bytes:
    """A video (H.264) of grey frames, the first ``dark`` of them black; its name is not kept."""
    path = Path(os.environ.get("TMPDIR", "/tmp"), f"film-{os.getpid()}-{shade}-{width}x{height}-{dark}.mp4")
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 24)
            for number in range(frames):
                frame = _grey(16 if number < dark else shade, width, height)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def _grey(shade: int, width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (shade, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def failed(identity: str, prompt: str, **more: Any) -> Wanted:
    """A row that the service refused."""
    words = {"fail_code": "SensitiveContentDetected", "fail_message": "It was flagged."}
    return Wanted(identity, prompt, **({"state": State.FAILED} | words | more))


def many(count: int, **facts: Any) -> Iterable[Wanted]:
    """Rows that differ in their ids, prompts and seeds."""
    for number in range(count):
        yield Wanted(f"clip-{number:05}", f"Take {number} of a fox in the snow", seed=number, **facts)
