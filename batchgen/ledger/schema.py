"""The schema of a ledger's file: made in a new one, and brought up to date in one of an older batchgen.

All within the caller's transaction.
"""

import sqlite3
from importlib import resources

from batchgen.ledger import older_requests

VERSION = 5
APPLICATION_ID = 0x62617467  # "batg"


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether a file has no table yet."""
    return not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether a file was made by batchgen."""
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def make(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    _run_script(connection, "schema.sql")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older schema up to date."""
    if version < 2:
        _run_script(connection, "migrate_1.sql")
        older_requests.digest_what_is_kept(connection)
    if version < 3:
        _run_script(connection, "migrate_2.sql")
    if version < 5:  # schema 4 was another digest, which this makes as well
        older_requests.digest_anew(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _run_script(connection: sqlite3.Connection, name: str) -> None:
    """Statement by statement: ``executescript`` would commit the transaction first."""
    statement = ""
    for line in resources.files("batchgen.ledger").joinpath(name).read_text().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
