"""SQLite's result codes as errors of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
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
    WriteError,
)

if TYPE_CHECKING:
    import sqlite3

_SALVAGE = "restore it from a backup, or salvage what can be read: sqlite3 {path} .recover"
_WHO = "try again later; to see who holds it: fuser -v {path}"
_DAMAGED = (DamagedFileError, "is damaged ({message})", _SALVAGE)
_FULL = (WriteError, "the disk is full; nothing was changed", "make room in {directory}")

_PRIMARY = {
    1: _DAMAGED,  # SQLITE_ERROR: a table or column of ours is missing
    3: (DeniedError, "{message}", None),
    5: (LockHeldError, "is locked by another process", _WHO),
    6: (LockHeldError, "is locked by another process", _WHO),
    8: (WriteError, "can't be written: {message}", None),
    10: (WriteError, "{message}; nothing was changed", "look into the kernel's log for the disk"),
    11: _DAMAGED,
    13: _FULL,
    14: (WriteError, "{message}", "is {directory} there, and can this user write to it?"),
    19: (DataError, "the inventory can't hold this ({message})", None),
    23: (DeniedError, "{message}", None),
    26: _DAMAGED,
}
"""By primary result code (sqlite.org/rescode.html)."""

_EXTENDED = {
    787: (MissingInputError, "the inventory knows no such authority", "see: smtpcreds ca show"),
    1555: (ExistsError, "this is recorded already", None),
    2067: (ExistsError, "this is recorded already", None),
    4874: _FULL,  # SQLITE_IOERR_SHMSIZE: the -shm file can't grow
}
"""Of which more can be said than their primary code tells."""


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn what SQLite raises inside into errors about the file at this path.

    Raises:
        InexpressibleError: text that has no UTF-8 form, a number over 63 bits.
        SmtpcredsError: by the tables above.
    """
    import sqlite3

    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise InexpressibleError(path, f"can't hold this value: {error}") from error
    except UnicodeDecodeError as error:  # SQLite's message quotes the damaged text
        raise damaged(path, str(error)) from error
    except sqlite3.Error as error:
        known = _known(path, error)
        if known is None:
            raise
        raise known from error


def one_line(message: str) -> str:
    """Return text without line ends and other unprintable characters."""
    return "".join(character if character.isprintable() else " " for character in message)


def damaged(path: str, message: str) -> SmtpcredsError:
    """Return the error for content that contradicts itself."""
    return _filled(path, message, _DAMAGED)


def _known(path: str, error: "sqlite3.Error") -> SmtpcredsError | None:
    import sqlite3

    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module's own: OperationalError where a text is no UTF-8
        return damaged(path, str(error)) if type(error) is sqlite3.OperationalError else None
    row = _EXTENDED.get(code) or _PRIMARY.get(code & 0xFF)
    return _filled(path, str(error), row) if row else None


def _filled(path: str, message: str, row: tuple[type[SmtpcredsError], str, str | None]) -> SmtpcredsError:
    kind, reason, hint = row
    directory = quote(os.path.dirname(path))
    return kind(
        path,
        reason.format(message=one_line(message)),
        hint and hint.format(path=quote(path), directory=directory),
    )
