"""The command line: argv -> Settings -> a run -> exit code. The only file that prints, and that starts the emulator."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from batchgen import __version__, options
from batchgen.errors import BatchgenError, ManifestError, UsageError
from batchgen.options import PATH
from batchgen.settings import EMULATOR_SPEED, Limits, Settings, batch_folder, read_prices

if TYPE_CHECKING:
    from batchgen.progress import Progress
    from batchgen.run import Service, Summary


def main() -> NoReturn:
    """The program: errors become a sentence on standard error and an exit code, never a traceback."""
    os.umask(0o077)  # what is written here is for its owner alone
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # cron has no LANG, and prompts have emoji
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = group.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except ManifestError as error:
        _say(f"{_shown(str(error))}\nNothing was sent.")
        code = error.exit_code
    except BatchgenError as error:
        _say(f"batchgen: {_shown(str(error))}")
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code if isinstance(code, int) else 0)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _shown(text: str) -> str:
    """Text fit for a terminal: what could command it is shown as an escape."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="batchgen")
def group() -> None:
    """Make hundreds or thousands of videos from a spreadsheet of prompts, paying for each once."""


@group.command(short_help="Run a batch; run it again to continue.")
@click.argument("manifest", type=PATH)
@options.apply(options.MANIFEST)
@options.apply(options.RUN)
def run(manifest: Path, batch: Path | None, **flags: Any) -> None:
    """Make the videos that MANIFEST asks for; run it again to continue.

    Example: batchgen run prompts.csv --to s3://bucket/night
    """
    _run(batch or batch_folder(manifest), manifest, **flags)


@group.command(short_help="Continue a batch folder; its manifest is remembered.")
@click.argument("batch", type=PATH)
@options.apply(options.MANIFEST[1:])
@options.apply(options.RUN)
def resume(batch: Path, **flags: Any) -> None:
    """Continue the batch in the folder BATCH, with its manifest and destination as they were.

    Example: batchgen resume prompts.batch
    """
    _require(batch)
    _run(batch, None, **flags)


@group.command(short_help="Fetch all that is paid and not archived; submits nothing.")
@click.argument("batch", type=PATH)
@options.apply(options.FETCH)
def rescue(batch: Path, **flags: Any) -> None:
    """Fetch every video of the batch in the folder BATCH that is paid for and not archived. Submits nothing.

    Example: batchgen rescue prompts.batch
    """
    _require(batch)
    _run(batch, None, may_submit=False, **flags)


def _run(batch: Path, manifest: Path | None, *, as_json: bool, quiet: bool, verbose: bool, **flags: Any) -> None:
    from batchgen.run import Listener
    from batchgen.run import run as run_batch

    settings = options.to_settings(batch, manifest, **flags)
    listener = Listener(lambda text: _say(_shown(text)), _progress(quiet=quiet), verbose)
    summary = run_batch(settings, listener, _service(settings))
    if as_json:
        click.echo(summary.to_json())
    elif not (quiet and summary.exit == 0):
        _print_summary(summary)
    raise click.exceptions.Exit(summary.exit)


def _service(settings: Settings) -> "Service":
    return partial(_emulated, settings) if settings.emulator else partial(_real, settings)


def _progress(*, quiet: bool) -> "Progress":
    from batchgen.progress import Bar, Lines, Silent

    if quiet:
        return Silent()
    if sys.stderr.isatty():
        return Bar()
    return Lines(_say)


@asynccontextmanager
async def _real(settings: Settings) -> AsyncIterator[str]:
    yield settings.base_url


@asynccontextmanager
async def _emulated(settings: Settings) -> AsyncIterator[str]:
    from batchgen.emulator.server import Emulator

    async with Emulator(speed=EMULATOR_SPEED, state=settings.batch / ".emulator") as emulator:
        yield emulator.url


def _print_summary(summary: "Summary") -> None:
    states = ("archived", "failed", "expired", "in_doubt", "in_flight", "rendered", "pending")
    counts = ", ".join(
        f"{getattr(summary, state)} {state.replace('_', ' ')}" for state in states if getattr(summary, state)
    )
    click.echo(f"{summary.rows} rows: {counts or 'none'}")
    click.echo(f"{summary.submitted} tasks paid for by this run, {_size(summary.bytes)} of video in all")
    if summary.in_doubt:
        click.echo(
            f"{summary.in_doubt} rows in doubt: they may have been paid for, and are held; "
            "--in-doubt resubmit submits them again"
        )
    if summary.stopped:
        click.echo(f"stopped: {_shown(summary.stopped)}")
    for name, file in (("results", "results.csv"), ("to look at", "report.html")):
        if (Path(summary.batch) / file).exists():
            click.echo(f"{name}: {_shown(str(Path(summary.batch) / file))}")


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.1f} {unit}" if unit != "bytes" else f"{count:.0f} bytes"


def _require(batch: Path) -> None:
    from batchgen.folder import require

    require(batch)


@group.command(short_help="Check a manifest and say what a run would do; sends nothing.")
@click.argument("manifest", type=PATH)
@options.apply(options.MANIFEST)
@options.PRICE
@click.option("--json", "as_json", is_flag=True, help="Print it as one line of JSON.")
def plan(manifest: Path, batch: Path | None, as_json: bool, prices: tuple[str, ...], **flags: Any) -> None:
    """Check MANIFEST and say what a run would do. Nothing is sent, and nothing is changed.

    Example: batchgen plan prompts.csv
    """
    from batchgen.plan import make_plan

    limits = Limits(prices=read_prices(prices))
    made = make_plan(Settings(batch=batch or batch_folder(manifest), manifest=manifest, limits=limits, **flags))
    for sentence in made.remarks:
        _say(_shown(sentence))
    click.echo(made.to_json() if as_json else _shown(made.sentences()))


