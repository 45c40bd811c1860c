"""The lock file of an LMDB database: a slot for each reader, which a killed one leaves taken.

Source: OpenLDAP ``mdb.c`` 0.9 (``MDB_txninfo``, ``MDB_reader``), 64-bit Linux. When no slot is free, a login
of a program that has none yet fails. Locks of liblmdb's kind end when their process closes the file anywhere:
nothing here may run while liblmdb has it open in the same process.
"""

import fcntl
import os
import sys
import time
from struct import calcsize, pack, unpack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, LockHeldError, UnavailableError
from ..files import described, foreign_lock
from .magics import LMDB
from .replace import PRIVATE, Replacement, open_regular

SIZE = 65536
"""For 1022 readers. liblmdb's own are of 8192 bytes, for 126, and it takes over what it finds."""
_MOST = 1 << 20
"""Octets that are looked at, of 16,382 readers; who may read the database may make the file larger."""
_HEAD, _SLOT, _PID_AT = 128, 64, 8
_WRITER_AT, _OWNER, _OWNER_DIED = 64, 0x3FFFFFFF, 0x40000000
"""Of ``mti_wmutex``, a robust mutex of glibc: its first word has the owner's thread (linux/futex.h)."""
_PAUSE = 0.01
_FLOCK = "hhqqi4x"
"""``struct flock``: type, whence, start, length, process."""


class Readers(NamedTuple):
    """How many readers a lock file has room for, and the places of those that are taken.

    No process has the number of one that is impossible; liblmdb itself fails at it.
    """

    slots: int
    living: tuple[int, ...]
    dead: tuple[int, ...]
    impossible: tuple[int, ...]

    @property
    def free(self) -> int:
        """Return how many more find room; liblmdb does not look for dead ones."""
        return self.slots - len(self.living) - len(self.dead) - len(self.impossible)


def name_of(target: str) -> str:
    """Return the lock file of a database."""
    return target + "-lock"


def readers(target: str) -> Readers | None:
    """Return who has a slot; None where no process has the database open, which empties the table."""
    descriptor = open_regular(name_of(target))
    if descriptor is None:
        return None
    try:
        return _readers(descriptor)
    finally:
        os.close(descriptor)


def prepare(target: str, database: int, patience: float = 0) -> None:
    """Make the lock file, or make it larger, and see to it that a reader finds a slot.

    Args:
        target: the database's path.
        database: descriptor of it; who may read it may write to the lock file.
        patience: seconds to wait for who opens the database or writes to it; liblmdb itself waits for ever.

    Raises:
        DamagedFileError: it is none, and a process has it open.
        LockHeldError: who opens the database or writes to it has not ended.
        UnavailableError: processes that run have all slots.
        UnsafePathError: it is not a regular file, or has a second name.
    """
    path = name_of(target)
    if not os.path.lexists(path):
        _make(path, database)
        return
    with foreign_lock(path) as descriptor:
        _enlarge(descriptor)
        _wait(descriptor, path, patience)
        _make_room(descriptor, target)


def _wait(descriptor: int, path: str, patience: float) -> None:
    limit = time.monotonic() + patience
    while process := _opener(descriptor) or _writer(descriptor):
        if time.monotonic() >= limit:
            who = described(process) or "another process"
            raise LockHeldError(path, f"is held by {who}", "try again when it has ended")
        time.sleep(_PAUSE)


def _opener(descriptor: int) -> int:
    """Return the process that is about to open the database, -1 if its number is hidden, 0 for none."""
    kind, process = _lock(descriptor, fcntl.F_RDLCK, 0)
    return 0 if kind == fcntl.F_UNLCK else process or -1


def _writer(descriptor: int) -> int:
    """Return the thread that is in a write transaction; 0 for none, and where another C library tells it."""
    head = os.pread(descriptor, _HEAD, 0)
    if not _is_table(head) or not _is_locked(descriptor, 0) or not _is_glibc():
        return 0
    word: int = unpack_from("=I", head, _WRITER_AT)[0]
    return 0 if word & _OWNER_DIED else word & _OWNER


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False


