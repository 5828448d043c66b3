"""A card of the wall: all that the page shows of one row, and where its video and its poster are found."""

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote

from batchgen.catalog import MICRO
from batchgen.ledger import Ledger, ResultRow
from batchgen.model import State
from batchgen.report.poster import Posters
from batchgen.request import public_url

# Of posters that are put inside the page: some 1500, and a page that a mail still takes. More stay files beside it.
INLINE_BYTES = 15_000_000
MARK = len("sha256:") + 8  # letters of what stands for an image that was a file


@dataclass(frozen=True)
class Links:
    """How a page reaches what is archived: None where it cannot."""

    video: Callable[[str, str], str | None]  # (place, SHA-256) -> address
    poster: Callable[[str], tuple[str, float | None] | None]  # SHA-256 -> (address, width by height)


@dataclass(frozen=True)
class Card:
    """One row of the manifest. The order of the fields is that of the page's data."""

    id: str
    number: int
    status: str
    prompt: str
    seed: str | None  # text: a browser's numbers end at 2**53
    model: str
    mode: str
    resolution: str | None
    duration: int | None
    aspect_ratio: str | None
    provider: str | None
    negative_prompt: str | None
    expansion: bool | None
    images: tuple[str, ...]
    extras: tuple[str, ...]  # beside Page.columns
    task_id: str | None
    fail_code: str | None
    fail_message: str | None
    attempts: int
    submitted_at: float | None
    completed_at: float | None
    archived_at: float | None
    generation: float | None  # seconds
    cost: float | None
    shared: int  # rows that share this task
    bytes: int | None
    places: tuple[str, ...]
    videos: tuple[str | None, ...]  # beside places
    poster: str | None
    ratio: float | None  # width by height, where it is known


def costs(ledger: Ledger) -> dict[int, float | None]:
    """What the accepted tasks of each job cost, in US dollars, as was reserved for them; None: not known.

    Empty for a batch that was made with the emulator: nothing of it was paid.
    """
    if ledger.is_free:
        return {}
    found = ledger.database.execute("SELECT job, sum(price) FROM attempt WHERE task_id IS NOT NULL GROUP BY job")
    return {job: reserved / MICRO if reserved else None for job, reserved in found}


def cards(ledger: Ledger, links: Links, spent: Mapping[int, float | None], *, running: bool) -> Iterator[Card]:
    """A card for each row of the present manifest, in its order."""
    own = ledger.own_columns()
    names = ledger.image_names()
    archived = ledger.database.execute(
        "SELECT (SELECT max(archived_at) FROM video WHERE video.row = row.row) FROM row "
        "WHERE position IS NOT NULL ORDER BY position"
    ).fetchall()
    for row, (archived_at,) in zip(ledger.results(), archived, strict=True):
        images = tuple(_image(url, names) for url in row.job.request.image_urls)
        yield _card(row, archived_at, own, images, links, spent.get(row.job.key), running=running)


def _card(
    row: ResultRow,
    archived_at: float | None,
    own: Iterable[str],
    images: tuple[str, ...],
    links: Links,
    cost: float | None,
    *,
    running: bool,
) -> Card:
    job, request = row.job, row.job.request
    poster, ratio = (links.poster(row.sha256[0]) if row.sha256 else None) or (None, None)
    return Card(
        id=row.id,
        number=row.number,
        status=_status(row, running=running),
        prompt=request.prompt,
        seed=None if request.seed is None else str(request.seed),
        model=request.model,
        mode=request.mode,
        resolution=request.resolution,
        duration=request.duration,
        aspect_ratio=request.aspect_ratio,
        provider=request.provider,
        negative_prompt=request.negative_prompt,
        expansion=request.enable_prompt_expansion,
        images=images,
        extras=tuple(row.extras.get(name, "") for name in own),
        task_id=job.task_id,
        fail_code=job.fail_code,
        fail_message=job.fail_message,
        attempts=job.attempts,
        submitted_at=_moment(job.submitted_at),
        completed_at=_moment(job.completed_at),
        archived_at=_moment(archived_at),
        generation=None if job.generation_ms is None else job.generation_ms / 1000,
        cost=cost,
        shared=job.wanted,
        bytes=row.bytes,
        places=row.places,
        videos=tuple(links.video(*found) for found in zip(row.places, row.sha256, strict=True)),
        poster=poster,
        ratio=ratio or _ratio(request.aspect_ratio),
    )


def _image(url: str, names: Mapping[str, str]) -> str:
    """A link that anybody may see, or a file by its name."""
    return f"{PurePath(names[url]).name} ({url[:MARK]})" if url in names else public_url(url)


def _status(row: ResultRow, *, running: bool) -> str:
    """While a run is at work, an answer that is awaited is no doubt yet."""
    if row.job.state is State.SUBMITTING:
        return (State.IN_FLIGHT if running else State.IN_DOUBT).value
    return row.job.state.value


def _moment(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _ratio(words: str | None) -> float | None:
    try:
        width, height = map(int, (words or "").split(":"))
        return round(width / height, 3)
    except (ValueError, ZeroDivisionError):
        return None


# -- where things are


def locate(place: str, batch: Path) -> Path | None:
    """The file of a video that is kept on this machine, if it is there.

    A place is relative to the batch's folder; in a ledger of old, to the videos in it.
    """
    if place.startswith("s3://"):
        return None
    tried = (os.path.join(batch, place), os.path.join(batch, "videos", place))
    return next((Path(path) for path in tried if os.path.isfile(path)), None)


def beside(batch: Path, posters: Posters) -> Links:
    """Links of a page that lies in the batch's folder: relative ones, so that the folder may be moved or sent.

    Many posters are put inside the page, so that it can be sent alone; ten thousand would make it slow.
    """
    inside = posters.weigh() <= INLINE_BYTES

    def video(place: str, _sha256: str) -> str | None:
        path = locate(place, batch)
        if path is None:
            return None
        within = str(path).startswith(f"{batch}/")  # to ask the system for it ten thousand times takes a second
        return quote(os.fsencode(str(path)[len(str(batch)) + 1 :] if within else os.path.relpath(path, batch)))

    def poster(sha256: str) -> tuple[str, float | None] | None:
        made = posters.find(sha256)
        if made is None:
            return None
        address = f"{made.path.parent.name}/{made.path.name}"
        if inside:
            try:
                picture = made.path.read_bytes()
            except OSError:  # somebody tidied up
                return None
            address = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        return address, round(made.ratio, 3)

    return Links(video, poster)
