"""What is still to be paid for and kept: of which kinds, how much, and under which names."""

from collections.abc import Iterator
from typing import NamedTuple

from batchgen.ledger.ledger import OPEN, Ledger
from batchgen.request import Request


class Kind(NamedTuple):
    """Pending tasks that cost, take and weigh the same."""

    request: Request  # of one of them
    tasks: int
    rows: int  # that want them: each keeps a file


def pending_kinds(ledger: Ledger, first: int | None = None) -> Iterator[Kind]:
    """What the run may submit, by kind; of the ``first`` alone, in its order, where a number is given."""
    jobs = f"job WHERE {ledger.to_submit}"
    if first is not None:
        jobs = f"(SELECT job, wanted, request FROM {jobs} ORDER BY position LIMIT {first})"
    parameters = "json_extract(request, '$.model', '$.mode', '$.resolution', '$.duration', '$.provider')"
    # By the key of one of them: a million requests would be sorted with what they are grouped by.
    found = ledger.database.execute(
        "SELECT request, tasks, rows FROM (SELECT min(job) AS job, count(*) AS tasks, sum(wanted) AS rows "
        f"FROM {jobs} GROUP BY {parameters}) JOIN job USING (job)"
    )
    return (Kind(Request.from_json(request), tasks, rows) for request, tasks, rows in found)


def video_bytes(ledger: Ledger, latest: int | None = None) -> dict[tuple[str | None, int | None], float]:
    """The size of an archived video on average, by resolution and duration (seconds) as they were asked for.

    Of the ``latest`` alone, which are found at once, where a number is given.
    """
    videos = f"(SELECT row, bytes FROM video ORDER BY row DESC LIMIT {latest})" if latest else "video"
    found = ledger.database.execute(
        "SELECT json_extract(request, '$.resolution'), json_extract(request, '$.duration'), avg(bytes) "
        f"FROM {videos} JOIN row USING (row) JOIN job USING (job) GROUP BY 1, 2"
    )
    return {(resolution, duration): size for resolution, duration, size in found}


def has_asked_with(ledger: Ledger, parameter: str) -> bool:
    """Whether a row of the manifest was asked for with a value of this parameter."""
    return ledger.database.has(
        "SELECT 1 FROM row JOIN job USING (job) WHERE row.position IS NOT NULL AND state != 'pending' "
        "AND json_extract(request, ?) IS NOT NULL",
        (f"$.{parameter}",),
    )


def awaited_videos(ledger: Ledger) -> list[tuple[Request, int]]:
    """How many files are still to be kept of what is paid for, by kind: a request of it, and their number."""
    by_kind = "GROUP BY json_extract(request, '$.resolution', '$.duration')"
    found = ledger.database.execute(
        "SELECT request, sum(max(wanted, 1)) FROM job "
        f"WHERE {OPEN} AND state IN ('submitting', 'in_flight') {by_kind} "
        f"UNION ALL SELECT request, sum(max(wanted, 1)) FROM job WHERE state = 'rendered' {by_kind}"
    )
    return [(Request.from_json(request), files) for request, files in found]


def first_names(ledger: Ledger, number: int) -> tuple[str, ...]:
    """The names of the first files that the run will make."""
    found = ledger.database.execute(
        "SELECT name FROM row WHERE position IS NOT NULL AND EXISTS (SELECT 1 FROM job WHERE job.job = row.job "
        f"AND {ledger.to_submit}) ORDER BY position LIMIT ?",
        (number,),
    )
    return tuple(name for (name,) in found)


def pending_rows(ledger: Ledger) -> Iterator[tuple[str, Request]]:
    """The rows that the run will make, in the manifest's order: id, and request without what signs its links."""
    found = ledger.database.execute(
        "SELECT id, request FROM row JOIN job USING (job) WHERE row.position IS NOT NULL AND state = 'pending'"
        f"{ledger.and_selected} ORDER BY row.position"
    )
    return ((identity, Request.from_json(request)) for identity, request in found)


def pending_requests(ledger: Ledger) -> Iterator[Request]:
    """The requests of the tasks that the run will ask for, in its order, without what signs their links."""
    found = ledger.database.execute(f"SELECT request FROM job WHERE {ledger.to_submit} ORDER BY position")
    return (Request.from_json(request) for (request,) in found)


def pending_without_seed(ledger: Ledger) -> int:
    """How many rows that the run will make have no seed."""
    return ledger.database.number(
        f"SELECT sum(wanted) FROM job WHERE {ledger.to_submit} AND json_extract(request, '$.seed') IS NULL"
    )


def tasks(ledger: Ledger) -> int:
    """How many tasks the present manifest asks for, made or not."""
    return ledger.database.number("SELECT count(*) FROM job WHERE wanted > 0")


def repeats(ledger: Ledger) -> int:
    """How many rows of the present manifest ask for the same as another one, each with a task of its own."""
    # The digests that are there twice are found first: by their index alone, where there is one.
    return ledger.database.number(
        "SELECT sum(jobs - 1) FROM (SELECT count(*) AS jobs FROM job WHERE wanted > 0 "
        "AND digest IN (SELECT digest FROM job GROUP BY digest HAVING count(*) > 1) GROUP BY digest)"
    )
