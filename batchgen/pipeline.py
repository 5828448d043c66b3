"""One job: the table {state: step}, each step one call to a room, each outcome recorded before the next.

    submitting -- submit --> in_flight, failed, in_doubt, or pending again
    in_flight  -- poll ----> rendered, failed, in_doubt, or in_flight still
    rendered   -- fetch ---> archived, expired, or rendered still

A job goes from pending to submitting by the ledger's ``intend``, which is on the disk before the POST leaves, and in
the ledger's copy where there is one. The disk has an answer soon after.

A step tries once. It returns the job as the ledger now has it, with the seconds to ``wait`` before the next; ``inf``
leaves it to the next run. It raises only what concerns the whole batch.
"""

import asyncio
import hashlib
import logging
import secrets
import shlex
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from math import inf
from typing import BinaryIO

from batchgen.account import Account
from batchgen.archive import Archive
from batchgen.archive.places import Places
from batchgen.deadline import LastCall
from batchgen.download import Downloader
from batchgen.errors import AccountError, ArchiveError, DeadLinkError, DownloadError, LedgerError
from batchgen.ledger import Ledger, evidence
from batchgen.ledger.ledger import LINK_LIFE_SECONDS, Video
from batchgen.model import Clip, Job, Kept, Request, State
from batchgen.retry import backoff
from batchgen.service.client import ASKED, Client
from batchgen.service.polling import Polling
from batchgen.service.wire import (
    CREDITS_FAIL_CODE,
    Submitted,
    TaskStatus,
    TaskWord,
    Verdict,
    callback_address,
)
from batchgen.spending import Spending
from batchgen.suspects import Suspects
from batchgen.words import seconds_words

FETCH_TRIES = 6
CAUSE_LETTERS = 100  # of trouble, told while it lasts
BARE = (
    "refused with HTTP {}, in words that are not the service's, as a firewall or a load balancer does: most likely "
    "nothing was paid"
)
CALLED_ALL_THE_SAME = "no task was accepted, by the answer, and its callback came all the same"
CUT_OFF = "refused with HTTP {}, and the reason broke off each time; nothing was paid"
CUT_OFF_TRIES = 3  # of one row: the reason may be of the row or of the account
LINK_TRIES = 2  # with one link; then the service is asked whether it has another: the file host may have moved
NO_RESULT_TRIES = 10
REFUSED_POLLS = 3
DENIED_SECONDS = 60.0  # for which the service may refuse a key that it knew

log = logging.getLogger("batchgen")


