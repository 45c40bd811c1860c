"""Whoever can write to the lock file of an LMDB database: what is in its place, and who keeps us waiting."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_locks import bound, second_name

from smtpcreds.errors import DamagedFileError, LockHeldError, UnsafePathError
from smtpcreds.sasldb import lmdb_lock
from smtpcreds.sasldb.lmdb import LmdbStore

NAME = os.path.basename(sys.executable)
LIMIT = 0.2
INIT = """
fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
"""
WRITER = """
import lmdb
environment = lmdb.open(sys.argv[1].removesuffix("-lock"), subdir=False)
transaction = environment.begin(write=True)
"""
READER = """
fcntl.lockf(file, fcntl.LOCK_SH, 1, 0)
"""
NEGATIVE = """
fcntl.lockf(file, fcntl.LOCK_SH, 1, 0)
for at in range(128, 65536, 64):
    os.pwrite(file, struct.pack("=i", -at), at + 8)
"""
HUGE = """
fcntl.lockf(file, fcntl.LOCK_SH, 1, 0)
os.ftruncate(file, 1 << 42)
"""
GARBAGE = """
fcntl.lockf(file, fcntl.LOCK_SH, 1, 0)
os.pwrite(file, b"garbage" * 9, 0)
"""


@pytest.fixture
def store(tmp_path: Path) -> LmdbStore:
    store = LmdbStore(str(tmp_path / "db"), timeout=LIMIT)
    store.apply(lambda _: {b"maildroid": b"secret"})
    return store


@contextmanager
def beside(path: Path, deed: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that may write to the lock file, and is stopped after its deed."""
    script = f"import fcntl, os, struct, sys\nfile = os.open(sys.argv[1], os.O_RDWR)\n{deed}"
    script += "\nprint('ready', flush=True)\nos.kill(os.getpid(), 19)\n"
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


OBSTACLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a second name of a file of root": (second_name, "has 2 names"),
    "a FIFO": (lambda path: os.mkfifo(path), "is not a regular file"),
    "a link": (lambda path: path.symlink_to("shadow"), "is not a regular file"),
    "a directory": (lambda path: path.mkdir(), "is not a regular file"),
    "a socket": (bound, "is not a regular file"),
    "a device": (lambda path: os.mknod(path, stat.S_IFCHR, os.makedev(1, 3)), "is not a regular file"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_in_the_place_of_the_lock_file_is_named_and_left_alone(
    store: LmdbStore, tmp_path: Path, obstacle: str
) -> None:
    make, reason = OBSTACLES[obstacle]
    (tmp_path / "db-lock").unlink()
    make(tmp_path / "db-lock")
    before = (tmp_path / "db").read_bytes()
    with pytest.raises(UnsafePathError, match=reason):
        store.apply(lambda _: {b"maildroid": b"another"})
    assert (tmp_path / "db").read_bytes() == before
    if obstacle == "a second name of a file of root":
        assert (tmp_path / "shadow").read_text() == "root:$6$precious\n"


@pytest.mark.parametrize("deed", [INIT, WRITER], ids=["opens it", "writes"])
def test_who_is_stopped_while_he_holds_it_is_named(store: LmdbStore, tmp_path: Path, deed: str) -> None:
    """liblmdb waits for ever, and nothing interrupts it."""
    with beside(tmp_path / "db-lock", deed) as holder:
        with pytest.raises(LockHeldError) as caught:
            store.apply(lambda _: {b"maildroid": b"another"})
        reason = f"is held by process {holder.pid} ({NAME}) of user root"
        assert (caught.value.subject, caught.value.reason) == (str(tmp_path / "db-lock"), reason)
    assert store.load() == {b"maildroid": b"secret"}
    store.apply(lambda _: {b"maildroid": b"another"})
    assert store.load() == {b"maildroid": b"another"}


def test_a_reader_that_is_stopped_is_not_waited_for(store: LmdbStore, tmp_path: Path) -> None:
    with beside(tmp_path / "db-lock", READER):
        store.apply(lambda _: {b"maildroid": b"another"})
    assert store.load() == {b"maildroid": b"another"}


def test_slots_of_processes_that_can_t_be_are_free(store: LmdbStore, tmp_path: Path) -> None:
    with beside(tmp_path / "db-lock", NEGATIVE):
        store.apply(lambda _: {b"maildroid": b"another"})
    assert store.load() == {b"maildroid": b"another"}


def test_a_lock_file_is_not_read_as_far_as_it_goes(store: LmdbStore, tmp_path: Path) -> None:
    with beside(tmp_path / "db-lock", HUGE):
        assert lmdb_lock.readers(str(tmp_path / "db"))
        store.apply(lambda _: {b"maildroid": b"another"})
    assert store.load() == {b"maildroid": b"another"}


def test_a_lock_file_that_is_none_is_not_taken_for_a_damaged_database(
    store: LmdbStore, tmp_path: Path
) -> None:
    before = (tmp_path / "db").read_bytes()
    with beside(tmp_path / "db-lock", GARBAGE) as holder:
        with pytest.raises(DamagedFileError) as caught:
            store.apply(lambda _: {b"maildroid": b"another"})
        assert caught.value.subject == str(tmp_path / "db-lock")
        who = f"process {holder.pid} ({NAME}) of user root"
        assert caught.value.reason == f"is not the lock file of an LMDB database, and {who} has it open"
    assert (tmp_path / "db").read_bytes() == before
    store.apply(lambda _: {b"maildroid": b"another"})
