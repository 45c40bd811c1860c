"""The inventory in PostgreSQL, for several admin hosts: the tables of SQLite in a schema of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ForeignFormatError
from ..files import disk
from ..postgres import LOCKS, DatabaseUrl, connected, damaged, held, translated
from .rows import number_of, text_of
from .schema import MIGRATIONS, in_postgres
from .sqlite import Database, Dialect, migrate, verify_version

if TYPE_CHECKING:
    from ..postgres import Connection

_WORK, _WRITE = 1, 2
"""Second halves of the keys of advisory locks: of a whole run, and of one transaction."""
_SCHEMA = "SET search_path = smtpcreds, pg_temp"
_HAS_VERSION = "SELECT CASE WHEN to_regclass('smtpcreds.version') IS NULL THEN 0 ELSE 1 END"
_FOREIGN = "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('smtpcreds')"
_VERSION = "SELECT number FROM version"
_EMPTY = (
    "CREATE SCHEMA IF NOT EXISTS smtpcreds",
    "CREATE TABLE version (number BIGINT NOT NULL)",
    "INSERT INTO version VALUES (0)",
)
_WRONG = """
SELECT serial FROM certificates
WHERE der IS NOT NULL AND fingerprint <> encode(sha256(der), 'hex') LIMIT 1
"""
_REST = (
    "SELECT count(DISTINCT der) FROM authorities",
    "SELECT max(sha256) FROM crls",
    "SELECT max(detail) FROM events",
)


@contextmanager
def postgres_database(url: DatabaseUrl, *, read_only: bool, timeout: float) -> Iterator[Database]:
    """Connect, and make or migrate the tables unless reading only."""
    with connected(url, read_only=read_only, patience=timeout) as connection:
        database = Database(connection, url.text, POSTGRES)
        database.write(_SCHEMA)
        version = _version(database)
        verify_version(url.text, version, newest=len(MIGRATIONS), read_only=read_only)
        if version < len(MIGRATIONS):
            _migrate(database)
        yield database


@contextmanager
def postgres_preview(url: DatabaseUrl, *, timeout: float) -> Iterator[Database]:
    """Give the database inside a transaction that is rolled back at the end."""
    with connected(url, read_only=False, patience=timeout) as connection:
        database = Database(connection, url.text, POSTGRES)
        database.write("BEGIN")
        database.write(_SCHEMA)
        version = _version(database)
        verify_version(url.text, version, newest=len(MIGRATIONS), read_only=False)
        if version < len(MIGRATIONS):
            _migrate(database)
        try:
            yield database
        finally:
            database.write("ROLLBACK")


def _version(database: Database) -> int:
    """Return how many migrations the tables have been through."""
    if database.first(number_of, _HAS_VERSION):
        return database.first(number_of, _VERSION) or 0
    if database.first(number_of, _FOREIGN):
        reason = "has a schema smtpcreds with tables of some other program"
        raise ForeignFormatError(database.path, reason, "use another database")
    return 0


def _migrate(database: Database) -> None:
    with database.transaction():
        if not database.first(number_of, _HAS_VERSION):
            for statement in _EMPTY:
                database.write(statement)
        version = _version(database)
        verify_version(database.path, version, newest=len(MIGRATIONS), read_only=False)
        for statements in MIGRATIONS[version:]:
            migrate(database, in_postgres(statements))
        database.write("UPDATE version SET number = ?", (len(MIGRATIONS),))
    if version:
        disk().note("migrate", database.path)


def _is_open(connection: "Connection") -> bool:
    return connection.info.transaction_status.name in {"ACTIVE", "INTRANS", "INERROR"}


def _is_sound(connection: "Connection") -> bool:
    return connection.info.transaction_status.name == "INTRANS"


def _verify(database: Database) -> None:
    """Read every table; constraints hold in PostgreSQL, but a disk may not."""
    wrong = database.first(text_of, _WRONG)
    if wrong:
        raise damaged(database.path, f"certificate {wrong} is not the one of its fingerprint")
    for statement in _REST:
        database.first(text_of, statement)


POSTGRES = Dialect(
    begin=("BEGIN", f"SELECT pg_advisory_xact_lock({LOCKS}, {_WRITE})"),
    is_open=_is_open,
    is_sound=_is_sound,
    native=lambda statement: statement.replace("?", "%s"),
    translated=translated,
    damaged=damaged,
    alone=lambda connection, subject: held(connection, _WORK, subject),
    verify=_verify,
    snapshot=lambda _: None,
)
"""Writers stand in line as they do before an SQLite file, so no transaction has to be tried again."""
