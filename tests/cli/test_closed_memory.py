"""No core dump, and no other process of the same user, shows the memory in which secrets are."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import HUB, STATE, Admin
from place import IMPORTS, PLACE


@pytest.fixture
def waiting(locked: Admin, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run that waits for its passphrase; it could dump core as large as it likes."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    command = locked.command("ca", "crl", "--passphrase", f"cmd:cat {tmp_path}/fifo")

    def unlimited() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    environment = {**IMPORTS, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(command, preexec_fn=unlimited, env=environment, cwd=tmp_path)
    while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()
    subprocess.run(["sh", "-c", ": <> fifo"], cwd=tmp_path, check=True)


def test_its_limit_is_nothing_and_a_daemon_may_raise_it(waiting: "subprocess.Popen[bytes]") -> None:
    limits = Path(f"/proc/{waiting.pid}/limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if line.startswith("Max core")] == [["0", "unlimited"]]


def test_a_core_is_not_dumped(waiting: "subprocess.Popen[bytes]") -> None:
    """WCOREDUMP tells, wherever the kernel's pattern sends cores to."""
    os.kill(waiting.pid, 11)
    ended = os.waitpid(waiting.pid, 0)[1]
    waiting.returncode = -11
    assert os.WTERMSIG(ended) == 11
    assert not os.WCOREDUMP(ended)


def said_by_an_ordinary_user(script: str) -> list[str]:
    """Run Python as a user, who has the program where he may read it."""
    start = "import ctypes, os, resource, smtpcreds.cli.framework\n"
    start += "os.setgroups([]); os.setgid(4711); os.setuid(4711)\n"
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        shutil.copytree(
            PLACE / "smtpcreds", f"{place}/smtpcreds", ignore=shutil.ignore_patterns("__pycache__")
        )
        words = [sys.executable, "-c", start + script]
        environment = {**IMPORTS, "PYTHONPATH": place}
        said = subprocess.check_output(words, text=True, stdin=subprocess.DEVNULL, env=environment)
    return said.split()


def test_an_ordinary_user_s_run_still_reaches_its_own_descriptors() -> None:
    """An undumpable process gives its files in /proc to root (proc(5)), but for descriptors."""
    script = """
smtpcreds.cli.framework.prepare()
open("/proc/self/fd/0").close()
open("/dev/stdin").close()
print(os.path.exists("/proc/self/stat"))
"""
    assert said_by_an_ordinary_user(script) == ["True"]


def test_who_came_in_time_alone_reads_memory() -> None:
    """Another process of the same user: one that has opened the memory before keeps it open (proc(5))."""
    script = """
secret = ctypes.create_string_buffer(b"before")
where, (asks, told), (waits, goes) = ctypes.addressof(secret), os.pipe(), os.pipe()
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after exec(2)
run = os.fork()
if not run:
    os.close(goes)
    os.read(waits, 1)
    smtpcreds.cli.framework.prepare()
    secret.value = b"after!"
    os.write(told, b"x")
    os.read(waits, 1)
    os._exit(0)
opened = open(f"/proc/{run}/mem", "rb", 0)
os.close(told)
os.write(goes, b"x")
os.read(asks, 1)
opened.seek(where)
print(opened.read(6).decode())
try:
    print(open(f"/proc/{run}/mem", "rb").read(0))
except PermissionError:
    print("refused")
print(ptrace(16, run, None, None), ctypes.get_errno())
os.write(goes, b"x")
os.waitpid(run, 0)
"""
    assert said_by_an_ordinary_user(script) == ["after!", "refused", "-1", str(errno.EPERM)]


@pytest.mark.parametrize("mask", ["777", "700", "077", "000"])
def test_no_umask_locks_us_out(bare: Admin, mask: str) -> None:
    masked = bare.behind("sh", "-c", f'umask {mask}; exec "$@"', "sh")
    masked("setup", HUB, "--no-passphrase")
    modes = {name: bare.mode(name) for name in (f"{STATE}/ca", f"{STATE}", "/etc/mail/certs", "/etc/mail")}
    assert modes == {f"{STATE}/ca": 0o700, STATE: 0o700, "/etc/mail/certs": 0o700, "/etc/mail": 0o755}
    assert all(path.stat().st_mode & stat.S_IRUSR for path in bare.root.rglob("*"))
