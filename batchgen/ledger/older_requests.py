"""Requests of older ledgers as they are understood now, and known by another digest.

Only what changes is written. Rows keep their ids, names and places, and jobs their tasks and videos.
"""

import sqlite3
from dataclasses import replace
from typing import NamedTuple

from batchgen.model import State
from batchgen.request import Request, digest_of, with_newlines

# The condition, in SQL, on a request whose text or digest may be another now. Only the JSON is looked at: it has blanks
# within its texts alone, writes a carriage return as \r, and a link that is signed has a query.
_DOUBTFUL = r"""request GLOB '*[^ -~]*' OR instr(request, ' "') OR instr(request, '":" ') OR instr(request, '\')
OR (instr(request, '"image_urls":') AND instr(request, '?'))"""
_FURTHEST_FIRST = (
    *(State.ARCHIVED, State.RENDERED, State.IN_FLIGHT, State.SUBMITTING, State.IN_DOUBT, State.EXPIRED),
    *(State.FAILED, State.PENDING),
)


class _Row(NamedTuple):
    row: int
    id: str
    job: int
    position: int | None
    state: State


def as_now(text: str) -> tuple[str, bool]:
    """A request that was kept (JSON) as it is kept now, and whether its links turn out to be signed."""
    request = Request.from_json(text)
    negative = request.negative_prompt
    request = replace(
        request,
        prompt=with_newlines(request.prompt),
        negative_prompt=None if negative is None else with_newlines(negative),
    )
    public = request.public
    return public.to_json(), public is not request


def digest_what_is_kept(connection: sqlite3.Connection) -> None:
    """Since schema 2 a request's digest is that of the JSON that is kept of it; in the caller's transaction."""
    for job, request in connection.execute("SELECT job, request FROM job").fetchall():
        digest = digest_of(Request.from_json(request).to_json())
        connection.execute("UPDATE job SET digest = ? WHERE job = ?", (digest, job))
        connection.execute("UPDATE row SET digest = ? WHERE job = ?", (digest, job))


def digest_anew(connection: sqlite3.Connection) -> None:
    """Since schema 5 a request is known by one digest, whoever saved or signed it; in the caller's transaction."""
    kept = connection.execute(f"SELECT job, request, digest FROM job WHERE {_DOUBTFUL}").fetchall()
    now = ((job, request, digest, *as_now(request)) for job, request, digest in kept)
    changed = [
        (job, new, digest_of(new), is_signed)
        for job, request, digest, new, is_signed in now
        if (new, digest_of(new)) != (request, digest)
    ]
    for job, request, digest, is_signed in changed:
        connection.execute(
            "UPDATE job SET digest = ?, request = ?, signed = max(signed, ?) WHERE job = ?",
            (digest, request, is_signed, job),
        )
        for row in _rows(connection, "job = ?", job):
            _recognise(connection, row, digest)
    if changed:  # the sheet is read again, and what is paid is offered to other batches anew
        connection.execute("DELETE FROM fact WHERE name IN ('taken', 'entered')")


def _rows(connection: sqlite3.Connection, where: str, *parameters: object) -> list[_Row]:
    found = connection.execute(
        f"SELECT row, id, job, row.position, state FROM row JOIN job USING (job) WHERE {where} ORDER BY row", parameters
    )
    return [_Row(row, identity, job, position, State(state)) for row, identity, job, position, state in found]


def _recognise(connection: sqlite3.Connection, row: _Row, digest: bytes) -> None:
    """Give the row the new digest.

    If a row of the same id has it already, both are one row of the sheet, which was taken for two. Then the one whose
    job is further has the digest and the place in the sheet.
    """
    twins = _rows(connection, "id = ? AND row.digest = ?", row.id, digest)
    if not twins:
        connection.execute("UPDATE row SET digest = ? WHERE row = ?", (digest, row.row))
        return
    twin = twins[0]
    if _rank(row) < _rank(twin):
        _exchange_digests(connection, row, twin)
        _give_place(connection, twin, row)
    else:
        _give_place(connection, row, twin)


def _rank(row: _Row) -> tuple[int, bool, int]:
    """The smaller it is, the further the row; of equals the one in the present sheet, then the older one."""
    return _FURTHEST_FIRST.index(row.state), row.position is None, row.row


def _exchange_digests(connection: sqlite3.Connection, row: _Row, twin: _Row) -> None:
    """Give the row the twin's digest, and the twin the row's former one, which no sheet leads to any more.

    So the twin is kept, with its tasks and videos, as a row that is no longer in the sheet.
    """
    ((of_row,), (of_twin,)) = (
        connection.execute("SELECT digest FROM row WHERE row = ?", (each.row,)).fetchone() for each in (row, twin)
    )
    for digest, each in ((b"", twin), (of_twin, row), (of_row, twin)):  # never two alike
        connection.execute("UPDATE row SET digest = ? WHERE row = ?", (digest, each.row))


def _give_place(connection: sqlite3.Connection, giver: _Row, taker: _Row) -> None:
    """Let the taker stand in the present manifest where the giver does, if it does."""
    if giver.position is None or taker.position is not None:
        return
    connection.execute(
        "UPDATE row SET (position, number, extras) = (SELECT position, number, extras FROM row WHERE row = ?) "
        "WHERE row = ?",
        (giver.row, taker.row),
    )
    connection.execute("UPDATE row SET position = NULL WHERE row = ?", (giver.row,))
    for job in {giver.job, taker.job}:
        connection.execute(
            "UPDATE job SET (wanted, position) = (SELECT count(position), min(position) FROM row "
            "WHERE row.job = job.job) WHERE job = ?",
            (job,),
        )
