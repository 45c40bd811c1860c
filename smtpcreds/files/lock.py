"""One writer at a time: an advisory lock that waits, and can say who holds it."""

import fcntl
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..errors import LockHeldError, UnsafePathError, shown
from ..model import Artifact
from .disk import disk
from .guard import explained, status_at

PATIENCE = 30.0
"""Seconds to wait; an RSA-4096 batch of a neighbour takes less."""
_PAUSE = 0.01
_AFTERWARDS = "it waits for this very command; run this one after it, not as its --reload"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@contextmanager
def exclusive(path: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock file for the block. The kernel frees it when the holder dies, however it dies.

    The file names its holder, and is empty when nobody holds it. A preview holds nothing.

    Args:
        path: the lock file; made with mode 0600 and left in place.
        patience: seconds to wait for one holder; a queue that moves may take longer.
    """
    run = disk()
    if run.is_preview:
        if not run.exists(path):
            run.write_all([Artifact(path, b"")])
        yield
        return
    is_new = status_at(path) is None
    with explained(path):
        handle = os.open(path, _FLAGS, 0o600)
    if is_new:
        run.note("write", path, 0o600)
    try:
        if os.fstat(handle).st_uid not in {0, os.geteuid()}:
            raise UnsafePathError(
                path, "belongs to another user", "remove it, unless a run of that user holds it"
            )
        if not _queue(handle, patience):
            hint = _AFTERWARDS if _waits_for_us(handle) else "try again when it has ended"
            raise LockHeldError(path, f"is held by {_holder(handle)}", hint)
        with explained(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {os.path.basename(sys.argv[0])}\n".encode(errors="replace"), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _queue(handle: int, patience: float) -> bool:
    """Take the lock, with fresh patience for each new holder; tell whether it came."""
    holder = None
    while holder != (holder := _holder(handle)):
        if flock(handle, fcntl.LOCK_EX, 0 if _waits_for_us(handle) else patience):
            return True
    return False


def _waits_for_us(handle: int) -> bool:
    """Tell whether the holder is an ancestor of this process, which can't end before it: a ``--reload``."""
    number = _holder_number(handle)
    ancestor = os.getppid()
    while number and ancestor > 1 and ancestor != number:
        ancestor = _parent(ancestor)
    return bool(number) and ancestor == number


def _parent(process: int) -> int:
    """Return the number of a process's parent; 0 if there is no telling (proc(5), ``stat``)."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def flock(handle: int, kind: int, patience: float) -> bool:
    """Take ``LOCK_SH`` or ``LOCK_EX`` on an open file; tell whether it came within so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _holder(handle: int) -> str:
    number, _, name = _holder_line(handle).partition(" ")
    if not number.isdigit():
        return "another process"
    return f"process {number} ({name})" if name else f"process {number}"


def _holder_number(handle: int) -> int:
    number = _holder_line(handle).partition(" ")[0]
    return int(number) if number.isdigit() else 0


def _holder_line(handle: int) -> str:
    return os.pread(handle, 200, 0).decode(errors="replace").strip()


# Deeds in syslog's authpriv, where auditors look; no secrets.


def actor() -> str:
    """Return who acts: behind sudo the person, else the name of the running user."""
    import pwd

    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def audit_to_syslog(what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Log a deed, as ``sasl add``, to each subject with its detail, which may be empty."""
    if disk().is_preview:
        return
    import syslog

    who = actor()
    syslog.openlog("smtpcreds", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    for subject, detail in deeds:
        syslog.syslog(syslog.LOG_NOTICE, shown(f"{what} {subject} by {who}{detail and f': {detail}'}"))
