"""What a run may pay for once more, or need not pay for: rows that failed, in doubt, or paid for by another batch."""

from collections.abc import Iterator

from batchgen.catalog import MICRO
from batchgen.ledger import Ledger, doubt, expected, recovery
from batchgen.others import reuse
from batchgen.settings import Settings
from batchgen.words import left_alone, many, money_words, with_command


def allow(settings: Settings, ledger: Ledger, service: str) -> Iterator[str]:
    """Let rows be asked for again, or taken from another batch of ``service``, as the settings say.

    Returns what a person should know of it.
    """
    if settings.resubmit_in_doubt:
        yield from _resubmit(settings, ledger)
    if settings.retry_failed and (again := recovery.retry_failed(ledger)):
        rows = many(again, "row that failed or expired is", "rows that failed or expired are")
        yield f"{rows} tried again"
    if settings.reuse:
        yield from _reuse(settings, ledger, service)


def _resubmit(settings: Settings, ledger: Ledger) -> Iterator[str]:
    if jobs := doubt.resubmit_held(ledger):
        price = doubt.price_again(ledger, jobs) / MICRO
        rows = many(len(jobs), "row in doubt is", "rows in doubt are")
        cost = "" if ledger.is_free else f", and may be paid for twice: up to {money_words(price)} more"
        yield f"{rows} submitted again{cost}"
    if rows_left := doubt.left_alone(ledger):
        yield with_command(f"{left_alone(rows_left)}; to see what is known", "resolve", str(settings.batch))


def _reuse(settings: Settings, ledger: Ledger, service: str) -> Iterator[str]:
    if offered := reuse.offers(ledger, service, settings.batch):
        reuse.take(ledger, offered)
        videos = many(len(offered), "video is", "videos are")
        yield f"{videos} taken from other batches of yours, which made them"
    elif seedless := expected.pending_without_seed(ledger):
        rows = many(seedless, "row that is to be paid for has", "rows that are to be paid for have")
        yield f"--reuse takes nothing: {rows} no seed, and without one the same request gives another video each time"
