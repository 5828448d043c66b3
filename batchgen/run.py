"""One run of a batch, from its manifest to its summary: the wiring."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from batchgen import again, learned, paid, replication, written
from batchgen.account import Account
from batchgen.archive import Archive, open_archive
from batchgen.archive.places import Places
from batchgen.batch import Batch, Stop
from batchgen.callbacks import REPEATS_SECONDS, SILENCE_SECONDS, Callbacks
from batchgen.catalog import MICRO
from batchgen.control import Desk
from batchgen.download import Downloader
from batchgen.errors import ArchiveError, BatchgenError, LedgerError, LimitReachedError, UsageError
from batchgen.folder import open_batch, with_memory
from batchgen.images.files import Files
from batchgen.ledger import Ledger, money
from batchgen.ledger.expected import pending_kinds
from batchgen.ledger.ledger import LINK_LIFE_SECONDS, link_death
from batchgen.ledger.syncing import Syncing
from batchgen.model import Job, State
from batchgen.pictures import Pictures, try_links
from batchgen.pipeline import Pipeline, tell
from batchgen.progress import Progress, Tally
from batchgen.replica import Replica
from batchgen.report import failures, results
from batchgen.room import Room
from batchgen.service import Client
from batchgen.service.polling import Polling
from batchgen.settings import DEFAULT_FIRST_POLL_SECONDS, Settings, is_loopback
from batchgen.sheet import choose, further_columns, take_in_as_asked
from batchgen.spending import Spending
from batchgen.steering import Steering
from batchgen.stopping import has_time, last_call, signals, until
from batchgen.summary import Summary
from batchgen.words import many

# Where the service is: entered for as long as it is needed, it gives the origin.
Service: TypeAlias = Callable[[], AbstractAsyncContextManager[str]]
# What stops a batch from outside; it may say why.
Stopping: TypeAlias = Callable[[Batch, Callable[[str], None]], AbstractContextManager[None]]

POSTER_SHARE = 0.1  # of a run's time, for pictures of its videos
RUN_POSTERS = 100  # more videos show themselves, until `batchgen report` makes theirs: a poster is work for 2 to 30 ms
REPORT_ROWS = 20_000  # more are not looked at as a wall; `batchgen report` still makes the page

log = logging.getLogger("batchgen")


@dataclass(frozen=True)
class Listener:
    """Whom a run tells what happens."""

    say: Callable[[str], None]  # a sentence that a person should read
    progress: Progress
    verbose: bool = False
    ended: Callable[[Summary], None] = lambda summary: None  # called while the log is still open
    warn: Callable[[str], None] | None = None  # a sentence that a person must read; None: as the others
    stopping: Stopping = signals  # entered for as long as the batch runs


def run(settings: Settings, listener: Listener, service: Service) -> Summary:
    """Make the batch's videos, as far as they can be made now.

    Raises :class:`UsageError`, :class:`LedgerError` or :class:`BatchBusyError` before anything is sent.
    """
    started = time.monotonic()
    with open_batch(settings, verbose=listener.verbose) as (ledger, replica):
        asked, settings = settings, with_memory(settings, ledger)
        files = take_in_as_asked(asked, settings, ledger, listener.say, listener.warn or listener.say)
        _begin(settings, ledger, listener)
        is_told = written.is_current(ledger, settings.batch)
        money.begin_run(ledger)
        replication.tell(replica, settings, listener.say)
        batch = _run_work(settings, ledger, replica, listener, service, files) if ledger.has_work() else None
        problem = _write_all(ledger, settings, is_told=is_told and batch is None)
        problem = replication.copy_last(replica, ledger) or problem
        if not settings.rehearsal:
            paid.record(ledger, settings.batch, paid.index_path())
        if not problem:
            written.note(ledger, settings.batch)
        summary = _summary(settings, ledger, batch, problem, time.monotonic() - started)
        log.info("run ended", extra=asdict(summary))
        listener.ended(summary)
        return summary


def _run_work(
    settings: Settings, ledger: Ledger, replica: Replica, listener: Listener, service: Service, files: Files
) -> Batch:
    archive = open_settings_archive(settings, ledger)
    _prove(archive)
    if settings.destination:
        ledger.remember({"destination": settings.destination})  # not before: a slip of the pen would last
    if settings.may_submit:
        Pictures(settings.images_to).provide(ledger, files, listener.say)
    replication.copy_first(replica, ledger)
    _set_space_aside(ledger, settings.batch)
    desk = Desk(settings.batch)
    try:
        return asyncio.run(_work(settings, ledger, replica, archive, listener, service, desk))
    finally:
        listener.progress.end()
        desk.close()
        ledger.database.drop_ballast()
        with suppress(LedgerError):  # as the next run does in any case
            ledger.recover()


# -- before anything is sent


def _begin(settings: Settings, ledger: Ledger, listener: Listener) -> None:
    ledger.recover()
    for sentence in choose(settings.selection, ledger):
        listener.say(sentence)
    try_links(settings, ledger, str(settings.manifest))
    for sentence in again.allow(settings, ledger, settings.service):
        listener.say(sentence)
    ledger.retry_expired(since=time.time() - LINK_LIFE_SECONDS if settings.may_submit else 0.0)
    log.info("run begins", extra={"service": settings.service, "manifest": str(settings.manifest)})


def open_settings_archive(settings: Settings, ledger: Ledger) -> Archive:
    """The batch's archive."""
    return open_archive(
        settings.destination or str(settings.batch / "videos"),
        tag=ledger.fact("tag") or "batchgen",
        scratch=settings.batch,
        home=settings.batch,
        connections=settings.downloads,
    )