class Pipeline:
    """The steps of a job and the rooms they call."""

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        polling: Polling,
        client: Client,
        downloader: Downloader,
        archive: Archive,
        places: Places,
        spending: Spending,
        durable: Callable[[], Awaitable[None]],
        callback_url: str | None = None,
        last_call: LastCall | None = None,
        whole: Callable[[Request], Request] = lambda request: request,
        if_lost: Callable[[Callable[[], None]], None] = lambda tell: None,
    ) -> None:
        self._ledger = ledger
        self._spending = spending
        self._callback_url = callback_url
        self._last_call = last_call
        self._whole = whole  # with links in the place of pictures
        self._durable = durable  # waits until what the ledger holds is wherever it is kept
        self._if_lost = if_lost  # calls back if what the ledger holds does not come to the disk
        self._may_send = True
        self._suspects = Suspects()
        self._cuts: Counter[int] = Counter()  # job -> refusals whose reason broke off
        self._account = account
        self._polling = polling
        self._client = client
        self._downloader = downloader
        self._archive = archive
        self._places = places
        self._steps: dict[State, Callable[[Job], Awaitable[Job]]] = {
            State.SUBMITTING: self.submit,
            State.IN_FLIGHT: self.poll,
            State.RENDERED: self.fetch,
        }

    async def step(self, job: Job) -> Job:
        """Do the next step of a job that has one."""
        return await self._steps[job.state](job)

    # -- pending

    def intend(self, job: Job) -> Job:
        """Reserve what a task costs and takes, and record that it is about to be asked for.

        Raises what forbids it: :class:`LimitReachedError`, :class:`ArchiveError` (no room), :class:`LedgerError`.
        """
        self.check_deadline(job)
        if (whole := self._whole(job.request)) is not job.request:
            job = replace(job, request=whole)
        price = self._spending.reserve(job.request, job.wanted)
        token = secrets.token_urlsafe(32) if self._callback_url else None
        try:
            return self._ledger.intend(job, price=price, token=token)
        except LedgerError:
            self._spending.give_back(job.request)
            raise

    def check_deadline(self, job: Job) -> None:
        """Raise :class:`LimitReachedError` if the job's video may not be here by the deadline."""
        if self._last_call:
            waiting = self._account.tasks + self._ledger.unfetched()[0]
            self._last_call.check(self._polling.latest(job.request), waiting)

    # -- submitting

    async def submit(self, job: Job) -> Job:
        """Ask for the task, once its intent is wherever the ledger is kept."""
        try:
            await self._durable()
        except BaseException:  # the POST never left
            self._withdraw(job)
            raise
        if not self._may_send:
            return self._withdraw(job)
        address = callback_address(self._callback_url, job.token) if self._callback_url and job.token else None
        outcome = await self._client.submit(job.request, address)
        if outcome.verdict is Verdict.ACCEPTED:
            return self._accepted(job, outcome)
        if outcome.verdict in (Verdict.ACCOUNT, Verdict.MISDIRECTED):
            return self._denied(job, outcome)
        tell(self._account, outcome.verdict, outcome.retry_after, outcome.message)
        match outcome.verdict:
            case Verdict.UNKNOWN:
                return self._doubted(job, outcome.message)
            case Verdict.REFUSED:
                self._suspects.got_through()
                return self._refused(job, outcome.code, outcome.message)
            case Verdict.NEVER_SENT if outcome.code:
                return self._cut_off(job, outcome)
        return self._withdraw(job)

    def _denied(self, job: Job, outcome: Submitted) -> Job:
        """The account, the address or the model is refused: by the service, or by who stands before it."""
        error = AccountError(_refusal(outcome))
        if outcome.is_bare and not self._suspects.is_all(job, error):
            message = BARE.format(outcome.code)
            tell(self._account, Verdict.UNKNOWN, None, message)
            return self._doubted(job, message)
        tell(self._account, outcome.verdict, None)
        withdrawn = self._withdraw(job)
        if outcome.is_bare or outcome.is_of_credits or self._suspects.is_denied():
            raise error
        log.warning("denied, after others got through", extra={"job": job.key, "reason": str(error)})
        return withdrawn

    def _doubted(self, job: Job, message: str) -> Job:
        doubt = replace(job, state=State.IN_DOUBT, attempts=job.attempts + 1, fail_message=message)
        return self._ledger.settle(doubt, Verdict.UNKNOWN.value, message)

    def _cut_off(self, job: Job, outcome: Submitted) -> Job:
        """Refused, and the reason broke off: the next try may tell it."""
        self._cuts[job.key] += 1
        if self._cuts[job.key] < CUT_OFF_TRIES:
            return self._withdraw(job)
        return self._refused(job, outcome.code, CUT_OFF.format(outcome.code))

    def _refused(self, job: Job, code: str | None, message: str) -> Job:
        failed = replace(job, state=State.FAILED, attempts=job.attempts + 1, fail_code=code, fail_message=message)
        self._spending.give_back(job.request)
        return self._ledger.settle(failed, Verdict.REFUSED.value, message, paid=False)

    def send_no_more(self) -> None:
        """Withdraw what is asked for from now on, and what has not left yet."""
        self._may_send = False

    @property
    def refusal(self) -> AccountError | None:
        """At a run's end: the refusal that its rows got, if none got through that would tell whether it was theirs."""
        return self._suspects.verdict

    def acquit(self) -> list[tuple[Job, Job]]:
        """All are refused: what was in doubt for it is pending again. Returns those jobs, before and after."""
        jobs = [job for job in self._suspects.acquit() if not evidence.was_called(self._ledger, job)]
        return [(replace(job, state=State.IN_DOUBT), self._withdraw(job)) for job in jobs]

    def _withdraw(self, job: Job) -> Job:
        if evidence.was_called(self._ledger, job):
            return self._doubted(job, CALLED_ALL_THE_SAME)
        self._spending.give_back(job.request)
        return self._ledger.withdraw(job)

    def _accepted(self, job: Job, outcome: Submitted) -> Job:
        job = replace(
            job,
            state=State.IN_FLIGHT,
            task_id=outcome.task_id,
            attempts=job.attempts + 1,
            submitted_at=time.time(),
            completed_at=None,  # of a former task
            generation_ms=None,
            fail_code=None,
            fail_message=None,
            remake=False,
            tries=0,
            wait=self._polling.wait(0.0),
        )
        log.info("accepted", extra={"job": job.key, "task_id": job.task_id})
        try:
            settled = self._ledger.settle(job, outcome.verdict.value, "")
        except LedgerError:
            self._cry(job)
            raise
        except Exception as error:  # to go on would pay for row after row, and record none
            self._cry(job)
            log.error("unexpected error", exc_info=error, extra={"job": job.key})
            words = (
                f"what the service accepted cannot be written down ({type(error).__name__}); run.log has the details"
            )
            raise LedgerError(words) from error
        if settled.task_id is None:  # it has been given that id before: a service that repeats it is none to go on with
            tell(self._account, Verdict.UNKNOWN, None, settled.fail_message)
            return settled
        tell(self._account, outcome.verdict, None)
        self._suspects.got_through()
        self._if_lost(lambda: self._cry(job))
        return settled

    def _cry(self, job: Job) -> None:
        """The job's task is paid: its id must not be lost with the ledger."""
        told = (shlex.quote(str(self._places.batch)), self._row(job), shlex.quote(job.task_id or ""))
        log.critical("paid and not recorded: batchgen resolve %s --row %s --attach %s", *told)

    def _row(self, job: Job) -> str:
        """A row that wants the job, as a shell's word; from a ledger that may not even be readable."""
        try:
            return shlex.quote(self._ledger.first_row(job))
        except Exception:
            return "?"

    # -- in flight

    async def poll(self, job: Job) -> Job:
        """Ask how the task stands."""
        assert job.task_id
        status = await self._client.status(job.task_id)
        tell(self._account, status.word, status.retry_after, status.message)
        match status.word:
            case TaskWord.SUCCESS if status.urls:
                return self._ledger.save(_rendered(job, status))
            case TaskWord.FAILED:
                return self._failed(job, status)
            case TaskWord.SUCCESS:  # without a link: paid, so asked for again
                job = replace(job, tries=job.tries + 1, missing_since=None)
                return replace(job, wait=inf if job.tries >= NO_RESULT_TRIES else self._next_poll(job))
            case TaskWord.ACCOUNT:
                return self._refused_poll(job, status)
            case TaskWord.MISSING:
                return self._missing(job, status)
            case TaskWord.RUNNING:
                return replace(job, missing_since=None, wait=self._next_poll(job))
            case _:
                return replace(job, wait=inf if self._is_given_up(job) else self._next_poll(job))

    def _failed(self, job: Job, status: TaskStatus) -> Job:
        if status.fail_code == CREDITS_FAIL_CODE:  # nothing was made, and nothing else will be
            self._ledger.save(replace(job, state=State.PENDING, task_id=None, submitted_at=None))
            raise AccountError(f"the account's credits are used up ({status.message or status.fail_code})")
        return self._ledger.save(
            replace(
                job,
                state=State.FAILED,
                fail_code=status.fail_code,
                fail_message=status.message,
                completed_at=status.completed_at,
                generation_ms=status.generation_ms,
            )
        )

    def _missing(self, job: Job, status: TaskStatus) -> Job:
        """The service says that there is no such task: it may learn of it late. If it never does, nobody can know."""
        if self._is_given_up(job):
            log.warning("the service no longer knows a task", extra={"job": job.key, "task_id": job.task_id})
            return evidence.forgotten(self._ledger, job, status.message)
        since = time.monotonic() if job.missing_since is None else job.missing_since
        return replace(job, missing_since=since, wait=self._next_poll(job))

    def _is_given_up(self, job: Job) -> bool:
        """Whether the service has not known the task for as long as one is asked about."""
        return job.missing_since is not None and self._polling.gives_up(time.monotonic() - job.missing_since)

    def _refused_poll(self, job: Job, status: TaskStatus) -> Job:
        if self._account.has_answered and self._account.unheard < DENIED_SECONDS:  # an accident, until it lasts
            return replace(job, wait=self._next_poll(job))
        if job.tries == 0:
            raise AccountError(f"the service refuses the key: {status.message}")
        job = replace(job, tries=job.tries + 1)
        return replace(job, wait=inf if job.tries > REFUSED_POLLS else self._next_poll(job))

    def _next_poll(self, job: Job) -> float:
        elapsed = max(0.0, time.time() - (job.submitted_at or 0.0))
        return self._polling.wait(elapsed)

    # -- rendered

    async def fetch(self, job: Job) -> Job:
        """Bring the video home, for every row that wants it."""
        started = time.monotonic()
        try:
            videos = await self._copy_kept(job)
            if videos is None:
                job = await self._with_links(job)
                videos = []
                for part, url in enumerate(job.urls):
                    videos += await self._fetch_part(job, part, url)
        except DeadLinkError as error:
            return self._dead_link(job, error)
        except (DownloadError, ArchiveError) as error:
            if isinstance(error, ArchiveError) and error.full:
                raise
            return self._fetch_later(job, error)
        except OSError as error:
            raise ArchiveError(f"{self._archive} cannot be written: {error.strerror}", full=True) from None
        if self._last_call:
            self._last_call.fetched(time.monotonic() - started)
        job = replace(job, state=State.ARCHIVED, fail_code=None, fail_message=None, remake=False, tries=0, wait=0.0)
        return self._ledger.archive(job, videos)

    async def _with_links(self, job: Job) -> Job:
        if job.urls and (job.tries == 0 or job.tries % LINK_TRIES):
            return job
        assert job.task_id
        await self._account.turn()
        status = await self._client.status(job.task_id)
        tell(self._account, status.word, status.retry_after, status.message)
        if status.word is TaskWord.SUCCESS and status.urls:
            return self._ledger.save(_rendered(job, status))
        if job.urls:
            return job
        if status.word in (TaskWord.MISSING, TaskWord.FAILED) and (_is_past_life(job) or self._is_foreign(job)):
            raise DeadLinkError("the service no longer knows the task")
        is_silent = status.word is TaskWord.BUSY or not status.is_answered
        why = status.message or status.word.value
        raise DownloadError(f"the service does not give the video's link now: {why}", unreachable=is_silent)

    def _is_foreign(self, job: Job) -> bool:
        """Whether a task that another batch paid for is, after many questions, not to be had with this account."""
        assert job.task_id
        return job.tries >= FETCH_TRIES - 1 and not self._ledger.has_asked_for(job.task_id)

    async def _fetch_part(self, job: Job, part: int, url: str) -> list[Video]:
        rows = self._ledger.missing_videos(job, part)
        if not rows:
            return []
        with self._archive.scratch() as file:
            clip = await self._downloader.fetch(url, file)
            return await self._keep(rows, part, file, clip)

    async def _copy_kept(self, job: Job) -> list[Video] | None:
        """Take the video from where it is kept already, for another row or another batch; None if it is not."""
        kept = self._ledger.kept(job) or job.source
        videos: list[Video] = []
        for part, item in enumerate(kept):
            rows = self._ledger.missing_videos(job, part)
            if not rows:
                continue
            with self._archive.scratch() as file:
                try:
                    whole = await asyncio.to_thread(_copy, self._places.read(item.place), file, item)
                except ArchiveError:
                    return None
                if not whole:
                    return None
                videos += await self._keep(rows, part, file, item.clip)
        return videos if kept else None

    async def _keep(self, rows: list[tuple[int, str]], part: int, file: BinaryIO, clip: Clip) -> list[Video]:
        videos = []
        for row, name in rows:
            place = await asyncio.to_thread(self._archive.keep, file, _part_name(name, part), clip)
            videos.append(Video(row, part, place, clip))
        return videos

    def _dead_link(self, job: Job, error: DeadLinkError) -> Job:
        """The host refuses a link, or the service knows none: another is asked for, after ever longer waits."""
        is_known = bool(job.urls)
        job = replace(job, tries=job.tries + 1, urls=(), fail_message=str(error))
        if is_known and job.tries < FETCH_TRIES and not (job.tries > 1 and _is_past_life(job)):
            return self._later(job)
        log.warning("link dead", extra={"job": job.key, "task_id": job.task_id, "reason": str(error)})
        if job.remake:
            return self._ledger.save(replace(job, state=State.PENDING, task_id=None, fail_message=None, tries=0))
        return self._ledger.save(replace(job, state=State.EXPIRED, fail_message=f"{error}, {_age(job)}"))

    def _fetch_later(self, job: Job, error: Exception) -> Job:
        unreachable = isinstance(error, DownloadError) and error.unreachable
        if unreachable and not job.urls:  # not even the service answers: the network is gone, and this was no try
            job = self._ledger.save(replace(job, fail_message=str(error)))
            return replace(job, wait=inf if self._account.is_lost else backoff(job.tries + 1))
        urls = () if unreachable else job.urls  # is it this host, or the network? the next try asks the service first
        return self._later(replace(job, tries=job.tries + 1, urls=urls, fail_message=str(error)))

    def _later(self, job: Job) -> Job:
        job = self._ledger.save(job)
        return replace(job, wait=backoff(job.tries) if job.tries < FETCH_TRIES else inf)


