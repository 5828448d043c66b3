"""The ledger in a batch's folder: opened for a run, or between runs, by one process at a time; or looked at."""

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batchgen.errors import UsageError, perhaps_sent
from batchgen.folder.checks import check_place, check_service, refuse_results_without_ledger, require
from batchgen.folder.journal import journal
from batchgen.folder.lock import LOCK, Lock, holder
from batchgen.folder.witnesses import LOG, refuse_older, take_from_log
from batchgen.ledger import Ledger, ballast, money
from batchgen.manifest import standard_input
from batchgen.model import LEDGER
from batchgen.replica import Look, Replica, address_in, look_at, open_replica
from batchgen.settings import Settings

_OURS = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", ballast.NAME, ".control.json", LOG)


@contextmanager
def open_for_run(settings: Settings, *, verbose: bool = False) -> Iterator[tuple[Ledger, Replica]]:
    """The batch's ledger and its copy, held by this process alone and logged beside.

    Raises :class:`BatchBusyError` while another run holds it, :class:`LedgerError` for results without a ledger, and
    for one of another service, or older than its log. What was made for a run that is refused is taken away again, if
    that is the first.
    """
    folder = settings.batch
    check_place(settings)
    made = make(folder)
    with Lock(folder) as lock:
        kept = frozenset(os.listdir(folder))  # was there before: what a run that is refused adds to it is taken away
        is_new = discard = LEDGER not in kept
        try:
            with _open(folder, settings.ledger_to) as (ledger, replica):
                if settings.may_pay:
                    refuse_older(ledger, folder)
                discard = False
                check_service(folder, ledger, settings.service)
                if ledger.fact("service") != settings.service:
                    ledger.remember({"service": settings.service, "tag": ledger.fact("tag") or secrets.token_hex(4)})
                take_from_log(ledger, folder)
                try:
                    with journal(folder / LOG, "" if settings.emulator else settings.key, verbose=verbose):
                        yield ledger, replica
                except UsageError:
                    discard = is_new and not money.has_begun(ledger)
                    raise
                finally:
                    if lock.is_at_its_place():
                        with perhaps_sent():
                            ledger.database.put_back()
        finally:
            if discard:
                _take_away(folder, kept, made=made)


@contextmanager
def open_to_change(folder: Path, ledger_to: str | None) -> Iterator[Ledger]:
    """The batch's ledger between two runs, held by this process alone; its copy has what was changed when this is left.

    The copy is in ``ledger_to``, or where the ledger has one. The folder is made for what ``ledger_to`` has, and taken
    away again where that cannot be had. Raises :class:`BatchBusyError` while another holds it, :class:`LedgerError` for
    results without a ledger.
    """
    discard = made = ledger_to is not None and make(folder)
    with Lock(folder):
        try:
            with _open(folder, ledger_to) as (ledger, replica):
                discard = False
                yield ledger
                replica.checkpoint(ledger)
        finally:
            if discard:
                _take_away(folder, made=made)


@contextmanager
def open_at_rest(folder: Path, ledger_to: str | None) -> Iterator[Ledger]:
    """The batch's ledger to look at, while no run changes it; where nothing can be written, as in a backup, a copy."""
    if ledger_to is None and not os.access(folder, os.W_OK):
        with Ledger.open(folder / LEDGER, read_only=True) as ledger, ledger.copy() as copy:
            yield copy
    else:
        with open_to_change(folder, ledger_to) as ledger:
            yield ledger


@contextmanager
def look(folder: Path, ledger_to: str | None) -> Iterator[Look]:
    """The batch's ledger to look at: the one in its folder, or what ``ledger_to`` has at this moment.

    Raises :class:`UsageError` where there is none.
    """
    if ledger_to is None:
        require(folder)
        yield Look(folder / LEDGER, running=holder(folder) is not None)
        return
    with look_at(ledger_to) as found:
        if not found.path.is_file():
            raise UsageError(f"{'; '.join(found.said)}: correct --ledger-to, or begin a run")
        yield found


def make(folder: Path) -> bool:
    """Make the batch's folder; False if it is there."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        if folder.is_dir():
            return False
        raise UsageError(
            f"the batch's folder {folder} cannot be made: {error.strerror}; choose another with --batch"
        ) from None
    return True


@contextmanager
def _open(folder: Path, ledger_to: str | None) -> Iterator[tuple[Ledger, Replica]]:
    path = folder / LEDGER
    with open_replica(ledger_to or address_in(path), path) as replica:
        refuse_results_without_ledger(folder)
        with Ledger.open(path) as ledger:
            yield ledger, replica


def _take_away(folder: Path, kept: Collection[str] = (), *, made: bool) -> None:
    """Remove what was made in the folder for what was refused, and the folder itself, if it was ``made`` too."""
    for name in {*_OURS, *standard_input.NAMES} - {*kept}:
        (folder / name).unlink(missing_ok=True)
    (folder / LOCK).unlink(missing_ok=True)
    if "videos" not in kept:
        _take_away_empty(folder / "videos")
    if made:
        _take_away_empty(folder)


def _take_away_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not there, or somebody has put something there
        folder.rmdir()
