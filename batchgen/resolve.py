"""What a person does about a batch that does not run: settle rows in doubt, and look whether all is still there."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchgen.catalog import MICRO
from batchgen.errors import AccountError, UsageError
from batchgen.folder import hold
from batchgen.ledger import Ledger, doubt, money
from batchgen.ledger.doubt import Doubt
from batchgen.model import State, zulu
from batchgen.run import Service
from batchgen.service.client import Client
from batchgen.service.wire import TaskStatus, TaskWord
from batchgen.settings import Settings
from batchgen.verify import Verified, forget, read_again, set_aside
from batchgen.words import many, money_words, with_command

SHOWN = 5  # rows that share a task


def verify_batch(batch: Path, ledger_to: str | None, *, forget_damaged: bool) -> Verified:
    """Read every archived video again; those that are damaged may be forgotten, so that a run fetches them."""
    with _changing(batch, ledger_to) as ledger:
        found = read_again(batch, ledger)
        if forget_damaged and found.damaged:
            set_aside(batch, found.damaged)
            forget(ledger, found.damaged)
        return found


def action_of(
    identities: Sequence[str], *, every: bool, attach: str | None, resubmit: bool, abandon: bool
) -> str | None:
    """What is to be done with rows in doubt: attach, resubmit, abandon, or (None) show them. Raises UsageError."""
    wanted = {"attach": attach is not None, "resubmit": resubmit, "abandon": abandon}
    actions = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(actions) > 1:
        raise UsageError("--attach, --resubmit and --abandon exclude each other; choose one")
    if attach is not None and (len(identities) != 1 or every):
        raise UsageError("--attach needs one --row ID; say whose task it is")
    if every and (identities or not actions):
        raise UsageError("--all goes with --resubmit or --abandon, and in the place of --row")
    return actions[0] if actions else None


def settle(
    batch: Path, ledger_to: str | None, identities: Sequence[str], action: str | None, *, every: bool = False
) -> list[str]:
    """Resubmit or abandon rows in doubt, or (``action`` None) show them. Returns sentences for a person.

    The rows of these ids; of ``every`` row in doubt, if none is named: an action needs one or the other. To repeat it
    does no harm: a row that is no longer in doubt is left as it is. One that was given up is in doubt all the same,
    for whoever names it.
    """
    with _changing(batch, ledger_to) as ledger:
        ledger.recover()
        found, settled = _named(ledger, identities, action) if identities else (_doubts(ledger), [])
        if not found:
            return settled or ["no row is in doubt"]
        if action is None:
            return [*(line for each in found for line in _tell(each)), *_ways(ledger, batch, found)]
        if not identities and not every:
            raise UsageError(
                f"--{action} needs --row ID, or --all for all that are in doubt: {_meaning(ledger, action, found)}"
            )
        decide = {"resubmit": doubt.resubmit, "abandon": doubt.abandon}[action]
        meaning = _meaning(ledger, action, found)
        for each in {each.job.key: each for each in found}.values():
            decide(ledger, each.job)
        known = {each.id for each in found}
        done = (f"{each.id}{_others(ledger, each, known)}: {_done(action, each)}" for each in found)
        return [*settled, *done, meaning]


def _named(ledger: Ledger, identities: Sequence[str], action: str | None) -> tuple[list[Doubt], list[str]]:
    """The rows of these ids that are in doubt, and what there is to say of those that were settled so already.

    Raises :class:`UsageError` for one that is not in doubt.
    """
    found, settled = [], []
    for identity in dict.fromkeys(identities):
        doubts = _doubts(ledger, identity)
        if action == "abandon":
            doubts = [each for each in doubts if each.job.state is not State.FAILED]
        if not doubts and not (action and doubt.last_decision(ledger, identity) == action):
            raise UsageError(f"{identity} is not in doubt; nothing was changed")
        found += doubts
        settled += [] if doubts else [f"{identity} was settled so already; nothing was changed"]
    return found, settled


def _meaning(ledger: Ledger, action: str, found: list[Doubt]) -> str:
    """How many rows an action is about, and what it may cost."""
    rows = many(len(found), "row")
    if money.is_free(ledger):
        return f"{rows} (emulator: nothing is paid)"
    if action == "abandon":
        return f"{rows}; nothing more is paid, and what was accepted was paid for nothing"
    price = doubt.price_again(ledger, [each.job.key for each in found if each.is_present])
    return f"{rows}, up to {money_words(price / MICRO)}, once more for those that were accepted"


def _others(ledger: Ledger, each: Doubt, known: set[str]) -> str:
    """What is settled with a row, and was not named."""
    others = [name for name in doubt.rows_of(ledger, each.job.key) if name not in known]
    named = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
    return f" (and {named}, of the same task)" if others else ""


def _done(action: str, each: Doubt) -> str:
    if action == "abandon":
        return "given up"
    if each.is_present:
        return "will be submitted again by the next run"
    return "no longer in doubt; no longer in the sheet either, so that it is submitted only if it comes back"


def attach(settings: Settings, identity: str, task_id: str, service: Service) -> list[str]:
    """Give a row in doubt its task, after asking the service whether there is one. Returns sentences for a person.

    Raises :class:`UsageError` for a task that the service does not know, or that another row has.
    """
    with _changing(settings.batch, settings.ledger_to) as ledger:
        ledger.recover()
        owner = doubt.owner(ledger, task_id)
        if owner == identity:
            return [f"{identity} has the task {task_id} already; nothing was changed"]
        if owner is not None:
            raise UsageError(f"the task {task_id} is that of the row {owner!r}")
        found = _doubts(ledger, identity)
        if not found:
            raise UsageError(f"{identity} is not in doubt; nothing was changed")
        status = asyncio.run(_ask(settings, ledger, task_id, service))
        if status.word is TaskWord.ACCOUNT:
            raise AccountError(f"the service refuses the key: {status.message}")
        if status.word not in (TaskWord.RUNNING, TaskWord.SUCCESS, TaskWord.FAILED):
            raise UsageError(f"the service does not know the task {task_id} ({status.message}); nothing was changed")
        doubt.attach(ledger, found[0].job, task_id)
        return [f"{identity}: its task is {task_id}; the next run fetches the video"]


@contextmanager
def _changing(batch: Path, ledger_to: str | None) -> Iterator[Ledger]:
    """The batch's ledger; what is changed in it is in its copy too, where it has one, when this is left."""
    with hold(batch, ledger_to) as (ledger, replica):
        yield ledger
        replica.checkpoint(ledger)


