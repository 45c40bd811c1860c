"""Private, atomic, durable: the promises of smtpcreds.files, on a real file system."""

import errno
import itertools
import multiprocessing
import os
import resource
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smtpcreds import files
from smtpcreds.errors import (
    DeniedError,
    ExistsError,
    LockHeldError,
    MissingInputError,
    UnsafePathError,
    WriteError,
)
from smtpcreds.files.guard import explained
from smtpcreds.files.rights import above
from smtpcreds.model import Artifact


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    old = os.umask(0)
    directory = tmp_path / "certs"
    directory.mkdir(0o700)
    yield directory
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_are_private_under_any_umask(home: Path) -> None:
    files.write_all([Artifact(str(home / "key.pem"), b"k"), Artifact(str(home / "cert.pem"), b"c")])
    assert {p.name: mode(p) for p in home.iterdir()} == {"key.pem": 0o600, "cert.pem": 0o600}


def test_a_new_file_has_one_writer(home: Path) -> None:
    """Of several at once, whose checks all found the name free."""
    path = home / "secret"

    def write(number: int) -> bool:
        try:
            files.write_new(Artifact(str(path), b"%d" % number))
        except ExistsError:
            return False
        return True

    for _ in range(20):
        with ThreadPoolExecutor(4) as pool:
            won = list(pool.map(write, range(4)))
        assert path.read_bytes() == b"%d" % won.index(True)
        assert sum(won) == 1
        assert not write(5)
        assert [p.name for p in home.iterdir()] == ["secret"]
        path.unlink()


def test_a_loose_file_becomes_tight(home: Path) -> None:
    (home / "key.pem").write_bytes(b"old")
    (home / "key.pem").chmod(0o666)
    reader = (home / "key.pem").open("rb")
    files.write_all([Artifact(str(home / "key.pem"), b"new")])
    assert mode(home / "key.pem") == 0o600
    assert reader.read() == b"old", "who had the old file open must not see the new key"
    reader.close()


@pytest.mark.parametrize("obstacle", ["symlink", "dangling", "directory", "fifo"])
def test_obstacles_are_refused_and_nothing_changes(home: Path, obstacle: str) -> None:
    victim = home / "victim"
    victim.write_text("precious")
    path = home / "key.pem"
    make: dict[str, Callable[[], None]] = {
        "symlink": lambda: path.symlink_to(victim),
        "dangling": lambda: path.symlink_to(home / "nowhere"),
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
    }
    make[obstacle]()
    before = sorted(os.listdir(home))
    with pytest.raises(UnsafePathError):
        files.write_all([Artifact(str(home / "first"), b"x"), Artifact(str(path), b"secret")])
    assert sorted(os.listdir(home)) == before
    assert victim.read_text() == "precious"


def test_foreign_file_is_refused(home: Path) -> None:
    path = home / "key.pem"
    path.write_text("theirs")
    os.chown(path, 12345, 12345)
    with pytest.raises(UnsafePathError, match="uid 12345"):
        files.write_all([Artifact(str(path), b"ours")])


@pytest.mark.parametrize(("loose", "who"), [(0o770, "group"), (0o777, "everybody"), (0o702, "everybody")])
def test_open_directories_are_refused(home: Path, loose: int, who: str) -> None:
    home.chmod(loose)
    with pytest.raises(UnsafePathError, match=who) as caught:
        files.check_directory(str(home))
    assert caught.value.hint == f"chmod go-w {home}"


