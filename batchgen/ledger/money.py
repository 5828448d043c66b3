"""What was reserved and spent: by run, by day, and what is still to be paid. Money is in millionths of a dollar.

An attempt that was refused has no price any more.
"""

import json
import time
from collections.abc import Callable, Iterable

from batchgen.ledger.expected import Kind
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.recovery import OF_ONE_RUN
from batchgen.request import Request

CONTINUED = "continued"  # the fact that holds when a run went on with one that crashed


def begin_run(ledger: Ledger) -> bool:
    """Begin a run, or go on with the one that crashed: what it reserved counts against the same limits.

    Returns whether it goes on: then nobody was told how that one ended.
    """
    database = ledger.database
    ledger.attempts_before = database.number("SELECT max(attempt) FROM attempt")
    with database.transaction():
        crashed = database.value("SELECT run FROM run WHERE ended_at IS NULL ORDER BY run DESC LIMIT 1")
        if crashed is not None:
            ledger.run = crashed
            known = json.dumps([*_continued(ledger), time.time()])
            database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (CONTINUED, known))
        else:
            ledger.run = database.execute("INSERT INTO run (started_at) VALUES (?)", (time.time(),)).lastrowid
    return crashed is not None


def end_run(ledger: Ledger) -> None:
    """End the present run: the next one's limits begin anew."""
    with ledger.database.transaction():
        ledger.database.execute("UPDATE run SET ended_at = ? WHERE ended_at IS NULL", (time.time(),))


def runs(ledger: Ledger) -> list[float]:
    """When runs began (Unix seconds), in order; those that went on with one that crashed among them."""
    begun = ledger.database.execute("SELECT started_at FROM run").fetchall()
    return sorted([*(moment for (moment,) in begun), *_continued(ledger)])


def _continued(ledger: Ledger) -> list[float]:
    known: list[float] = json.loads(ledger.fact(CONTINUED) or "[]")
    return known


def run_seconds(ledger: Ledger) -> float:
    """How long the present run has been at work; one that crashed counts from where it began."""
    began = ledger.database.value("SELECT started_at FROM run WHERE run = ?", (ledger.run,))
    return 0.0 if began is None else max(0.0, time.time() - began)


def reserved_by_run(ledger: Ledger) -> tuple[int, int]:
    """The tasks that the present run has asked for, and their price."""
    found = ledger.database.execute(
        "SELECT count(*), coalesce(sum(price), 0) FROM attempt WHERE run = ? AND outcome IS NOT 'refused'",
        (ledger.run,),
    ).fetchone()
    return found[0], found[1]


def spent_at_most(ledger: Ledger) -> int:
    """The price of the tasks that this process has asked for since its run began; not of a run that it goes on with."""
    return ledger.database.number("SELECT sum(price) FROM attempt WHERE attempt > ?", (ledger.attempts_before,))


def unanswered_at_most(ledger: Ledger) -> int:
    """The part of :func:`spent_at_most` for tasks of which it is not known whether they were accepted."""
    return ledger.database.number(
        "SELECT sum(price) FROM attempt WHERE attempt > ? AND task_id IS NULL", (ledger.attempts_before,)
    )


def accepted_tasks(ledger: Ledger) -> int:
    """How many tasks that this process asked for were accepted: by the answer, or by a callback where that was lost."""
    return ledger.database.number(
        "SELECT count(*) FROM attempt WHERE attempt > ? AND task_id IS NOT NULL", (ledger.attempts_before,)
    )


def reserved_since(ledger: Ledger, moment: float) -> int:
    """The price of all tasks asked for since ``moment`` (Unix seconds)."""
    return ledger.database.number("SELECT sum(price) FROM attempt WHERE started_at >= ?", (moment,))


def estimate(kinds: Iterable[Kind], price: Callable[[Request], int]) -> int:
    """What the pending jobs of these kinds cost at most."""
    return sum(price(kind.request) * kind.tasks for kind in kinds)


def has_begun(ledger: Ledger) -> bool:
    """Whether a task was ever asked for."""
    return ledger.database.has("SELECT 1 FROM attempt")


def has_tasks(ledger: Ledger) -> bool:
    """Whether a task was ever asked for, or taken from another batch."""
    return has_begun(ledger) or ledger.database.has("SELECT 1 FROM job WHERE task_id IS NOT NULL")


def _price(ledger: Ledger, which: str) -> int:
    """The price of the attempts that are chosen so, in SQL; of a batch that was made with the emulator, nothing."""
    return 0 if ledger.is_free else ledger.database.number(f"SELECT sum(price) FROM attempt {which}")


def paid_price(ledger: Ledger) -> int:
    """What the tasks that the service has accepted cost, whatever came of them: as the page counts it."""
    return _price(ledger, "WHERE task_id IS NOT NULL")


def gone_price(ledger: Ledger) -> int:
    """The part of :func:`paid_price` for rows that were edited or are gone: no line of results.csv tells it."""
    return _price(ledger, "JOIN job USING (job) WHERE wanted = 0 AND attempt.task_id IS NOT NULL")


def doubtful_price(ledger: Ledger) -> int:
    """What the attempts of which it is not known whether they were paid for cost, if they were."""
    return _price(ledger, "JOIN job USING (job) WHERE state IN ('in_doubt', 'submitting') AND attempt.task_id IS NULL")


def remake_price(ledger: Ledger, price: Callable[[Request], int]) -> int:
    """What expired videos that are tried once more cost at most, if none of them can be fetched."""
    found = ledger.database.execute(
        f"SELECT request FROM job WHERE state = 'rendered' AND remake = 1 AND {OF_ONE_RUN}{ledger.and_selected}"
    )
    return sum(price(Request.from_json(request)) for (request,) in found)
