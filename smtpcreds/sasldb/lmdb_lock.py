"""The lock file of an LMDB database: a slot for each reader, which a killed one leaves taken.

Source: OpenLDAP ``mdb.c`` 0.9 (``MDB_txninfo``, ``MDB_reader``), 64-bit Linux. When no slot is free, a login
of a program that has none yet fails. Locks of liblmdb's kind end when their process closes the file anywhere:
nothing here may run while liblmdb has it open in the same process.
"""

import fcntl
import os
import sys
from struct import calcsize, pack, unpack, unpack_from
from typing import NamedTuple

from ..errors import UnavailableError
from ..files import explained
from .replace import PRIVATE, Replacement, open_regular, read_whole

SIZE = 65536
"""For 1022 readers. liblmdb's own are of 8192 bytes, for 126, and it takes over what it finds."""
_MAGIC = 0xBEEFC0DE
_HEAD, _SLOT, _PID_AT = 128, 64, 8
_FLOCK = "hhqqi4x"
"""``struct flock``: type, whence, start, length, process."""


class Readers(NamedTuple):
    """How many readers a lock file has room for, and the places of those that are taken."""

    slots: int
    living: tuple[int, ...]
    dead: tuple[int, ...]

    @property
    def free(self) -> int:
        """Return how many more find room; liblmdb does not look for dead ones."""
        return self.slots - len(self.living) - len(self.dead)


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


def prepare(target: str, database: int) -> None:
    """Make the lock file, or make it larger, and see to it that a reader finds a slot.

    Args:
        target: the database's path.
        database: descriptor of it; who may read it may write to the lock file.

    Raises:
        UnavailableError: processes that run have all slots.
    """
    path = name_of(target)
    if not os.path.lexists(path):
        _make(path, database)
        return
    with explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _enlarge(descriptor)
            _make_room(descriptor, target)
        finally:
            os.close(descriptor)


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
    if found is None or found.free > 0:
        return
    if not found.dead:
        reason = f"all {found.slots} places for readers in {name_of(target)} are taken by processes that run"
        hint = "restart the mail server, or whatever keeps the database open (`fuser -v` names it)"
        raise UnavailableError(target, f"{reason}; nothing was changed", hint)
    os.pwrite(descriptor, bytes(4), found.dead[0] + _PID_AT)


def _readers(descriptor: int) -> Readers | None:
    content, _ = read_whole(descriptor)
    is_table = len(content) >= _HEAD and unpack_from("=I", content)[0] == _MAGIC
    if not is_table or not _is_locked(descriptor, 0):
        return None
    places = range(_HEAD, len(content) - _SLOT + 1, _SLOT)
    taken = {at: pid for at in places if (pid := unpack_from("=i", content, at + _PID_AT)[0])}
    living = {pid for pid in set(taken.values()) if pid == os.getpid() or _is_locked(descriptor, pid)}
    return Readers(
        len(places),
        tuple(at for at, pid in taken.items() if pid in living),
        tuple(at for at, pid in taken.items() if pid not in living),
    )


def _is_locked(descriptor: int, at: int) -> bool:
    """Tell whether another process holds the lock of this octet.

    One with the database open holds that of octet 0, and one with a slot that of its own number
    (``mdb_env_excl_lock``, ``mdb_reader_pid``).
    """
    if sys.platform != "linux" or calcsize(_FLOCK) != 32:
        return True
    asked = pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    answer: int = unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0]
    return answer != fcntl.F_UNLCK
