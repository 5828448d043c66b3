"""When a run brings its ledger to the disk and to its copy: before it submits, while it works, at the end."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from shlex import join

from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.errors import BatchBusyError, BatchgenError
from batchgen.ledger import Ledger
from batchgen.ledger.syncing import Syncing
from batchgen.replica import Replica
from batchgen.settings import Settings

log = logging.getLogger("batchgen")


def say_where_kept(replica: Replica, settings: Settings, say: Callable[[str], None]) -> None:
    """Say what a person should know of the copy."""
    if replica.said:
        say(replica.said)
    if replica.is_kept and not (settings.destination or "").startswith("s3://"):
        say("the ledger is kept in S3, but the videos only on this machine: --to s3://bucket/prefix keeps them there")


def everywhere(syncing: Syncing, replica: Replica) -> Callable[[], Awaitable[None]]:
    """A function that waits until all that the ledger holds is everywhere that it is kept."""

    async def durable() -> None:
        await syncing.durable()
        await replica.durable()

    return durable


def halting(dispatcher: Dispatcher) -> Callable[[BatchgenError], None]:
    """End the batch when its ledger cannot be kept any more, or its copy is another run's or cannot be continued."""
    return lambda error: dispatcher.halt(Stop(str(error), error.exit_code if isinstance(error, BatchBusyError) else 1))


def copy_last(replica: Replica, ledger: Ledger, batch: Path) -> str | None:
    """The copy that the next run begins with; if it cannot be made, why not, and what only this machine knows."""
    try:
        replica.checkpoint(ledger)
    except BatchgenError as error:
        for key, task in replica.paid_here_alone():
            words = ("resolve", str(batch), "--row", ledger.first_row(ledger.job(key)), "--attach", task)
            log.critical("paid, and not in the ledger's copy: batchgen %s", join(words))
        return f"the ledger's copy lacks the end of this run ({error}); keep the batch's folder"
    return None
