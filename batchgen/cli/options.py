"""The flags that commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS, DEFAULT_POLL_EVERY_SECONDS
from batchgen.cli.numbers import Amount, Count
from batchgen.service.polling import SPARE_SHARE
from batchgen.settings import (
    KEY_VARIABLE,
    NOTIFY_VARIABLE,
    PING_VARIABLE,
    SERVICE_URL,
    URL_VARIABLE,
    read_notice_url,
)

Command = TypeVar("Command", bound=Callable[..., Any])


class _Metrics(click.Path):
    """A path of a file that is to be written for node_exporter, in the place of one that is there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; what is there and no plain file, like a folder or /dev/null, would be lost."""
        if not str(value).strip():
            self.fail("it is empty; name a file", param, ctx)
        if os.path.exists(value) and not os.path.isfile(value):  # False for what cannot be a path
            self.fail(f"{value} is not a plain file; name another", param, ctx)
        if not str(value).endswith(".prom"):
            self.fail(f"{value} does not end in .prom, and node_exporter reads no other file; name one", param, ctx)
        return super().convert(value, param, ctx)


PATH = click.Path(path_type=Path)
METRICS = _Metrics(path_type=Path)
COUNT = Count(min=1)


class _Folder(click.Path):
    """A path that the shell completes to folders; whether it is one, the command says in its own words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; an empty one, as of a variable that is not set, would be the folder one is in."""
        if not str(value).strip():
            self.fail("it is empty; name a folder", param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="dir")]


FOLDER = _Folder(path_type=Path)


def _notice_url(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return read_notice_url(f"--{param.name}", value)


MANIFEST = (
    click.option("--batch", type=FOLDER, metavar="DIR", help="The batch's folder.  [default: prompts.batch]"),
    click.option("--encoding", metavar="NAME", help="The sheet's encoding if it is not UTF-8, such as cp1252."),
    click.option("--sheet", metavar="NAME", help="The sheet to read from a workbook.  [default: the first]"),
    click.option("--model", metavar="NAME", help="The model's name, as in the service's URLs.  [default: wan-2-5]"),
    click.option(
        "--name",
        metavar="TEMPLATE",
        help="How videos are named: {id} {row} {seed} {slug} {hash} {mode} {resolution} {duration} {aspect_ratio} "
        "{provider}, or a column of yours.  [default: {id}]",
    ),
)  # fmt: skip
FORMAT = click.option("--format", metavar="NAME", help="The format of a manifest from standard input.  [default: csv]")
ROWS = (
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a parameter for every row, whatever the sheet says.",
    ),
    click.option(
        "--only",
        metavar="EXPR",
        help="Submit only these: fox*,12-20,status:failed (ids, rows, states), duration:5 (columns); id:7 or row:7.",
    ),
    click.option("--limit", type=COUNT, metavar="N", help="Submit only the first N of these rows."),
    click.option("--shard", metavar="I/N", help="Submit only part I of N; the rows' order does not matter."),
    click.option("--images-to", metavar="DEST", help="Upload images that are files to s3://bucket/prefix, each once."),
    click.option("--check-images", is_flag=True, help="Check the sheet's links to images before anything is paid for."),
)
SERVICE = (
    click.option("--emulator", is_flag=True, help="Use an emulator on this machine: no key, no cost."),
    click.option(
        "--base-url", metavar="URL", help=f"The service's address.  [default: {URL_VARIABLE}, or {SERVICE_URL}]"
    ),
    click.option(
        "--api-key-file", type=PATH, metavar="FILE", help=f"A file that holds the API key.  [default: {KEY_VARIABLE}]"
    ),
)
PRICE = click.option(
    "--price", "prices", multiple=True, metavar="RES=USD", help="What a second of video costs, such as 720p=0.08."
)
RETRY_FAILED = click.option("--retry-failed", is_flag=True, help="Pay again for rows that failed or expired.")
REUSE = click.option(
    "--reuse", is_flag=True, help="Reuse videos that your other batches paid for, for rows with a seed."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print it as one line of JSON.")
XLSX = click.option("--xlsx", is_flag=True, help="Also write results.xlsx, with links and posters.")
PLAIN = click.option("--plain", is_flag=True, help="Show progress as plain lines, for example for a screen reader.")
LEDGER_TO = click.option(
    "--ledger-to", metavar="DEST", help="Also keep the ledger in s3://bucket/prefix, for a disk that does not last."
)
LOOK_AT = click.option(
    "--ledger-to", metavar="DEST", help="Look at the ledger in s3://bucket/prefix, even while a run elsewhere holds it."
)
LIMITS = (
    click.option("--rate", type=COUNT, default=10000, show_default=True, metavar="N", help="Requests per minute."),
    click.option("--concurrency", type=COUNT, default=1000, show_default=True, metavar="N", help="Tasks in flight."),
)
TO = click.option(
    "--to",
    type=_Folder(),
    metavar="DEST",
    help="Where videos go: a folder, or s3://bucket/prefix.  [default: DIR/videos]",
)
PACE = (
    *LIMITS,
    click.option(
        "--downloads", type=Count(1, 256), default=32, show_default=True, metavar="N", help="Downloads at once."
    ),
    click.option(
        "--first-poll",
        type=Amount(min=0, min_open=True),
        metavar="SECONDS",
        help=f"How long a task is expected to take, until learned.  [default: {DEFAULT_FIRST_POLL_SECONDS:.0f}]",
    ),
    click.option(
        "--poll-every",
        type=Amount(min=0, min_open=True),
        metavar="SECONDS",
        help=f"How often to ask after that, until learned.  [default: {DEFAULT_POLL_EVERY_SECONDS:.0f}]",
    ),
    click.option(
        "--spare-share",
        type=Amount(0.01, 1),
        metavar="SHARE",
        help=f"Share of the spare requests used to ask earlier whether tasks are done.  [default: {SPARE_SHARE}]",
    ),
)
SESSION = (
    *SERVICE,
    LEDGER_TO,
    click.option("--json", "as_json", is_flag=True, help="Print the summary as one line of JSON."),
    click.option("--quiet", is_flag=True, help="Print only what needs attention."),
    PLAIN,
    click.option("--verbose", is_flag=True, help="Write more to run.log."),
)
FETCH = (TO, *PACE, *SESSION)
NIGHT = (
    click.option(
        "--deadline", metavar="WHEN", help="End by then, such as 06:00 or 4h; the rest is left to the next run."
    ),
    click.option(
        "--ping",
        metavar="URL",
        envvar=PING_VARIABLE,
        callback=_notice_url,
        help=f"Report start and end to healthchecks.io or a service like it.  [default: {PING_VARIABLE}]",
    ),
    click.option(
        "--notify",
        metavar="URL",
        envvar=NOTIFY_VARIABLE,
        callback=_notice_url,
        help=f"POST the summary there as JSON, which Slack accepts too.  [default: {NOTIFY_VARIABLE}]",
    ),
    click.option("--metrics", type=METRICS, metavar="FILE.prom", help="Write figures for Prometheus' node_exporter."),
)
RUN = (
    TO,
    *PACE,
    RETRY_FAILED,
    click.option(
        "--in-doubt",
        type=click.Choice(["hold", "resubmit"]),
        default="hold",
        show_default=True,
        help="What to do with rows that may or may not have been paid for.",
    ),
    REUSE,
    XLSX,
    click.option("--max-tasks", type=Count(min=0), metavar="N", help="Ask for at most N tasks in this run."),
    click.option("--budget", type=Amount(min=0), metavar="USD", help="Spend at most this much in this run."),
    click.option(
        "--budget-per-day", type=Amount(min=0), metavar="USD", help="Spend at most this much in a calendar day."
    ),
    PRICE,
    click.option("--callback-url", metavar="URL", help="The URL at which the service reaches --callback-listen."),
    click.option(
        "--callback-listen", metavar="HOST:PORT", help="Receive callbacks here: fewer polls, fewer rows in doubt."
    ),
    *NIGHT,
    *SESSION,
)


def apply(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Command], Command]:
    """Give a command these flags, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
