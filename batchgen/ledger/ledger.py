"""Job <-> SQLite: claims, outcomes, counts. Each write is one transaction."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from batchgen.errors import LedgerError
from batchgen.ledger.database import Database
from batchgen.ledger.results import ResultRow, result_rows
from batchgen.model import EMULATOR, Clip, Job, Kept, State, zulu_or_none
from batchgen.request import Request

LINK_LIFE_SECONDS = 15 * 86400  # the API's document: result URLs are valid for 15 days

# The condition of the index job_open: SQLite uses it only for a query that says it, word for word.
OPEN = "state != 'pending' AND state != 'rendered' AND state != 'archived'"
NOT_RECORDED = "the run ended before the answer was recorded"
_JOB = (
    "job, request, state, wanted, task_id, urls, fail_code, fail_message, attempts, submitted_at, completed_at, "
    "generation_ms, source, remake, signed, digest"
)


class Video(NamedTuple):
    """A part of a row's video, complete and durable at its place."""

    row: int
    part: int  # of a task that gave several, from 0
    place: str
    clip: Clip


def link_death(made: float | None) -> str | None:
    """When the link of a video that was made then (Unix seconds) dies: ISO 8601, UTC; None where nobody can tell."""
    return zulu_or_none(None if made is None else made + LINK_LIFE_SECONDS, "minutes")


def token_hash(token: str) -> bytes:
    """What the ledger keeps of a callback's secret."""
    return hashlib.sha256(token.encode()).digest()


