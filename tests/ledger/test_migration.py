"""Ledgers of older versions go on, whole or not at all."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.ledger import Intake, Ledger, standing, take_in
from batchgen.ledger.schema import APPLICATION_ID, VERSION
from batchgen.manifest import open_manifest
from batchgen.model import State
from batchgen.request import Request
from tests.ledger.older import schema_3
from tests.ledger.test_intake import RULES

CAT = Request("wan-2-5", "text-to-video", "a cat", seed=1)
OLD = Path(__file__).parent / "data" / "schema_1.sql"


def old_ledger(path: Path) -> Path:
    """A ledger as the first version wrote it, with one paid task."""
    with sqlite3.connect(path) as database:
        database.executescript(OLD.read_text(encoding="utf-8"))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 1")
        database.execute(
            "INSERT INTO job (digest, request, state, wanted, position, task_id) VALUES (?, ?, 'in_flight', 1, 1, 't')",
            (b"as it was then", CAT.to_json()),
        )
        database.execute("INSERT INTO attempt (job, started_at, outcome, task_id) VALUES (1, 5.0, 'accepted', 't')")
    return path


def columns(path: Path) -> dict[str, set[str]]:
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: {row[1] for row in database.execute(f"PRAGMA table_info({table})")} for table in tables}


def indexes(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in found}


def test_an_old_ledger_keeps_its_paid_tasks_and_has_what_a_new_one_has(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "old.sqlite")
    with Ledger.open(path) as ledger:
        assert [(job.task_id, job.state) for job in ledger.in_flight()] == [("t", State.IN_FLIGHT)]
        assert standing.paid_tasks(ledger) == 1
        assert ledger.database.one("SELECT digest FROM job") == (bytes.fromhex(CAT.digest),)
        assert ledger.database.one("PRAGMA user_version") == (VERSION,)
    Ledger.open(tmp_path / "new.sqlite").close()
    assert columns(path) == columns(tmp_path / "new.sqlite")
    assert indexes(path) == indexes(tmp_path / "new.sqlite")


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE decision (in_the_way)")
    before = columns(path)
    with pytest.raises(LedgerError):
        Ledger.open(path)
    assert columns(path) == before


SIGNED = (
    "https://b.oss-cn-hangzhou.aliyuncs.com/a.png?x-oss-process=image%2Fresize%2Cw_100&x-oss-date={0}&x-oss-expires=60"
    "&x-oss-signature=s{0}&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=c"
)
SHEET = (  # of schema_3.sql; git made LF of its CRLF
    'id,prompt,mode,image_urls,seed,scene\ntwo-lines,"a fox\nat dusk",,,1,s1\n,"a lake\nin rain",,,,s2\n'
    f',"a lake\nin rain",,,,s3\npicture,it moves,image-to-video,{SIGNED},7,s4\nplain,what is it? \\r no,,,3,s5\n'
    'new,"still\nto make",,,9,s6\n'
)


def taken_again(path: Path, sheet: str) -> Intake:
    """The sheet as it is taken in by the ledger at ``path``."""
    (path.parent / "sheet.csv").write_bytes(sheet.encode())
    with Ledger.open(path) as ledger:
        return take_in(ledger, open_manifest(path.parent / "sheet.csv", model="wan-2-5"), RULES)


def pending(ledger: Ledger) -> list[tuple[str, str]]:
    found = ledger.database.execute(
        "SELECT id, request FROM job JOIN row USING (job) WHERE state = 'pending' AND wanted > 0 ORDER BY job.position"
    )
    return [(identity, Request.from_json(request).prompt) for identity, request in found]


def rows(ledger: Ledger) -> list[tuple[object, ...]]:
    found = ledger.database.execute(
        "SELECT row.position, id, name, extras, state, place FROM row JOIN job USING (job) LEFT JOIN video USING (row) "
        "ORDER BY row.position IS NULL, row.position, row"
    )
    return found.fetchall()


def test_rows_that_only_seemed_edited_are_those_that_were_paid_for(tmp_path: Path) -> None:
    """By the ends of lines, and by a new signature: of each two, the one that has the video stands in the sheet."""
    path = schema_3(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as before:
        videos, attempts = (
            before.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("video", "attempt")
        )
    with Ledger.open(path) as ledger:
        assert rows(ledger) == [
            (1, "two-lines", "two-lines.mp4", '{"scene":"s1"}', "archived", "videos/two-lines.mp4"),
            (2, *lake("63ee2168474f", "s2")),
            (3, *lake("7620c10bde72", "s3")),
            (4, "picture", "picture.mp4", '{"scene":"s4"}', "archived", "videos/picture.mp4"),
            (5, "plain", "plain.mp4", '{"scene":"s5"}', "archived", "videos/plain.mp4"),
            (6, "new", "new.mp4", '{"scene":"s6"}', "pending", None),
            (None, "two-lines", "two-lines-8459ca6c.mp4", '{"scene":"s1"}', "pending", None),
            (None, "picture", "picture-3a051e38.mp4", '{"scene":"s4"}', "pending", None),
        ]
        assert pending(ledger) == [("new", "still\nto make")]
        assert ledger.database.execute("SELECT * FROM video ORDER BY 1").fetchall() == videos
        assert ledger.database.execute("SELECT * FROM attempt ORDER BY 1").fetchall() == attempts
        assert standing.counts(ledger)[State.ARCHIVED] == 5
        kept = [job.request for job in map(ledger.job, (1, 2, 3, 4, 5, 6, 9, 11))]
        assert not [request for request in kept if "\r" in request.prompt or "signature" in str(request.image_urls)]
        assert ledger.fact("taken") is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sheet_that_was_saved_otherwise_buys_nothing_again(tmp_path: Path, end: str) -> None:
    path = schema_3(tmp_path / "old.sqlite")
    for signature in "34":
        intake = taken_again(path, SHEET.format(signature).replace("\n", end))
        assert (intake.is_usable, intake.new, intake.edited, intake.gone, intake.back) == (True, 0, 0, 0, 0)
        with Ledger.open(path) as ledger:
            assert pending(ledger) == [("new", "still\nto make")]
            assert {row[1:3] for row in rows(ledger)[:6]} == {
                *(("two-lines", "two-lines.mp4"), ("picture", "picture.mp4")),
                *(("plain", "plain.mp4"), ("new", "new.mp4")),
                *(lake("63ee2168474f", "")[:2], lake("7620c10bde72", "")[:2]),
            }


def lake(mark: str, scene: str) -> tuple[str, str, str, str, str]:
    """One of the two rows without an id, which are called by the digest that they had."""
    name = f"a-lake-in-rain-{mark}"
    return name, f"{name}.mp4", f'{{"scene":"{scene}"}}', "archived", f"videos/{name}.mp4"


@pytest.mark.parametrize("state", ["in_flight", "in_doubt", "failed"])
def test_a_row_that_only_seemed_edited_is_not_asked_for_while_its_former_self_may_be_paid(
    tmp_path: Path, state: str
) -> None:
    path = schema_3(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE job SET state = ? WHERE job = 1", (state,))
        database.execute("DELETE FROM video WHERE row = 1")
    with Ledger.open(path) as ledger:
        assert pending(ledger) == [("new", "still\nto make")]
        assert rows(ledger)[0][4] == state


def test_the_present_one_of_two_that_were_both_paid_for_stays(tmp_path: Path) -> None:
    path = schema_3(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE job SET state = 'archived', task_id = 'again' WHERE job = 6")
        database.execute("INSERT INTO video SELECT 6, 0, 'videos/other.mp4', bytes, sha256, 5 FROM video WHERE row = 1")
    with Ledger.open(path) as ledger:
        assert rows(ledger)[0][5] == "videos/other.mp4"
        assert (None, "two-lines", "two-lines.mp4", '{"scene":"s1"}', "archived", "videos/two-lines.mp4") in rows(
            ledger
        )
    assert taken_again(path, SHEET.format("3")).new == 0


def test_a_ledger_of_the_first_version_bears_it_too(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "old.sqlite")
    link = "https://b.oss.example/a.png?OSSAccessKeyId=A&Expires={0}&Signature={0}"
    with sqlite3.connect(path) as database:
        for job, prompt, signature in ((2, "a\r\nb", "1"), (3, "a\nb", "2")):
            request = replace(CAT, mode="image-to-video", prompt=prompt, image_urls=(link.format(signature),))
            database.execute(
                "INSERT INTO job (job, digest, request, state, wanted, position) VALUES (?, ?, ?, 'archived', ?, ?)",
                (job, b"%d" % job, request.to_json(), job - 2, job - 2 or None),
            )
            database.execute(
                "INSERT INTO row (id, given, digest, job, position, number, name, fold) "
                "VALUES ('x', 1, ?, ?, ?, 1, 'x.mp4', ?)",
                (b"%d" % job, job, job - 2 or None, b"%d" % job),
            )
    with Ledger.open(path) as ledger:
        digests = {digest for (digest,) in ledger.database.execute("SELECT digest FROM job WHERE job > 1 AND signed")}
        assert len(digests) == 1
        assert ledger.database.execute("SELECT row FROM row WHERE digest = ?", (*digests,)).fetchall() == [(2,)]
