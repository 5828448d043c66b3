"""Ledgers as the version before wrote them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from batchgen.ledger.schema import APPLICATION_ID

SCHEMA_3 = Path(__file__).parent / "data" / "schema_3.sql"


def schema_3(path: Path) -> Path:
    """A ledger of schema 3, dumped by the program that wrote it.

    The sheet was saved with CRLF and its link was signed by Alibaba OSS: all five rows were made. Then it was saved
    with LF, its link signed anew, and a row added: two rows were taken for edited ones, and wait with the new one.
    """
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA_3.read_text(encoding="utf-8"))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 3")
    return path


def as_of_schema_3(path: Path, written: Callable[[str], str], schema: int = 3) -> None:
    """Make of a ledger one of schema 3, where a request (JSON) was ``written`` otherwise."""
    with closing(sqlite3.connect(path)) as database, database:
        for job, request in database.execute("SELECT job, request FROM job").fetchall():
            former = written(request)
            digest = sha256(former.encode()).digest()
            database.execute("UPDATE job SET request = ?, digest = ? WHERE job = ?", (former, digest, job))
            database.execute("UPDATE row SET digest = ? WHERE job = ?", (digest, job))
        database.execute(f"PRAGMA user_version = {schema}")


def as_of_schema_4(path: Path) -> None:
    """Make of a ledger one of schema 4, whose digests told of blanks around prompts, and of normal forms."""
    as_of_schema_3(path, str, schema=4)


def with_crlf(request: str) -> str:
    """A request as it was kept from a sheet that was saved with CRLF."""
    return request.replace(r"\n", r"\r\n")


SIGNED = "x-oss-date=1&x-oss-expires=60&x-oss-signature=SIGSENTINEL&x-oss-signature-version=OSS4-HMAC-SHA256"


def as_it_was(request: str) -> str:
    """A request as it was kept from a sheet that was saved with CRLF, with links that Alibaba OSS signed."""
    return with_crlf(request).replace(".jpg", f".jpg?{SIGNED}")
