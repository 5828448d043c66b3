"""The command that speaks to a batch while it runs: ctl."""

import json
from pathlib import Path

import click

from batchgen.cli import options
from batchgen.cli.options import COUNT, FOLDER
from batchgen.cli.terminal import shown, shown_json
from batchgen.errors import UsageError
from batchgen.settings import to_service


@click.command(short_help="Retune, pause or drain a batch while it runs.")
@click.argument("batch", type=FOLDER)
@click.option("--concurrency", type=COUNT, metavar="N", help="Go on with N tasks in flight.")
@click.option("--rate", type=COUNT, metavar="N", help="Go on with N requests per minute.")
@click.option("--pause", is_flag=True, help="Submit nothing until --go; what is in flight is fetched.")
@click.option("--go", is_flag=True, help="Submit again.")
@click.option("--drain", is_flag=True, help="Submit nothing more, fetch what is in flight, and end.")
@options.JSON
def ctl(
    batch: Path, concurrency: int | None, rate: int | None, pause: bool, go: bool, drain: bool, as_json: bool
) -> None:
    """Change the limits of the batch in the folder BATCH while it runs here; without a flag, say what they are now.

    It reaches only a run on this machine, even if the ledger is kept in S3 too.

    Example: batchgen ctl prompts.batch --concurrency 500
    """
    from batchgen.folder.checks import require, service_in
    from batchgen.steering import control
    from batchgen.steering.progress import Standing

    require(batch)
    actions = [name for name, wanted in (("pause", pause), ("go", go), ("drain", drain)) if wanted]
    if len(actions) > 1:
        raise UsageError("--pause, --go and --drain exclude each other; choose one")
    order = control.Order(concurrency, rate, actions[0] if actions else None)
    facts = control.send(batch, order, resumes=("resume", str(batch), *to_service(service_in(batch))))
    if facts is None:
        click.echo(shown_json(json.dumps({"doing": "ended"})) if as_json else "the run has ended")
        return
    standing = Standing.from_facts(facts)
    click.echo(shown_json(json.dumps(standing.facts(), ensure_ascii=False)) if as_json else shown(standing.limits()))
    if go and standing.doing == "stopping":
        raise UsageError(f"{batch} submits nothing more; start it again when the run has ended")