def _prove(archive: Archive) -> None:
    """Try the destination while nothing has been paid for."""
    try:
        archive.probe()
        archive.sweep()
    except ArchiveError as error:
        raise UsageError(f"{error}. Nothing was sent") from None


def _set_space_aside(ledger: Ledger, folder: Path) -> None:
    try:
        ledger.database.load_ballast()
    except OSError as error:
        ledger.database.drop_ballast()
        raise UsageError(f"the batch's folder {folder} cannot be written: {error.strerror}. Nothing was sent") from None


# -- the run


async def _work(
    settings: Settings,
    ledger: Ledger,
    replica: Replica,
    archive: Archive,
    listener: Listener,
    service: Service,
    desk: Desk,
) -> Batch:
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(settings.downloads + 2)
    loop.set_default_executor(threads)
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(service())
        assert settings.model
        client = await stack.enter_async_context(Client(origin, settings.key, settings.model))
        at_home = is_loopback(urlsplit(origin).hostname or "")
        downloader = await stack.enter_async_context(Downloader(allow_loopback=at_home, at_once=settings.downloads))
        account = Account(settings.rate, settings.concurrency, memory=ledger.fact("account"))
        is_real = not settings.rehearsal
        known = ledger.fact("polling") or (learned.recall(settings.service, learned.path()) if is_real else None)
        polling = Polling(settings.first_poll, settings.poll_every, spare_share=settings.spare_share, memory=known)
        spending = Spending(ledger, settings.limits, Room(settings.batch, archive.free_bytes, ledger.expected_videos))
        places = Places(settings.batch, connections=settings.downloads)
        syncing = Syncing(ledger.database)
        pipeline = Pipeline(
            *(ledger, account, polling, client, downloader, archive, places, spending),
            durable=replication.everywhere(syncing, replica),
            callback_url=settings.callback_url,
            last_call=last_call(settings),
            whole=Pictures(settings.images_to).whole,
            if_lost=syncing.if_lost,
        )
        steering = Steering(
            *(desk, account, polling, Tally(ledger.counts(selected=True)), listener.progress),
            affordable=spending.affordable,
            deadline=settings.deadline,
        )
        batch = Batch(
            ledger,
            account,
            polling,
            pipeline,
            downloads=settings.downloads,
            changed=_counted(ledger, steering),
            may_submit=settings.may_submit,
            callbacks=settings.callback_url is not None,
        )
        await stack.enter_async_context(syncing.running(replication.halting(batch)))
        await stack.enter_async_context(replica.shipping(ledger, replication.halting(batch)))
        if settings.callback_listen:
            await stack.enter_async_context(
                _callbacks(settings, ledger, account, client, batch, listener.warn or listener.say)
            )
        if settings.may_submit and has_time(ledger, pipeline, batch, listener.say):
            await _compare_with_balance(client, account, ledger, spending, listener)
        with listener.stopping(batch, listener.say), until(settings.deadline, batch):
            await steering.beside(batch)
        with suppress(LedgerError):  # a full disk: the next run learns it anew
            ledger.remember({"account": account.memory(), "polling": polling.memory()})
        if is_real:
            learned.record(settings.service, polling.memory(), learned.path())
    if batch.is_halted:  # an upload that hangs is not waited for
        threads.shutdown(wait=False, cancel_futures=True)
        loop.set_default_executor(ThreadPoolExecutor(1))
    return batch


