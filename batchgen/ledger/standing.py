"""Where a batch stands, in numbers."""

from collections import Counter
from time import time
from typing import Any

from batchgen.ledger.ledger import LINK_LIFE_SECONDS, OPEN, Ledger, link_death
from batchgen.model import State

CAUSES = 5  # that are told
CAUSE_LETTERS = 200


def counts(ledger: Ledger, *, selected: bool = False) -> dict[State, int]:
    """How many rows of the present manifest stand where; ``selected``: of those that the run was asked for."""
    known = dict.fromkeys(State, 0)
    which = ledger.and_selected if selected else ""
    for state, number in ledger.database.execute(
        f"SELECT state, sum(wanted) FROM job WHERE wanted > 0{which} GROUP BY state"
    ):
        known[State(state)] = number
    return known


def told(ledger: Ledger) -> dict[str, Any]:
    """What is told besides, under the names that it has in :class:`batchgen.summary.Told`."""
    return {
        "awaited_gone": awaited_jobs(ledger, gone=True),
        "reused": reused_rows(ledger),
        "bytes": archived_bytes(ledger),
        "failures": failures(ledger),
        "fetch_failures": _fetch_failures(ledger),
        "expired_until": link_death(_first_expired(ledger)),
        "first_death": link_death(ledger.unfetched()[1]),
    }


def failures(ledger: Ledger) -> dict[str, int]:
    """Why rows failed: fail code -> rows, the most frequent first."""
    found = ledger.database.execute(
        f"SELECT coalesce(fail_code, '?'), sum(wanted) FROM job WHERE {OPEN} AND state = 'failed' AND wanted > 0 "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return dict(found.fetchall())


def _fetch_failures(ledger: Ledger) -> dict[str, int]:
    """Why videos that are made were not fetched: reason -> rows, the most frequent first."""
    known: Counter[str] = Counter()
    for message, rows in ledger.database.execute(
        "SELECT fail_message, wanted FROM job WHERE state = 'rendered' AND wanted > 0 AND fail_message IS NOT NULL"
    ):
        known[_without_path(message)[:CAUSE_LETTERS]] += rows
    return dict(known.most_common(CAUSES))


def _first_expired(ledger: Ledger) -> float | None:
    """When the oldest of the expired videos that runs try anew was made (Unix seconds)."""
    return ledger.database.value(
        f"SELECT min(completed_at) FROM job WHERE {OPEN} AND state = 'expired' AND wanted > 0 AND completed_at >= ?",
        (time() - LINK_LIFE_SECONDS,),
    )


def _without_path(message: str) -> str:
    """The reason with the host alone, for all of its videos: ``host/path: reason`` is that of one."""
    place, colon, reason = message.partition(": ")
    host, slash, _ = place.partition("/")
    return f"{host}: {reason}" if colon and slash and host and " " not in place and "://" not in place else message


def pending_jobs(ledger: Ledger) -> int:
    """How many tasks a run would pay for."""
    return ledger.database.number(f"SELECT count(*) FROM job WHERE {ledger.to_submit}")


def paid_tasks(ledger: Ledger) -> int:
    """How many tasks the service has accepted from this batch, as far as is known."""
    return ledger.database.number("SELECT count(*) FROM attempt WHERE task_id IS NOT NULL")


def reused_rows(ledger: Ledger) -> int:
    """How many rows of the present manifest need no task of their own: they share another row's or batch's."""
    return ledger.database.number("SELECT sum(wanted - (source IS NULL OR attempts > 0)) FROM job WHERE wanted > 0")


def archived_bytes(ledger: Ledger) -> int:
    """The size of all archived videos."""
    return ledger.database.number("SELECT sum(bytes) FROM video")


def awaited_jobs(ledger: Ledger, *, gone: bool = False) -> int:
    """How many jobs are paid for, or being paid for, and not archived; ``gone``: of rows no longer in the manifest."""
    which = " AND wanted = 0" if gone else ""
    return ledger.database.number(
        f"SELECT (SELECT count(*) FROM job WHERE {OPEN} AND state IN ('submitting', 'in_flight'){which}) + "
        f"(SELECT count(*) FROM job WHERE state = 'rendered'{which})"
    )
