"""PostgreSQL's SQLSTATEs (appendix A of its manual) as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import (
    DamagedFileError,
    DataError,
    DeniedError,
    ExistsError,
    InexpressibleError,
    LockHeldError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    WriteError,
)

if TYPE_CHECKING:
    import psycopg

Fault = tuple[type[SmtpcredsError], str, str | None]

_GRANT = "as its owner, grant this role what is missing, or work as that owner"
_REACH = "is the server running, and does it know this role and database? A password comes from ~/.pgpass"
_STATES: dict[str, Fault] = {
    "23503": (MissingInputError, "the inventory knows no such authority", "see: smtpcreds ca show"),
    "23505": (ExistsError, "this is recorded already", None),
    "25006": (WriteError, "{message}", "name the primary server, not a standby"),
    "42501": (DeniedError, "{message}", _GRANT),
    "55P03": (LockHeldError, "is locked by another process", "try again later"),
}
_CLASSES: dict[str, Fault] = {
    "08": (UnavailableError, "{message}", None),
    "0A": (DataError, "{message}", None),
    "22": (InexpressibleError, "can't hold this value: {message}", None),
    "23": (DataError, "can't hold this ({message})", None),
    "40": (LockHeldError, "another process changed it at the same time", "run it again"),
    "42": (DamagedFileError, "is damaged ({message})", "restore it from a backup"),
    "53": (WriteError, "{message}; nothing was changed", "make room on the database server"),
    "54": (InexpressibleError, "can't hold this value: {message}", None),
    "57": (UnavailableError, "{message}", "run it again when the database server is back"),
    "58": (WriteError, "{message}; nothing was changed", "look into the database server's log"),
    "XX": (DamagedFileError, "is damaged ({message})", "look into the database server's log"),
}
"""By the first two characters, where the whole SQLSTATE is not in the table above."""


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Turn what psycopg raises inside into errors about the database.

    Only the server's primary message is passed on: its details quote values.

    Raises:
        InexpressibleError: text that has no UTF-8 form or holds a NUL.
        SmtpcredsError: by the tables above.
    """
    import psycopg

    try:
        yield
    except UnicodeEncodeError as error:
        raise InexpressibleError(subject, f"can't hold this value: {error.reason}") from error
    except psycopg.Error as error:
        known = _known(subject, error)
        if known is None:
            raise
        raise known from error


def one_line(message: str) -> str:
    """Return text without line ends and other unprintable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in message).split())


def damaged(subject: str, message: str) -> SmtpcredsError:
    """Return the error for content that contradicts itself."""
    kind, reason, hint = _CLASSES["42"]
    return kind(subject, reason.format(message=one_line(message)), hint)


def _known(subject: str, error: "psycopg.Error") -> SmtpcredsError | None:
    import psycopg

    state = error.sqlstate
    message = one_line(error.diag.message_primary or str(error))
    if state:
        row = _STATES.get(state) or _CLASSES.get(state[:2])
    elif isinstance(error, psycopg.DataError):  # psycopg's own: a NUL in a text
        row = _CLASSES["22"]
    else:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        row = (UnavailableError, "{message}", _REACH) if lost else None
    if row is None:
        return None
    kind, reason, hint = row
    return kind(subject, reason.format(message=message), hint)