@asynccontextmanager
async def _callbacks(
    settings: Settings, ledger: Ledger, account: Account, client: Client, batch: Batch, warn: Callable[[str], None]
) -> AsyncIterator[None]:
    """Receive callbacks for as long as the run lasts."""
    from batchgen.service.webhook import Webhook  # aiohttp's server takes a while to load

    assert settings.callback_listen

    def release(jobs: list[Job]) -> None:
        batch.release(jobs)
        rows = many(len(jobs), "row whose answer was lost is", "rows whose answers were lost are")
        warn(f"{rows} asked for again: for {SILENCE_SECONDS / 60:.0f} minutes every other callback came")

    # A service that is faster than the real one repeats its callbacks faster too.
    scale = settings.first_poll / DEFAULT_FIRST_POLL_SECONDS
    callbacks = Callbacks(
        ledger,
        account,
        client,
        patience=(REPEATS_SECONDS + 6 * DEFAULT_FIRST_POLL_SECONDS) * scale,
        hasten=batch.hasten,
        adopt=batch.adopt,
        release=release,
    )
    batch.may_bring_more = lambda: callbacks.may_bring_more
    async with Webhook(*settings.callback_listen, callbacks.received):
        listening = asyncio.create_task(_until_it_fails(callbacks, batch))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _until_it_fails(callbacks: Callbacks, batch: Batch) -> None:
    try:
        await callbacks.run()
    except BatchgenError as error:
        batch.halt(Stop(str(error), 1))
    except Exception:
        log.exception("unexpected error")
        batch.halt(Stop("an unexpected error; run.log has it", 1))


async def _compare_with_balance(
    client: Client, account: Account, ledger: Ledger, spending: Spending, listener: Listener
) -> None:
    """Say what the run will cost, and whether the account has it, where the service tells."""
    estimate = money.estimate(pending_kinds(ledger), spending.price) / MICRO
    if not estimate:
        return
    await account.turn()
    balance = await client.balance()
    tell(account, balance.word, balance.retry_after, balance.message)
    if balance.usd is not None and balance.usd < estimate:
        listener.say(f"the account has ${balance.usd:.2f}; what is pending may cost up to ${estimate:.2f}")
    log.info("estimate", extra={"usd": estimate, "balance": balance.usd})


