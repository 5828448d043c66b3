"""The batch's folder: one run at a time, its ledger, and what is refused."""

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batchgen.errors import LedgerError, UsageError
from batchgen.folder.journal import journal
from batchgen.folder.lock import LOCK, Lock, busy, holder
from batchgen.folder.older import LOG, refuse_older, take_from_log
from batchgen.ledger import Ledger, ballast, money
from batchgen.manifest import standard_input
from batchgen.manifest.textfile import check_plain
from batchgen.model import EMULATOR, LEDGER, is_text
from batchgen.replica import Look, Replica, address_in, holds_copy, look_at, open_replica
from batchgen.settings import STANDARD_INPUT, Settings, batch_folder
from batchgen.system.mounts import network_file_system

MADE_WITH_EMULATOR = (
    "was made with the emulator, and nothing in it was paid for: to begin in earnest, name another folder with --batch"
)
_OURS = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", ballast.NAME, ".control.json", LOG)


@contextmanager
def hold(folder: Path, ledger_to: str | None = None) -> Iterator[tuple[Ledger, Replica]]:
    """The ledger in a batch's folder, with its copy in ``ledger_to``, or where it has one; held by this process alone.

    The folder is made for what ``ledger_to`` has, and taken away again where that cannot be had. Raises
    :class:`BatchBusyError` while another holds it, :class:`LedgerError` for results without a ledger.
    """
    discard = made = ledger_to is not None and make(folder)
    with Lock(folder):
        try:
            with _open(folder, ledger_to) as (ledger, replica):
                discard = False
                yield ledger, replica
        finally:
            if discard:
                _take_away(folder, made=made)


@contextmanager
def _open(folder: Path, ledger_to: str | None) -> Iterator[tuple[Ledger, Replica]]:
    path = folder / LEDGER
    with open_replica(ledger_to or address_in(path), path) as replica:
        _refuse_results_without_ledger(folder)
        with Ledger.open(path) as ledger:
            yield ledger, replica


@contextmanager
def open_batch(settings: Settings, *, verbose: bool = False) -> Iterator[tuple[Ledger, Replica]]:
    """The batch's ledger and its copy, held by this process alone and logged beside.

    Raises :class:`BatchBusyError` while another run holds it, :class:`LedgerError` for results without a ledger, and
    for one of another service, or older than its log. What was made for a run that is refused is taken away again, if
    that is the first.
    """
    folder = settings.batch
    check_place(settings)
    made = make(folder)
    with Lock(folder):
        kept = frozenset(os.listdir(folder))  # was there before: what a run that is refused adds to it is taken away
        is_new = discard = LEDGER not in kept
        try:
            with _open(folder, settings.ledger_to) as (ledger, replica):
                if settings.may_submit and not settings.emulator:
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
            if discard:
                _take_away(folder, kept, made=made)


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


def require(folder: Path, ledger_to: str | None = None) -> None:
    """Raise :class:`UsageError` for a folder that is no batch, and cannot become one by what ``ledger_to`` has."""
    if (folder / LEDGER).is_file():
        return
    if ledger_to is None:
        named = "the folder that batchgen run made"
        if folder.is_file() and (batch_folder(folder) / LEDGER).is_file():
            named = f"its batch's folder, {batch_folder(folder)}"
        raise UsageError(f"{folder} is not a batch: it has no {LEDGER}; name {named}")
    if not holds_copy(ledger_to):  # nobody means to begin one
        raise UsageError(f"{ledger_to} holds no ledger yet: correct --ledger-to, or begin a run")


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


def check_place(settings: Settings) -> None:
    """Refuse, without a look into the ledger, what no run can begin with.

    Raises :class:`UsageError` for names and file systems that will not do, :class:`LedgerError` for results without
    a ledger.
    """
    folder, manifest = settings.batch, settings.manifest
    _refuse_names(folder.absolute(), manifest and manifest.absolute(), settings.destination)
    if settings.ledger_to is None:
        _refuse_results_without_ledger(folder)
    _refuse_network(folder)


def _refuse_names(*paths: Path | str | None) -> None:
    """Refuse what cannot be written down: the ledger keeps text, and a path may be any bytes."""
    for path in filter(None, paths):
        if not is_text(str(path)):
            raise UsageError(f"{path}: this path holds bytes that are not UTF-8; rename it")


def _refuse_network(folder: Path) -> None:
    if kind := network_file_system(folder):
        advice = "name a folder on a local disk with --batch; the videos may go there, with --to"
        if (folder / LEDGER).is_file():  # to begin in another would pay for everything again
            advice = "copy it to a local disk, and go on with the copy alone: --batch DIR"
        raise UsageError(f"{folder} is on a network file system ({kind}), where a ledger is not safe: {advice}")


def _refuse_results_without_ledger(folder: Path) -> None:
    ledger, videos = folder / LEDGER, folder / "videos"
    if ledger.exists() and ledger.stat().st_size:
        return
    if (folder / "results.csv").exists() or (videos.is_dir() and any(videos.iterdir())):
        what = f"its {LEDGER} is empty" if ledger.exists() else f"no {LEDGER}"
        raise LedgerError(
            f"{folder} holds results but {what}: without it every video would be paid for again; "
            "put the ledger back, or choose another folder with --batch"
        )


def check_service(folder: Path, ledger: Ledger, service: str) -> None:
    """Raise :class:`LedgerError` for another service than the one that the batch was made with.

    A service from which nothing was asked for does not bind the batch: it may have been a slip of the pen.
    """
    known = ledger.fact("service")
    if known in (None, service) or (EMULATOR not in (known, service) and not money.has_tasks(ledger)):
        return
    if known == EMULATOR:
        raise LedgerError(f"the batch {folder} {MADE_WITH_EMULATOR}")
    raise LedgerError(
        f"the batch {folder} was made with the service {known}, not {service}; "
        f"continue it with --base-url {known}, or name another folder with --batch"
    )


def service_in(folder: Path) -> str | None:
    """The service that the batch in a folder was made with; None where nobody can see."""
    if not (folder / LEDGER).is_file():
        return None
    try:
        with Ledger.open(folder / LEDGER, read_only=True) as ledger:
            return ledger.fact("service")
    except LedgerError:
        return None


def check_given(folder: Path, manifest: Path | None, ledger_to: str | None) -> None:
    """Raise what is wrong with what a person gave: a manifest that is not there, no batch, one that is held."""
    if ledger_to is None and not (folder / LEDGER).is_file():
        if manifest is None:
            require(folder)
        elif manifest != STANDARD_INPUT:
            check_plain(manifest)
    if found := holder(folder):
        raise busy(folder, found)