def test_directory_that_is_a_link_or_foreign_or_below_an_open_one(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    with pytest.raises(UnsafePathError, match="symbolic link"):
        files.check_directory(str(link))
    inner = home / "inner"
    inner.mkdir(0o700)
    home.chmod(0o777)
    with pytest.raises(UnsafePathError, match="is below"):
        files.check_directory(str(inner))
    home.chmod(0o700)
    os.chown(inner, 12345, 0)
    with pytest.raises(UnsafePathError, match="uid 12345"):
        files.check_directory(str(inner))


def test_directories_are_made_closed_and_tightened(home: Path) -> None:
    target = home / "etc" / "mail" / "certs"
    assert files.ensure_directory(str(target))
    assert (mode(target), mode(target.parent)) == (0o700, 0o755)
    target.chmod(0o755)
    assert files.ensure_directory(str(target))
    assert mode(target) == 0o700
    assert not files.ensure_directory(str(target))


def test_a_small_file_takes_little_memory_to_read(home: Path) -> None:
    path = home / "small"
    path.write_bytes(b"x" * 1000)
    path.chmod(0o600)
    tracemalloc.start()
    try:
        assert files.read_public(str(path)) == files.read_private(str(path)) == b"x" * 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20, "room for the most that a file may hold is not asked for"


def test_a_file_without_a_size_is_read_whole() -> None:
    said = files.read_public(f"/proc/{os.getpid()}/status")
    assert said.startswith(b"Name:")
    assert said.endswith(b"\n")


def test_private_reads_check_the_open_file(home: Path) -> None:
    path = home / "secret"
    path.write_text("s")
    path.chmod(0o600)
    assert files.read_private(str(path)) == b"s"
    path.chmod(0o640)
    with pytest.raises(UnsafePathError, match="0640") as caught:
        files.read_private(str(path))
    assert caught.value.hint == f"chmod 0600 {path}"
    with pytest.raises(MissingInputError):
        files.read_private(str(home / "none"))
    (home / "link").symlink_to(path)
    with pytest.raises(UnsafePathError):
        files.read_private(str(home / "link"))


def test_full_disk_changes_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", disk], check=True)
    try:
        files.write_all([Artifact(str(disk / "key"), b"old key"), Artifact(str(disk / "cert"), b"old")])
        with pytest.raises(WriteError, match="No space left"):
            files.write_all(
                [Artifact(str(disk / "key"), b"new"), Artifact(str(disk / "cert"), b"x" * 200_000)]
            )
        assert {p.name: p.read_bytes() for p in disk.iterdir()} == {"key": b"old key", "cert": b"old"}
    finally:
        subprocess.run(["umount", disk], check=True)


def test_short_write_is_completed_or_fails(home: Path) -> None:
    script = (
        "import signal, sys; from resource import *\n"
        "from smtpcreds.files import write_all; from smtpcreds.model import Artifact\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); setrlimit(RLIMIT_FSIZE, (1000, 1000))\n"
        "write_all([Artifact(sys.argv[1], b'x' * 5000)])"
    )
    done = subprocess.run([sys.executable, "-c", script, home / "f"], capture_output=True, text=True)
    assert "WriteError" in done.stderr
    assert list(home.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_kill_at_every_system_call_leaves_old_or_new(home: Path) -> None:
    """SIGKILL at the Nth system call that touches a file: each file is whole, old or new."""
    script = (
        "import sys; from smtpcreds.files import write_all; from smtpcreds.model import Artifact\n"
        "write_all([Artifact(sys.argv[1] + '/' + n, b'new' * 2000) for n in ('key', 'cert')])"
    )
    new = b"new" * 2000
    killed = 0
    for call, number in [(c, n) for c in ("fchmod", "write", "fsync", "renameat") for n in (1, 2, 3)]:
        files.write_all([Artifact(str(home / name), b"old") for name in ("key", "cert")])
        inject = f"-einject={call}:signal=KILL:when={number}"
        strace = ["strace", "-f", "-qq", "-o/dev/null", inject]
        done = subprocess.run([*strace, sys.executable, "-c", script, home], capture_output=True, check=False)
        killed += done.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}
        assert {mode(path) for path in home.iterdir() if path.stat().st_size} == {0o600}, (call, number)
        state = ((home / "key").read_bytes(), (home / "cert").read_bytes())
        assert state in {(b"old", b"old"), (new, b"old"), (new, new)}, "a certificate before its key"
        files.sweep(str(home))
        assert sorted(os.listdir(home)) == ["cert", "key"]
    assert killed == 9


def test_sweep_takes_only_our_temporaries(home: Path) -> None:
    ours = home / ".key.pem.smtpcreds-0123456789abcdef"
    for path in (ours, home / ".key.pem.swp", home / "key.pem"):
        path.write_text("x")
    assert files.sweep(str(home)) == [str(ours)]
    assert sorted(os.listdir(home)) == [".key.pem.swp", "key.pem"]
    assert files.sweep(str(home / "missing")) == []


def test_sweep_target_takes_what_a_dead_run_left_of_that_file_only(home: Path) -> None:
    script = (
        "import os, sys; from smtpcreds import files, model\n"
        "files.write_all([model.Artifact(sys.argv[1] + '/attic.tar', b'secret', 0o600)])"
    )
    strace = ["strace", "-f", "-qq", "-o/dev/null", "-einject=renameat:signal=KILL:when=1"]
    subprocess.run([*strace, sys.executable, "-c", script, home], capture_output=True, check=False)
    (left,) = os.listdir(home)
    began = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[19]) & 0xFFFFF
    (home / f".attic.tar.smtpcreds-{os.getppid():06x}{began:05x}01234").write_text("of a run that lives")
    (home / ".attic.smtpcreds-0123456789abcdef").write_text("of another file")
    with files.using(files.PreviewDisk()) as preview:
        assert preview.sweep_target(f"{home}/attic.tar") == [f"{home}/{left}"]
    assert left in os.listdir(home)
    assert files.sweep_target(f"{home}/attic.tar") == [f"{home}/{left}"]
    assert len(os.listdir(home)) == 2
    assert files.sweep_target(str(home / "missing" / "file")) == []


