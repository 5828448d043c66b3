"""The command by which a person settles what a run cannot: resolve."""

from pathlib import Path
from typing import Any

import click

from batchgen import arguments
from batchgen.cli import options
from batchgen.cli.options import FOLDER
from batchgen.cli.terminal import shown_json, tell
from batchgen.errors import UsageError
from batchgen.origin import service_of


@click.command(short_help="Settle rows that may or may not have been paid for.")
@click.argument("batch", type=FOLDER)
@click.option("--row", "identities", multiple=True, metavar="ID", help="The row; may be given more than once.")
@click.option("--all", "every", is_flag=True, help="Every row in doubt, for --resubmit or --abandon.")
@click.option("--attach", metavar="TASKID", help="This is the row's task: fetch its video.")
@click.option("--resubmit", is_flag=True, help="Ask for it again; it may be paid for twice.")
@click.option("--abandon", is_flag=True, help="Give the row up, also one whose task runs for ever.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows in doubt as one line of JSON.")
@options.apply((*options.SERVICE, options.LEDGER_TO))
def resolve(
    batch: Path,
    identities: tuple[str, ...],
    every: bool,
    attach: str | None,
    resubmit: bool,
    abandon: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show the rows of BATCH that are in doubt, or settle them: --attach, --resubmit or --abandon.

    Example: batchgen resolve prompts.batch --row cat-1 --attach task_12345678
    """
    from batchgen.doubts import resolve as doubts
    from batchgen.folder.checks import require

    ledger_to = flags["ledger_to"]
    require(batch, ledger_to)
    action = doubts.action_of(identities, every=every, attach=attach, resubmit=resubmit, abandon=abandon)
    if as_json and action:
        raise UsageError(f"--json shows the rows in doubt: leave it out, or --{action}")
    if as_json:
        click.echo(shown_json(doubts.in_doubt(batch, ledger_to, identities)))
        return
    if attach is not None:
        settings = arguments.to_settings(batch, None, **flags)
        said = doubts.attach(settings, identities[0], attach, service_of(settings))
    else:
        said = doubts.settle(batch, ledger_to, identities, action, every=every)
    tell("\n".join(said))
