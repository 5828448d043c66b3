"""What a person does about rows in doubt: to see all that is known, and to settle them."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from batchgen.catalog import MICRO
from batchgen.doubts.candidates import KNOWN, is_of
from batchgen.errors import AccountError, UsageError
from batchgen.folder.checks import check_service
from batchgen.folder.opening import open_at_rest, open_to_change
from batchgen.ledger import Ledger, doubt, recovery
from batchgen.ledger.doubt import Attempt, Doubt
from batchgen.model import State, is_text, zulu
from batchgen.run import Service
from batchgen.service.client import Client
from batchgen.service.wire import TaskStatus, TaskWord
from batchgen.settings import Settings, to_service
from batchgen.words import first_of, left_alone, many, money_words, with_command

SHOWN = 5  # rows that share a task
Tasks: TypeAlias = dict[int, dict[str, bool]]  # the jobs, each with its rows, and whether they are in the manifest


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
    for whoever names it. One whose callback came is resubmitted by name alone, and one in flight abandoned by name.
    """
    with open_to_change(batch, ledger_to) if action else open_at_rest(batch, ledger_to) as ledger:
        recovery.recover(ledger)
        found, said = _named(ledger, identities, action) if identities else (_doubts(ledger), [])
        if not found:
            return said or ["no row is in doubt"]
        if action is None:
            return _show(batch, ledger, found)
        if action == "resubmit" and not identities:
            said += _left_alone(found)
            found = [each for each in found if not each.is_called]
        return [*said, *(_settle(ledger, found, action, may=bool(identities or every)) if found else ())]


def in_doubt(batch: Path, ledger_to: str | None, identities: Sequence[str]) -> str:
    """The rows in doubt, or those of these ids, with all that is known: JSON."""
    with open_at_rest(batch, ledger_to) as ledger:
        recovery.recover(ledger)
        found = _named(ledger, identities, None)[0] if identities else _doubts(ledger)
    return json.dumps({"in_doubt": list(map(_facts, found))}, ensure_ascii=False)


def _facts(each: Doubt) -> dict[str, Any]:
    attempts = [
        {
            "asked_at": zulu(attempt.started_at),
            "known": attempt.detail,
            "called_at": None if attempt.called_at is None else zulu(attempt.called_at),
            "task_id": attempt.task_id,
        }
        for attempt in each.attempts
    ]
    return {"id": each.id, "prompt": each.job.request.prompt, "in_manifest": each.is_present, "attempts": attempts}


def _show(batch: Path, ledger: Ledger, found: Sequence[Doubt]) -> list[str]:
    tasks = _tasks(ledger, found)
    others = _others(tasks, found)
    lines = (line for each in found for line in _described(each, others[each.job.key]))
    uncalled = {each.job.key: tasks[each.job.key] for each in found if not each.is_called}
    way = ("resolve", str(batch), "--row", "ID", *to_service(ledger.fact("service")))
    return [*lines, *_ways(way, _meaning(ledger, "resubmit", uncalled) if uncalled else "")]


def _settle(ledger: Ledger, found: Sequence[Doubt], action: str, *, may: bool) -> list[str]:
    """Resubmit or abandon them, if one ``may``: for that they have to be named, or all be meant."""
    tasks = _tasks(ledger, found)
    meaning = _meaning(ledger, action, tasks)
    if not may:
        raise UsageError(f"--{action} needs --row ID, or --all for all that are in doubt: {meaning}")
    decide = {"resubmit": doubt.resubmit, "abandon": doubt.abandon}[action]
    decide(ledger, *map(ledger.job, tasks))
    others = _others(tasks, found)
    done = [f"{each.id}{others[each.job.key]}: {_done(action, tasks[each.job.key])}" for each in found]
    warn = _warning if action == "resubmit" else _way_back
    warnings = [words for each in found for words in warn(each)]
    return [*done, *warnings, meaning]


def _tasks(ledger: Ledger, found: Sequence[Doubt]) -> Tasks:
    return {each.job.key: doubt.rows_of(ledger, each.job.key) for each in found}


def _left_alone(found: Sequence[Doubt]) -> list[str]:
    rows = sum(each.is_called for each in found)
    return [f"{left_alone(rows)}; name it with --row to pay for it once more"] if rows else []


def _warning(each: Doubt) -> Iterator[str]:
    """What a person who pays for a row once more should know."""
    if each.is_called:
        yield f"{each.id}: its callback came, so that the service has accepted it: to ask for it again pays twice"
    if each.task_id:
        yield f"{each.id}: the next run asks about the task {each.task_id} first, and takes it if the service knows it"


def _way_back(each: Doubt) -> Iterator[str]:
    """What a person should know who gives a row up whose task may still end."""
    if each.job.state is State.IN_FLIGHT:
        task_id = each.job.task_id
        yield f"{each.id}: its task {task_id} may still end; to take it up again: --attach {task_id}"


def _named(ledger: Ledger, identities: Sequence[str], action: str | None) -> tuple[list[Doubt], list[str]]:
    """The rows of these ids that are in doubt, and what there is to say of those that were settled so already.

    Raises :class:`UsageError` for one that is not in doubt; of one in flight, for all but to abandon it.
    """
    found, settled = [], []
    for identity in dict.fromkeys(identities):
        doubts = _doubts(ledger, identity, in_flight=action == "abandon")
        if action == "abandon":
            doubts = [each for each in doubts if each.job.state is not State.FAILED]
        if not doubts and not (action and doubt.last_decision(ledger, identity) == action):
            way = ", but in flight: --abandon gives it up" if doubt.doubts(ledger, identity, in_flight=True) else ""
            raise UsageError(f"{identity} is not in doubt{way}; nothing was changed")
        found += doubts
        settled += [] if doubts else [f"{identity} was settled so already; nothing was changed"]
    return found, settled


