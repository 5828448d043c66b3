"""The nouns that every room speaks: standard library only, no behaviour beyond what a noun knows of itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from batchgen.request import Quick, Request

ABANDONED = "ABANDONED"  # the fail code of a row that a person gave up
LEDGER = "ledger.sqlite"  # the file in a batch's folder
EMULATOR = "emulator"  # the service of a batch that was made with --emulator, as its ledger remembers it
MOST_STRETCHES = 5  # of lines, that a problem names


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: what could not be decoded, as on a command line, holds half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def zulu(seconds: float, timespec: str = "seconds") -> str:
    """A moment (Unix seconds) as it is written everywhere: ISO 8601, UTC, like ``2026-11-25T06:00:00Z``.

    Raises :class:`ValueError`, :class:`OverflowError` or :class:`OSError` for one that no calendar has.
    """
    # Without a zone its sign is not written, and the text is had in half the time.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def zulu_or_none(seconds: float | None, timespec: str) -> str | None:
    """As :func:`zulu`; None without a moment, and for one that no calendar has, as an older ledger may hold."""
    try:
        return None if seconds is None else zulu(seconds, timespec)
    except (ValueError, OverflowError, OSError):
        return None


def object_in(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON text says, whoever wrote it; an empty one for what is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Row:
    """One wanted video of a manifest: a line of a sheet, or one of the jobs that its lists and seeds expand to."""

    number: int  # the record of the manifest, from 1; its expansions share it
    line: int  # where it stands in the file, from 1
    request: Request
    id: str | None = None  # as the manifest gives it; None: the row is known by its content
    extras: dict[str, str] = field(default_factory=dict)  # the manifest's own columns, untouched


@dataclass(frozen=True)
class Problem:
    """Something in a manifest that a person should mend, and how."""

    line: int | None  # None: the file as a whole
    column: str | None  # a sheet's column by its name; of a YAML file, the number of the character in the line
    message: str
    fatal: bool = True  # False: only questioned, the batch may run
    rows: int = 1  # that have it
    lines: tuple[tuple[int, int], ...] = ()  # where these stand, if they are several: each stretch's first and last
    place: str = ""  # what is said in the place of the line, of rows that stand in no file
    id: str = field(default="", compare=False)  # of the row, where its line is not the row of a spreadsheet
    first: int | None = None  # another line, which the message names last, as ``line 2``
    ids: tuple[str, ...] = field(default=(), compare=False, repr=False)  # of rows that are left out for it

    def __str__(self) -> str:
        place = [self.place or self._lines()] if self.place or self.line else []
        place += [f"column {self.column}"] if self.column else []
        return ("" if self.fatal else "warning: ") + ", ".join(place) + (": " if place else "") + self.message

    def _lines(self) -> str:
        if self.lines:
            return f"lines {stretches(self.lines)} ({self.rows} rows)"
        return f"line {self.line} (id {self.id})" if self.id else f"line {self.line}"


def stretches(lines: Sequence[tuple[int, int]]) -> str:
    """Numbers in words: ``2-401``, ``2, 5, 9-12``; of more than five stretches, the first four and the last."""
    words = [str(first) if first == last else f"{first}-{last}" for first, last in lines]
    if len(words) > MOST_STRETCHES:
        words[MOST_STRETCHES - 1 :] = [f"... {words[-1]}"]
    return ", ".join(words)


@dataclass(frozen=True)
class Clip:
    """A video that was read to its end and found whole."""

    bytes: int
    sha256: str  # hex


@dataclass(frozen=True)
class Kept:
    """An archived file or object: its place, and what was in it."""

    place: str
    clip: Clip


class State(StrEnum):
    """How far a job is: what is certainly true of it."""

    PENDING = "pending"  # nothing was asked of the service
    SUBMITTING = "submitting"  # a task is being asked for: it may be paid
    IN_DOUBT = "in_doubt"  # it is not known whether a task was paid
    IN_FLIGHT = "in_flight"  # a task is paid and has an id
    RENDERED = "rendered"  # the service has made the video
    ARCHIVED = "archived"  # every row that wants the video has it
    FAILED = "failed"  # the service refuses this request, or its task ended without a video
    EXPIRED = "expired"  # the video was paid for and its link is dead


class Present(NamedTuple):
    """A row of the present manifest, as far as it matters for choosing."""

    job: int  # the ledger's key
    id: str  # the one that it is known by in the ledger
    number: int  # the record of the manifest, from 1
    digest: str  # of its request, hex
    seeded: bool  # its request has a seed: rows with the same one share a task
    state: State
    request: str = "{}"  # JSON
    extras: str = ""  # JSON, of the sheet's own columns; empty: it has none


@dataclass(frozen=True)
class Job(Quick):
    """One thing to pay for: a request, wanted by one row, or by several whose request and seed are the same."""

    key: int  # the ledger's
    request: Request
    state: State
    wanted: int = 1  # rows of the present manifest that want it; 0: its row was edited or is gone
    task_id: str | None = None
    urls: tuple[str, ...] = ()  # where the service keeps the result; empty: to be asked for
    fail_code: str | None = None
    fail_message: str | None = None
    attempts: int = 0  # POSTs that the service has or may have seen
    submitted_at: float | None = None  # Unix seconds
    completed_at: float | None = None  # Unix seconds, the service's
    generation_ms: int | None = None
    remake: bool = False  # a person allowed to pay again if the video cannot be fetched
    attempt: int | None = None  # the ledger's key of the POST that is under way
    token: str | None = field(default=None, repr=False)  # the secret in its callback's address
    source: tuple[Kept, ...] = ()  # files that hold the video: of another batch, or of this one, once missing
    tries: int = 0  # failed tries of the present step, in this run
    missing_since: float | None = None  # the service says that there is no such task; by the account's clock
    wait: float = 0.0  # seconds before the next step
