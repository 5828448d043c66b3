"""The command for nights without a watcher: schedule."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import click
from click.core import ParameterSource

from batchgen.cli.options import PATH
from batchgen.cli.running import run
from batchgen.errors import UsageError
from batchgen.model import EMULATOR, LEDGER
from batchgen.planning.nightly import Night, instructions, read_time, this_program
from batchgen.settings import NOTIFY_VARIABLE, PING_VARIABLE, STANDARD_INPUT, URL_VARIABLE, batch_folder, read_base_url
from batchgen.steering.deadline import read_deadline
from batchgen.words import with_command

# Besides S3's, what leads to the service and its videos.
_OF_THE_WAY = frozenset({URL_VARIABLE, "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})


@click.command(
    short_help="Print a crontab line and systemd units for nightly runs.",
    context_settings={"ignore_unknown_options": True},  # they are run's, for whoever forgot the --
)
@click.argument("manifest", type=PATH)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[-- RUN'S OPTIONS]")
@click.option("--at", required=True, metavar="HH:MM", help="When to start, in local time.")
def schedule(manifest: Path, flags: tuple[str, ...], at: str) -> None:
    """Print what makes cron or systemd run MANIFEST every night, for you to install; nothing is changed.

    Example: batchgen schedule prompts.csv --at 02:00 -- --deadline 06:00 --budget-per-day 200
    """
    click.echo(instructions(_night(manifest, flags, read_time(at))))


def _night(manifest: Path, flags: tuple[str, ...], at: tuple[int, int]) -> Night:
    if str(manifest).startswith("-") and manifest != STANDARD_INPUT:
        flag, when = str(manifest).partition("=")[0], "{:02}:{:02}".format(*at)  # what it is set to may be a secret
        what = f"{flag} stands where the manifest is due: that comes first, and run's options behind --, as in"
        raise UsageError(with_command(what, "schedule", "MANIFEST", "--at", when, "--", flag, "..."))
    if manifest == STANDARD_INPUT or not manifest.is_file():
        raise UsageError(f"there is no file {manifest}: a nightly run needs a file that lasts")
    context = run.make_context("batchgen run", [str(manifest), *flags])  # what it would refuse at night, it does now
    given = context.params
    for flag, variable in (("ping", PING_VARIABLE), ("notify", NOTIFY_VARIABLE)):
        if context.get_parameter_source(flag) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--{flag} may hold a secret, and command lines can be read by others: "
                f"write {variable}='...' into the environment file instead"
            )
    deadline = read_deadline(given["deadline"]) if given["deadline"] else None
    if deadline and deadline.is_date:
        raise UsageError(f"--deadline {deadline.text} is one night's: write it like 06:00 or 4h")
    batch = given["batch"] or batch_folder(manifest)
    _check_service(batch, given["base_url"], emulator=given["emulator"])
    return Night(
        at=at,
        program=this_program(),
        manifest=manifest.absolute(),
        batch=batch.absolute(),
        folder=Path.cwd(),
        flags=tuple(_without_batch(flags)),
        user=_user(),
        shell=tuple(sorted(name for name in os.environ if name.startswith("AWS_") or name.upper() in _OF_THE_WAY)),
        makes_up=not (deadline and deadline.daily),
    )


def _check_service(batch: Path, base_url: str | None, *, emulator: bool) -> None:
    """Refuse the batch of another service, as each night would; what its environment file says nobody knows now."""
    from batchgen.folder.checks import check_service, service_in
    from batchgen.ledger import Ledger

    known = service_in(batch)
    if known and (emulator or base_url or known == EMULATOR):
        with Ledger.open(batch / LEDGER, read_only=True) as ledger:
            check_service(batch, ledger, EMULATOR if emulator else read_base_url(base_url))


def _without_batch(flags: tuple[str, ...]) -> Iterator[str]:
    words = iter(flags)
    for word in words:
        if word == "--batch":
            next(words)
        elif not word.startswith("--batch="):
            yield word


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
