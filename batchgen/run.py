"""One run of a batch, from its manifest to its summary."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import join
from typing import TypeAlias

from batchgen import __version__
from batchgen.archive import Archive, open_archive
from batchgen.assembly import Assembly
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.doubts.callbacks import receiving
from batchgen.download.downloader import Downloader
from batchgen.errors import BatchgenError, LedgerError, LimitReachedError, UsageError, nothing_sent, perhaps_sent
from batchgen.folder.memory import is_elsewhere, remember_destination, with_memory
from batchgen.folder.opening import open_for_run
from batchgen.folder.witnesses import note_run, noting
from batchgen.images.files import Files
from batchgen.ledger import Ledger, evidence, money, recovery, standing
from batchgen.ledger.ledger import LINK_LIFE_SECONDS
from batchgen.model import State
from batchgen.others import learned, reuse
from batchgen.outcome import summarize, write_all
from batchgen.replica import Replica
from batchgen.report import written
from batchgen.service.client import Client
from batchgen.settings import Settings, is_loopback
from batchgen.sheet.asked import choose, take_in_as_asked
from batchgen.sheet.images import RunImages, doubtful_links, try_links
from batchgen.spending import allowances, balance
from batchgen.steering.control import Desk
from batchgen.steering.progress import Progress
from batchgen.steering.stopping import has_time, signals, until
from batchgen.summary import Summary
from batchgen.system import awake, descriptors
from batchgen.videos import alike, moved
from batchgen.videos.foreign import refuse_foreign
from batchgen.videos.missing import missing, sentences
from batchgen.words import many

# Where the service is: entered for as long as it is needed, it gives the origin.
Service: TypeAlias = Callable[[], AbstractAsyncContextManager[str]]
# What stops a batch from outside; it may say why.
Stopping: TypeAlias = Callable[[Dispatcher, Callable[[str], None]], AbstractContextManager[None]]

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Listener:
    """Whom a run tells what happens."""

    say: Callable[[str], None]  # a sentence that a person should read
    warn: Callable[[str], None]  # one that a person must read, even if all goes well
    progress: Progress
    verbose: bool = False
    ended: Callable[[Summary], None] = lambda summary: None  # called while the log is still open
    stopping: Stopping = signals  # entered for as long as the batch runs


def run(settings: Settings, listener: Listener, service: Service) -> Summary:
    """Make the batch's videos, as far as they can be made now.

    Raises :class:`UsageError`, :class:`LedgerError` or :class:`BatchBusyError` before anything is sent.
    """
    started = time.monotonic()
    with open_for_run(settings, verbose=listener.verbose) as (ledger, replica):
        asked, settings = settings, with_memory(settings, ledger)
        files = take_in_as_asked(asked, settings, ledger, listener.say, listener.warn)
        _begin(settings, ledger, listener)
        is_current = written.are_current(ledger, settings.batch)
        goes_on = money.begin_run(ledger)
        failed_before = 0 if goes_on else standing.counts(ledger)[State.FAILED]
        _say_where_kept(replica, settings, listener.say)
        stopped, has_worked = None, False
        if ledger.has_work() or evidence.candidates(ledger):
            stopped, has_worked = _make_videos(settings, ledger, replica, listener, service, files), True
        elif is_elsewhere(settings, ledger):
            _proved_archive(settings, ledger, listener.warn)
            listener.say(f"nothing is to be fetched now; videos of later runs go to {settings.destination}")
        with perhaps_sent():
            problem = write_all(ledger, settings, listener.warn, is_current=is_current and not has_worked)
            for sentence in alike.sentences(ledger) if has_worked else ():
                listener.warn(sentence)
            uncopied = _copy_last(replica, ledger, settings.batch)
            problem = uncopied or problem
            if not settings.rehearsal:
                reuse.record(ledger, settings.batch)
            if settings.may_pay and not uncopied:  # else another machine may go on without what this run did last
                note_run(ledger, settings.batch)
            if not problem:
                written.note_current(ledger, settings.batch)
            seconds = time.monotonic() - started
            summary = summarize(settings, ledger, stopped, problem, seconds, failed_before=failed_before)
        log.info("run ended", extra=asdict(summary))
        listener.ended(summary)
        return summary


def _make_videos(
    settings: Settings, ledger: Ledger, replica: Replica, listener: Listener, service: Service, files: Files
) -> Stop | None:
    """Make what can be made now; returns what kept the run from asking for all of it."""
    try:
        archive = _proved_archive(settings, ledger, listener.warn)
        if settings.may_submit:
            RunImages(settings).provide(ledger, files, listener.say)
        with nothing_sent():  # before the first copy nothing may be submitted
            replica.checkpoint(ledger)
        if settings.may_pay:
            note_run(ledger, settings.batch)
        _set_space_aside(ledger, settings.batch)
        with perhaps_sent(), descriptors.raised():
            dispatcher = awake.run(_run_parts(settings, ledger, replica, archive, listener, service))
            return _what_stopped(dispatcher, ledger)
    finally:
        listener.progress.end()
        ledger.database.ballast.drop()
        with suppress(LedgerError):  # as the next run does in any case
            recovery.recover(ledger)


def _what_stopped(dispatcher: Dispatcher, ledger: Ledger) -> Stop | None:
    """Why the run submitted nothing more; None for a limit of the user's, where no row was left to be asked for.

    It is asked before what was allowed for this run alone is taken back: those rows were to be asked for, too.
    """
    stopped = dispatcher.stopped
    is_limit = stopped is not None and stopped.exit_code == LimitReachedError.exit_code
    if is_limit and not dispatcher.is_halted and not standing.pending_jobs(ledger):
        return None
    return stopped


def _copy_last(replica: Replica, ledger: Ledger, batch: Path) -> str | None:
    """The copy that the next run begins with; if it cannot be made, why not, and what only this machine knows."""
    try:
        replica.checkpoint(ledger)
    except BatchgenError as error:
        for key, task in replica.paid_here_alone():
            words = ("resolve", str(batch), "--row", ledger.first_row(ledger.job(key)), "--attach", task)
            log.critical("paid, and not in the ledger's copy: batchgen %s", join(words))
        return f"the ledger's copy lacks the end of this run ({error}); keep the batch's folder"
    return None


# -- before anything is sent


def _say_where_kept(replica: Replica, settings: Settings, say: Callable[[str], None]) -> None:
    """Say what a person should know of the ledger's copy."""
    if replica.said:
        say(replica.said)
    if replica.is_kept and not (settings.destination or "").startswith("s3://"):
        say("the ledger is kept in S3, but the videos only on this machine: --to s3://bucket/prefix keeps them there")


