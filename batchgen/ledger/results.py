"""The rows of the manifest as results.csv tells them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from batchgen.ledger.database import Database
from batchgen.model import Job, State
from batchgen.request import Quick, Request, from_json

_OF_JOB = (
    *("request", "state", "wanted", "task_id", "fail_code", "fail_message", "attempts", "submitted_at"),
    *("completed_at", "generation_ms", "key"),
)
_JOB_COLUMNS = ", ".join(f"job.{name}" for name in (*_OF_JOB[:-1], "job"))
# What the service has accepted, as the page counts it.
_COST = "(SELECT sum(price) FROM attempt WHERE attempt.job = row.job AND attempt.task_id IS NOT NULL)"
_STATES = {state.value: state for state in State}


@dataclass(frozen=True)
class ResultRow(Quick):
    """A row of the manifest as results.csv tells it."""

    id: str
    number: int
    status: State
    job: Job
    extras: dict[str, str]
    places: tuple[str, ...]
    bytes: int | None
    sha256: tuple[str, ...]
    cost: int | None  # of its tasks, in millionths of a US dollar; of rows that share them, the first has it all


def result_rows(database: Database, states: tuple[State, ...], *, is_free: bool) -> Iterator[ResultRow]:
    """See :meth:`batchgen.ledger.Ledger.results`."""
    among = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
    cost = "NULL" if is_free else _COST
    found = database.execute(
        f"SELECT row.position, id, number, extras, place, bytes, sha256, {cost}, {_JOB_COLUMNS} "
        f"FROM row JOIN job USING (job) LEFT JOIN video USING (row) WHERE row.position IS NOT NULL{among} "
        "ORDER BY row.position, part",
        states,
    )
    counted: set[int] = set()  # the jobs of several rows whose cost was told
    for _, parts in groupby(found, itemgetter(0)):
        yield _result(list(parts), counted)


def _result(lines: list[Any], counted: set[int]) -> ResultRow:
    """The row of these lines: one for each part of its video, or one without."""
    _, identity, number, extras, place, size, sha256, cost, *of_job = lines[0]
    facts = dict(zip(_OF_JOB, of_job, strict=True))
    facts["request"] = Request.from_json(facts["request"])
    if facts["wanted"] > 1:
        cost = 0 if cost and facts["key"] in counted else cost
        counted.add(facts["key"])
    state = facts["state"] = _STATES[facts["state"]]
    if len(lines) > 1:
        place, size, sha256 = zip(*[line[4:7] for line in lines], strict=True)
    elif place is not None:
        place, size, sha256 = (place,), (size,), (sha256,)
    return ResultRow.of(
        {
            "id": identity,
            "number": number,
            "status": State.IN_DOUBT if state is State.SUBMITTING else state,
            "job": Job.of(facts),
            "extras": from_json(extras) if extras else {},
            "places": place or (),
            "bytes": sum(size) if size else None,
            "sha256": tuple([part.hex() for part in sha256]) if sha256 else (),
            "cost": cost,
        }
    )
