"""A batch in Python: what to make, and the verbs of the command line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, Unpack

from batchgen.api.options import Given, Options, StrPath, check_names, read_options, taken
from batchgen.api.running import Run, Watch
from batchgen.arguments import NO_KEY
from batchgen.errors import UsageError
from batchgen.manifest.table import Table, identities
from batchgen.model import LEDGER
from batchgen.settings import STANDARD_INPUT, batch_folder
from batchgen.steering.progress import Standing

if TYPE_CHECKING:
    import pandas as pd

    from batchgen.api.results import Result
    from batchgen.planning.plan import Plan
    from batchgen.run import Stopping
    from batchgen.steering.status import Status
    from batchgen.summary import Summary
    from batchgen.videos.verify import Verified

_T = TypeVar("_T")
Source: TypeAlias = "StrPath | pd.DataFrame | Iterable[Mapping[str, object]]"


class Batch:
    """A manifest and the folder that its videos, its ledger and its results are kept in.

    The folder is the command line's: what was begun here is continued by ``batchgen resume``, and the other way round.

        batch = Batch("prompts.csv", emulator=True)
        batch = Batch(frame, batch="film.batch", to="s3://bucket/film")
        batch = Batch("film.batch")

    ``source`` is the path of a manifest, or of a batch's folder, whose manifest is remembered; or the rows themselves:
    a DataFrame with the columns of a sheet, or dicts. Blank, None and NaN leave a parameter to the service. Rows in
    memory are kept in the folder as a CSV, and need ``batch``.

    ``batch`` is the folder; by default ``prompts.batch`` beside ``prompts.csv``. ``key`` is the API key; by default it
    comes from ``api_key_file`` or APIXO_API_KEY. All further :class:`Options` are the flags of ``batchgen run``, with
    ``_`` for ``-``: given here they hold for each run, given to a run for that one. Messages name them as flags.

    Everything raises :class:`BatchgenError`, whose text is for a person.
    """

    def __init__(
        self,
        source: "Source | None" = None,
        *,
        batch: StrPath | None = None,
        key: str | None = None,
        **options: "Unpack[Options]",
    ) -> None:
        self._key = key
        self._options = taken(options)
        self._table: Table | None = None
        self._manifest: Path | None = None
        self._folder = Path(batch) if batch else None
        if isinstance(source, str | PathLike):
            self._take_path(Path(fspath(source)))
        elif source is not None:
            self._table, self._manifest = Table(source), STANDARD_INPUT
        if self._folder is None:
            raise UsageError("say where the batch is kept: batch='film.batch'")

    def _take_path(self, path: Path) -> None:
        if path.is_dir() and self._folder in (None, path):
            self._folder = path
        else:
            self._manifest = path
            self._folder = self._folder or batch_folder(path)

    def __repr__(self) -> str:
        return f"Batch({str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """Where the batch is kept: videos, ledger.sqlite, results.csv, report.html, run.log."""
        assert self._folder is not None
        return self._folder

    # -- before the money

    def plan(self, **options: "Unpack[Options]") -> "Plan":
        """What a run would do and cost. Nothing is sent and nothing is changed.

        Raises :class:`ManifestError` with every problem of the manifest.
        """
        from batchgen.planning.plan import make_plan

        settings = self._given(options, key=NO_KEY).settings
        made = _aside(partial(make_plan, settings))
        return made if self._table is None else replace(made, manifest=self._table.name)

    # -- running

    def start(self, *, say: Callable[[str], object] | None = None, **options: "Unpack[Options]") -> Run:
        """Begin to make the videos, in the background. Returns the run, to be watched, waited for or stopped.

        ``say`` is called with sentences that a person should read, in the run's thread.
        """
        return Run(partial(_work, self._given(options), say or (lambda text: None)))

    def run(
        self,
        *,
        progress: Callable[[Standing], object] | None = None,
        say: Callable[[str], object] | None = None,
        **options: "Unpack[Options]",
    ) -> "Summary":
        """Make the videos, as far as they can be made now; call it again to continue.

        What a run cannot begin with is raised. What fails, or stops it, once it has begun is in the summary: its
        ``exit`` is the command line's exit code (0: all is archived), ``stopped`` says why, ``advice()`` what to do.

        ``progress`` is called with how it stands, twice a second at most, ``say`` with sentences that a person should
        read. Ctrl-C, a notebook's stop button, and an exception of ``progress`` stop the run gently, and are raised
        when it has ended.
        """
        with self.start(say=say, **options) as run:
            for standing in run:
                if progress:
                    progress(standing)
        return run.wait()

    async def run_async(
        self,
        *,
        progress: Callable[[Standing], object] | None = None,
        say: Callable[[str], object] | None = None,
        **options: "Unpack[Options]",
    ) -> "Summary":
        """As :meth:`run`, awaited. To cancel it stops the run gently."""
        async with self.start(say=say, **options) as run:
            async for standing in run:
                if progress:
                    progress(standing)
        return await run

    def rescue(self, *, say: Callable[[str], object] | None = None, **options: "Unpack[Options]") -> "Summary":
        """Fetch every video that is paid for and not archived. Submits nothing."""
        check_names(options, "rescue")
        given = self._of_folder(options)
        given = replace(given, settings=replace(given.settings, may_submit=False))
        with Run(partial(_work, given, say or (lambda text: None))) as run:
            return run.wait()

    # -- what there is

    def status(self) -> "Status":
        """Where the batch stands, also while it runs.

        As all that looks, by the ledger in the folder; where there is none, by what ``ledger_to`` has now.
        """
        from batchgen.folder.opening import look
        from batchgen.steering.status import read_status

        with look(self.folder, self._elsewhere) as looked:
            return read_status(self.folder, looked)

    def rows(self) -> "Iterator[Result]":
        """The rows and what became of them, in the manifest's order; also while it runs."""
        from batchgen.api.results import read_results

        return read_results(self.folder, self._elsewhere)

    def results(self) -> "pd.DataFrame":
        """What :meth:`rows` gives, as a DataFrame with the manifest's own columns: a Batch may be made of it again.

        Numbers that may be missing are nullable, moments are UTC, ``status`` is a category; ``video`` is the whole
        path of a file, or s3://... Where the Batch was made of a DataFrame, its ids and own columns that are numbers
        come back as such, so that it can be merged with the results; else they are text.
        """
        from batchgen.api.results import read_frame

        return read_frame(self.folder, self._elsewhere, self._table.numbers if self._table else {})

    def report(self, *, xlsx: bool = False) -> Path:
        """Write report.html, the page to look at the videos, as they are now; returns its path.

        With ``xlsx`` results.xlsx is written beside it. Posters of videos on this machine are made first, for half a
        minute at most. A video in S3 has its place told, and is not played: for this, and to see a batch live, there is
        ``batchgen report --serve``, which Python has not.
        """
        from batchgen.folder.opening import look
        from batchgen.outcome import write_again

        with look(self.folder, self._elsewhere) as looked:
            page, *_ = write_again(self.folder, looked, xlsx=xlsx)
            return page

    # -- setting it right

    def verify(self, *, repair: bool = False, **options: "Unpack[Options]") -> "Verified":
        """Read every archived video again, and compare; ``repair`` fetches what is damaged, or not archived yet.

        ``damaged`` tells how it was before, ``repaired`` how many of these were fetched again; ``exit_code`` is 0 if
        all is as it was, or is so again.
        """
        from batchgen.videos.verify import after_repair, verify_batch

        check_names(options, "verify")
        settings = self._of_folder(options).settings if repair else None
        found = verify_batch(self.folder, self._kept_in(options), repair=settings)
        if repair and (found.damaged or found.unfetched):
            found = after_repair(found, self.folder, self.rescue(**options).exit)
        return found

    def resolve(
        self,
        row: str | Iterable[object] | None = None,
        *,
        all: bool = False,
        attach: str | None = None,
        resubmit: bool = False,
        abandon: bool = False,
        **options: "Unpack[Options]",
    ) -> list[str]:
        """Settle the row in doubt: its task is ``attach``, ``resubmit`` it, or ``abandon`` it, also one in flight.

        The last two also settle several rows, or with ``all`` every row in doubt; one whose callback came was accepted,
        and is resubmitted by name alone. Without an action nothing is changed.
        Returns sentences for a person: what is known, or what was done.
        """
        from batchgen.doubts import resolve as doubts
        from batchgen.origin import service_of

        check_names(options, "resolve")
        rows = () if row is None else identities("--row", row)
        action = doubts.action_of(rows, every=all, attach=attach, resubmit=resubmit, abandon=abandon)
        ledger_to = self._kept_in(options)
        if attach is not None:
            settings = self._of_folder(options).settings
            return _aside(partial(doubts.attach, settings, rows[0], attach, service_of(settings)))
        return doubts.settle(self.folder, ledger_to, rows, action, every=all)

    # -- within

    @property
    def _elsewhere(self) -> str | None:
        """Where the ledger is looked at, if it is not in the folder."""
        return None if (self.folder / LEDGER).is_file() else self._options.get("ledger_to")

    def _kept_in(self, options: Options) -> str | None:
        """Where the ledger is kept too. Raises :class:`UsageError` where there is no batch, and none can come."""
        from batchgen.folder.checks import require

        ledger_to = options.get("ledger_to", self._options.get("ledger_to"))
        require(self.folder, ledger_to)
        return ledger_to

    def _of_folder(self, options: Options) -> Given:
        """What the options ask of the batch as it is, whatever its manifest is now."""
        return read_options(self.folder, None, self._key, {**self._options, **options})

    def _given(self, options: Options, key: str | None = None) -> Given:
        given = read_options(self.folder, self._manifest, self._key or key, {**self._options, **options})
        if self._table is None:
            return given
        return replace(given, settings=replace(given.settings, stream=self._table.stream, place=self._table.place))


def _aside(work: Callable[[], _T]) -> _T:
    """In a thread, which has no event loop: a notebook's is taken already."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def _work(given: Given, say: Callable[[str], object], watch: Watch, stopping: "Stopping") -> "Summary":
    from batchgen.folder.checks import require
    from batchgen.notices import announced, metered
    from batchgen.origin import service_of
    from batchgen.run import Listener, run

    def tell(text: str) -> None:
        say(text)

    settings = given.settings
    with announced(settings.batch, **given.notices, warn=tell) as ended:
        if settings.manifest is None:
            require(settings.batch, settings.ledger_to)
        shows = metered(watch, given.notices["metrics"], settings.batch)
        listener = Listener(tell, tell, shows, given.verbose, ended=ended, stopping=stopping)
        return run(settings, listener, service_of(settings))
