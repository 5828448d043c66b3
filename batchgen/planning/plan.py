"""What a run would do: looked at, with nothing sent and nothing changed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen.archive import open_archive
from batchgen.catalog import MICRO
from batchgen.errors import UsageError
from batchgen.folder.checks import MADE_WITH_EMULATOR, check_place
from batchgen.folder.lock import holder
from batchgen.folder.memory import with_memory
from batchgen.folder.witnesses import refuse_older
from batchgen.ledger import Intake, Ledger, doubt, expected, money, recovery, standing
from batchgen.model import ABANDONED, EMULATOR, LEDGER
from batchgen.others import reuse
from batchgen.others.reuse import Offer
from batchgen.planning.estimate import estimate, lack_of_room, lack_of_time, overdue
from batchgen.replica import look_at
from batchgen.settings import AS_GIVEN, SERVICE_URL, STANDARD_INPUT, Settings
from batchgen.sheet.asked import choose, manifest_as_file
from batchgen.sheet.images import doubtful_links, try_links
from batchgen.sheet.intake import take_in_manifest
from batchgen.sheet.remarks import describe, warnings
from batchgen.spending import allowances
from batchgen.spending.limits import within_limits
from batchgen.summary import Counts
from batchgen.videos.foreign import refuse_foreign
from batchgen.words import GONE_IN_DOUBT, duration, given_up, many, money_words, size_words

FIRST_FILES = 5
TIMES = {
    "learned": "as this batch's tasks took",
    "recalled": "as tasks of other batches of yours took",
    "document": "by the service's documented times",
}


@dataclass(frozen=True, kw_only=True)
class Plan(Counts):
    """What a run of a manifest would do. Counts are rows, but for ``tasks`` and ``to_submit``."""

    manifest: str
    batch: str
    new: int
    edited: int
    gone: int
    reused: int
    in_doubt_gone: int  # rows that are not among these, and in doubt
    tasks: int  # that all rows come to, made or not
    duplicates: int  # rows that share the task of another
    repeats: int  # rows that ask for the same as another one, and without a seed: each has a task of its own
    selected: int  # rows that the run is asked for
    to_submit: int  # tasks that a run would pay for
    estimate_usd: float  # what they cost at most
    task_usd: float  # what the dearest of them does
    overdue: int  # of those in flight, tasks that should have ended
    minutes: float  # that the run would take, without these, and up to its limit
    minutes_from: str  # learned: from this batch's tasks; recalled: other batches'; document: the API document's times
    gigabytes: float  # of its videos, up to its limit
    gigabytes_from: str  # archived: by those that the batch has; guess
    affordable: int  # of those to submit, tasks that --max-tasks and the budgets allow
    limit: str | None  # what is said when they allow no more
    first_files: tuple[str, ...]
    paid_usd: float  # what the batch's tasks have cost at most, those that failed and those of edited rows too
    prices_of: str  # the day of the prices
    offered: int  # of those to submit, tasks that another batch has paid for: --reuse takes them
    is_dearest: bool  # some leave resolution or duration open, and are taken at the dearest
    remake_usd: float  # what is paid at most for expired videos, which are fetched once more first
    given_up: int  # of those failed, rows that a person gave up while they were in doubt
    service: str | None  # that the batch was made with; None: there is none yet
    emulated: bool  # the run would be with the emulator: nothing is paid
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        """The plan for a person."""
        lines = [f"{self.manifest}: {many(self.rows, 'row')}, {self.new} of them new", f"batch: {self.batch}"]
        if self.service == EMULATOR:
            lines.append(f"  it {MADE_WITH_EMULATOR}")
        known = {
            "archived already": self.archived,
            "in flight at the service": self.in_flight,
            "made and to be fetched": self.rendered,
            "failed (tried again by --retry-failed)": self.failed - self.given_up,
            given_up(self.batch): self.given_up,
            "expired (made again by --retry-failed)": self.expired,
            "in doubt (held)": self.in_doubt,
            GONE_IN_DOUBT: self.in_doubt_gone,
            "with another row's request and seed: paid for once": self.duplicates,
            "with another row's request and no seed: each is paid for": self.repeats,
        }
        lines += [f"  {number} {words}" for words, number in known.items() if number]
        if self.paid_usd:
            lines.append(f"  {money_words(self.paid_usd)} paid already, for the tasks of this batch so far")
        if self.selected < self.rows:
            chosen = many(self.selected, "row is", "rows are")
            lines.append(f"{chosen} chosen; the others would be left as they are")
        lines += [*self._money(), *self._expected(), "nothing was sent"]
        return "\n".join(lines)

    def _money(self) -> Iterator[str]:
        prices = "prices as given" if self.prices_of == AS_GIVEN else f"prices of {self.prices_of}"
        if self.is_dearest:
            prices += "; the dearest where resolution or duration is left open"
        if self.to_submit > 1:
            prices = f"up to {money_words(self.task_usd)} a task; {prices}"
        tasks, price = many(self.to_submit, "task"), f"up to {money_words(self.estimate_usd)} ({prices})"
        if not self.to_submit:
            yield "a run would pay for no task"
        elif self.emulated:
            yield f"a run would ask the emulator for {tasks}, and pay nothing; the service takes {price}"
        else:
            yield f"a run would pay for {tasks}: {price}"
        if self.remake_usd:
            more = f"up to {money_words(self.remake_usd)} more"
            yield f"  and {more} for expired ones, if they cannot be fetched any more"
        if self.limit:
            yield f"  and would stop after {many(self.affordable, 'task')}: {self.limit}"
        if self.offered:
            made = many(self.offered, "of them was", "of them were")
            yield f"  {made} made by other batches of yours: --reuse takes those videos"

    def _expected(self) -> Iterator[str]:
        if self.minutes:
            yield f"  it would take about {duration(self.minutes * 60)}, {TIMES[self.minutes_from]}"
        if self.to_submit:
            source = {
                "archived": "as this batch's videos weigh",
                "guess": "a guess, until there are some of each kind",
            }
            yield f"  its videos would weigh about {size_words(self.gigabytes * 1e9)}, {source[self.gigabytes_from]}"
            yield f"  its {self.first_names()}"

    def first_names(self) -> str:
        """The first files, in words."""
        more = ", ..." if self.to_submit > len(self.first_files) else ""
        return f"first files: {', '.join(self.first_files)}{more}"


def make_plan(settings: Settings) -> Plan:
    """What a run would do. Raises :class:`ManifestError` with every problem of the manifest, if one is fatal."""
    with planned(settings) as (plan, _, _):
        return plan


@contextmanager
def planned(settings: Settings) -> Iterator[tuple[Plan, Ledger, Settings]]:
    """What a run would do, the copy of the ledger that shows it, and the settings with what the batch remembers."""
    check_place(settings)
    ledger, said, running = _copy(settings)
    with ledger, TemporaryDirectory(prefix="batchgen-") as folder:
        asked, settings = settings, with_memory(settings, ledger)
        if settings.manifest is None:
            raise UsageError(f"{settings.batch} does not remember a manifest: name it")
        name = "standard input" if settings.manifest == STANDARD_INPUT else str(settings.manifest)
        with manifest_as_file(settings, Path(folder)) as settings:
            taken = take_in_manifest(settings, ledger, to_look_at=True)
        if not running:  # else it still hears the answers
            recovery.recover(ledger)
        remarks = [*said, *describe(taken.intake, name, taken.images.gone), *warnings(taken, asked, settings, ledger)]
        remarks += _other(settings, ledger)
        remarks += choose(settings.selection, ledger)
        try_links(settings, ledger, name)
        service = ledger.fact("service") or settings.service
        offered = reuse.offers(ledger, service, settings.batch)
        remarks += allowances.allow(settings, ledger, service)
        remarks += doubtful_links(settings, ledger)
        if EMULATOR not in (settings.service, service):
            remarks += _foreign(settings.destination, ledger)
        yield _plan(settings, ledger, name, taken.intake, offered, remarks), ledger, settings


def _plan(
    settings: Settings, ledger: Ledger, manifest: str, intake: Intake, offered: Sequence[Offer], remarks: Sequence[str]
) -> Plan:
    """The plan that a ledger shows in which the manifest was taken in, and the rows were chosen."""
    counts, tasks, prices = standing.counts(ledger), expected.tasks(ledger), settings.limits.prices
    kinds = tuple(expected.pending_kinds(ledger))
    affordable, limit = within_limits(ledger, settings.limits)
    estimated = estimate(ledger, settings, tuple(expected.pending_kinds(ledger, affordable)) if limit else kinds)
    return Plan(
        manifest=manifest,
        batch=str(settings.batch),
        **Plan.fields(counts),
        new=intake.new,
        edited=intake.edited,
        gone=intake.gone,
        in_doubt_gone=doubt.gone(ledger),
        reused=standing.reused_rows(ledger),
        tasks=tasks,
        duplicates=sum(counts.values()) - tasks,
        repeats=expected.repeats(ledger) if intake.may_repeat else 0,
        selected=sum((standing.counts(ledger, selected=True) if ledger.is_selecting else counts).values()),
        to_submit=standing.pending_jobs(ledger),
        estimate_usd=money.estimate(kinds, prices.of) / MICRO,
        task_usd=max((prices.of(kind.request) for kind in kinds), default=0) / MICRO,
        **asdict(estimated),
        affordable=affordable,
        limit=limit,
        first_files=expected.first_names(ledger, FIRST_FILES),
        paid_usd=money.paid_price(ledger) / MICRO,
        prices_of=prices.date,
        offered=0 if settings.reuse else len(offered),
        is_dearest=any(None in (kind.request.resolution, kind.request.duration) for kind in kinds),
        remake_usd=money.remake_price(ledger, prices.of) / MICRO,
        given_up=standing.failures(ledger).get(ABANDONED, 0),
        service=ledger.fact("service"),
        emulated=settings.emulator,
        remarks=(
            *remarks,
            *overdue(settings, estimated),
            *lack_of_room(settings, estimated),
            *lack_of_time(settings, estimated),
        ),
    )


def _other(settings: Settings, ledger: Ledger) -> Iterator[str]:
    known = ledger.fact("service")
    is_other = known not in (None, EMULATOR, settings.service) and settings.service != SERVICE_URL
    if is_other and money.has_tasks(ledger):
        yield f"the batch was made with the service {known}; a run with {settings.service} is refused"


def _foreign(destination: str | None, ledger: Ledger) -> Iterator[str]:
    """As a run says it; a bucket is not asked."""
    if destination and not destination.startswith("s3://"):
        yield from refuse_foreign(ledger, open_archive(destination, tag="plan", scratch=destination))


def _copy(settings: Settings) -> tuple[Ledger, tuple[str, ...], bool]:
    """The batch's ledger, or an empty one: a copy, so that a running batch is neither held up nor touched.

    With what a person should know of the one in ``ledger_to``, which is read if it is given, and whether a run is at
    work.
    """
    if settings.ledger_to is None:
        ledger, running = _copy_of(settings.batch / LEDGER), holder(settings.batch) is not None
        if not running and EMULATOR not in (settings.service, ledger.fact("service")):
            refuse_older(ledger, settings.batch)
        return ledger, (), running
    with look_at(settings.ledger_to) as look:
        return _copy_of(look.path), look.said, look.running


def _copy_of(path: Path) -> Ledger:
    if not path.is_file():
        return Ledger.open(None)
    with Ledger.open(path, read_only=True) as ledger:
        return ledger.copy()
