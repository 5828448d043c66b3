"""A dress rehearsal: what a run would submit, played against an emulator in a batch that is thrown away.

Of the real batch only a copy of its ledger is read. What it has is not played again; its images are not uploaded.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS, DEFAULT_POLL_EVERY_SECONDS
from batchgen.errors import UsageError
from batchgen.ledger import Ledger
from batchgen.ledger.expected import pending_rows
from batchgen.planning.plan import TIMES, Plan, planned
from batchgen.request import Request
from batchgen.run import Listener, Service, run
from batchgen.settings import Settings
from batchgen.steering.progress import Progress
from batchgen.words import duration, many, money_words, size_words

SPEED = 100.0  # times as fast as the service
MOST_SECONDS = 60.0  # that a play of the whole sheet may take
MOST_REQUESTS_PER_SECOND = 300  # of a machine that plays both sides: two cores were seen to bear as many
REQUESTS_A_TASK = 3  # at least: a submit and two polls
SAMPLE_ROWS = 60
KEPT_PACE = 1.3  # times the calculated minutes: a play that took longer tells of this machine, not of the service


@dataclass(frozen=True)
class Seen:
    """What the emulator saw."""

    most_at_once: int  # tasks
    requests: int  # submits and polls


@dataclass(frozen=True)
class Rehearsal:
    """What a night will be like."""

    plan: Plan
    played: int  # rows
    archived: int  # of them
    failures: dict[str, int]  # fail code -> rows
    speed: float  # times as fast as the service
    played_seconds: float
    minutes: float
    minutes_from: str  # played, calculated
    most_at_once: int  # tasks
    requests_per_minute: int | None  # None: the play could not tell

    def to_json(self) -> str:
        """The rehearsal as one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def __str__(self) -> str:
        """The rehearsal for a person."""
        plan = self.plan
        lines = [
            f"{plan.manifest}: a run of {plan.batch} would pay for {many(plan.to_submit, 'task')}, "
            f"{money_words(plan.estimate_usd)}"
        ]
        if not self.played:
            return "\n".join([*lines, "there is nothing to rehearse"])
        guess = "" if plan.gigabytes_from == "archived" else " (a guess)"
        sample = "" if self.minutes_from == "played" or self.played >= plan.to_submit else " of them, evenly spread,"
        lines += [
            f"{many(self.played, f'row{sample} was', f'rows{sample} were')} played against an emulator, "
            f"{self.speed:.0f} times as fast: "
            f"{self.archived} archived{self._failed()}",
            f"  done about {duration(self.minutes * 60)} after the start ({self._source()})",
            f"  {many(self.most_at_once, 'task')} at once at most{self._requests()}",
            f"  videos of about {size_words(plan.gigabytes * 1e9)}{guess}",
            f"  {plan.first_names()}",
            "nobody knows beforehand which prompts the service's moderation will refuse",
            "nothing was sent, and nothing of the batch was touched",
        ]
        return "\n".join(lines)

    def _failed(self) -> str:
        return "".join(f", {number} failed ({code})" for code, number in self.failures.items())

    def _source(self) -> str:
        if self.minutes_from == "played":
            return "as it was played, by the service's documented times"
        if self.plan.minutes_from != "document":
            return f"calculated, {TIMES[self.plan.minutes_from]}"
        how = "calculated by the service's documented times"
        if self.played < self.plan.to_submit:
            return f"{how}: this machine cannot play so much so fast"
        return how if self.plan.in_flight else f"{how}: busy as this machine is, it was played more slowly"

    def _requests(self) -> str:
        return "" if self.requests_per_minute is None else f", {many(self.requests_per_minute, 'request')} a minute"


def rehearse(settings: Settings, service: Service, seen: Callable[[], Seen], progress: Progress) -> Rehearsal:
    """Play what a run with these settings would submit; ``service`` is an emulator that is ``SPEED`` times as fast.

    Raises :class:`ManifestError` with every problem of the manifest, if one is fatal.
    """
    with planned(settings) as (plan, ledger, full), TemporaryDirectory(prefix="batchgen-") as folder:
        manifest = Path(folder) / "rows.jsonl"
        is_whole = _can_play(plan)
        played = _write_rows(ledger, manifest, 1 if is_whole else ceil(plan.to_submit / SAMPLE_ROWS))
        if not played:
            return Rehearsal(plan, 0, 0, {}, SPEED, 0.0, 0.0, "calculated", 0, 0)
        listener = Listener(say=lambda text: None, warn=lambda text: None, progress=progress)  # the plan has said it
        summary = run(_play(full, Path(folder) / "rehearsal.batch", manifest), listener, service)
        if summary.exit not in (0, 1) or summary.stopped:
            raise UsageError(f"the rehearsal was cut off: {summary.stopped}")
    found, minutes = seen(), summary.seconds * SPEED / 60
    is_by_document = plan.minutes_from == "document" and plan.in_flight == 0  # as the emulator's own times are
    kept_pace = is_whole and is_by_document and minutes <= KEPT_PACE * plan.minutes
    return Rehearsal(
        plan=plan,
        played=played,
        archived=summary.archived,
        failures=summary.failures,
        speed=SPEED,
        played_seconds=summary.seconds,
        minutes=round(minutes, 2) if kept_pace else plan.minutes,
        minutes_from="played" if kept_pace else "calculated",
        most_at_once=found.most_at_once if kept_pace else min(plan.to_submit, full.concurrency),
        requests_per_minute=round(found.requests / minutes) if kept_pace else None,
    )


def _can_play(plan: Plan) -> bool:
    """Whether this machine can play all of it as fast."""
    seconds = max(plan.minutes * 60, 1.0) / SPEED
    is_few = plan.to_submit <= SAMPLE_ROWS
    return is_few or (
        seconds <= MOST_SECONDS and plan.to_submit * REQUESTS_A_TASK <= MOST_REQUESTS_PER_SECOND * seconds
    )


def _play(settings: Settings, batch: Path, manifest: Path) -> Settings:
    """The settings of the batch that is played."""
    return Settings(
        batch=batch,
        manifest=manifest,
        emulator=True,
        key="rehearsal",
        model=settings.model,
        name=settings.name,
        rate=min(round(settings.rate * SPEED), 60 * MOST_REQUESTS_PER_SECOND),
        concurrency=settings.concurrency,
        first_poll=DEFAULT_FIRST_POLL_SECONDS / SPEED,
        poll_every=DEFAULT_POLL_EVERY_SECONDS / SPEED,
        rehearsal=True,
    )


def _write_rows(ledger: Ledger, path: Path, every: int) -> int:
    """Write each ``every``-th row that a run would make as JSON Lines; returns how many."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        rows = islice(pending_rows(ledger), 0, None, every)
        for number, (identity, request) in enumerate(rows, 1):  # noqa: B007 - counts
            file.write(json.dumps({"id": identity, **_facts(request)}) + "\n")
    return number


def _facts(request: Request) -> dict[str, object]:
    """The request as a manifest has it."""
    given = {name: value for name, value in asdict(request).items() if value is not None and name != "model"}
    return {name: list(value) if name == "image_urls" else str(value) for name, value in given.items() if value != ()}
