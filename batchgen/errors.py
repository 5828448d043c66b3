"""Every error of batchgen, each answering: which exit code, and what should a person do (its text)."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batchgen.model import Problem
from batchgen.problems import total


class BatchgenError(Exception):
    """Base of all; its text is one sentence for a person and holds no secret."""

    exit_code = 1  # of those below that name no other

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is: it comes back from a pool of processes, whatever it was made of."""
        return _again, (type(self), self.args), vars(self)


def _again(kind: type[BatchgenError], told: tuple[Any, ...]) -> BatchgenError:
    return kind.__new__(kind, *told)


class UsageError(BatchgenError):
    """Bad flags, settings or files; nothing was sent."""

    exit_code = 2


class ManifestError(UsageError):
    """A manifest that cannot be used; every problem that was found is inside. ``path`` is empty for rows in memory."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        lines = [f"{path}: {problem}" if path else str(problem) for problem in problems]
        if sum(problem.rows for problem in problems) > 1:
            lines.append(total(problems))
        super().__init__("\n".join(lines))
        self.path = path
        self.problems = tuple(problems)


class AccountError(BatchgenError):
    """The service refuses the account (no key, a wrong or blocked one, no credits), or does not know what is asked."""

    exit_code = 3


class LimitReachedError(BatchgenError):
    """A limit of the user's own is reached: nothing more is submitted."""

    exit_code = 4


class BatchBusyError(BatchgenError):
    """Another run holds this batch."""

    exit_code = 75


class LedgerError(BatchgenError):
    """The ledger is of another service, of an unknown form, damaged, or gone."""

    exit_code = 2  # or 1, see :func:`perhaps_sent`


class ReplicaError(BatchgenError):
    """The ledger's copy in S3 cannot be written or read now."""


class FaultError(BatchgenError):
    """What nobody foresaw: a mistake of ours, or a machine that gives out. The cause's own words may hold secrets.

    ``details`` names where they are written, if anywhere.
    """

    def __init__(self, cause: BaseException, details: str | None = None) -> None:
        where = f"; {details} has the details" if details else ""
        super().__init__(f"{_unforeseen(cause)}{where}. What is paid is in the ledger; run the same command again")


def _unforeseen(cause: BaseException) -> str:
    if isinstance(cause, MemoryError):
        return "the memory of this machine is used up"
    if isinstance(cause, FileNotFoundError) and cause.filename is None:  # of os.getcwd
        return "the folder that this is run in was removed: change to one that is there with cd"
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.filename or 'the system'}: {cause.strerror}"
    kind = type(cause)
    if kind.__module__ == "sqlite3":
        return f"the ledger cannot be read or written: {cause}"
    ours = [frame for frame in traceback.extract_tb(cause.__traceback__) if "batchgen" in Path(frame.filename).parts]
    place = f" at {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    return f"a mistake in batchgen itself, not in what you gave it ({kind.__name__}{place})"


class ArchiveError(BatchgenError):
    """The destination refuses a file, or does not give one back.

    ``full`` says that no other file would fare better now (no space, no permission, no bucket, no credentials):
    nothing more should be paid for until a person has mended it.
    """

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class DownloadError(BatchgenError):
    """A video could not be fetched whole; another try may do.

    ``unreachable`` says that nobody answered: it may be the network that is gone, not the link.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class DeadLinkError(DownloadError):
    """The file host refuses the link (403, 404 or 410), or the service no longer knows the task."""


class NoVideoError(DownloadError):
    """What came, all of it, is no whole MP4."""


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Before anything is paid for: where an archive or a copy cannot be had, that is :class:`UsageError`."""
    try:
        yield
    except (ArchiveError, ReplicaError) as error:
        raise UsageError(f"{error}. Nothing was sent") from None


@contextmanager
def perhaps_sent() -> Iterator[None]:
    """Once tasks may have been asked for: a ledger that cannot be used any more does not say that nothing was sent."""
    try:
        yield
    except LedgerError as error:
        error.exit_code = 1
        raise
