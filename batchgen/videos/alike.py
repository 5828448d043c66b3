"""Videos that the service gave to several tasks: what was asked for may never have been made."""

from collections.abc import Iterator

from batchgen.ledger import Ledger
from batchgen.words import many

# What has a seed and differs in its provider alone may well be the same.
_ALIKE = """
WITH come AS NOT MATERIALIZED (
    SELECT sha256, row, place, job, request FROM video JOIN row USING (row) JOIN job USING (job)
    WHERE archived_at >= (SELECT started_at FROM run WHERE run = ?)
)
SELECT min(place), count(DISTINCT row) FROM come WHERE sha256 IN (
    SELECT sha256 FROM (
        SELECT sha256, iif(json_extract(request, '$.seed') IS NULL, job, json_remove(request, '$.provider')) AS asked
        FROM come
    ) GROUP BY sha256 HAVING min(asked) < max(asked)
) GROUP BY sha256, job ORDER BY sha256, min(row)
"""


def sentences(ledger: Ledger) -> Iterator[str]:
    """What a person should know of such videos, if the present run archived any."""
    found = ledger.database.execute(_ALIKE, (ledger.run,)).fetchall()
    if found:
        rows, (one, other) = sum(number for _, number in found), (place for place, _ in found[:2])
        yield (
            f"{many(rows, 'row')} of this run have the same video as a row with another task ({one} and {other}"
            f"{', ...' if len(found) > 2 else ''}): look at them, and show the service their task ids, which are in "
            "results.csv; a row whose prompt or seed is changed is asked for anew"
        )
