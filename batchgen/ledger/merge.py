"""The staged rows into the ledger: what is new, what each row's files are called, and which rows share a job."""

import hashlib
from typing import Any

from batchgen.ledger.database import Database
from batchgen.ledger.recognise import recognise
from batchgen.ledger.stage import Naming, Repeated


def merge(
    database: Database, naming: Naming, repeated: Repeated, *, is_partial: bool, to_look_at: bool
) -> dict[str, Any]:
    """Make the ledger's rows those of the stage, as part of the caller's transaction; returns counts of an Intake.

    ``is_partial``: rows that are not there stay as they are. ``to_look_at``: nothing will be taken in again.
    """
    is_first = not has_rows(database)  # then there is nothing that a row could be
    if is_first:
        counts = dict.fromkeys(("rows", "new"), database.number("SELECT max(position) FROM temp.sheet"))
    else:
        renamed = recognise(database, is_partial=is_partial)
        counts = _counts(database) | {"renamed": renamed}
    _set_names_apart(database, naming, repeated, is_first=is_first)
    if not is_first:
        _place_known(database)
    taken = database.number("SELECT max(job) FROM job")  # keys
    _find_shared(database, taken, repeated)
    if is_first or counts["new"] > counts["rows"] / 2:
        _add_many(database, taken, indexed=not (is_first and to_look_at))
    else:
        _add_new(database, taken)
    if taken or repeated.digests:
        _refresh_jobs(database, taken)
    return counts


def has_rows(database: Database) -> bool:
    """Whether the ledger has taken in any."""
    return database.has("SELECT 1 FROM main.row")


def _counts(database: Database) -> dict[str, int]:
    number = database.number
    gone = "FROM main.row WHERE row.position IS NOT NULL AND row.row NOT IN (SELECT row FROM temp.sheet WHERE row > 0)"
    return {
        "rows": number("SELECT count(*) FROM temp.sheet"),
        "new": number("SELECT count(*) FROM temp.sheet WHERE row IS NULL"),
        "edited": number(
            "SELECT count(*) FROM temp.sheet WHERE row IS NULL AND given = 1 AND id IN (SELECT id FROM main.row)"
        ),
        "gone": number(f"SELECT count(*) {gone}"),
        "back": number("SELECT count(*) FROM temp.sheet JOIN main.row USING (row) WHERE main.row.position IS NULL"),
        "kept_videos": number(f"SELECT count(*) {gone} AND row.row IN (SELECT row FROM video)"),
    }


def _set_names_apart(database: Database, naming: Naming, repeated: Repeated, *, is_first: bool) -> None:
    """No two rows' files may be the same on any file system; a name once given stays, if a video may bear it."""
    if is_first and not repeated.names:
        return
    database.execute("CREATE INDEX temp.sheet_fold ON sheet (fold) WHERE row IS NULL")
    if not is_first:
        _take_names_back(database, naming)
    clashes = database.execute(
        "SELECT position, name, id, digest FROM temp.sheet WHERE position IN ("
        "SELECT position FROM temp.sheet WHERE row IS NULL AND fold IN (SELECT fold FROM main.row) "
        "UNION SELECT position FROM temp.sheet JOIN (SELECT fold, min(position) AS first FROM temp.sheet "
        "WHERE row IS NULL GROUP BY fold HAVING count(*) > 1) USING (fold) WHERE row IS NULL AND position > first) "
        "ORDER BY position"
    ).fetchall()
    _mark(database, naming, clashes, "UPDATE temp.sheet SET name = ?, fold = ? WHERE position = ?")


def _take_names_back(database: Database, naming: Naming) -> None:
    """A row that is gone and for which nothing was made leaves its name to the new row that wants it."""
    unused = database.execute(
        "SELECT row.row, row.name, row.id, row.digest FROM main.row JOIN main.job USING (job) "
        "WHERE row.fold IN (SELECT fold FROM temp.sheet WHERE row IS NULL) AND state IN ('pending', 'failed') "
        "AND row.row NOT IN (SELECT row FROM main.video) "
        "AND row.row NOT IN (SELECT row FROM temp.sheet WHERE row IS NOT NULL)"
    ).fetchall()
    _mark(database, naming, unused, "UPDATE main.row SET name = ?, fold = ? WHERE row = ?")


def _mark(database: Database, naming: Naming, rows: list[tuple[int, str, str, bytes]], update: str) -> None:
    """Give rows (key, name, id, digest) names that are free; ``update`` writes a name and its fold by the key."""
    for key, name, identity, digest in rows:
        free = _free_name(database, naming, name, f"{identity}\0{digest.hex()}")
        database.execute(update, (free, naming.key(free), key))


