"""The commands to start with: init, schema, emulator, completion."""

from pathlib import Path
from typing import Any

import click

from batchgen.cli.numbers import Amount, Count
from batchgen.cli.options import COUNT, FOLDER, PATH
from batchgen.cli.terminal import shown
from batchgen.errors import UsageError


@click.command(short_help="Write a starter sheet and a starter YAML file.")
@click.argument("folder", type=FOLDER, default=".")
def init(folder: Path) -> None:
    """Write a starter sheet, a commented YAML and its JSON Schema into FOLDER; nothing is overwritten.

    Example: batchgen init film
    """
    from batchgen.starters import write_starter

    for path in write_starter(folder):
        click.echo(shown(str(path)))


@click.command(short_help="Print the JSON Schema of the YAML, for editors.")
def schema() -> None:
    """Print the JSON Schema of a YAML or JSON manifest, with which editors complete and check it.

    Example: batchgen schema > batchgen.schema.json
    """
    from batchgen.manifest.schema import schema_text

    click.echo(schema_text(), nl=False)


@click.command(short_help="Print a script for shell completion.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options, folders and files.

    In ~/.bashrc or ~/.zshrc: source <(batchgen completion bash), or zsh.
    In ~/.config/fish/config.fish: batchgen completion fish | source

    Example: source <(batchgen completion bash)
    """
    from click.shell_completion import get_completion_class

    scripts = get_completion_class(shell)
    assert scripts
    click.echo(scripts(ctx.find_root().command, {}, "batchgen", "_BATCHGEN_COMPLETE").source(), nl=False)


class _EmulatorHelp(click.Command):
    """Its help names every mark and fault; the emulator is loaded for that alone."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from batchgen.emulator.faults import TABLE
        from batchgen.emulator.tasks import MARKS

        with formatter.section("Marks in a prompt"):
            formatter.write_dl(list(MARKS.items()))
        with formatter.section("Faults"):
            formatter.write_dl(list(TABLE.items()))


@click.command(cls=_EmulatorHelp, short_help="Serve the API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="The address to listen on.")
@click.option("--port", type=Count(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--speed", type=Amount(min=0, min_open=True), default=1.0, help="How many times as fast as the service.")
@click.option("--rate", type=COUNT, default=10000, show_default=True, help="At most this many requests per minute.")
@click.option("--concurrency", type=COUNT, default=1000, show_default=True, help="At most this many tasks at once.")
@click.option("--credits", type=Amount(min=0), default=1e6, metavar="USD", help="What the account may spend.")
@click.option("--error-style", type=click.Choice(["http", "body"]), default="http", help="Where errors appear.")
@click.option("--fault", "faults", multiple=True, metavar="NAME=SHARE", help="A fault, and how often: see below.")
@click.option("--seed", type=int, default=0, metavar="N", help="Decides faults and generation times.")
@click.option("--state", type=PATH, metavar="FILE", help="Keeps the tasks across restarts.")
@click.option("--tiny", is_flag=True, help="Serve tiny videos, for many tasks.")
def emulator(**flags: Any) -> None:
    """Serve the documented API on this machine, with its limits and, if asked for, with faults.

    Example: batchgen emulator --port 8765 --speed 10 --fault submit-lost=0.1
    """
    from batchgen.emulator.serve import serve_forever

    try:
        serve_forever(**flags)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        where = f"{flags['host']}:{flags['port']}"
        raise UsageError(f"{where} cannot be listened at: {error.strerror}; choose another --port or --host") from None