def _begin(settings: Settings, ledger: Ledger, listener: Listener) -> None:
    """Decide which rows the run may ask for, and say what a person should know before it does."""
    recovery.recover(ledger)
    for sentence in choose(settings.selection, ledger):
        listener.say(sentence)
    lost = _note_moved(settings, ledger, listener.say)
    _say_missing(settings, ledger, listener, lost)
    try_links(settings, ledger, str(settings.manifest))
    for sentence in allowances.allow(settings, ledger, settings.service):
        listener.say(sentence)
    for sentence in doubtful_links(settings, ledger):
        listener.warn(sentence)
    recovery.retry_expired(ledger, since=time.time() - LINK_LIFE_SECONDS if settings.may_submit else 0.0)
    begun = {"version": __version__, "service": settings.service, "manifest": str(settings.manifest)}
    log.info("run begins", extra=begun)


def _note_moved(settings: Settings, ledger: Ledger, say: Callable[[str], None]) -> list[str]:
    """Look in the destination for what is no longer in its place; in a new one for all that is archived so far.

    Returns the places of what is still missing.
    """
    lost = missing(settings.batch, ledger)
    is_new = is_elsewhere(settings, ledger)
    if not lost and not (is_new and standing.archived_bytes(ledger)):
        return lost
    archive = _archive_of(settings, ledger)
    if is_new:
        say(f"what is archived so far is looked for in {archive}, in case it was moved there")
    with nothing_sent():
        found = moved.note_places(ledger, archive, None if is_new else lost)
    if found:
        reuse.enter_anew(ledger)
        say(f"{many(len(found), 'archived video')} found in {archive}: from now on they count as there")
    taken = frozenset(found)
    return [place for place in lost if place not in taken]


