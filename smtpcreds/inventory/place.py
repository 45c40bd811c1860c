"""The file before SQLite opens it: private from its first moment, and nobody else's.

The database is never opened here once it exists: closing any descriptor of it would drop the POSIX locks
that SQLite holds in the same process (sqlite.org/howtocorrupt.html section 2.2).
"""

import errno
import os
import stat

from ..errors import DeniedError, MissingInputError, SmtpcredsError, UnsafePathError, WriteError

COMPANIONS = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps beside a database."""


def make_private(path: str) -> None:
    """Create an empty file 0600 in a directory 0700 where there is none, then verify what is there.

    Raises:
        UnsafePathError: as :func:`verify_private`.
        DeniedError, WriteError: the system refuses; nothing was changed.
    """
    try:
        _make_directory(os.path.dirname(path), 0o700)
        _verify_directory(os.path.dirname(path))
        _make_file(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise refusal(path, error) from error
    verify_private(path)


def verify_private(path: str) -> None:
    """Check the owner, kind and mode of a database, its companions and its directory.

    Raises:
        UnsafePathError: a symbolic or hard link, someone else's file, or one that others can open.
        MissingInputError: there is no database.
        DeniedError: the system does not let this user look.
    """
    try:
        _verify_directory(os.path.dirname(path))
        _verify_file(path, os.lstat(path))
        for suffix in COMPANIONS:
            if (status := _status(path + suffix)) is not None:
                _verify_file(path + suffix, status)
    except FileNotFoundError as error:
        raise MissingInputError(path, "there is no inventory", "start with: smtpcreds ca init") from error
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: str, error: OSError) -> SmtpcredsError:
    """Return the error of ours for one of the system."""
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeniedError(path, reason, "run this as the owner of the file, usually root")
    return WriteError(path, reason)


def _make_directory(path: str, mode: int) -> None:
    if os.path.lexists(path):
        return
    _make_directory(os.path.dirname(path), 0o755)
    os.mkdir(path, mode)


def _make_file(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_directory(os.path.dirname(path))


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _verify_directory(path: str) -> None:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafePathError(path, f"is {_kind(status)}, not a directory")
    _verify_owner(path, status)
    if status.st_mode & 0o022:
        raise UnsafePathError(path, "can be written by others", f"if nobody has: chmod 700 {path}")


def _verify_file(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePathError(path, f"is {_kind(status)}, not a plain file")
    _verify_owner(path, status)
    if status.st_nlink > 1:
        raise UnsafePathError(path, f"has {status.st_nlink} hard links", "find and remove the others")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafePathError(path, f"others can open it (mode {mode:04o})", f"cure: chmod 600 {path}")


def _verify_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise UnsafePathError(path, f"belongs to user {status.st_uid}", "run this as that user, or chown it")


def _kind(status: os.stat_result) -> str:
    return "a symbolic link" if stat.S_ISLNK(status.st_mode) else "something else"
