"""Which of the staged rows the ledger knows.

A row is known by its id and request, or, without an id, by its request and how many such rows came before it:
never by where it stands.
"""

import re
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias
from unicodedata import normalize

from batchgen.ledger.database import Database

_Named: TypeAlias = tuple[int, int, str]  # a row's key or position, whether its id was given, its id
_LIKE_A_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,3})?", re.ASCII)


def recognise(database: Database, *, is_partial: bool) -> int:
    """Find the rows of the stage that the ledger knows; returns how many are paid for again under another id alone."""
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
    gone, and are paid for all the same, since both have an id and neither a seed.
    """
    database.execute(
        "CREATE TEMP TABLE orphan AS SELECT row.digest, row.row, row.given, row.id FROM main.row "
        "WHERE row.row NOT IN (SELECT row FROM temp.sheet WHERE row IS NOT NULL)"
    )
    database.execute("CREATE INDEX temp.orphan_digest ON orphan (digest)")
    nameless = database.execute(
        "SELECT digest, position, given, id, seeded FROM temp.sheet WHERE row IS NULL "
        "AND digest IN (SELECT digest FROM temp.orphan) ORDER BY digest, position"
    )
    orphans = database.execute(
        "SELECT digest, row, given, id FROM temp.orphan WHERE digest IN "
        "(SELECT digest FROM temp.sheet WHERE row IS NULL) ORDER BY digest, row"
    )
    database.execute("CREATE TEMP TABLE adopted (position INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
    renamed = 0
    for (_, alike), (_, former) in zip(groupby(nameless, itemgetter(0)), groupby(orphans, itemgetter(0)), strict=True):
        rows = list(alike)
        pairs, left = _paired([row[1:4] for row in rows], [row[1:] for row in former])
        database.execute_many("INSERT INTO temp.adopted VALUES (?, ?)", pairs)
        is_shared = rows[0][4]  # with a seed it is the same video, under whatever id, and is paid for once
        renamed += 0 if is_shared else left
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
    alike = {_plain(id): key for key, given, id in orphans if given}
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
