"""One writer at a time: an advisory lock that waits, and can say who holds it."""

import errno
import fcntl
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LockHeldError, UnsafePathError, shown
from ..lazy import pattern
from ..model import Artifact
from .disk import disk
from .guard import directory_of, explained, quoted_path, status_at, user_name

PATIENCE = 30.0
"""Seconds to wait; an RSA-4096 batch of a neighbour takes less."""
_PAUSE = 0.01
_TRY_AGAIN = "try again when it has ended"
_HOLDER = pattern(rb"(?:[0-9]+(?: [^\n]*)?\n?)?")
_MOST = 1000
_AFTERWARDS = "it waits for this very command; run this one after it, not as its --reload"
_LOOKING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@contextmanager
def exclusive(path: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock file for the block. The kernel frees it when the holder dies, however it dies.

    The file names its holder, and is empty when nobody holds it. A preview holds nothing.

    Args:
        path: the lock file; made with mode 0600 and left in place. It lies where only root and the running
            user can make files, or in a sticky directory; there, what somebody else made is refused at once.
        patience: seconds to wait for one holder; a queue that moves may take longer.
    """
    run = disk()
    if run.is_preview:
        if not run.exists(path):
            run.write_all([Artifact(path, b"")])
        elif status_at(path):
            with _opened(path, _LOOKING):
                pass
        yield
        return
    with _held(path, patience) as handle:
        with explained(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {shown(os.path.basename(sys.argv[0]))}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)


@contextmanager
def settled(path: str, patience: float = PATIENCE) -> Iterator[None]:
    """Keep the holders of a lock out for the block, and write nothing.

    Args:
        path: the lock file, which is there.
        patience: seconds to wait for who holds it.
    """
    with _opened(path, _LOOKING) as handle:
        is_inside = _waits_for_us(handle)
        if not flock(handle, fcntl.LOCK_SH, 0 if is_inside else patience):
            raise LockHeldError(
                path, f"is held by {_holder(handle)}", _AFTERWARDS if is_inside else _TRY_AGAIN
            )
        yield


@contextmanager
def _held(path: str, patience: float) -> Iterator[int]:
    """Give a descriptor of the file that has this path once it is locked; ``ca restore`` may exchange it."""
    while True:
        with _opened(path) as handle:
            if not _queue(handle, patience):
                hint = _AFTERWARDS if _waits_for_us(handle) else _TRY_AGAIN
                raise LockHeldError(path, f"is held by {_holder(handle)}", hint)
            found = status_at(path)
            if found and os.path.samestat(found, os.fstat(handle)):
                yield handle
                return


@contextmanager
def _opened(path: str, flags: int = _FLAGS) -> Iterator[int]:
    """Give a descriptor of a lock file that nobody else could have put there; make it if there is none."""
    with directory_of(path) as (at, name), explained(path):
        handle, is_new = _open(path, at, name, flags)
        try:
            if is_new:
                os.fchmod(handle, 0o600)  # whatever the umask
                disk().note("write", path, 0o600)
            _check_ours(path, handle)
            yield handle
        finally:
            os.close(handle)


@contextmanager
def foreign_lock(path: str) -> Iterator[int]:
    """Give a descriptor to read and write a lock file of another program's kind, which is there.

    Raises:
        UnsafePathError: it is not a regular file, or has a second name.
    """
    with directory_of(path) as (at, name), explained(path):
        handle, _ = _open(path, at, name, _FLAGS & ~os.O_CREAT)
        try:
            _check_kind(path, os.fstat(handle))
            yield handle
        finally:
            os.close(handle)


def _open(path: str, at: int, name: str, flags: int) -> tuple[int, bool]:
    """Return a descriptor of a file, and whether it was not there before.

    With O_CREAT alone Linux itself refuses files of others in sticky directories (fs.protected_regular), and
    says of none why.
    """
    try:
        return os.open(name, flags & ~(os.O_CREAT | os.O_EXCL), dir_fd=at), False
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    except OSError as error:
        if error.errno not in _OF_OTHER_KINDS:
            raise
        raise _no_lock(path) from error
    try:
        return os.open(name, flags, 0o600, dir_fd=at), True
    except FileExistsError:  # made meanwhile
        return _open(path, at, name, flags)


_OF_OTHER_KINDS = {errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO, errno.EOPNOTSUPP}
"""Of open(2): a symbolic link, a directory, a socket; EMLINK and EOPNOTSUPP are FreeBSD's."""


def _no_lock(path: str) -> UnsafePathError:
    how = f"look at it, then: mv {quoted_path(path)} {quoted_path(path)}.old"
    return UnsafePathError(path, "is not a regular file, so it is not a lock of smtpcreds", how)


def _check_ours(path: str, handle: int) -> None:
    """Refuse what would be lost when the holder writes its name, and what was put there to keep us out."""
    found = os.fstat(handle)
    _check_kind(path, found)
    if found.st_uid not in {0, os.geteuid()}:
        raise UnsafePathError(
            path,
            f"belongs to {user_name(found.st_uid)}",
            f"unless a run of that user holds it: rm {quoted_path(path)}",
        )
    if not _HOLDER.fullmatch(os.pread(handle, _MOST, 0)):
        raise UnsafePathError(
            path, "is not a lock of smtpcreds by its content", "look at it, and move it away"
        )


def _check_kind(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _no_lock(path)
    if found.st_nlink > 1:
        reason = f"has {found.st_nlink} names (hard links), so it is not a lock of smtpcreds"
        raise UnsafePathError(path, reason, f"rm {quoted_path(path)}")


def _queue(handle: int, patience: float) -> bool:
    """Take the lock, with fresh patience for each new holder; tell whether it came."""
    holder = None
    while holder != (holder := _holder_line(handle)):
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
    number = _holder_number(handle)
    if not number:
        return holder(handle)
    name = _holder_line(handle).partition(" ")[2]
    return f"process {number} ({name})" if name else f"process {number}"


def _holder_number(handle: int) -> int:
    """Return the process that a lock names; 0 where that was killed, and another holds it."""
    number = _holder_line(handle).partition(" ")[0]
    if not number.isdigit():
        return 0
    found = _holders(handle)
    return int(number) if not found or int(number) in found else 0


def _holder_line(handle: int) -> str:
    return os.pread(handle, 200, 0).decode(errors="replace").strip()


def holder(handle: int) -> str:
    """Return who holds flock on an open file, as ``process 4711 (perl) of user bob``.

    The kernel says it in /proc/locks, by inode, and hides processes of other namespaces (proc(5)).
    """
    numbers = _holders(handle)
    known = [text for number in numbers if (text := described(number))]
    return ", ".join(known) or "another process"


def _holders(handle: int) -> list[int]:
    found = os.fstat(handle)
    inode = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except (OSError, UnicodeError):
        return []
    held = (row for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5] == inode)
    return [int(row[4]) for row in dict.fromkeys(map(tuple, held)) if int(row[4]) != os.getpid()]


def described(process: int) -> str:
    """Return a process as ``process 4711 (perl) of user bob``, by number where it has ended; empty for 0."""
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
        return f"process {process} ({shown(name)}) of {user_name(os.stat(f'/proc/{process}').st_uid)}"
    except OSError:
        return f"process {process}" if process > 0 else ""
