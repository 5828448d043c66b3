"""What a run will take, said before it is paid for: minutes and bytes, by what is known, or else by a stated guess."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.account import Account
from batchgen.catalog import guessed_bytes
from batchgen.dispatch.forecast import Pace, seconds_left
from batchgen.dispatch.schedule import LEAST_POLL_SHARE
from batchgen.ledger import Ledger
from batchgen.ledger.expected import Kind, video_bytes
from batchgen.model import EMULATOR
from batchgen.others import learned
from batchgen.request import Request
from batchgen.service.polling import PATIENCE, Polling
from batchgen.settings import EMULATOR_SPEED, Settings
from batchgen.spending.disk_space import RESERVE_BYTES, free_bytes
from batchgen.words import duration, many, size_words

DOCUMENT_SECONDS = {"720p": (50.0, 70.0), "1080p": (70.0, 90.0)}  # of generation, from the API's document


@dataclass(frozen=True)
class Estimate:
    """What the pending tasks take, and those in flight."""

    overdue: int  # of those in flight, tasks older than nearly all become: they have ended, most likely, and count not
    minutes: float
    minutes_from: str  # learned, recalled, document
    gigabytes: float
    gigabytes_from: str  # archived, guess


def estimate(ledger: Ledger, settings: Settings, kinds: Sequence[Kind]) -> Estimate:
    """What a run takes for the pending tasks, with the limits of the settings and all that the batch remembers."""
    memory = ledger.fact("polling")
    recalled = learned.recall(ledger.fact("service") or settings.service) if memory is None else None
    seconds, is_learned, late = _seconds(ledger, settings, kinds, memory or recalled)
    size, is_seen = _bytes(ledger, kinds)
    return Estimate(
        overdue=late,
        minutes=round(seconds / 60, 2),
        minutes_from=("recalled" if recalled else "learned") if is_learned else "document",
        gigabytes=round(size / 1e9, 6),
        gigabytes_from="archived" if is_seen else "guess",
    )


def lack_of_room(settings: Settings, videos: Estimate) -> Iterator[str]:
    """What there is to say if the videos do not fit on the disk that they go to; of a store elsewhere nobody knows."""
    destination = settings.archive
    free = None if "://" in destination else free_bytes(Path(destination))
    if free is not None and videos.gigabytes * 1e9 > max(0, free - RESERVE_BYTES):
        guess = ", as is guessed" if videos.gigabytes_from == "guess" else ""
        yield (
            f"the videos would weigh about {size_words(videos.gigabytes * 1e9)}{guess}, and the disk of {destination} "
            f"has {size_words(free)} free: a run stops when the disk is full; free some space, or choose another "
            "folder with --to"
        )


def lack_of_time(settings: Settings, run: Estimate) -> Iterator[str]:
    """What there is to say if a run would not be done by its deadline."""
    if settings.deadline and run.minutes * 60 > (left := settings.deadline.seconds_left()):
        yield (
            f"--deadline {settings.deadline.text} is {duration(left)} away, and a run would take about "
            f"{duration(run.minutes * 60)}: what it cannot ask for in time is left to the next one"
        )


def overdue(settings: Settings, run: Estimate) -> Iterator[str]:
    """What there is to say of tasks that should have ended, and of which nobody has heard since."""
    if run.overdue:
        longest = duration(PATIENCE * settings.first_poll)
        yield (
            f"{many(run.overdue, 'task is', 'tasks are')} in flight for longer than tasks take: a run fetches what has "
            f"ended meanwhile, and asks about what has not for {longest} at most"
        )


def _seconds(ledger: Ledger, settings: Settings, kinds: Sequence[Kind], memory: str | None) -> tuple[float, bool, int]:
    """How long it takes, whether the generation times of all kinds are in the ``memory``, and how many are overdue."""
    polling = Polling(settings.first_poll, settings.poll_every, memory=memory)
    account = Account(settings.rate, settings.concurrency, memory=ledger.fact("account"))
    now = time.time()
    speed = EMULATOR_SPEED if EMULATOR in (settings.service, ledger.fact("service")) else 1.0
    in_flight = [(_times(polling, job.request, speed), now - (job.submitted_at or now)) for job in ledger.in_flight()]
    running = [(usual, age) for usual, age in in_flight if age <= usual[1]]
    late = len(in_flight) - len(running)
    times = [*(_times(polling, kind.request, speed) for kind in kinds), *(usual for usual, _ in running)]
    if not times:
        return 0.0, False, late
    weights = [*(kind.tasks for kind in kinds), *(1 for _ in running)]
    mean = sum(each[0] * weight for each, weight in zip(times, weights, strict=True)) / sum(weights)
    latest = max(each[1] for each in times)
    pace = Pace(account.concurrency, account.per_second * LEAST_POLL_SHARE, mean, latest)
    pending = sum(kind.tasks for kind in kinds)
    return seconds_left(pace, [age for _, age in running], pending), all(each[2] for each in times), late


def _times(polling: Polling, request: Request, speed: float) -> tuple[float, float, bool]:
    """Of a kind of task: its time on average, the time by which nearly all have ended, and whether that was learned."""
    table = polling.durations(request)
    if latest := table.latest():
        return table.mean, latest, True
    first, last = DOCUMENT_SECONDS.get(request.resolution or "", max(DOCUMENT_SECONDS.values()))
    return (first + last) / 2 / speed, last / speed, False


def _bytes(ledger: Ledger, kinds: Sequence[Kind]) -> tuple[float, bool]:
    """How much it weighs, and whether each kind is weighed by videos of its own."""
    seen = video_bytes(ledger)
    sizes = [seen.get((kind.request.resolution, kind.request.duration)) for kind in kinds]
    total = sum(
        kind.rows * (size if size is not None else guessed_bytes(kind.request))
        for kind, size in zip(kinds, sizes, strict=True)
    )
    return total, bool(sizes) and None not in sizes
