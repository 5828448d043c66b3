"""What a run leaves behind: its results, the page to look at, and the summary of how it ended."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from batchgen.catalog import MICRO
from batchgen.dispatch.dispatcher import Stop
from batchgen.errors import LedgerError, UsageError
from batchgen.folder.opening import make
from batchgen.ledger import Ledger, money, standing
from batchgen.model import State
from batchgen.replica import Look
from batchgen.report import failures, results, written
from batchgen.settings import Settings, run_again, to_service
from batchgen.summary import Summary
from batchgen.words import with_command

POSTER_SHARE = 0.1  # of a run's time, for pictures of its videos
RUN_POSTERS = 100  # more videos show themselves, until `batchgen report` makes theirs: a poster is work for 2 to 30 ms
REPORT_ROWS = 20_000  # more are not looked at as a wall; `batchgen report` still makes the page

log = logging.getLogger("batchgen")


def write_all(ledger: Ledger, settings: Settings, warn: Callable[[str], None], *, is_current: bool) -> str | None:
    """Write what a person looks at, and that the run has ended; returns what kept it from being written.

    ``warn`` is told what a person must know of it; ``is_current``: results.csv and failures.csv are so already.
    """
    if ledger.database.is_at_its_place:
        problem = _write_files(ledger, settings, warn, is_current=is_current)
    else:  # the folder may be another batch's by now
        problem = "its results are not written"
    try:
        money.end_run(ledger)
    except LedgerError as error:
        problem = str(error)
    if problem:
        log.error("not all could be written", extra={"reason": problem})
        problem += ". What is paid is in the ledger; mend that, and run the same command again"
    return problem


def _write_files(ledger: Ledger, settings: Settings, warn: Callable[[str], None], *, is_current: bool) -> str | None:
    problem, folder = None, settings.batch
    try:
        if not is_current and (kept := write_results(ledger, folder)):
            warn(_was_mended(kept, settings))
    except OSError as error:
        problem = f"the results in {folder} cannot be written: {error.strerror}"
    if not settings.rehearsal:
        write_report(ledger, folder, most_posters=None if settings.xlsx else RUN_POSTERS)
    try:
        if settings.xlsx:
            write_workbook(ledger, folder)
    except (OSError, UsageError) as error:
        problem = f"results.xlsx in {folder} cannot be written: {error}"
    return problem


def write_results(ledger: Ledger, folder: Path) -> Path | None:
    """Write the batch's results.csv, and failures.csv where rows failed.

    Returns where the failures.csv is now that was there, if a person mended it and no run took it in.
    """
    path = folder / written.FAILURES
    results.write(ledger, folder / written.RESULTS)
    kept = written.keep_mended(ledger, path)
    failures.write(
        ledger, path, ready=lambda part: written.note_held(ledger, written.digest(path), written.digest(part))
    )
    return kept


def _was_mended(kept: Path, settings: Settings) -> str:
    what = f"{written.FAILURES} has been changed since it was written, and is kept beside it; to run it"
    return with_command(what, *run_again(kept, settings.batch, settings.service))


def write_workbook(ledger: Ledger, folder: Path) -> Path:
    """Write the batch's results.xlsx, with the posters that there are; returns its path."""
    from batchgen.report import workbook
    from batchgen.report.poster import Posters

    posters, path = Posters(folder / "posters"), folder / "results.xlsx"
    workbook.write(ledger, path, lambda row: posters.find(row.sha256[0]) if row.sha256 else None)
    return path


def write_again(folder: Path, looked: Look, *, xlsx: bool) -> Iterator[Path]:
    """Write the page anew for who looks at the batch, then results.xlsx with its posters; yields their paths."""
    from batchgen.report import page

    with looked.open() as ledger:
        make(folder)
        yield page.write(ledger, folder, running=looked.running)
        if xlsx:
            yield write_workbook(ledger, folder)


def write_report(ledger: Ledger, folder: Path, *, most_posters: int | None) -> None:
    """Write the page, unless the batch is too large to be looked at; if that fails, the run does not.

    ``most_posters``: so many are made at most; None: of all videos, as for results.xlsx, as far as the time goes.
    """
    if sum(standing.counts(ledger).values()) > REPORT_ROWS:
        return
    from batchgen.report import page  # PyAV and the page's parts take a while to load

    try:
        page.sweep(folder)
        share = POSTER_SHARE * money.run_seconds(ledger)
        seconds = min(max(share, 1.0), page.POSTER_SECONDS)
        page.write(ledger, folder, poster_seconds=seconds, most_posters=most_posters)
    except Exception:
        log.exception("the report could not be written")


def summarize(
    settings: Settings, ledger: Ledger, stopped: Stop | None, problem: str | None, seconds: float, *, failed_before: int
) -> Summary:
    """How the run ended: ``stopped`` is what kept rows from being asked for, ``problem`` from being written.

    ``failed_before``: how many rows had failed when it began, and were told.
    """
    counts, selected = standing.counts(ledger), standing.counts(ledger, selected=True)
    if problem:
        stopped = Stop(f"{stopped.reason}; {problem}", stopped.exit_code) if stopped else Stop(problem, 1)
    if settings.may_submit:
        paid_open = sum(counts[state] - selected[state] for state in (State.IN_FLIGHT, State.RENDERED))
        unfinished = sum(selected.values()) - selected[State.ARCHIVED] + paid_open
    else:  # what is paid, or may be, was to be fetched, and nothing else
        unfinished = standing.awaited_jobs(ledger) + counts[State.IN_DOUBT] + counts[State.EXPIRED]
    return Summary(
        batch=str(settings.batch),
        ledger_to=settings.ledger_to,
        **Summary.fields(counts),
        selected=sum(selected.values()),
        selected_pending=selected[State.PENDING],
        submitted=money.accepted_tasks(ledger),
        **standing.told(ledger),
        seconds=round(seconds, 3),
        stopped=stopped.reason if stopped else None,
        exit=stopped.exit_code if stopped else (1 if unfinished else 0),
        spent_usd=0.0 if settings.emulator else money.spent_at_most(ledger) / MICRO,
        doubtful_usd=0.0 if settings.emulator else money.unanswered_at_most(ledger) / MICRO,
        failed_before=failed_before,
        emulated=settings.emulator,
        base_url=settings.base_url if to_service(settings.service) else None,
    )