@group.command(short_help="Where a batch stands.")
@click.argument("batch", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print it as one line of JSON.")
def status(batch: Path, as_json: bool) -> None:
    """Say where the batch in the folder BATCH stands.

    Example: batchgen status prompts.batch
    """
    from batchgen.plan import read_status

    _require(batch)
    found = read_status(batch)
    click.echo(found.to_json() if as_json else _shown(found.sentences()))


@group.command(short_help="Read every archived video again and compare.")
@click.argument("batch", type=PATH)
@click.option("--repair", is_flag=True, help="Fetch what is missing or changed, while its link lives.")
@options.apply(options.FETCH[1:])
def verify(batch: Path, repair: bool, as_json: bool, **flags: Any) -> None:
    """Read every archived video of BATCH again, and name each that is missing or is not as it was.

    Example: batchgen verify prompts.batch --repair
    """
    from batchgen.resolve import verify_batch

    _require(batch)
    found = verify_batch(batch, forget_damaged=repair)
    for damage in found.damaged:
        _say(_shown(f"{damage.place}: {damage.what} (row {damage.id})"))
    if repair and found.damaged:
        _run(batch, None, may_submit=False, as_json=as_json, **flags)
    click.echo(found.to_json() if as_json else f"{found.checked} videos read, {len(found.damaged)} damaged")
    raise click.exceptions.Exit(found.exit_code)


@group.command(short_help="Settle rows of which it is not known whether they were paid for.")
@click.argument("batch", type=PATH)
@click.option("--row", "identity", metavar="ID", help="The row; without it, all that are in doubt.")
@click.option("--attach", metavar="TASKID", help="The row's task is this one: fetch it.")
@click.option("--resubmit", is_flag=True, help="Ask for it again; it may be paid for twice.")
@click.option("--abandon", is_flag=True, help="Give the row up.")
@options.apply(options.SERVICE)
def resolve(batch: Path, identity: str | None, attach: str | None, resubmit: bool, abandon: bool, **flags: Any) -> None:
    """Show the rows of BATCH that are in doubt, or settle them: --attach, --resubmit or --abandon.

    Example: batchgen resolve prompts.batch --row cat-1 --attach task_12345678
    """
    from batchgen import resolve as rooms

    _require(batch)
    if sum((attach is not None, resubmit, abandon)) > 1:
        raise UsageError("--attach, --resubmit and --abandon exclude each other")
    if attach is not None:
        if identity is None:
            raise UsageError("--attach needs --row ID: whose task is it?")
        settings = options.to_settings(batch, None, **flags)
        said = rooms.attach(settings, identity, attach, _service(settings))
    else:
        said = rooms.settle(batch, identity, "resubmit" if resubmit else "abandon" if abandon else None)
    click.echo(_shown("\n".join(said)))


@group.command(short_help="Make the page to look at the videos, or serve it.")
@click.argument("batch", type=PATH)
@click.option("--serve", is_flag=True, help="Serve the page on this machine, live; S3 links are made when looked at.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port to serve it on.  [default: any]")
def report(batch: Path, serve: bool, port: int) -> None:
    """Write BATCH/report.html, a page with all videos of the batch; or serve it while the batch runs.

    Example: batchgen report prompts.batch --serve
    """
    from batchgen.ledger import Ledger
    from batchgen.report import page
    from batchgen.report import serve as server

    _require(batch)
    if serve:
        server.serve(batch, click.echo, port=port)
        return
    with Ledger.open(batch / "ledger.sqlite") as ledger:
        click.echo(_shown(str(page.write(ledger, batch))))


@group.command(short_help="Write a sheet and a YAML to start from.")
@click.argument("folder", type=PATH, default=".")
def init(folder: Path) -> None:
    """Write a starter sheet, a commented YAML and its JSON Schema into FOLDER; nothing is overwritten.

    Example: batchgen init film
    """
    from batchgen.starter import write_starter

    for path in write_starter(folder):
        click.echo(_shown(str(path)))


@group.command(short_help="Print the JSON Schema of the YAML, for editors.")
def schema() -> None:
    """Print the JSON Schema of a YAML or JSON manifest: editors complete and check by it.

    Example: batchgen schema > batchgen.schema.json
    """
    from batchgen.starter import schema_text

    click.echo(schema_text(), nl=False)


class _EmulatorHelp(click.Command):
    """Its help names every fault; the emulator is loaded for that alone."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from batchgen.emulator.faults import explain

        self.epilog = "\b\nFaults:\n" + explain()
        super().format_epilog(ctx, formatter)


@group.command(cls=_EmulatorHelp, short_help="Serve the API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Times as fast as the service.")
@click.option("--rate", type=click.IntRange(min=1), default=10000, show_default=True, help="Requests a minute.")
@click.option("--concurrency", type=click.IntRange(min=1), default=1000, show_default=True, help="Tasks at once.")
@click.option("--credits", type=float, default=1e6, metavar="USD", help="What the account may spend.")
@click.option("--error-style", type=click.Choice(["http", "body"]), default="http", help="Where errors show.")
@click.option("--fault", "faults", multiple=True, metavar="NAME=SHARE", help="A fault, and how often: see below.")
@click.option("--seed", type=int, default=0, help="Draws the faults and generation times.")
@click.option("--state", type=PATH, metavar="FILE", help="Keeps the tasks over a restart.")
@click.option("--tiny", is_flag=True, help="Serve tiny videos, for many tasks.")
def emulator(**flags: Any) -> None:
    """Serve the API of the document on this machine, with its limits and, if asked for, with faults.

    Example: batchgen emulator --port 8765 --speed 10 --fault submit-close=0.1
    """
    from batchgen.emulator.serve import serve_forever

    try:
        serve_forever(**flags)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
