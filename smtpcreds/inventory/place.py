"""The file before SQLite opens it: private from its first moment, and nobody else's.

The database is never opened here once it exists: closing any descriptor of it would drop the POSIX locks
that SQLite holds in the same process (sqlite.org/howtocorrupt.html section 2.2).
"""

import os

from ..errors import MissingInputError
from ..files import check_directory, check_private, disk, ensure_directory, explained, flush_directories

COMPANIONS = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps beside a database."""


def make_private(path: str) -> None:
    """Create an empty file 0600 in a directory 0700 where there is none, then verify what is there.

    Raises:
        UnsafePathError: as :func:`verify_private`.
        DeniedError, WriteError: the system refuses; nothing was changed.
    """
    directory = os.path.dirname(path)
    ensure_directory(directory, tighten=False)
    if not os.path.lexists(path):
        with explained(path):
            _make_file(path)
        flush_directories([directory])
        disk().note("write", path, 0o600)
    verify_private(path)


def verify_private(path: str) -> None:
    """Check the owner, kind and mode of a database, its companions and its directory.

    Raises:
        UnsafePathError: a symbolic or hard link, someone else's file, or one that others can open.
        MissingInputError: there is no database.
        DeniedError: the system does not let this user look.
    """
    if not os.path.lexists(path):
        with explained(path):
            os.listdir(_nearest(path))
        raise MissingInputError(path, "there is no inventory", "start with: smtpcreds ca init")
    check_directory(os.path.dirname(path))
    for name in (path, *(path + suffix for suffix in COMPANIONS)):
        check_private(name)


def _nearest(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _make_file(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return  # another run made it in between
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
