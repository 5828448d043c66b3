"""Rendered: the video is brought home, and a link that is dead is asked for anew."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from math import inf
from typing import BinaryIO

from batchgen.account import Account
from batchgen.archive import Archive
from batchgen.archive.places import Places
from batchgen.download.downloader import Downloader
from batchgen.errors import ArchiveError, DeadLinkError, DownloadError, NoVideoError
from batchgen.ledger import Ledger, recovery
from batchgen.ledger.ledger import LINK_LIFE_SECONDS, Video
from batchgen.model import Clip, Job, Kept, State
from batchgen.retry import backoff
from batchgen.service.client import Client
from batchgen.service.wire import TaskWord
from batchgen.steering.deadline import LastCall
from batchgen.steps.answers import note_answer
from batchgen.steps.poll import rendered
from batchgen.words import seconds_words

FETCH_TRIES = 8  # in one to two minutes: a store may need as long until its link works
LINK_TRIES = 2  # with one link; then the service is asked whether it has another: the file host may have moved

log = logging.getLogger("batchgen")


@dataclass
class FetchStep:
    """Takes a job from rendered to archived, once every row that wants its videos has them."""

    ledger: Ledger
    account: Account
    client: Client
    downloader: Downloader
    archive: Archive
    places: Places
    _: KW_ONLY
    last_call: LastCall | None = None

    async def fetch(self, job: Job) -> Job:
        """Bring the video home, for every row that wants it."""
        started = time.monotonic()
        videos: list[Video] = []
        try:
            kept = await self._copy_kept(job)
            if kept is None:
                job = await self._with_links(job)
                await self._fetch_parts(job, videos)
        except DeadLinkError as error:
            return self._dead_link(job, error, videos)
        except (DownloadError, ArchiveError) as error:
            if isinstance(error, ArchiveError) and error.full:
                raise
            if isinstance(error, NoVideoError) and videos and job.tries + 1 >= FETCH_TRIES:
                return self._archived_in_part(job, videos, error)
            return self._fetch_later(job, error)
        except OSError as error:
            raise ArchiveError(f"{self.archive} cannot be written: {error.strerror}", full=True) from None
        if self.last_call:
            self.last_call.fetched(time.monotonic() - started)
        return self._archived(job, kept or videos)

    def _archived(self, job: Job, videos: list[Video], message: str | None = None) -> Job:
        job = replace(job, state=State.ARCHIVED, fail_code=None, fail_message=message, remake=False, tries=0, wait=0.0)
        return self.ledger.archive(job, videos)

    def _archived_in_part(self, job: Job, videos: list[Video], error: DownloadError) -> Job:
        """Be content with the videos of the task that came: a further one is not worth another payment."""
        come = len({video.part for video in videos})
        log.warning("only a part came", extra={"job": job.key, "task_id": job.task_id, "reason": str(error)})
        return self._archived(job, videos, f"only {come} of the task's {len(job.urls)} videos came: {error}")

    async def _with_links(self, job: Job) -> Job:
        if job.urls and (job.tries == 0 or job.tries % LINK_TRIES):
            return job
        assert job.task_id
        await self.account.turn()
        status = await self.client.status(job.task_id)
        note_answer(self.account, status.word, status.retry_after, status.message)
        if status.word is TaskWord.SUCCESS and status.urls:
            return self.ledger.save(rendered(job, status))
        if job.urls:
            return job
        if status.word in (TaskWord.MISSING, TaskWord.FAILED) and (_is_past_life(job) or self._is_foreign(job)):
            raise DeadLinkError("the service no longer knows the task")
        if status.word is TaskWord.SUCCESS:
            if _is_past_life(job):
                raise DeadLinkError("the service no longer gives a link to the video")
            raise DownloadError("the service says that the video is made, and gives no link that can be read")
        is_silent = status.word is TaskWord.BUSY or not status.is_answered
        why = status.message or status.word.value
        raise DownloadError(f"the service does not give the video's link now: {why}", unreachable=is_silent)

    def _is_foreign(self, job: Job) -> bool:
        """Whether a task that another batch paid for is, after many questions, not to be had with this account."""
        assert job.task_id
        return job.tries >= FETCH_TRIES - 1 and not self.ledger.has_asked_for(job.task_id)

    async def _fetch_parts(self, job: Job, videos: list[Video]) -> None:
        """Fetch what the job's links lead to into ``videos``; at the last try, one that leads to none ends it last."""
        passed: DeadLinkError | NoVideoError | None = None
        part = 0
        for url in job.urls:
            try:
                videos += await self._fetch_part(job, part, url)
                part += 1
            except (DeadLinkError, NoVideoError) as error:
                if not _is_last_try(job):
                    raise
                passed = passed or error
        if passed:
            raise passed

    async def _fetch_part(self, job: Job, part: int, url: str) -> list[Video]:
        rows = self.ledger.missing_videos(job, part)
        if not rows:
            return []
        with self.archive.scratch() as file:
            clip = await self.downloader.fetch(url, file)
            return await self._keep(rows, part, file, clip)

    async def _copy_kept(self, job: Job) -> list[Video] | None:
        """Take the video from where it is kept already, for another row or another batch; None if it is not."""
        kept = self.ledger.kept(job) or job.source
        videos: list[Video] = []
        for part, item in enumerate(kept):
            rows = self.ledger.missing_videos(job, part)
            if not rows:
                continue
            with self.archive.scratch() as file:
                if not await self._copy(item, file):
                    return None
                videos += await self._keep(rows, part, file, item.clip)
        return videos if kept else None

    async def _copy(self, item: Kept, file: BinaryIO) -> bool:
        """Copy a kept video from its place, or from where it is if it was moved to where the videos go now."""
        for place in (item.place, self.archive.place(item.place.rpartition("/")[2])):
            file.seek(0)
            file.truncate()
            with suppress(ArchiveError):
                if await asyncio.to_thread(_copy, self.places.read(place), file, item):
                    return True
        return False

    async def _keep(self, rows: list[tuple[int, str]], part: int, file: BinaryIO, clip: Clip) -> list[Video]:
        videos = []
        for row, name in rows:
            place = await asyncio.to_thread(self.archive.keep, file, _part_name(name, part), clip)
            videos.append(Video(row, part, place, clip))
        return videos

    def _dead_link(self, job: Job, error: DeadLinkError, videos: list[Video]) -> Job:
        """The host refuses a link, or the service knows none: another is asked for, after ever longer waits."""
        is_last, whole = not job.urls or _is_last_try(job), job
        job = replace(job, tries=job.tries + 1, urls=(), fail_message=str(error))
        if not is_last:
            return self._later(job)
        if videos:
            return self._archived_in_part(whole, videos, error)
        log.warning("link dead", extra={"job": job.key, "task_id": job.task_id, "reason": str(error)})
        job = replace(job, fail_message=f"{error}, {_age(job)}")
        if job.remake and not self._may_come_back(whole):
            return self.ledger.save(replace(job, state=State.PENDING, task_id=None, tries=0))
        return self.ledger.save(replace(job, state=State.EXPIRED))

    def _may_come_back(self, job: Job) -> bool:
        """Whether a video that another batch paid for is refused within its link's life: the host may be at fault."""
        return bool(job.urls) and not _is_past_life(job) and recovery.is_anothers(self.ledger, job.key)

    def _fetch_later(self, job: Job, error: Exception) -> Job:
        unreachable = isinstance(error, DownloadError) and error.unreachable
        if unreachable and not job.urls:  # not even the service answers: the network is gone, and this was no try
            job = self.ledger.save(replace(job, fail_message=str(error)))
            return replace(job, wait=inf if self.account.is_lost else backoff(job.tries + 1))
        urls = () if unreachable else job.urls  # is it this host, or the network? the next try asks the service first
        return self._later(replace(job, tries=job.tries + 1, urls=urls, fail_message=str(error)))

    def _later(self, job: Job) -> Job:
        job = self.ledger.save(job)
        return replace(job, wait=backoff(job.tries) if job.tries < FETCH_TRIES else inf)


def _is_last_try(job: Job) -> bool:
    """Whether a link that is dead once more is given up."""
    return job.tries + 1 >= FETCH_TRIES or (job.tries > 0 and _is_past_life(job))


def _is_past_life(job: Job) -> bool:
    return job.completed_at is not None and time.time() - job.completed_at > LINK_LIFE_SECONDS


def _age(job: Job) -> str:
    """How long ago the video was made, for who asks whether the link had to be dead."""
    if job.completed_at is None:
        return "and nobody knows when it was made"
    return f"{seconds_words(max(0.0, time.time() - job.completed_at))} after it was made"


def _copy(pieces: Iterable[bytes], file: BinaryIO, kept: Kept) -> bool:
    """Copy a kept video; returns whether it is still what was kept."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest() == kept.clip.sha256


def _part_name(name: str, part: int) -> str:
    """The name of a task's second and further videos."""
    return name if part == 0 else f"{name.removesuffix('.mp4')}_{part + 1}.mp4"
