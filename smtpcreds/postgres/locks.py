"""One host at a time: an advisory lock that goes with its connection, and can say who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import LockHeldError
from .connection import LOCKS
from .faults import translated

if TYPE_CHECKING:
    from .connection import Connection

_HOLDER = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid, objid, objsubid) = (%s, %s, 2)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def held(connection: "Connection", number: int, subject: str) -> Iterator[None]:
    """Hold an advisory lock of this database for the block, outside any transaction.

    The server frees it when the connection ends, however it ends.

    Args:
        connection: also the one that writes, so that what can't be kept locked can't be written either.
        number: which lock of this program.
        subject: what messages call the database.

    Raises:
        LockHeldError: naming the process that held it.
    """
    _take(connection, number, subject)
    try:
        yield
    finally:
        if not connection.broken:
            with translated(subject):
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCKS, number))


def _take(connection: "Connection", number: int, subject: str) -> None:
    try:
        with translated(subject):
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, number))
    except LockHeldError:
        row = connection.execute(_HOLDER, (LOCKS, number)).fetchone()
        who = row[0] if row and row[0] else "another process"
        raise LockHeldError(subject, f"is held by {who}", "try again when it ended") from None
