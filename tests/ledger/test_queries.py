"""A million rows stay quick to query: what runs for each job, or each second, reads no table from end to end."""

import re
from collections.abc import Callable

import pytest

from batchgen.ledger import Ledger, doubt, evidence, recovery, standing
from batchgen.ledger.expected import awaited_videos, video_bytes
from batchgen.ledger.rendered import Rendered
from batchgen.model import Job, State
from batchgen.request import Request

JOB = Job(1, Request("wan-2-5", "text-to-video", "a lake"), State.RENDERED)
OFTEN: dict[str, Callable[[Ledger], object]] = {
    "next_pending": Ledger.next_pending,
    "take": lambda ledger: Rendered(ledger).take(0.0),
    "has_work": Ledger.has_work,
    "has_remakes": lambda ledger: Rendered(ledger).has_remakes(),
    "in_flight": lambda ledger: list(ledger.in_flight()),
    "doubtful_since": lambda ledger: ledger.doubtful_since(0.0),
    "recover": recovery.recover,
    "unfetched": Ledger.unfetched,
    "awaited_jobs": standing.awaited_jobs,
    "awaited_videos": awaited_videos,
    "video_bytes, of the latest": lambda ledger: video_bytes(ledger, latest=100),
    "missing_videos": lambda ledger: ledger.missing_videos(JOB, 0),
    "kept": lambda ledger: ledger.kept(JOB),
    "candidates": evidence.candidates,
    "awaiting_callback": lambda ledger: doubt.awaiting_callback(ledger, 0.0),
    "called": lambda ledger: evidence.called(ledger, b"", None),
    "release": lambda ledger: doubt.release(ledger, 1.0),
}
READS_ALL = re.compile(r"SCAN (main\.)?(job|row|attempt|video)\b(?! USING)")
HUNDRED = ("SELECT row, bytes FROM video ORDER BY row DESC LIMIT 100", "SELECT 1 AS row, 1 AS bytes")


@pytest.mark.parametrize("name", OFTEN)
def test_no_table_is_read_from_end_to_end(name: str) -> None:
    with Ledger.open(None) as ledger:
        connection = ledger.database._connection
        said: list[str] = []
        doubt.note_listening(ledger, 0.0, 1e12)
        connection.set_trace_callback(said.append)
        OFTEN[name](ledger)
        connection.set_trace_callback(None)
        queries = [sql for sql in said if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert queries
        for sql in queries:
            plan = [line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {sql.replace(*HUNDRED)}")]
            assert not [step for step in plan if READS_ALL.search(step)], sql