def _say_missing(settings: Settings, ledger: Ledger, listener: Listener, lost: list[str]) -> None:
    """Whoever wants it quiet is told once of what is lost: its links live for 15 days."""
    known = int(ledger.fact("missing") or 0)
    for sentence in sentences(settings.batch, lost, settings.service):
        (listener.warn if len(lost) > known else listener.say)(sentence)
    if len(lost) != known:
        ledger.remember({"missing": str(len(lost))})


def _archive_of(settings: Settings, ledger: Ledger) -> Archive:
    return open_archive(
        settings.archive,
        tag=ledger.fact("tag") or "batchgen",
        scratch=settings.batch,
        home=settings.batch,
        connections=settings.downloads,
    )


def _proved_archive(settings: Settings, ledger: Ledger, warn: Callable[[str], None]) -> Archive:
    """The batch's archive, proved, and remembered for the runs to come; not before: a slip of the pen would last."""
    archive = _archive_of(settings, ledger)
    with nothing_sent():
        archive.probe()
        archive.sweep()
        for sentence in refuse_foreign(ledger, archive) if settings.may_pay else ():
            warn(sentence)
    remember_destination(settings, ledger)
    return archive


def _set_space_aside(ledger: Ledger, folder: Path) -> None:
    try:
        ledger.database.ballast.load()
    except OSError as error:
        ledger.database.ballast.drop()
        raise UsageError(f"the batch's folder {folder} cannot be written: {error.strerror}. Nothing was sent") from None


# -- the run


async def _run_parts(
    settings: Settings, ledger: Ledger, replica: Replica, archive: Archive, listener: Listener, service: Service
) -> Dispatcher:
    loop = asyncio.get_running_loop()
    share = descriptors.share(settings.downloads)
    settings = replace(settings, downloads=share.downloads)
    threads = ThreadPoolExecutor(settings.downloads + 2)
    loop.set_default_executor(threads)
    async with AsyncExitStack() as stack:
        desk = stack.enter_context(closing(Desk(settings.batch)))
        client, downloader = await _connected(stack, settings, service, share.connections)
        parts = Assembly(settings, ledger, replica, archive, client, downloader, desk, listener.progress)
        account, dispatcher = parts.account, parts.dispatcher
        await stack.enter_async_context(parts.syncing.running(parts.halt))
        await stack.enter_async_context(replica.shipping(ledger, parts.halt))
        if settings.may_pay:
            await stack.enter_async_context(noting(ledger, settings.batch))
        if settings.callback_listen:
            callbacks = receiving(settings, ledger, account, parts.candidates, dispatcher, listener.warn)
            await stack.enter_async_context(callbacks)
        if settings.may_submit and has_time(ledger, parts.intend, dispatcher, listener.say):
            await balance.compare(client, account, ledger, parts.spending, listener.say)
        with listener.stopping(dispatcher, listener.say), until(settings.deadline, dispatcher):
            await parts.steering.beside()
        learned.keep(settings, ledger, account, parts.polling)
    if dispatcher.is_halted:  # an upload that hangs is not waited for
        threads.shutdown(wait=False, cancel_futures=True)
        loop.set_default_executor(ThreadPoolExecutor(1))
    return dispatcher


async def _connected(
    stack: AsyncExitStack, settings: Settings, service: Service, connections: int
) -> tuple[Client, Downloader]:
    origin = await stack.enter_async_context(service())
    assert settings.model
    client = await stack.enter_async_context(
        Client(origin, settings.key, settings.model, connections, callbacks=settings.callback_url is not None)
    )
    downloader = Downloader(allow_loopback=is_loopback(origin), at_once=settings.downloads)
    return client, await stack.enter_async_context(downloader)