class Ledger:
    """The batch's memory. One run at a time writes it (the caller holds the batch's lock)."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.run: int | None = None  # the present run, once it has begun
        self.attempts_before = 0  # the last attempt before the present run, of whatever run
        self.is_selecting = False  # see :mod:`batchgen.ledger.selected`
        # Requests whose image links are signed, whole: for this process alone, never in the file.
        database.execute("CREATE TEMP TABLE signed (digest BLOB PRIMARY KEY, request TEXT NOT NULL)")

    @classmethod
    def open(cls, path: Path | None, *, read_only: bool = False) -> "Ledger":
        """The ledger at ``path``, made where it is missing; None: a temporary one. ``read_only``: to look at."""
        return cls(Database(path, read_only=read_only))

    def copy(self) -> "Ledger":
        """A temporary copy, to see what a run would do."""
        return Ledger(self.database.copy())

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- facts of the batch

    def fact(self, name: str) -> str | None:
        """What was remembered under ``name``."""
        return self.database.value("SELECT value FROM fact WHERE name = ?", (name,))

    @property
    def is_free(self) -> bool:
        """Whether nothing of the batch was paid, or ever will be: it was made with the emulator."""
        return self.fact("service") == EMULATOR

    def own_columns(self) -> list[str]:
        """The names of the manifest's own columns, which are no parameters: the keys of a row's extras."""
        return [str(name) for name in json.loads(self.fact("columns") or "[]")]

    def image_names(self) -> dict[str, str]:
        """What the manifest called each image on this machine, by what stands for it in a request."""
        known = self.fact("pictures")  # so named in older ledgers
        return {str(image): str(name) for image, name in json.loads(known or "{}").items()}

    def remember(self, facts: dict[str, str], *, synced: bool = True) -> None:
        """Remember ``facts``, in the place of what was remembered under their names.

        Not ``synced``: a power cut may lose them until the next sync.
        """
        news = {name: value for name, value in facts.items() if self.fact(name) != value}
        if news:
            with self.database.transaction(synced=synced):
                self.database.execute_many("INSERT OR REPLACE INTO fact VALUES (?, ?)", news.items())

    # -- what is to be done

    @property
    def and_selected(self) -> str:
        """The further condition, in SQL, on jobs that the present run may submit."""
        return " AND job IN (SELECT job FROM temp.selected)" if self.is_selecting else ""

    @property
    def to_submit(self) -> str:
        """The condition, in SQL, on a job whose task the present run is to ask for; its index wants these words."""
        return f"state = 'pending' AND wanted > 0{self.and_selected}"

    def is_selected(self, job: Job) -> bool:
        """Whether the present run may submit the job."""
        return not self.is_selecting or self.database.has("SELECT 1 FROM temp.selected WHERE job = ?", (job.key,))

    def next_pending(self) -> Job | None:
        """The first job of the manifest's order that nothing was asked for yet."""
        whole = "(signed = 0 OR digest IN (SELECT digest FROM temp.signed))"
        if self.is_selecting:
            key = self.database.value(
                f"SELECT job FROM temp.waiting JOIN main.job USING (job) WHERE {whole} "
                "ORDER BY waiting.position LIMIT 1"
            )
            return None if key is None else self.job(key)
        return self._first(f"state = 'pending' AND wanted > 0 AND {whole} ORDER BY position LIMIT 1")

    def in_flight(self) -> Iterator[Job]:
        """The jobs whose task is paid and not known to have ended."""
        return self._jobs(f"{OPEN} AND state = 'in_flight' ORDER BY submitted_at")

    def has_work(self) -> bool:
        """Whether a run would ask or fetch anything, be it for a row that is no longer in the manifest."""
        kinds = (f"{OPEN} AND state = 'in_flight'", "state = 'rendered'", self.to_submit)
        return any(self._first(f"{kind} LIMIT 1") for kind in kinds)

    def job(self, key: int) -> Job:
        """One job as it is recorded."""
        job = self._first("job = ?", (key,))
        assert job is not None
        return job

    # -- a job's life: committed when they return, and on the disk with the next sync

    def intend(self, job: Job, *, price: int = 0, token: str | None = None) -> Job:
        """Record that a task is about to be asked for; only once this is on the disk may the POST be sent.

        ``price`` is reserved, in millionths of a dollar; of the ``token`` only a hash is kept.
        Returns the job, now ``submitting``, with its attempt. Raises :class:`LedgerError` if the job is not pending.
        """
        with self.database.transaction(synced=False):
            changed = self.database.execute(
                "UPDATE job SET state = 'submitting' WHERE job = ? AND state = 'pending'", (job.key,)
            ).rowcount
            if changed != 1:
                raise LedgerError(f"job {job.key} is not pending: another run has taken it")
            attempt = self.database.execute(
                "INSERT INTO attempt (job, started_at, run, price, token) VALUES (?, ?, ?, ?, ?)",
                (job.key, time.time(), self.run, price, token_hash(token) if token else None),
            ).lastrowid
        return replace(job, state=State.SUBMITTING, attempt=attempt, token=token)

    def settle(self, job: Job, outcome: str, detail: str, *, paid: bool = True) -> Job:
        """Record what became of the job's attempt, together with the job. Returns the job as it was recorded.

        Not ``paid``: its price is no longer reserved.

        A task id that another job has already proves a mistake of the service: then the job is in doubt.
        """
        try:
            with self.database.transaction(vital=True, synced=False):
                self.database.execute(
                    "UPDATE attempt SET ended_at = ?, outcome = ?, detail = ?, task_id = ?, price = price * ? "
                    "WHERE attempt = ?",
                    (time.time(), outcome, detail, job.task_id, int(paid), job.attempt),
                )
                self.write(job)
        except sqlite3.IntegrityError:
            detail = f"the service gave the task id of another row: {job.task_id}"
            doubt = replace(job, state=State.IN_DOUBT, task_id=None, fail_message=detail)
            return self.settle(doubt, "unknown", detail)
        return replace(job, attempt=None, token=None)

    def withdraw(self, job: Job) -> Job:
        """An attempt that surely was not paid leaves no trace; the job is pending again."""
        with self.database.transaction(synced=False):
            self.database.execute("DELETE FROM attempt WHERE attempt = ?", (job.attempt,))
            job = replace(job, state=State.PENDING, attempt=None, token=None)
            self.write(job)
        return job

    def save(self, job: Job) -> Job:
        """Record the job as it is now."""
        with self.database.transaction(synced=False):
            self.write(job)
        return job

    def first_row(self, job: Job) -> str:
        """The id of a row that wants the job."""
        return str(self.database.value("SELECT id FROM row WHERE job = ? LIMIT 1", (job.key,)) or "?")

    def missing_videos(self, job: Job, part: int) -> list[tuple[int, str]]:
        """The rows of a job that lack a part of its video: (key, file name)."""
        return self.database.execute(
            "SELECT row, name FROM row WHERE job = ? "
            "AND NOT EXISTS (SELECT 1 FROM video WHERE video.row = row.row AND part = ?)",
            (job.key, part),
        ).fetchall()

    def kept(self, job: Job) -> tuple[Kept, ...]:
        """The parts of a job's video, as they are archived for one of its rows; empty if for none."""
        found = self.database.execute(
            "SELECT place, bytes, sha256 FROM video WHERE row = "
            "(SELECT row FROM row JOIN video USING (row) WHERE job = ? LIMIT 1) ORDER BY part",
            (job.key,),
        )
        return tuple(Kept(place, Clip(size, sha256.hex())) for place, size, sha256 in found)

    def archive(self, job: Job, videos: Iterable[Video]) -> Job:
        """Record that the job's rows have all parts of its video, complete and durable, together with the job.

        All at once: a row has every part or none, so that what is kept for it can be copied for another.
        """
        found = (
            (row, part, place, clip.bytes, bytes.fromhex(clip.sha256), time.time()) for row, part, place, clip in videos
        )
        with self.database.transaction(synced=False):
            self.database.execute_many("INSERT OR REPLACE INTO video VALUES (?, ?, ?, ?, ?, ?)", found)
            self.write(job)
        return job

    # -- what there is to tell

    def unfetched(self) -> tuple[int, float | None]:
        """How many videos are made and not archived, and when the oldest of them was made (Unix seconds)."""
        found = self.database.execute("SELECT count(*), min(completed_at) FROM job WHERE state = 'rendered'").fetchone()
        return found[0], found[1]

    def has_signed(self) -> bool:
        """Whether the present manifest has image links that only it has whole."""
        return self.database.has("SELECT 1 FROM temp.signed")

    def has_row(self, identity: str) -> bool:
        """Whether a row of that id was ever in the manifest."""
        return self.database.has("SELECT 1 FROM row WHERE id = ?", (identity,))

    def has_asked_for(self, task_id: str) -> bool:
        """Whether a task is this batch's own, and not one that another batch paid for."""
        return self.database.has("SELECT 1 FROM attempt WHERE task_id = ?", (task_id,))

    def doubtful_since(self, moment: float) -> list[tuple[int, float]]:
        """The jobs that may be running at the service without our knowing, and when it was asked, since ``moment``."""
        found = self.database.execute(
            f"SELECT job, max(started_at) FROM job JOIN attempt USING (job) WHERE {OPEN} AND state = 'in_doubt' "
            "AND started_at > ? GROUP BY job",
            (moment,),
        )
        return found.fetchall()

    def results(self, *states: State) -> Iterator[ResultRow]:
        """The rows of the present manifest, in its order; of those states alone, if some are given.

        Their jobs do not know where the service keeps the results, and their links are without what signs them.
        """
        return result_rows(self.database, states, is_free=self.is_free)

    # -- rows of the table job

    def write(self, job: Job) -> None:
        """Write the job's columns, as part of the caller's transaction."""
        # A link with a query may be signed: whoever reads the ledger could fetch it. It can be asked for again.
        urls = json.dumps(job.urls) if job.urls and not any("?" in url for url in job.urls) else None
        self.database.execute(
            "UPDATE job SET state = ?, task_id = ?, urls = ?, fail_code = ?, fail_message = ?, attempts = ?, "
            "submitted_at = ?, completed_at = ?, generation_ms = ?, remake = ? WHERE job = ?",
            (
                *(job.state, job.task_id, urls, job.fail_code, job.fail_message, job.attempts),
                *(job.submitted_at, job.completed_at, job.generation_ms, int(job.remake), job.key),
            ),
        )

    def _first(self, where: str, parameters: tuple[Any, ...] = ()) -> Job | None:
        return next(self._jobs(where, parameters), None)

    def _jobs(self, where: str, parameters: tuple[Any, ...] = ()) -> Iterator[Job]:
        found = self.database.execute(f"SELECT {_JOB} FROM job WHERE {where}", parameters)
        return map(self._job, found)

    def _job(self, facts: Any) -> Job:
        key, request, state, wanted, task_id, urls, *outcome, remake, signed, digest = facts
        if signed:
            request = self._whole(request, digest)
        fail_code, fail_message, attempts, submitted_at, completed_at, generation_ms, source = outcome
        return Job(
            key=key,
            request=Request.from_json(request),
            state=State(state),
            wanted=wanted,
            task_id=task_id,
            urls=tuple(json.loads(urls)) if urls else (),
            fail_code=fail_code,
            fail_message=fail_message,
            attempts=attempts,
            submitted_at=submitted_at,
            completed_at=completed_at,
            generation_ms=generation_ms,
            remake=bool(remake),
            source=_kept(source) if source else (),
        )

    def _whole(self, request: str, digest: bytes) -> str:
        """The request with what signs its links, where this process has read it."""
        return self.database.value("SELECT request FROM temp.signed WHERE digest = ?", (digest,)) or request


def _kept(source: str) -> tuple[Kept, ...]:
    return tuple(Kept(place, Clip(size, sha256)) for place, size, sha256 in json.loads(source))
