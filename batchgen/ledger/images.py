"""The images of the jobs that are still to be asked for, and where the manifest names them."""

from collections.abc import Iterator

from batchgen.ledger.ledger import Ledger
from batchgen.model import Row
from batchgen.request import public_url

_HAS_IMAGES = "job.request LIKE '%\"image_urls\":%'"  # told without reading the JSON of a million jobs
_LINES = "CREATE TEMP TABLE IF NOT EXISTS image_line (url TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID"


def wanted_images(ledger: Ledger, *states: str) -> Iterator[str]:
    """Each distinct image of the jobs in these states that the run may submit; links without what signs them.

    With those of jobs that are made again if their videos cannot be fetched.
    """
    marks = ", ".join("?" for _ in states)
    found = ledger.database.execute(
        "SELECT DISTINCT json_each.value FROM job, json_each(job.request, '$.image_urls') "
        f"WHERE (state IN ({marks}) OR (state = 'rendered' AND remake = 1)) AND wanted > 0 "
        f"AND {_HAS_IMAGES}{ledger.and_selected}",
        states,
    )
    return (url for (url,) in found)


def links_to_send(ledger: Ledger) -> Iterator[str]:
    """Each distinct image of the jobs that the run is to ask for; links whole, where this process has them so."""
    found = ledger.database.execute(
        "SELECT DISTINCT json_each.value FROM main.job LEFT JOIN temp.signed USING (digest), "
        "json_each(coalesce(signed.request, job.request), '$.image_urls') "
        f"WHERE {ledger.to_submit} AND {_HAS_IMAGES} ORDER BY position"
    )
    return (url for (url,) in found)


def note_lines(ledger: Ledger, row: Row) -> None:
    """Remember, for this process, the first line at which each of the row's images stands, and the link whole."""
    ledger.database.execute(_LINES)
    for url in row.request.image_urls:
        ledger.database.execute("INSERT OR IGNORE INTO temp.image_line VALUES (?, ?)", (url, row.line))


def links_to_try(ledger: Ledger, *states: str) -> Iterator[tuple[str, int]]:
    """The noted links that jobs in these states need, whole, each with its line."""
    needed = set(wanted_images(ledger, *states))
    ledger.database.execute(_LINES)
    noted = ledger.database.execute("SELECT url, line FROM temp.image_line ORDER BY line")
    return ((url, line) for url, line in noted if public_url(url) in needed)