def _meaning(ledger: Ledger, action: str, tasks: Tasks) -> str:
    """How many rows an action is about, and what it may cost."""
    rows = many(sum(map(len, tasks.values())), "row")
    if ledger.is_free:
        return f"{rows} (emulator: nothing is paid)"
    if action == "abandon":
        return f"{rows}; nothing more is paid, and what was accepted was paid for nothing"
    price = doubt.price_again(ledger, tasks)
    gone = doubt.price_again(ledger, (job for job, sharers in tasks.items() if not any(sharers.values())))
    cost = money_words(price / MICRO)
    if gone:
        cost += (
            " if they come back" if gone == price else f" ({money_words(gone / MICRO)} of it if those gone come back)"
        )
    return f"{rows}, up to {cost}, once more for those that were accepted"


def _others(tasks: Tasks, found: Sequence[Doubt]) -> dict[int, str]:
    """What is settled with the rows of a job, and was not named."""
    known = {(each.job.key, each.id) for each in found}
    return {
        job: _sharers([f"{name}{_gone(present)}" for name, present in rows.items() if (job, name) not in known])
        for job, rows in tasks.items()
    }


def _sharers(names: Sequence[str]) -> str:
    return f" (and {first_of(names, SHOWN)}, of the same task)" if names else ""


def _gone(is_present: bool) -> str:
    return "" if is_present else " (no longer in the sheet)"


def _done(action: str, sharers: dict[str, bool]) -> str:
    if action == "abandon":
        return "given up"
    if any(sharers.values()):
        return "will be submitted again by the next run"
    return "no longer in doubt; no longer in the sheet either, so that it is submitted only if it comes back"


def attach(settings: Settings, identity: str, task_id: str, service: Service) -> list[str]:
    """Give a row in doubt its task, after asking the service whether there is one. Returns sentences for a person.

    Raises :class:`UsageError` for a task that the service does not know, or that another row has.
    """
    with open_to_change(settings.batch, settings.ledger_to) as ledger:
        check_service(settings.batch, ledger, settings.service)
        recovery.recover(ledger)
        found = _doubts(ledger, identity)
        owner = doubt.owner(ledger, task_id, found[0].job if found else None)
        if owner == identity:
            return [f"{identity} has the task {task_id} already; nothing was changed"]
        if owner is not None:
            raise UsageError(f"the task {task_id} is that of the row {owner!r}")
        if not found:
            raise UsageError(f"{identity} is not in doubt; nothing was changed")
        status = asyncio.run(_ask(settings, ledger, task_id, service))
        if status.word is TaskWord.ACCOUNT:
            raise AccountError(f"the service refuses the key: {status.message}")
        if status.word not in KNOWN:
            raise UsageError(f"the service does not know the task {task_id} ({status.message}); nothing was changed")
        job = found[0].job
        doubt.attach(ledger, job, task_id)
        others = _others({job.key: doubt.rows_of(ledger, job.key)}, found[:1])[job.key]
        said = f"{identity}{others}: its task is {task_id}; the next run fetches the video"
        return [said, *_strange(found[0], task_id, status.created_at)]


def _strange(each: Doubt, task_id: str, created: float | None) -> Iterator[str]:
    """What a person should know who may have mistaken one task for another."""
    if task_id == each.job.task_id:  # it was given up
        return
    if created is not None and not any(is_of(attempt.started_at, created) for attempt in each.attempts):
        yield (
            f"the service says that {task_id} was created at {zulu(created)}, which is not when {each.id} was asked "
            "for: if this machine's clock is right, it is the task of something else"
        )


async def _ask(settings: Settings, ledger: Ledger, task_id: str, service: Service) -> TaskStatus:
    async with service() as origin, Client(origin, settings.key, ledger.fact("model") or "") as client:
        return await client.status(task_id)


def _doubts(ledger: Ledger, identity: str | None = None, *, in_flight: bool = False) -> list[Doubt]:
    if identity is not None and not is_text(identity):
        raise UsageError(f"the batch has no row {identity!r}")
    found = doubt.doubts(ledger, identity, in_flight=in_flight)
    if not found and identity is not None and not ledger.has_row(identity):
        raise UsageError(f"the batch has no row {identity!r}")
    return found


def _described(each: Doubt, others: str) -> list[str]:
    lines = [f"{each.id}{_gone(each.is_present)}{others}: {each.job.request.prompt[:80]}"]
    for attempt in each.attempts:
        lines.append(f"  asked for at {zulu(attempt.started_at)}: {attempt.detail}")
        if attempt.called_at is not None:
            lines.append(f"  its callback came at {zulu(attempt.called_at)}{_name(attempt)}")
    return lines


def _name(attempt: Attempt) -> str:
    if not attempt.task_id:
        return ": the service has accepted it"
    return f" and named the task {attempt.task_id}: each run asks the service about it"


def _ways(way: Sequence[str], meaning: str) -> Iterator[str]:
    """What a person may do, and what it may cost."""
    yield with_command("what to do", *way)
    yield "and one of these (the last two also with more than one --row, or with --all in its place):"
    yield "  --attach TASKID  its task is known, as from the service's list: it is fetched, and nothing more is paid"
    every = f"all of them: {meaning}" if meaning else "their callbacks came, so that they are paid for twice"
    yield f"  --resubmit       ask for it again; {every}"
    yield "  --abandon        give it up: nothing more is paid; if it was accepted, it was paid for nothing"