def _hold(path: str, ready: object) -> None:
    with files.exclusive(path):
        ready.set()  # type: ignore[attr-defined]
        signal.pause()


def test_lock_waits_names_the_holder_and_dies_with_it(home: Path) -> None:
    path = str(home / "lock")
    ready = multiprocessing.get_context("spawn").Event()
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(path, ready))
    holder.start()
    assert ready.wait(120)
    with pytest.raises(LockHeldError, match=f"process {holder.pid} "), files.exclusive(path, patience=0.1):
        pass
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    with files.exclusive(path, patience=60):
        assert mode(home / "lock") == 0o600


def test_lock_of_another_user_is_refused_with_the_way_out(home: Path) -> None:
    (home / "lock").touch(0o600)
    os.chown(home / "lock", 12345, 12345)
    with pytest.raises(UnsafePathError) as caught, files.exclusive(str(home / "lock")):
        raise AssertionError
    assert "rm " in (caught.value.hint or "")


def test_lock_through_a_link_is_refused(home: Path) -> None:
    (home / "lock").symlink_to(home / "victim")
    with pytest.raises(UnsafePathError), files.exclusive(str(home / "lock")):
        pass
    assert not (home / "victim").exists()


@pytest.mark.parametrize(("user", "hint"), [(0, "lsattr"), (1000, "run it as root")])
def test_root_is_not_told_to_become_root(monkeypatch: pytest.MonkeyPatch, user: int, hint: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(DeniedError) as caught, explained("sasldb2"):
        raise PermissionError(errno.EPERM, "Operation not permitted")  # an immutable file
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["/any", "//any", "//etc/any", "/etc/mail/any"])
def test_the_directories_above_a_path_end_at_the_top(path: str) -> None:
    assert list(itertools.islice(above(path, "/"), 5))[-1] in {"/", "//"}
    assert len(list(itertools.islice(above(path, "/"), 5))) < 5


def test_only_an_empty_directory_is_removed(home: Path) -> None:
    paths = [f"{home}/{name}" for name in ("full", "empty", "none")]
    (home / "full").mkdir()
    (home / "full/file").touch()
    (home / "empty").mkdir()
    with files.using(files.PreviewDisk()) as preview:
        assert [preview.remove_empty(path) for path in paths] == [False, True, False]
    assert (home / "empty").exists()
    assert [files.remove_empty(path) for path in paths] == [False, True, False]
    assert os.listdir(home) == ["full"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_is_not_removed_as_one(home: Path, kind: str) -> None:
    """Under another name, the next run would sweep it."""
    (home / "there").mkdir()
    path = home / "x"
    path.write_text("notes") if kind == "file" else path.symlink_to("there")
    with pytest.raises(UnsafePathError, match="x: Not a directory"):
        files.remove_directory(str(path))
    assert sorted(one.name for one in home.iterdir()) == ["there", "x"]