def tell(account: Account, word: Verdict | TaskWord, retry_after: float | None, message: str | None = None) -> None:
    """Tell the account what came of a request; ``message``: in words."""
    match word:
        case Verdict.BUSY | TaskWord.BUSY:
            account.busy(retry_after, posted=isinstance(word, Verdict))
        case Verdict.UNKNOWN | Verdict.NEVER_SENT:
            account.post_trouble(_short(message or ""), may_be_paid=word is Verdict.UNKNOWN)
        case TaskWord.TROUBLE | TaskWord.ACCOUNT:
            account.trouble(_short(message or ""))
        case _:
            account.answered(posted=isinstance(word, Verdict))


def _short(message: str) -> str:
    """Why a request failed, fit to stand within a line."""
    cause = message.removeprefix(ASKED)
    return cause if len(cause) <= CAUSE_LETTERS else f"{cause[:CAUSE_LETTERS]}..."


def _rendered(job: Job, status: TaskStatus) -> Job:
    return replace(
        job,
        state=State.RENDERED,
        urls=status.urls,
        completed_at=status.completed_at or job.completed_at or time.time(),
        generation_ms=status.generation_ms if status.generation_ms is not None else job.generation_ms,
        fail_code=None,
        tries=0 if job.state is State.IN_FLIGHT else job.tries,
        wait=0.0,
    )


def _refusal(outcome: Submitted) -> str:
    if outcome.verdict is Verdict.ACCOUNT:
        return f"the service refuses the account: {outcome.message} (code {outcome.code})"
    return (
        f"this is not the service, or it does not know the model: {outcome.message} (code {outcome.code}); "
        "look at --base-url and --model"
    )


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
