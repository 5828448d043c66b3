"""Talking to a running batch: an order in one small file, how the run stands in another.

    .control.json   written by who steers, taken away by the run
    .now.json       written by the run for as long as it works

An order is addressed to one process: the next run of the batch throws it away unread.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batchgen.errors import BatchgenError, UsageError
from batchgen.folder.lock import LOCK, Holder, holder
from batchgen.model import object_in
from batchgen.system import private
from batchgen.words import with_command

ORDER = ".control.json"
NOW = ".now.json"
PATIENCE_SECONDS = 15.0  # for the answer: a run that reads a large manifest is busy for a while
LOOK_EVERY_SECONDS = 0.1
MOST_BYTES = 10_000


@dataclass(frozen=True)
class Order:
    """What a run is told. None: as it is."""

    concurrency: int | None = None  # tasks at once
    rate: int | None = None  # requests a minute
    action: str | None = None  # pause, go or drain
    id: str = ""
    to: Holder | None = None


class Desk:
    """The run's side: made by the process that holds the batch's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._me = Holder.of(_read(folder / LOCK))
        self._lock = os.lstat(folder / LOCK) if self._me else None
        self._answered = ""

    def is_at_its_place(self) -> bool:
        """Whether the batch's folder is still that of this run: who moves it, or takes it away, may begin another."""
        return self._lock is None or private.is_at(self.folder / LOCK, self._lock)

    def take(self) -> Order | None:
        """The order that waits, if there is one for this run; the file is taken away."""
        facts = _read(self.folder / ORDER)
        if facts is None:
            return None
        (self.folder / ORDER).unlink(missing_ok=True)
        order = _order(facts)
        if order is None or order.to != self._me:
            return None
        self._answered = order.id
        return order

    def publish(self, standing: dict[str, Any]) -> None:
        """Say how the run stands; that it cannot be written must not end a run."""
        facts = {"run": asdict(self._me) if self._me else None, "at": time.time(), "answered": self._answered}
        with suppress(OSError):
            _write(self.folder / NOW, facts | standing)

    def close(self) -> None:
        """The run has ended: nothing holds any more."""
        for name in (ORDER, NOW, _scratch(NOW)):
            with suppress(OSError):  # it is not there, or nothing can be written any more
                (self.folder / name).unlink()


def read(folder: Path) -> dict[str, Any] | None:
    """How the run that holds the batch stands; None: none does, or it has not said anything yet."""
    who = holder(folder)
    facts = _read(folder / NOW) if who else None
    return facts if facts and Holder.of(facts.get("run")) == who else None


def send(
    folder: Path, order: Order, patience: float = PATIENCE_SECONDS, *, resumes: Sequence[str] = ("resume", "BATCH")
) -> dict[str, Any] | None:
    """Give an order and wait for the answer: how the run stands now; None for one that was to drain, and has ended.

    ``resumes``: the command that starts a run. Raises :class:`UsageError` where no run holds the batch,
    :class:`BatchgenError` where it does not answer.
    """
    who = holder(folder)
    if who is None:
        raise UsageError(with_command(f"no run holds {folder}, there is nothing to steer; to start one", *resumes))
    order = Order(order.concurrency, order.rate, order.action, secrets.token_hex(8), who)
    with _turn(folder):
        until = time.monotonic() + patience
        while (folder / ORDER).exists() and time.monotonic() < until - patience / 2:  # one that was broken off
            time.sleep(LOOK_EVERY_SECONDS)
        with private.replacing(folder / ORDER, shared=True, encoding="utf-8") as file:
            json.dump(asdict(order), file)
        while time.monotonic() < until:
            facts = read(folder)
            if facts and facts.get("answered") == order.id:
                return facts
            if holder(folder) != who:
                break
            time.sleep(LOOK_EVERY_SECONDS)
        (folder / ORDER).unlink(missing_ok=True)
    if order.action == "drain" and holder(folder) != who:
        return None
    raise _unanswered(folder, who, resumes)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One order after the other: of two at one moment, one would be written over the other."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a folder on another machine may bear no lock
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _unanswered(folder: Path, who: Holder, resumes: Sequence[str]) -> BatchgenError:
    if holder(folder) != who:
        return UsageError(with_command(f"the run of {folder} has ended meanwhile; to start one", *resumes))
    return BatchgenError(
        f"the {who} holds {folder} and does not answer; it is reading its manifest, writing its results, or not a run. "
        "Nothing was changed; try again in a moment"
    )


def _order(facts: dict[str, Any]) -> Order | None:
    match facts:
        case {
            "id": str(identity),
            "to": to,
            "concurrency": int() | None as concurrency,
            "rate": int() | None as rate,
            "action": "pause" | "go" | "drain" | None as action,
        } if all(number is None or number > 0 for number in (concurrency, rate)):
            return Order(concurrency, rate, action, identity, Holder.of(to))
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return object_in(os.read(file, MOST_BYTES))
    except OSError:
        return {}
    finally:
        os.close(file)


def _write(path: Path, facts: dict[str, Any]) -> None:
    """All of it or nothing, for the owner alone."""
    scratch = path.with_name(_scratch(path.name))
    with open(scratch, "w", encoding="utf-8", opener=private.opener) as file:
        json.dump(facts, file)
    scratch.replace(path)


def _scratch(name: str) -> str:
    return f"{name}.new"