async def _ask(settings: Settings, ledger: Ledger, task_id: str, service: Service) -> TaskStatus:
    async with service() as origin, Client(origin, settings.key, ledger.fact("model") or "") as client:
        return await client.status(task_id)


def _doubts(ledger: Ledger, identity: str | None = None) -> list[Doubt]:
    found = doubt.doubts(ledger, identity)
    if not found and identity is not None and not ledger.has_row(identity):
        raise UsageError(f"the batch has no row {identity!r}")
    return found


def _tell(each: Doubt) -> list[str]:
    gone = "" if each.is_present else " (no longer in the sheet)"
    lines = [f"{each.id}{gone}: {each.job.request.prompt[:80]}"]
    for started_at, detail in each.attempts:
        lines.append(f"  asked for at {zulu(started_at)}: {detail}")
    return lines


def _ways(ledger: Ledger, batch: Path, found: list[Doubt]) -> Iterator[str]:
    """What a person may do, and what it may cost."""
    yield with_command("what to do", "resolve", str(batch), "--row", "ID")
    yield "and one of these (the last two also with more than one --row, or with --all in its place):"
    yield "  --attach TASKID  its task is known, as from the service's list: it is fetched, and nothing more is paid"
    yield f"  --resubmit       ask for it again; all of them: {_meaning(ledger, 'resubmit', found)}"
    yield "  --abandon        give it up: nothing more is paid; if it was accepted, it was paid for nothing"