def _free_name(database: Database, naming: Naming, name: str, identity: str) -> str:
    """The name with a mark that follows from the row's identity, so that it is the same in every run."""
    mark = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    for length in range(8, len(mark) + 1, 8):
        candidate = naming.apart(name, mark[:length])
        fold = naming.key(candidate)
        if not database.has(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM main.row WHERE fold = :fold) "
            "OR EXISTS (SELECT 1 FROM temp.sheet WHERE fold = :fold AND row IS NULL)",
            {"fold": fold},
        ):
            return candidate
    raise AssertionError("two rows of the same identity")


def _place_known(database: Database) -> None:
    database.execute(
        "UPDATE main.row SET position = NULL WHERE position IS NOT NULL AND row NOT IN "
        "(SELECT row FROM temp.sheet WHERE row IS NOT NULL)"
    )
    database.execute(
        "UPDATE main.row SET position = sheet.position, number = sheet.number, extras = sheet.extras "
        "FROM temp.sheet WHERE sheet.row = row.row AND (row.position IS NOT sheet.position "
        "OR row.number != sheet.number OR row.extras IS NOT sheet.extras)"
    )


def _add_many(database: Database, taken: int, *, indexed: bool) -> None:
    """Make the indexes of no natural order anew behind many new rows: to sort once is a tenth of the work.

    Not ``indexed``: leave them out. It is taking in alone that looks for rows and jobs by what they are.
    """
    indexes = database.execute(
        "SELECT name, sql FROM main.sqlite_schema WHERE name IN ('job_digest', 'row_id', 'row_fold')"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX main.{name}")
    _add_new(database, taken)
    for _, sql in indexes if indexed else ():
        database.execute(sql)


def _add_new(database: Database, taken: int) -> None:
    """New rows, each with a job of its own, or with the one that it shares.

    A new job's key is its row's position, behind the keys that are ``taken``.
    """
    database.execute(
        "INSERT INTO job (job, digest, request, signed, wanted, position) "
        "SELECT position + :taken, digest, request, signed, 1, position FROM temp.sheet "
        "WHERE row IS NULL AND coalesce(job, position + :taken) = position + :taken ORDER BY position",
        {"taken": taken},
    )
    database.execute(
        "INSERT INTO row (id, given, digest, job, position, number, name, fold, extras) SELECT id, given, digest, "
        "coalesce(job, position + ?), position, number, name, fold, extras FROM temp.sheet WHERE row IS NULL "
        "ORDER BY position",
        (taken,),
    )


def _find_shared(database: Database, taken: int, repeated: Repeated) -> None:
    """Rows with the same request and seed share a job: one that is there, or that of the first of them."""
    if taken:
        database.execute(
            "UPDATE temp.sheet SET job = (SELECT min(job) FROM main.job WHERE job.digest = sheet.digest) "
            "WHERE row IS NULL AND seeded AND digest IN (SELECT digest FROM main.job)"
        )
    if not repeated.digests:
        return
    database.execute("CREATE INDEX temp.sheet_shared ON sheet (digest) WHERE row IS NULL AND seeded")
    database.execute(
        "CREATE TEMP TABLE shared AS SELECT digest, min(position) + ? AS job FROM temp.sheet "
        "WHERE row IS NULL AND seeded GROUP BY digest HAVING count(*) > 1",
        (taken,),
    )
    database.execute(
        "UPDATE temp.sheet SET job = shared.job FROM temp.shared "
        "WHERE shared.digest = sheet.digest AND row IS NULL AND seeded AND sheet.job IS NULL"
    )
    database.execute("DROP TABLE temp.shared")


def _refresh_jobs(database: Database, taken: int) -> None:
    """How many rows want each job, and where the first stands; a row that joined an archived job lacks its video.

    A new job of one row has this already.
    """
    database.execute(
        "UPDATE job SET wanted = 0, position = NULL WHERE job <= ? AND wanted > 0 AND job NOT IN "
        "(SELECT job FROM row WHERE position IS NOT NULL)",
        (taken,),
    )
    database.execute(
        "UPDATE job SET wanted = live.wanted, position = live.position FROM "
        "(SELECT job, count(*) AS wanted, min(position) AS position FROM row WHERE position IS NOT NULL "
        "AND (job <= ? OR job IN (SELECT job FROM temp.sheet WHERE job IS NOT NULL)) GROUP BY job) "
        "AS live WHERE live.job = job.job AND (job.wanted != live.wanted OR job.position IS NOT live.position)",
        (taken,),
    )
    database.execute(
        "UPDATE job SET state = 'rendered' WHERE job <= ? AND state = 'archived' AND job IN "
        "(SELECT job FROM row WHERE row NOT IN (SELECT row FROM video))",
        (taken,),
    )
