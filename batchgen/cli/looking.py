"""The commands that look at a batch, and change nothing that is paid: plan, status, verify, report."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen import arguments
from batchgen.cli import options
from batchgen.cli.numbers import Count
from batchgen.cli.options import FOLDER, PATH
from batchgen.cli.running import work
from batchgen.cli.sections import Sectioned
from batchgen.cli.terminal import answer, progress, say, shown
from batchgen.errors import UsageError
from batchgen.settings import batch_folder, to_service
from batchgen.words import MOVED, with_command

if TYPE_CHECKING:
    from batchgen.ledger import Ledger
    from batchgen.replica import Look


@click.command(cls=Sectioned, short_help="Check a manifest and say what a run would do; sends nothing.")
@click.argument("manifest", type=PATH)
@options.apply((*options.MANIFEST, options.FORMAT, *options.ROWS))
@options.apply(options.RUN)
def plan(manifest: Path, batch: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Check MANIFEST and say what a run with the same options would do. Nothing is sent, and nothing is changed.

    It needs no key. --quiet prints only what is wrong, and what may be.

    Example: batchgen plan prompts.csv --budget 50
    """
    from batchgen.planning.plan import make_plan

    made = make_plan(arguments.to_settings(batch or batch_folder(manifest), manifest, key=arguments.NO_KEY, **flags))
    for sentence in made.remarks:
        say(sentence)
    if as_json or not quiet:
        answer(made, as_json=as_json)


@click.command(short_help="Where a batch stands.")
@click.argument("batch", type=FOLDER)
@click.option("--watch", is_flag=True, help="Show it live while a run lasts; Ctrl-C ends only the watching.")
@options.PLAIN
@options.LOOK_AT
@options.JSON
def status(batch: Path, watch: bool, plain: bool, ledger_to: str | None, as_json: bool) -> None:
    """Say where the batch in the folder BATCH stands, or watch it run.

    Example: batchgen status prompts.batch --watch
    """
    from batchgen.folder.checks import require
    from batchgen.steering.status import read_status
    from batchgen.steering.watch import watch as look_on

    if watch and ledger_to:
        raise UsageError("--watch looks at a run on this machine: leave out --watch, or --ledger-to")
    if watch and as_json:
        raise UsageError("--watch and --json exclude each other; choose one")
    if watch:
        require(batch)
        if not look_on(batch, progress(plain=plain), say):
            say(f"no run is at work in {batch} now; this is how it stands:")
    with _look(batch, ledger_to) as looked:
        found = read_status(batch, looked)
    answer(found, as_json=as_json)


@click.command(short_help="Read every archived video again and compare.")
@click.argument("batch", type=FOLDER)
@click.option("--repair", is_flag=True, help="Fetch what is missing, changed or unreadable, while its link lives.")
@options.apply((*options.PACE, *options.SESSION))
def verify(batch: Path, repair: bool, as_json: bool, **flags: Any) -> None:
    """Read every archived video of BATCH again, and name each that is missing, unreadable or not as it was.

    Example: batchgen verify prompts.batch --repair
    """
    from batchgen.folder.checks import require, service_in
    from batchgen.videos.verify import after_repair, verify_batch

    require(batch, flags["ledger_to"])
    settings = arguments.to_settings(batch, None, may_submit=False, **flags) if repair else None
    found = verify_batch(batch, flags["ledger_to"], repair=settings)
    for damage in found.damaged:
        say(f"{damage.place}: {damage.what} (row {damage.id})")
    if repair and (found.damaged or found.unfetched):
        summary = work(batch, None, may_submit=False, **flags)
        found = after_repair(found, batch, summary.exit)
        for words in summary.advice() if found.exit_code else []:
            say(words)
    elif found.damaged or found.unfetched:
        repairs = ("verify", str(batch), "--repair", *to_service(service_in(batch)))
        moved = f"{MOVED}; " if any(damage.what == "missing" for damage in found.damaged) else ""
        say(with_command(f"{moved}to fetch them, while their links live", *repairs))
    answer(found, as_json=as_json)
    raise click.exceptions.Exit(found.exit_code)


@click.command(short_help="Make the page to look at the videos, or serve it.")
@click.argument("batch", type=FOLDER)
@click.option("--serve", is_flag=True, help="Serve the page on this machine, live; S3 links are signed on demand.")
@click.option("--port", type=Count(0, 65535), default=0, help="The port to serve it on.  [default: any]")
@options.LOOK_AT
@options.XLSX
def report(batch: Path, serve: bool, port: int, ledger_to: str | None, xlsx: bool) -> None:
    """Write BATCH/report.html, a page with all videos of the batch; or serve it while the batch runs.

    Example: batchgen report prompts.batch --serve
    """
    if serve:
        _serve(batch, port, ledger_to)
        return
    from batchgen.outcome import write_again

    with _look(batch, ledger_to) as looked:
        for path in write_again(batch, looked, xlsx=xlsx):
            click.echo(shown(str(path)))


def _serve(batch: Path, port: int, ledger_to: str | None) -> None:
    from batchgen.folder.opening import make
    from batchgen.report import serve as server

    with _look(batch, ledger_to):
        make(batch)
    source = partial(_looked_at, batch, ledger_to) if ledger_to else None
    server.serve(batch, click.echo, port=port, source=source)


def _looked_at(batch: Path, ledger_to: str) -> "tuple[Ledger, bool]":
    """A copy of what the store has now, and whether a run is at work."""
    from batchgen.folder.opening import look

    with look(batch, ledger_to) as looked, looked.open() as ledger:
        return ledger.copy(), looked.running


@contextmanager
def _look(batch: Path, ledger_to: str | None) -> "Iterator[Look]":
    """The ledger to look at; what a person should know of it is said."""
    from batchgen.folder.opening import look

    with look(batch, ledger_to) as looked:
        for sentence in looked.said:
            say(sentence)
        yield looked
