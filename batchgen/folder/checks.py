"""What is wrong with a batch's folder, or with what a person gave in its place."""

from pathlib import Path

from batchgen.errors import LedgerError, UsageError
from batchgen.folder.lock import busy, holder
from batchgen.ledger import Ledger, money
from batchgen.ledger.whole_file import left_by_kill
from batchgen.manifest.textfile import check_plain
from batchgen.model import EMULATOR, LEDGER, is_text
from batchgen.replica import holds_copy
from batchgen.settings import STANDARD_INPUT, Settings, batch_folder
from batchgen.system.mounts import network_file_system

MADE_WITH_EMULATOR = (
    "was made with the emulator, and nothing in it was paid for: to begin in earnest, name another folder with --batch"
)


def require(folder: Path, ledger_to: str | None = None) -> None:
    """Raise :class:`UsageError` for a folder that is no batch, and cannot become one by what ``ledger_to`` has."""
    if (folder / LEDGER).is_file():
        return
    if ledger_to is None:
        if left := left_by_kill(folder / LEDGER):
            raise UsageError(f"{folder} has no {LEDGER}{left}")
        if _holds_results(folder):
            raise UsageError(f"{folder} holds results but no {LEDGER}: put the ledger back")
        named = "the folder that batchgen run made"
        if folder.is_file() and (batch_folder(folder) / LEDGER).is_file():
            named = f"its batch's folder, {batch_folder(folder)}"
        raise UsageError(f"{folder} is not a batch: it has no {LEDGER}; name {named}")
    if not holds_copy(ledger_to):  # nobody means to begin one
        raise UsageError(f"{ledger_to} holds no ledger yet: correct --ledger-to, or begin a run")


def check_place(settings: Settings) -> None:
    """Refuse, without a look into the ledger, what no run can begin with.

    Raises :class:`UsageError` for names and file systems that will not do, :class:`LedgerError` for results without
    a ledger.
    """
    folder, manifest = settings.batch, settings.manifest
    _refuse_names(folder.absolute(), manifest and manifest.absolute(), settings.destination)
    if settings.ledger_to is None:
        refuse_results_without_ledger(folder)
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


def refuse_results_without_ledger(folder: Path) -> None:
    """Raise :class:`LedgerError` for a folder in which videos, or results, stand without what they were paid by."""
    ledger = folder / LEDGER
    if ledger.exists() and ledger.stat().st_size:
        return
    if _holds_results(folder):
        what = f"its {LEDGER} is empty" if ledger.exists() else f"no {LEDGER}"
        raise LedgerError(
            f"{folder} holds results but {what}: without it every video would be paid for again; "
            f"put the ledger back, or choose another folder with --batch{left_by_kill(ledger)}"
        )


def _holds_results(folder: Path) -> bool:
    videos = folder / "videos"
    return (folder / "results.csv").exists() or (videos.is_dir() and any(videos.iterdir()))


def check_service(folder: Path, ledger: Ledger, service: str) -> None:
    """Raise :class:`LedgerError` for another service than the one that the batch was made with.

    A service from which nothing was asked for does not bind the batch: it may have been a slip of the pen.
    """
    known = ledger.fact("service")
    if known in (None, service) or (EMULATOR not in (known, service) and not money.has_tasks(ledger)):
        return
    if known == EMULATOR:
        raise _of_emulator(folder)
    raise LedgerError(
        f"the batch {folder} was made with the service {known}, not {service}; "
        f"continue it with --base-url {known}, or name another folder with --batch"
    )


def _of_emulator(folder: Path) -> LedgerError:
    return LedgerError(f"the batch {folder} {MADE_WITH_EMULATOR}; to go on with this one, add --emulator")


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
    """Raise what is wrong with what a person gave: a manifest that is not there, no batch, one that is held.

    A batch of the emulator is told as such: who goes on with it needs no key.
    """
    if ledger_to is None and not (folder / LEDGER).is_file():
        if manifest is None:
            require(folder)
        elif manifest != STANDARD_INPUT:
            check_plain(manifest)
    if service_in(folder) == EMULATOR:
        raise _of_emulator(folder)
    if found := holder(folder):
        raise busy(folder, found)
