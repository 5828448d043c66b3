"""The command line: argv -> Settings -> a run -> exit code. The only room that prints."""

import errno
import os
import sys
from contextlib import suppress
from shlex import quote
from typing import NoReturn

import click

from batchgen import __version__
from batchgen.cli import looking, nights, rehearsing, running, settling, starting, steering
from batchgen.cli.sections import Context
from batchgen.cli.terminal import hush, say
from batchgen.errors import BatchgenError, FaultError, ManifestError, UsageError
from batchgen.words import in_one_line

BROKEN_PIPE = 128 + 13
_OF_A_NAME = frozenset({errno.ENAMETOOLONG, errno.EACCES, errno.EPERM})  # what another name would mend
_MOST_SHOWN = 200  # characters of a path


def main() -> NoReturn:
    """The program, which ends at once: an upload that hangs in its thread is not waited for."""
    code = program()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(code)


def program() -> int:
    """All of it but the leaving: errors become a sentence on standard error and an exit code, never a traceback."""
    os.umask(0o077)  # what is written here is for its owner alone
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # cron has no LANG, and prompts have emoji
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = group.main(prog_name="batchgen", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except SystemExit as stop:  # a signal's; or click's own, which says 1 where the reader of our output has gone
        code = BROKEN_PIPE if stop.code == 1 else stop.code
    except BrokenPipeError:  # the reader of our output has gone
        hush(sys.stdout.fileno())
        code = BROKEN_PIPE
    except Exception as error:
        code = _tell(error)
    return code if isinstance(code, int) else 0


def _open_closed() -> None:
    """What is said on a stream that was closed (``>&-``) is lost, and ends no run."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _tell(error: Exception) -> int:
    """Say what is wrong; returns the exit code that it means."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return 2
        case click.ClickException():
            say(f"batchgen: {_in_our_words(error)}")
            return 2
        case ManifestError():
            say(f"{error}\nNothing was sent.")
            return error.exit_code
        case OSError(filename=str() as path) if error.errno in _OF_A_NAME:
            say(f"batchgen: {path[:_MOST_SHOWN]}: {error.strerror}; name another, or change its permissions")
            return UsageError.exit_code
    failure = error if isinstance(error, BatchgenError) else FaultError(error)
    say(f"batchgen: {failure}")
    return failure.exit_code


def _in_our_words(error: click.ClickException) -> str:
    """What click has to say, as the other messages say it."""
    message = in_one_line(error.format_message()).rstrip(".")  # which may hold a list of choices, with tabs
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" ({context.command_path} --help tells more)" if context else ""
    if isinstance(error, click.NoSuchCommand) and os.path.isfile(error.command_name):
        hint = f"; to run this file: batchgen run {quote(error.command_name)}"
    return f"{message[:1].lower()}{message[1:]}{hint}"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="batchgen")
def group() -> None:
    """Make hundreds or thousands of videos from a spreadsheet of prompts, paying for each once."""


group.context_class = Context
for command in (
    *(running.run, running.resume, running.rescue, nights.schedule, steering.ctl),
    *(looking.plan, rehearsing.rehearse, looking.status, looking.verify, looking.report),
    *(settling.resolve, starting.init, starting.schema, starting.completion, starting.emulator),
):
    command.context_class = Context
    group.add_command(command)