def _make(path: str, database: int) -> None:
    """Make the lock file as the database's readers need it: they write to it.

    It is whole before it has its name: liblmdb would map a file with holes, and on a full disk the process
    dies of SIGBUS.
    """
    with Replacement(path) as new:
        new.prepare(bytes(SIZE), database, PRIVATE)
        new.let_readers_write()
        new.install(None)


def _enlarge(descriptor: int) -> None:
    """Give the file its full size, but not while a process has it mapped as it was."""
    size = os.fstat(descriptor).st_size
    if size >= SIZE:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError:
        return
    os.pwrite(descriptor, bytes(SIZE - size), size)  # posix_fallocate(2) is EINVAL on ZFS of FreeBSD


def _make_room(descriptor: int, target: str) -> None:
    """Free one slot if none is free; with that one liblmdb can be asked to free the other dead ones."""
    found = _readers(descriptor)
    if found is None:
        _check_table(descriptor, name_of(target))
        return
    for at in found.impossible:
        os.pwrite(descriptor, bytes(4), at + _PID_AT)
    if found.free > 0 or found.impossible:
        return
    if not found.dead:
        reason = f"all {found.slots} places for readers in {name_of(target)} are taken by processes that run"
        hint = "restart the mail server, or whatever keeps the database open (`fuser -v` names it)"
        raise UnavailableError(target, f"{reason}; nothing was changed", hint)
    os.pwrite(descriptor, bytes(4), found.dead[0] + _PID_AT)


def _check_table(descriptor: int, path: str) -> None:
    """Refuse what liblmdb takes for a damaged database; if nobody has that open, it makes the table anew."""
    if _is_table(os.pread(descriptor, _HEAD, 0)) or not _is_locked(descriptor, 0):
        return
    who = described(_lock(descriptor, fcntl.F_WRLCK, 0)[1]) or "another process"
    reason = f"is not the lock file of an LMDB database, and {who} has it open"
    raise DamagedFileError(path, reason, "end what has the database open; the next change makes it anew")


def _is_table(content: bytes) -> bool:
    return len(content) >= _HEAD and unpack_from("=I", content)[0] == LMDB


def _readers(descriptor: int) -> Readers | None:
    content = os.pread(descriptor, _MOST, 0)
    if not _is_table(content) or not _is_locked(descriptor, 0):
        return None
    places = range(_HEAD, len(content) - _SLOT + 1, _SLOT)
    taken = {at: pid for at in places if (pid := unpack_from("=i", content, at + _PID_AT)[0])}
    living = {
        pid for pid in set(taken.values()) if pid > 0 and (pid == os.getpid() or _is_locked(descriptor, pid))
    }
    return Readers(
        len(places),
        tuple(at for at, pid in taken.items() if pid in living),
        tuple(at for at, pid in taken.items() if pid > 0 and pid not in living),
        tuple(at for at, pid in taken.items() if pid < 0),
    )


def _is_locked(descriptor: int, at: int) -> bool:
    """Tell whether another process holds the lock of this octet.

    One with the database open holds that of octet 0, and one with a slot that of its own number
    (``mdb_env_excl_lock``, ``mdb_reader_pid``).
    """
    return _lock(descriptor, fcntl.F_WRLCK, at)[0] != fcntl.F_UNLCK


def _lock(descriptor: int, wanted: int, at: int) -> tuple[int, int]:
    """Return the kind and the process of the lock that keeps the wanted one of this octet out (fcntl(2))."""
    if sys.platform != "linux" or calcsize(_FLOCK) != 32:
        return (fcntl.F_WRLCK if wanted == fcntl.F_WRLCK else fcntl.F_UNLCK), 0
    asked = pack(_FLOCK, wanted, os.SEEK_SET, at, 1, 0)
    kind, _, _, _, process = unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return kind, process
