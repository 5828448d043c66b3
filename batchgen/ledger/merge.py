"""The staged rows into the ledger: which row is which, what is new, and which rows share a job.

A row is known by its id and request, or, without an id, by its request and how many such rows came before it:
never by where it stands.
"""

import hashlib
import re
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias
from unicodedata import normalize

from batchgen.ledger.database import Database
from batchgen.ledger.stage import Naming, Repeated

_Named: TypeAlias = tuple[int, int, str]  # a row's key or position, whether its id was given, its id
_LIKE_A_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,3})?", re.ASCII)


def merge(
    database: Database, naming: Naming, repeated: Repeated, *, is_partial: bool, to_look_at: bool
) -> dict[str, Any]:
    """Make the ledger's rows those of the stage, as part of the caller's transaction; returns counts of an Intake.

    ``is_partial``: rows that are not there stay as they are. ``to_look_at``: nothing will be taken in again.
    """
    is_first = not is_partial and not has_rows(database)  # then there is nothing that a row could be
    if is_first:
        counts = dict.fromkeys(("rows", "new"), database.number("SELECT max(position) FROM temp.sheet"))
    else:
        renamed = _recognise(database, is_partial=is_partial)
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


def _recognise(database: Database, *, is_partial: bool) -> int:
    """Find the rows of the stage that the ledger knows; returns how many it knows under another id alone."""
    database.execute(
        "UPDATE temp.sheet SET row = row.row FROM main.row WHERE row.id = sheet.id AND row.digest = sheet.digest"
    )
    database.execute("CREATE INDEX temp.sheet_row ON sheet (row) WHERE row IS NOT NULL")
    if is_partial:
        _add_the_others(database)
    return _adopt(database)


def _add_the_others(database: Database) -> None:
    """Complete a partial sheet: its rows get the places that they had in the batch, and the batch's others follow."""
    database.execute("UPDATE temp.sheet SET position = -position")
    places = database.execute(
        "SELECT sheet.position, min(row.position), row.number FROM temp.sheet "
        "LEFT JOIN main.row ON row.id = sheet.id AND row.position IS NOT NULL "
        "GROUP BY sheet.position ORDER BY sheet.position DESC"
    ).fetchall()
    last = database.execute("SELECT coalesce(max(position), 0), coalesce(max(number), 0) FROM main.row")
    position, number = last.fetchone()
    for staged, known, its_number in places:
        if known is None:
            position, number = position + 1, number + 1
        place = (known or position, its_number or number, staged)
        database.execute("UPDATE temp.sheet SET position = ?, number = ? WHERE position = ?", place)
    database.execute(
        "INSERT INTO temp.sheet SELECT row.position, row.number, 0, row.id, row.given, row.digest, request, "
        "0, signed, row.name, row.fold, row.extras, row.row, NULL FROM main.row JOIN main.job USING (job) "
        "WHERE row.position IS NOT NULL AND row.id NOT IN (SELECT id FROM temp.sheet)"
    )


def _adopt(database: Database) -> int:
    """A new row is one that the sheet no longer has, where both have the same content and no two ids tell them apart.

    So nothing is paid for again when a column of ids is added or taken away, when a spreadsheet program takes an id for
    a number, or when its letters come in another normal form. Returns how many new rows ask for the same as one that is
    gone, and are new all the same, since both have an id.
    """
    database.execute(
        "CREATE TEMP TABLE orphan AS SELECT row.digest, row.row, row.given, row.id FROM main.row "
        "WHERE row.row NOT IN (SELECT row FROM temp.sheet WHERE row IS NOT NULL)"
    )
    database.execute("CREATE INDEX temp.orphan_digest ON orphan (digest)")
    nameless = database.execute(
        "SELECT digest, position, given, id FROM temp.sheet WHERE row IS NULL "
        "AND digest IN (SELECT digest FROM temp.orphan) ORDER BY digest, position"
    )
    orphans = database.execute(
        "SELECT digest, row, given, id FROM temp.orphan WHERE digest IN "
        "(SELECT digest FROM temp.sheet WHERE row IS NULL) ORDER BY digest, row"
    )
    database.execute("CREATE TEMP TABLE adopted (position INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
    renamed = 0
    for (_, rows), (_, former) in zip(groupby(nameless, itemgetter(0)), groupby(orphans, itemgetter(0)), strict=True):
        pairs, left = _paired([row[1:] for row in rows], [row[1:] for row in former])
        database.execute_many("INSERT INTO temp.adopted VALUES (?, ?)", pairs)
        renamed += left
    database.execute(  # one that never had an id is called as an older version did
        "UPDATE main.row SET id = sheet.id, given = sheet.given FROM temp.adopted JOIN temp.sheet USING (position) "
        "WHERE adopted.row = row.row AND (sheet.given OR row.given)"
    )
    database.execute(
        "UPDATE temp.sheet SET row = adopted.row FROM temp.adopted WHERE adopted.position = sheet.position"
    )
    for table in ("orphan", "adopted"):
        database.execute(f"DROP TABLE temp.{table}")
    return renamed


def _paired(rows: list[_Named], orphans: list[_Named]) -> tuple[list[tuple[int, int]], int]:
    """Pair rows of one content with the ledger's: (position, key). Returns also how many of both are left over.

    All are given in order. A row with an id takes one whose id is the same but for its form, or else one that had none;
    a row without an id takes the first that is free.
    """
    alike = {_plain(id): key for key, given, id in reversed(orphans) if given}
    free = dict.fromkeys(key for key, _, _ in orphans)
    unnamed = iter([key for key, given, _ in orphans if not given])
    pairs = []
    for position, given, id in rows:
        found = alike.get(_plain(id)) if given else next(iter(free), None)
        if found not in free:
            found = next((key for key in unnamed if key in free), None)
        if found is not None:
            del free[found]
            pairs.append((position, found))
    return pairs, min(len(rows) - len(pairs), len(free))


def _plain(id: str) -> str:
    """What a spreadsheet program leaves of an id that it takes for a number (001, 4e2); any other in the form NFC."""
    if _LIKE_A_NUMBER.fullmatch(id) and (number := Decimal(id)) == int(number):
        return str(int(number))
    return normalize("NFC", id)


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