def _write_all(ledger: Ledger, settings: Settings, *, is_told: bool) -> str | None:
    """Write what a person looks at, and that the run has ended; returns what kept it from being written."""
    problem, folder = None, settings.batch
    try:
        if not is_told:
            write_results(ledger, folder)
    except OSError as error:
        problem = f"the results in {folder} cannot be written: {error.strerror}"
    if not settings.rehearsal:
        write_report(ledger, folder)
    try:
        if settings.xlsx:
            write_workbook(ledger, folder)
    except (OSError, UsageError) as error:
        problem = f"results.xlsx in {folder} cannot be written: {error}"
    try:
        money.end_run(ledger)
    except LedgerError as error:
        problem = str(error)
    if problem:
        log.error("not all could be written", extra={"reason": problem})
        problem += ". What is paid is in the ledger; mend that, and run the same command again"
    return problem


def _counted(ledger: Ledger, steering: Steering) -> Callable[[Job, Job], None]:
    """Tell of the jobs that the run was asked for: paid videos of others come home uncounted."""
    if not ledger.is_selecting:
        return steering.changed
    return lambda before, after: steering.changed(before, after) if ledger.is_selected(before) else None


def write_results(ledger: Ledger, folder: Path) -> None:
    """Write the batch's results.csv, and failures.csv where rows failed."""
    further = further_columns(ledger)
    results.write(ledger, further, folder / "results.csv")
    failures.write(ledger, further, folder / "failures.csv")


def write_workbook(ledger: Ledger, folder: Path) -> Path:
    """Write the batch's results.xlsx, with the posters that there are; returns its path."""
    from batchgen.report import workbook
    from batchgen.report.poster import Posters

    posters, path = Posters(folder / "posters"), folder / "results.xlsx"
    workbook.write(
        ledger, further_columns(ledger), path, lambda row: posters.find(row.sha256[0]) if row.sha256 else None
    )
    return path


def write_report(ledger: Ledger, folder: Path) -> None:
    """Write the page to look at, of a batch that one can look at; that it fails is no reason for a run to fail."""
    if sum(ledger.counts().values()) > REPORT_ROWS:
        return
    from batchgen.report import page  # PyAV and the page's parts take a while to load

    try:
        page.sweep(folder)
        share = POSTER_SHARE * money.run_seconds(ledger)
        seconds = min(max(share, 1.0), page.POSTER_SECONDS)
        page.write(ledger, folder, poster_seconds=seconds, most_posters=RUN_POSTERS)
    except Exception:
        log.exception("the report could not be written")


def _summary(settings: Settings, ledger: Ledger, work: Batch | None, problem: str | None, seconds: float) -> Summary:
    counts, selected = ledger.counts(), ledger.counts(selected=True)
    stopped = work.stopped if work else None
    was_cut_off = work is not None and (selected[State.PENDING] > 0 or work.is_halted)
    if stopped and stopped.exit_code == LimitReachedError.exit_code and not was_cut_off:
        stopped = None  # it kept nothing from being made
    if problem:
        stopped = Stop(f"{stopped.reason}; {problem}", stopped.exit_code) if stopped else Stop(problem, 1)
    if settings.may_submit:
        paid_open = sum(counts[state] - selected[state] for state in (State.IN_FLIGHT, State.RENDERED))
        unfinished = sum(selected.values()) - selected[State.ARCHIVED] + paid_open
    else:  # what is paid, or may be, was to be fetched, and nothing else
        unfinished = ledger.expected_videos()[0] + counts[State.IN_DOUBT] + counts[State.EXPIRED]
    _, oldest = ledger.unfetched()
    return Summary(
        batch=str(settings.batch),
        **Summary.fields(counts),
        selected=sum(selected.values()),
        submitted=work.submitted if work else 0,
        reused=ledger.reused_rows(),
        bytes=ledger.archived_bytes(),
        seconds=round(seconds, 3),
        stopped=stopped.reason if stopped else None,
        exit=stopped.exit_code if stopped else (1 if unfinished else 0),
        spent_usd=money.reserved_by_run(ledger)[1] / MICRO,
        failures=dict(ledger.failures()),
        first_death=link_death(oldest),
        emulated=settings.emulator,
    )
