"""Accounts of several relays in PostgreSQL, read by Cyrus SASL's ``sql`` plugin: one row per property.

Values are text; :mod:`.limits` says which records there can be. One column per property is no choice, for the
plugin reads a NULL as a password that is empty.

Values travel by COPY, which keeps them out of the server's log of statements and parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

from ..errors import ForeignFormatError, MissingInputError
from ..postgres import LOCKS, DatabaseUrl, connected, translated
from .limits import SQL, refuse_misfits
from .records import split_keys
from .store import TIMEOUT, Change, Edits, effective

if TYPE_CHECKING:
    from ..postgres import Connection

_LOCK = f"SELECT pg_advisory_xact_lock({LOCKS}, 4)"
_CREATE: LiteralString = """
CREATE TABLE public.smtpcreds_sasl (
    username TEXT COLLATE "C" NOT NULL CHECK (username <> ''),
    realm TEXT COLLATE "C" NOT NULL,
    prop TEXT COLLATE "C" NOT NULL CHECK (prop <> ''),
    value TEXT NOT NULL CHECK (value <> ''),
    PRIMARY KEY (username, realm, prop)
)
"""
_EXISTS: LiteralString = """
SELECT to_regclass('public.smtpcreds_sasl') IS NOT NULL, 4 = (
    SELECT count(*) FROM pg_attribute JOIN pg_index ON indrelid = attrelid AND indisprimary
    WHERE attrelid = to_regclass('public.smtpcreds_sasl') AND atttypid = 'text'::regtype AND attnotnull
        AND attname = ANY ('{username,realm,prop,value}') AND (attname = 'value' OR attnum = ANY (indkey))
)
"""
"""Whether there is a table of that name, and whether its columns and its primary key are those of ours."""
_RESERVE: LiteralString = "LOCK TABLE public.smtpcreds_sasl IN SHARE ROW EXCLUSIVE MODE"
"""Readers go on; every other writer waits, psql too. So nothing has to be tried again."""
_SELECT: LiteralString = "SELECT username, realm, prop, value FROM public.smtpcreds_sasl"
_DELETE: LiteralString = """
DELETE FROM public.smtpcreds_sasl AS kept
USING unnest(%s::text[], %s::text[], %s::text[]) AS gone (username, realm, prop)
WHERE (kept.username, kept.realm, kept.prop) = (gone.username, gone.realm, gone.prop)
"""
_COPY: LiteralString = "COPY public.smtpcreds_sasl (username, realm, prop, value) FROM STDIN"
_STATE: LiteralString = "SELECT count(*), coalesce(sum(xmin::text::bigint), 0) FROM public.smtpcreds_sasl"
"""Written again, a row has a higher xmin; so of two states with as many rows the later one has a higher sum.

The highest would not tell: it may be of a transaction that began later and ended earlier than another.
"""


def grants(role: str) -> tuple[str, ...]:
    """Return the statements that let a mail server's role read accounts, and nothing else.

    They are for a superuser, usually ``postgres``, after the first account was added.
    """
    name, text = '"' + role.replace('"', '""') + '"', "'" + role.replace("'", "''") + "'"
    create = (
        f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) THEN CREATE ROLE {name} LOGIN; END IF"
    )
    return (f"DO $grant$ BEGIN {create}; END $grant$;", f"GRANT SELECT ON public.smtpcreds_sasl TO {name};")


class PostgresStore:
    """A store in one table of a PostgreSQL database; see :class:`~smtpcreds.sasldb.store.Store`.

    Args:
        url: of the database.
        timeout: seconds to wait for other writers.
    """

    def __init__(self, url: DatabaseUrl, *, timeout: float = TIMEOUT) -> None:
        self.path = url.text
        self._url, self._timeout = url, timeout

    def load(self) -> dict[bytes, bytes]:
        """Return all records of one moment.

        Raises:
            MissingInputError: no account was ever added.
            ForeignFormatError: the table is of some other program.
        """
        with self._connected() as connection:
            if not self._exists(connection):
                raise MissingInputError(
                    self.path, "holds no accounts yet", "add an account to make the table"
                )
            return _records(connection)

    def signature(self) -> tuple[int, int] | None:
        """Return what tells this state of the table from any other; None if there is no table."""
        with self._connected() as connection:
            row = connection.execute(_STATE).fetchone() if self._exists(connection) else None
            return None if row is None else (row[0], row[1])

    def apply(self, change: Change) -> Edits:
        """Read, compute edits and write them in one transaction; make the table if there is none."""
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCK)
            there = self._exists(connection)
            if there:
                connection.execute(_RESERVE)
            records = _records(connection) if there else {}
            edits = effective(change(records), records)
            written = {key: value for key, value in edits.items() if value is not None}
            refuse_misfits(SQL, written.items())
            if not edits:
                return edits
            if not there:
                connection.execute(_CREATE)
            _delete(connection, [key for key in edits if key in records])
            _copy(connection, written)
            return edits

    @contextmanager
    def _connected(self) -> "Iterator[Connection]":
        with connected(self._url, patience=self._timeout) as connection, translated(self.path):
            yield connection

    def _exists(self, connection: "Connection") -> bool:
        there, ours = connection.execute(_EXISTS).fetchone() or (False, False)
        if there and not ours:
            reason = "has a table public.smtpcreds_sasl that is not the one this program makes"
            raise ForeignFormatError(self.path, reason, "rename that table, or use another database")
        return bool(there)


def _records(connection: "Connection") -> dict[bytes, bytes]:
    rows = connection.execute(_SELECT)
    return {"\0".join(names).encode(): value.encode() for *names, value in rows}


def _delete(connection: "Connection", keys: Sequence[bytes]) -> None:
    if keys:
        connection.execute(_DELETE, split_keys(keys))


def _copy(connection: "Connection", records: Mapping[bytes, bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for key, value in records.items():
            copy.write_row((*key.decode().split("\0"), value.decode()))
