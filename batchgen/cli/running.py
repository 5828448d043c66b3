"""The commands that work on a batch: run, resume, rescue."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from batchgen import arguments
from batchgen.cli import options
from batchgen.cli.options import FOLDER, PATH
from batchgen.cli.sections import Sectioned
from batchgen.cli.terminal import even_if_unheard, progress, say, shown, shown_json, tell
from batchgen.notices import announced, metered
from batchgen.origin import service_of
from batchgen.settings import batch_folder
from batchgen.words import many, size_words, with_command

if TYPE_CHECKING:
    from batchgen.summary import Summary


@click.command(cls=Sectioned, short_help="Run a batch; run it again to continue.")
@click.argument("manifest", type=PATH)
@options.apply((*options.MANIFEST, options.FORMAT, *options.ROWS))
@options.apply(options.RUN)
def run(manifest: Path, batch: Path | None, **flags: Any) -> None:
    """Make the videos that MANIFEST asks for; run it again to continue. MANIFEST may be -, for standard input.

    --set, --model, --sheet, --encoding, --name, --to and --images-to are remembered. --set holds as if it stood in
    the sheet: with other values, as with another --model, a row is a new one. --only, --limit and --shard hold for
    one run: the other rows stay pending, and the exit code is about the chosen ones.

    Example: batchgen run prompts.csv --to s3://bucket/night
    """
    run_batch(batch or batch_folder(manifest), manifest, **flags)


@click.command(cls=Sectioned, short_help="Continue a batch folder; its manifest is remembered.")
@click.argument("batch", type=FOLDER)
@options.apply((*options.MANIFEST[1:], *options.ROWS))
@options.apply(options.RUN)
def resume(batch: Path, **flags: Any) -> None:
    """Continue the batch in the folder BATCH, with its manifest and destination as they were.

    Example: batchgen resume prompts.batch
    """
    run_batch(batch, None, **flags)


@click.command(cls=Sectioned, short_help="Fetch all that is paid for, not archived; submits nothing.")
@click.argument("batch", type=FOLDER)
@options.apply((*options.FETCH, *options.NIGHT))
def rescue(batch: Path, **flags: Any) -> None:
    """Fetch every video of the batch in the folder BATCH that is paid for and not archived. Submits nothing.

    Example: batchgen rescue prompts.batch
    """
    run_batch(batch, None, may_submit=False, **flags)


def run_batch(batch: Path, manifest: Path | None, *, as_json: bool, quiet: bool, **flags: Any) -> NoReturn:
    """Run a batch as the flags say, tell how it ended, and exit so."""
    summary = work(batch, manifest, quiet=quiet, **flags)
    with even_if_unheard():
        if as_json:
            click.echo(shown_json(summary.to_json()))
        elif not quiet:
            _print_summary(summary, xlsx=flags.get("xlsx", False))
        elif summary.needs_a_person:
            say(f"batchgen: {summary}")
    raise click.exceptions.Exit(summary.exit)


def work(
    batch: Path,
    manifest: Path | None,
    *,
    quiet: bool,
    plain: bool,
    verbose: bool,
    ping: str | None = None,
    notify: str | None = None,
    metrics: Path | None = None,
    **flags: Any,
) -> "Summary":
    """Run a batch as the flags say; returns how it ended."""
    from batchgen.folder.checks import require
    from batchgen.run import Listener, run
    from batchgen.steering.stopping import AT_ONCE, signals

    with announced(batch, ping, notify, metrics, say) as ended:
        if manifest is None:
            require(batch, flags["ledger_to"])
        settings = arguments.to_settings(batch, manifest, **flags)
        shows = metered(progress(quiet=quiet, plain=plain), metrics, batch)
        stopping = partial(signals, leave=shows.end)
        listener = Listener(_note if quiet else say, say, shows, verbose, ended=ended, stopping=stopping)
        try:
            return run(settings, listener, service_of(settings))
        except KeyboardInterrupt:  # before the batch runs, or while its results are written
            say(AT_ONCE)
            raise


def _note(text: str) -> None:
    """A sentence that nobody waits for goes into run.log."""
    logging.getLogger("batchgen").info(text)


def _print_summary(summary: "Summary", *, xlsx: bool) -> None:
    tell(f"{many(summary.rows, 'row')}: {summary.counts()}")
    tell(f"{summary.paid()}, {size_words(summary.bytes)} of video in the batch")
    if summary.selected < summary.rows:
        chosen = many(summary.selected, "row was", "rows were")
        tell(f"{chosen} chosen for this run; the others are left as they are")
    for words in summary.advice():
        tell(words)
    results, workbook, page = (Path(summary.batch, name) for name in ("results.csv", "results.xlsx", "report.html"))
    has_page = _written(page) >= _written(results)
    told = (("results", results, True), ("with posters", workbook, xlsx), ("to look at", page, has_page))
    for name, file, is_of_this_run in told:
        if is_of_this_run and _written(file):
            click.echo(f"{name}: {shown(str(file))}")
    if not has_page:
        tell(with_command("no page to look at was made; to make one", "report", summary.batch))
    if not xlsx and 0 < _written(workbook) < _written(results):
        tell(with_command("results.xlsx is of an earlier run; to write it anew", "report", summary.batch, "--xlsx"))


def _written(file: Path) -> int:
    """When it was, in nanoseconds; 0: it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
