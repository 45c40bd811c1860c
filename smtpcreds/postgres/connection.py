"""Connections: named after their process, durable in each commit, in UTF-8."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from ..errors import ForeignFormatError, UnavailableError, UsageError
from .faults import one_line, translated
from .url import DatabaseUrl

if TYPE_CHECKING:
    from psycopg import Connection as Connection

OLDEST = 11
"""Of the servers: the first with EXECUTE FUNCTION in triggers and sha256()."""
PATIENCE = 30.0
"""Seconds to wait for locks."""
LOCKS = 0x736D6372
"""``smcr``: the first half of the key of every advisory lock of this program."""
_INSTALL = "pip install 'smtpcreds[postgresql]'; it uses the system's libpq (Debian: libpq5)"
_SESSION: LiteralString = """
SET synchronous_commit = on;
SET default_transaction_isolation = 'read committed';
SET row_security = off;
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3
"""
"""Each commit is on disk; a policy that hides rows is an error, not a shorter answer; a host that vanished
loses its locks after a minute, not after two hours."""


@contextmanager
def connected(
    url: DatabaseUrl, *, read_only: bool = False, patience: float = PATIENCE
) -> "Iterator[Connection]":
    """Connect in autocommit mode, and close the connection afterwards.

    Args:
        url: of the database.
        read_only: let the server refuse every write.
        patience: seconds after which a lock that another process holds is an error.

    Raises:
        UnavailableError: psycopg is missing; the server does not answer, knows no such role or database,
            or is too old.
        ForeignFormatError: the database is not encoded in UTF-8.
    """
    library = _library(url)
    parameters = _parameters(library, url)
    with translated(url.text):
        connection: Connection = library.connect(autocommit=True, prepare_threshold=None, **parameters)
    try:
        _verify(connection, url)
        with translated(url.text):
            connection.execute(_SESSION)
            settings = {"lock_timeout": str(max(1, int(patience * 1000)))}
            settings |= {"default_transaction_read_only": "on"} if read_only else {}
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        yield connection
    finally:
        connection.close()


def program_name() -> str:
    """Return what the server shows of this process (pg_stat_activity.application_name)."""
    return f"smtpcreds process {os.getpid()} on {os.uname().nodename}"


def _library(url: DatabaseUrl) -> Any:
    try:
        import psycopg
    except ImportError as error:
        reason = f"needs psycopg 3, which can't be imported ({one_line(str(error))})"
        raise UnavailableError(url.text, reason, _INSTALL) from None
    return psycopg


def _parameters(library: Any, url: DatabaseUrl) -> dict[str, Any]:
    try:
        given = library.conninfo.conninfo_to_dict(url.text)
    except library.ProgrammingError as error:
        raise UsageError(url.text, f"libpq can't read it: {one_line(str(error))}") from None
    return {"connect_timeout": 10, **given, "application_name": program_name(), "client_encoding": "utf8"}


def _verify(connection: "Connection", url: DatabaseUrl) -> None:
    version = connection.info.server_version // 10000
    if version < OLDEST:
        raise UnavailableError(
            url.text, f"is served by PostgreSQL {version}; {OLDEST} is the oldest that will do"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "make another one: createdb -E UTF8 -T template0 NAME"
        raise ForeignFormatError(url.text, f"is encoded in {encoding}, not in UTF8", hint)
