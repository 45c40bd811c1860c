"""Locks with a time limit: ours beside a database, and gdbm's own on the file."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LockHeldError
from .replace import os_errors

_PAUSE = 0.01


@contextmanager
def side_lock(path: str, timeout: float) -> Iterator[None]:
    """Hold ``path.lock`` against our own other runs; the holder's process id stands in it.

    The file stays: removing it would let two runs hold two files of one name.

    Args:
        path: the database.
        timeout: seconds to wait.

    Raises:
        LockHeldError: held for longer by another run.
        DeniedError, MissingInputError, UnsafePathError, WriteError: the lock file can't be made.
    """
    with os_errors(path + ".lock"):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path + ".lock", flags, 0o600)
    try:
        if not flock(descriptor, fcntl.LOCK_EX, timeout):
            raise LockHeldError(path, _holder(descriptor), "try again when it has ended")
        with os_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def flock(descriptor: int, kind: int, timeout: float) -> bool:
    """Take a lock; tell whether that worked within so many seconds."""
    limit = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= limit:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).strip()
    return f"is locked by process {int(text)}" if text.isdigit() else "is locked by another run"
