"""What a run would do, and where a batch stands: looked at, with nothing sent and nothing changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen import paid
from batchgen.catalog import MICRO
from batchgen.errors import UsageError
from batchgen.estimate import estimate
from batchgen.folder import with_memory
from batchgen.ledger import Ledger, expected, money
from batchgen.ledger.ledger import link_death
from batchgen.pictures import try_links
from batchgen.progress import duration
from batchgen.replica import look_at
from batchgen.settings import STANDARD_INPUT, Settings
from batchgen.sheet import choose, describe, manifest_as_file, take_in_manifest
from batchgen.summary import Counts

FIRST_FILES = 5


@dataclass(frozen=True, kw_only=True)
class Plan(Counts):
    """What a run of a manifest would do. Counts are rows, but for ``tasks`` and ``to_submit``."""

    manifest: str
    batch: str
    new: int
    edited: int
    gone: int
    reused: int
    tasks: int  # that all rows come to, made or not
    duplicates: int  # rows that share the task of another
    repeats: int  # rows that ask for the same as another one, and without a seed: each has a task of its own
    selected: int  # rows that the run is asked for
    to_submit: int  # tasks that a run would pay for
    estimate_usd: float  # what they cost at most
    minutes: float  # that the run would take
    minutes_from: str  # learned: from this batch's tasks; document: the API document's times
    gigabytes: float  # of its videos
    gigabytes_from: str  # archived: by those that the batch has; guess
    first_files: tuple[str, ...]
    paid_usd: float  # what the wanted videos that are made, or being made, have cost
    prices_of: str  # the day of the prices
    offered: int  # of those to submit, tasks that another batch has paid for: --reuse takes them
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        return self.sentences()

    def sentences(self) -> str:
        """The plan for a person."""
        lines = [f"{self.manifest}: {self.rows} rows, {self.new} of them new", f"batch: {self.batch}"]
        known = {
            "archived already": self.archived,
            "in flight at the service": self.in_flight,
            "made and to be fetched": self.rendered,
            "failed (tried again by --retry-failed)": self.failed,
            "expired (made again by --retry-failed)": self.expired,
            "in doubt (held)": self.in_doubt,
            "duplicates: the same request and seed as another row's, paid for once": self.duplicates,
            "repeats: the same request as another row's, without a seed, each paid for": self.repeats,
        }
        lines += [f"  {number} {words}" for words, number in known.items() if number]
        if self.paid_usd:
            lines.append(f"  ${self.paid_usd:.2f} paid already, for what is made or being made")
        if self.selected < self.rows:
            lines.append(f"{self.selected} rows are chosen; the others would be left as they are")
        lines += [*self._money(), *self._expected(), "nothing was sent"]
        return "\n".join(lines)

    def _money(self) -> Iterator[str]:
        yield f"a run would pay for {self.to_submit} tasks: up to ${self.estimate_usd:.2f} (prices of {self.prices_of})"
        if self.offered:
            yield f"  {self.offered} of them were paid for by other batches of yours: --reuse takes those videos"

    def _expected(self) -> Iterator[str]:
        if self.to_submit or self.in_flight:
            source = {"learned": "as this batch's tasks took", "document": "by the document's times"}
            yield f"  it would take about {duration(self.minutes * 60)}, {source[self.minutes_from]}"
        if self.to_submit:
            source = {"archived": "as this batch's videos weigh", "guess": "a guess, until there are some"}
            yield f"  its videos would weigh about {self.gigabytes:.3g} GB, {source[self.gigabytes_from]}"
            more = ", ..." if self.to_submit > len(self.first_files) else ""
            yield f"  its first files: {', '.join(self.first_files)}{more}"


@dataclass(frozen=True, kw_only=True)
class Status(Counts):
    """Where a batch stands. Counts are rows of its manifest, but for ``paid_tasks``."""

    batch: str
    service: str
    manifest: str
    paid_tasks: int
    reused: int
    bytes: int
    failures: dict[str, int]  # fail code -> rows
    unfetched: int  # videos that are paid and made, and not archived
    first_death: str | None  # when the first of their links dies (ISO 8601, UTC)

    def __str__(self) -> str:
        return self.sentences()

    def sentences(self) -> str:
        """The status for a person."""
        states = ("archived", "rendered", "in_flight", "pending", "failed", "expired", "in_doubt")
        lines = [f"{self.batch}: {self.rows} rows of {self.manifest}, made with {self.service}"]
        lines += [f"  {getattr(self, state)} {state.replace('_', ' ')}" for state in states if getattr(self, state)]
        lines += [f"    {number} failed with {code}" for code, number in self.failures.items()]
        lines.append(f"  {self.paid_tasks} tasks paid for")
        if self.first_death:
            lines.append(
                f"  {self.unfetched} paid videos are not archived; the first of their links dies {self.first_death}: "
                f"batchgen rescue {self.batch}"
            )
        return "\n".join(lines)


def make_plan(settings: Settings) -> Plan:
    """What a run would do. Raises :class:`ManifestError` with every problem of the manifest, if one is fatal."""
    with planned(settings) as (plan, _, _):
        return plan


@contextmanager
def planned(settings: Settings) -> Iterator[tuple[Plan, Ledger, Settings]]:
    """What a run would do, the copy of the ledger that shows it, and the settings with what the batch remembers."""
    ledger, said = _copy(settings)
    with ledger, TemporaryDirectory(prefix="batchgen-") as folder:
        settings = with_memory(settings, ledger)
        if settings.manifest is None:
            raise UsageError(f"{settings.batch} does not remember a manifest: name it")
        name = "standard input" if settings.manifest == STANDARD_INPUT else str(settings.manifest)
        with manifest_as_file(settings, Path(folder)) as settings:
            intake = take_in_manifest(settings, ledger).intake
        ledger.recover()
        remarks = (*said, *describe(intake, name), *choose(settings.selection, ledger))
        try_links(settings, ledger, name)
        counts = ledger.counts()
        service = ledger.fact("service") or settings.service
        kinds = tuple(expected.pending_kinds(ledger))
        prices = settings.limits.prices
        plan = Plan(
            manifest=name,
            batch=str(settings.batch),
            **Plan.fields(counts),
            new=intake.new,
            edited=intake.edited,
            gone=intake.gone,
            reused=ledger.reused_rows(),
            tasks=expected.tasks(ledger),
            duplicates=sum(counts.values()) - expected.tasks(ledger),
            repeats=expected.repeats(ledger),
            selected=sum(ledger.counts(selected=True).values()),
            to_submit=ledger.pending_jobs(),
            estimate_usd=money.estimate(kinds, prices.of) / MICRO,
            **asdict(estimate(ledger, settings, kinds)),
            first_files=expected.first_names(ledger, FIRST_FILES),
            paid_usd=money.paid_price(ledger) / MICRO,
            prices_of=prices.date,
            offered=len(paid.offers(ledger, service, settings.batch, paid.index_path())),
            remarks=remarks,
        )
        yield plan, ledger, settings


def _copy(settings: Settings) -> tuple[Ledger, tuple[str, ...]]:
    """The batch's ledger, or an empty one: a copy, so that a running batch is neither held up nor touched.

    With what a person should know of the one in ``ledger_to``, which is read if it is given.
    """
    if settings.ledger_to is None:
        return _copy_of(settings.batch / "ledger.sqlite"), ()
    with look_at(settings.ledger_to) as look:
        return _copy_of(look.path), look.said


def _copy_of(path: Path) -> Ledger:
    if not path.is_file():
        return Ledger.open(None)
    with Ledger.open(path, read_only=True) as ledger:
        return ledger.copy()


def read_status(batch: Path, path: Path | None = None) -> Status:
    """Where the batch in a folder stands, also while it runs; ``path``: as the ledger there tells."""
    with Ledger.open(path or batch / "ledger.sqlite", read_only=True) as ledger:
        counts = ledger.counts()
        unfetched, oldest = ledger.unfetched()
        return Status(
            batch=str(batch),
            service=ledger.fact("service") or "?",
            manifest=ledger.fact("manifest") or "?",
            **Status.fields(counts),
            paid_tasks=ledger.paid_tasks(),
            reused=ledger.reused_rows(),
            bytes=ledger.archived_bytes(),
            failures=dict(ledger.failures()),
            unfetched=unfetched,
            first_death=link_death(oldest),
        )
