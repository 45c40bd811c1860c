"""What somebody puts in a lock's place is named at once, and never overwritten."""

import fcntl
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from smtpcreds import files
from smtpcreds.errors import LockHeldError, UnsafePathError
from smtpcreds.sasldb import gdbm
from smtpcreds.sasldb.store import ReplacingStore

NOBODY = 65534
HOLD = """
import fcntl, os, sys, time
file = open(sys.argv[1], "rb")
os.setuid(65534)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """A directory like /tmp, in which everybody makes files."""
    common = tmp_path / "common"
    common.mkdir()
    common.chmod(0o1777)
    return common


def foreign(path: Path) -> None:
    path.write_text("")
    os.chown(path, NOBODY, NOBODY)


def second_name(path: Path) -> None:
    shadow = path.parent / "shadow"
    shadow.write_text("root:$6$precious\n")
    os.link(shadow, path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


OBSTACLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a second name of a file of root": (second_name, "has 2 names"),
    "a FIFO": (lambda path: os.mkfifo(path), "is not a regular file"),
    "a file of another user": (foreign, "belongs to user nobody"),
    "a file of root that is not a lock": (
        lambda path: path.write_text("precious\n"),
        "is not a lock of smtpcreds by its content",
    ),
    "a link": (lambda path: path.symlink_to("shadow"), "is not a regular file"),
    "a directory": (lambda path: path.mkdir(), "is not a regular file"),
    "a socket": (bound, "is not a regular file"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("is_preview", [False, True], ids=["", "preview"])
def test_obstacles_are_named_at_once_and_left_alone(common: Path, obstacle: str, is_preview: bool) -> None:
    make, reason = OBSTACLES[obstacle]
    lock = common / "sasldb2.lock"
    make(lock)
    before = {path: (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in common.iterdir()}
    disk = files.PreviewDisk() if is_preview else files.Disk()
    with files.using(disk), pytest.raises(UnsafePathError, match=reason):  # noqa: SIM117
        with files.exclusive(str(lock), patience=0):
            pytest.fail("it was taken")
    assert before == {
        path: (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in common.iterdir()
    }


def test_what_a_killed_holder_left_is_no_obstacle(common: Path) -> None:
    lock = common / "lock"
    lock.write_text("4711 smtpcreds\n")
    with files.exclusive(str(lock), patience=0):
        assert lock.read_text().startswith(f"{os.getpid()} ")
    assert lock.read_text() == ""


def test_a_lock_is_private_under_any_umask(common: Path) -> None:
    old = os.umask(0o777)
    try:
        with files.exclusive(str(common / "lock")):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((common / "lock").stat().st_mode) == 0o600


def test_who_holds_a_gdbm_file_is_named(tmp_path: Path) -> None:
    """Everybody who may read it can lock it, as long as they like (flock(2))."""
    path = tmp_path / "sasldb2"
    store = ReplacingStore(str(path), gdbm, timeout=0.05)
    store.apply(lambda _: {b"maildroid": b"secret"})
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        try:
            with pytest.raises(LockHeldError) as caught:
                store.apply(lambda _: {b"maildroid": b"another"})
        finally:
            holder.kill()
    name = os.path.basename(sys.executable)
    assert caught.value.reason == f"is locked by process {holder.pid} ({name}) of user nobody"


def test_who_holds_a_lock_without_a_name_is_named(common: Path) -> None:
    """As by flock(1) in a script."""
    lock = common / "lock"
    lock.write_text("")
    script = ("flock", str(lock), "sh", "-c", "echo held; sleep 60")
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, start_new_session=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError, match=rf"is held by process {holder.pid} \(flock\) of user root"):  # noqa: SIM117
            with files.exclusive(str(lock), patience=0):
                pytest.fail("it was taken")
        os.killpg(holder.pid, 9)


def test_a_name_that_a_killed_holder_left_is_not_taken_for_the_holder(common: Path) -> None:
    """Its number may be another process's by now, or one that we descend from."""
    lock = common / "lock"
    lock.write_text(f"{os.getppid()} smtpcreds\n")
    script = ("flock", str(lock), "sh", "-c", "echo held; sleep 60")
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, start_new_session=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError) as caught:  # noqa: SIM117
            with files.exclusive(str(lock), patience=0):
                pytest.fail("it was taken")
        os.killpg(holder.pid, 9)
    assert caught.value.reason == f"is held by process {holder.pid} (flock) of user root"
    assert caught.value.hint == "try again when it has ended"


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2Jclear", "\udcff"])
def test_a_program_may_have_any_name(common: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves when it is killed must be a lock still."""
    lock = common / "lock"
    monkeypatch.setattr(sys, "argv", [f"/bin/{name}"])
    with files.exclusive(str(lock), patience=0):
        left = lock.read_bytes()
    assert left.count(b"\n") == 1
    assert left.rstrip(b"\n").decode().isprintable()
    lock.write_bytes(left)
    with files.exclusive(str(lock), patience=0):
        pass


SWAP = """
import os, sys
common, shadow, lock = sys.argv[1:]
print("ready", flush=True)
while True:
    for swap in (lambda: os.link(shadow, lock), lambda: os.unlink(lock)):
        try:
            swap()
        except OSError:
            pass
"""


def test_what_appears_while_a_lock_is_made_is_not_changed(common: Path) -> None:
    shadow, lock = common / "shadow", common / "lock"
    shadow.write_text("precious\n")
    shadow.chmod(0o644)
    words: list[str | Path] = [sys.executable, "-c", SWAP, common, shadow, lock]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdout
        attacker.stdout.readline()
        for _ in range(1000):
            with suppress(UnsafePathError, OSError), files.exclusive(str(lock), patience=0):
                pass
            with suppress(FileNotFoundError):
                lock.unlink()
        attacker.kill()
    assert (stat.S_IMODE(shadow.stat().st_mode), shadow.read_text()) == (0o644, "precious\n")


def test_a_free_lock_is_held_by_nobody(common: Path) -> None:
    with files.exclusive(str(common / "lock")), (common / "lock").open("rb") as other:
        assert not files.flock(other.fileno(), fcntl.LOCK_EX, 0)
    with (common / "lock").open("rb") as other:
        assert files.flock(other.fileno(), fcntl.LOCK_EX, 0)
