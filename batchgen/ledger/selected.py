"""Which jobs the present run may submit, where a person chose: in this process alone, never in the file.

The jobs that wait are kept in order in a table of their own, so that the next one is found at once, though a million
that were not chosen stand before it. Triggers keep it: whatever makes a job pending again, or takes it, is seen.
"""

from collections.abc import Iterable, Iterator

from batchgen.ledger.ledger import Ledger
from batchgen.model import Present, State

_QUEUE = (
    "CREATE TEMP TABLE waiting (position INTEGER PRIMARY KEY, job INTEGER NOT NULL)",
    "CREATE TEMP TRIGGER takes AFTER UPDATE OF state ON main.job WHEN old.state = 'pending' AND new.state != 'pending' "
    "BEGIN DELETE FROM waiting WHERE position = old.position; END",
    "CREATE TEMP TRIGGER gives AFTER UPDATE OF state ON main.job WHEN new.state = 'pending' "
    "AND new.job IN (SELECT job FROM temp.selected) "
    "BEGIN INSERT OR REPLACE INTO waiting VALUES (new.position, new.job); END",
    "INSERT INTO temp.waiting SELECT position, job FROM main.job WHERE state = 'pending' AND wanted > 0 "
    "AND job IN (SELECT job FROM temp.selected)",
)


def present(ledger: Ledger) -> Iterator[Present]:
    """The rows of the present manifest, in its order; what was being asked for when a run ended is in doubt."""
    found = ledger.database.execute(
        "SELECT job, id, number, row.digest, "
        "request LIKE '%\"seed\":%' AND json_extract(request, '$.seed') IS NOT NULL, state, "
        "request, coalesce(extras, '') "
        "FROM row JOIN job USING (job) WHERE row.position IS NOT NULL ORDER BY row.position"
    )
    for job, identity, number, digest, seeded, state, *more in found:
        known = State.IN_DOUBT if state == State.SUBMITTING else State(state)
        yield Present(job, identity, number, digest.hex(), bool(seeded), known, *more)


def select(ledger: Ledger, jobs: Iterable[int]) -> None:
    """From now on only these jobs are submitted; call it at most once, when the manifest has been taken in."""
    database = ledger.database
    database.execute("CREATE TEMP TABLE selected (job INTEGER PRIMARY KEY)")
    with database.transaction():
        database.execute_many("INSERT OR IGNORE INTO temp.selected VALUES (?)", ((job,) for job in jobs))
        for statement in _QUEUE:
            database.execute(statement)
    ledger.is_selecting = True
