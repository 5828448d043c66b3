"""The command line: argv -> Settings -> a run -> exit code. The only room that prints, and that starts the emulator."""

import os
import sys
from typing import NoReturn

import click

from batchgen import __version__
from batchgen.cli import looking, nights, running, settling, starting, steering
from batchgen.cli.terminal import say, shown
from batchgen.errors import BatchgenError, FaultError, ManifestError


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
        say(f"{shown(str(error))}\nNothing was sent.")
        code = error.exit_code
    except BatchgenError as error:
        say(f"batchgen: {shown(str(error))}")
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except Exception as error:
        fault = FaultError(error)
        say(f"batchgen: {shown(str(fault))}")
        code = fault.exit_code
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="batchgen")
def group() -> None:
    """Make hundreds or thousands of videos from a spreadsheet of prompts, paying for each once."""


for command in (
    *(running.run, running.resume, running.rescue, nights.schedule, steering.ctl),
    *(looking.plan, looking.status, looking.verify, looking.report),
    *(settling.resolve, starting.init, starting.schema, starting.completion, starting.emulator),
):
    group.add_command(command)
