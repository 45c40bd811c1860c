"""No core dump, and no other process of the same user, shows the memory in which secrets are."""

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


def test_an_ordinary_user_s_run_still_reaches_its_own_descriptors() -> None:
    """An undumpable process gives its files in /proc to root (proc(5)), but for descriptors."""
    script = """
import ctypes, os, resource
os.setgroups([]); os.setgid(4711); os.setuid(4711)
from smtpcreds.cli.framework import prepare
prepare()
open("/proc/self/fd/0").close()
open("/dev/stdin").close()
print(os.path.exists("/proc/self/stat"))
"""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        shutil.copytree(
            PLACE / "smtpcreds", f"{place}/smtpcreds", ignore=shutil.ignore_patterns("__pycache__")
        )
        words = [sys.executable, "-c", "import smtpcreds.cli.framework\n" + script]
        environment = {**IMPORTS, "PYTHONPATH": place}
        said = subprocess.check_output(words, text=True, stdin=subprocess.DEVNULL, env=environment)
    assert said.split() == ["True"]


@pytest.mark.parametrize("mask", ["777", "700", "077", "000"])
def test_no_umask_locks_us_out(bare: Admin, mask: str) -> None:
    masked = bare.behind("sh", "-c", f'umask {mask}; exec "$@"', "sh")
    masked("setup", HUB, "--no-passphrase")
    modes = {name: bare.mode(name) for name in (f"{STATE}/ca", f"{STATE}", "/etc/mail/certs", "/etc/mail")}
    assert modes == {f"{STATE}/ca": 0o700, STATE: 0o700, "/etc/mail/certs": 0o700, "/etc/mail": 0o755}
    assert all(path.stat().st_mode & stat.S_IRUSR for path in bare.root.rglob("*"))
