"""Another user turns names while root runs a verb, again and again: he gets nothing, and changes nothing.

SMTPCREDS_TEST_SWAPS is how often each verb is run.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from admin import Admin, environment, issued_hub

MALLORY = 4711
RUNS = int(os.environ.get("SMTPCREDS_TEST_SWAPS", "25"))
pytestmark = pytest.mark.timeout(600 + 5 * RUNS)
INSTANT = 0.00002
"""Seconds that each state lasts at least; others use this machine, too."""
REFUSED = 77
HALFWAY: dict[str, set[int]] = {"link": set(), "directory": {66, 74}, "sticky": {65, 66, 73, 74}}
"""What else a run may end with: what was there for its first look has gone, or has come."""


@pytest.fixture
def hub(place: Path) -> Admin:
    hub = issued_hub(place / "root")
    hub("sasl", "add", "maildroid")
    return hub


RUNNER = """
import contextvars, json, os, sys
from smtpcreds.__main__ import run
told = os.fdopen(int(sys.argv[1]), "w", 1)
for line in iter(os.fdopen(int(sys.argv[2])).readline, ""):
    sys.argv = ["smtpcreds", *json.loads(line)]
    try:
        contextvars.Context().run(run)
    except SystemExit as end:
        told.write(f"{end.code or 0}\\n")
"""


@contextlib.contextmanager
def again_and_again(hub: Admin) -> Iterator[Callable[[str], int]]:
    """Give what runs a command in a process that has run others before, and returns its status."""
    (answers, told), (asked, asking) = os.pipe(), os.pipe()
    words = (sys.executable, "-c", RUNNER, str(told), str(asked))
    with (
        open(hub.directory / "said", "w") as said,
        subprocess.Popen(
            words, env=environment(), pass_fds=(told, asked), stdout=said, stderr=said
        ) as process,
    ):
        os.close(told)
        os.close(asked)
        with open(asking, "w", buffering=1) as asks, open(answers) as answered:

            def run(text: str) -> int:
                asks.write(json.dumps(hub.arguments(*text.split())) + "\n")
                status = answered.readline()
                assert status, (hub.directory / "said").read_text()
                return int(status)

            yield run
        assert process.wait() == 0
    assert "Traceback" not in (hub.directory / "said").read_text()


@pytest.fixture
def victim(place: Path) -> Path:
    """A directory of root that nobody names, with what each verb would write or change."""
    victim = place / "victim"
    victim.mkdir(0o711)
    for name in ("x", "attic-key.pem", "attic-cert.pem", "crl.pem", "cacert.pem", "info", "kept", "pair.pem"):
        (victim / name).write_text("precious\n")
        (victim / name).chmod(0o644)
    return victim


def state(directory: Path) -> list[tuple[str, int, int, int, bytes]]:
    found = sorted([directory, *directory.rglob("*")])
    return [
        (
            str(path),
            status.st_mode,
            status.st_uid,
            status.st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in found
        for status in [path.lstat()]
    ]


def owner(path: Path) -> int:
    """Return whose it is; the attacker may have taken it away."""
    with contextlib.suppress(FileNotFoundError):
        return path.lstat().st_uid
    return MALLORY


def of_root(directory: Path) -> list[Path]:
    """What root made in directories of the attacker; what he takes away meanwhile is passed over."""
    found = (Path(top, name) for top, below, files in os.walk(directory) for name in (*below, *files))
    return [path for path in found if owner(path) == 0 and owner(path.parent)]


def become_mallory(where: Path) -> None:
    os.setgroups([])
    os.setgid(MALLORY)
    os.setuid(MALLORY)
    os.chdir(where)


def turn_links(home: Path, targets: tuple[Path, ...]) -> NoReturn:
    """Let ``s`` lead to one target after the other, as fast as it goes."""
    become_mallory(home)
    while True:
        for target in targets:
            os.symlink(target, "next")
            os.rename("next", "s")
            time.sleep(INSTANT)


def turn_directories(home: Path) -> NoReturn:
    """Exchange the directory ``s``, which is root's, by a link, and bring it back."""
    become_mallory(home)
    os.symlink("../victims", "link")
    while True:
        os.rename("s", "away")
        os.rename("link", "s")
        time.sleep(INSTANT)
        os.rename("s", "link")
        os.rename("away", "s")
        time.sleep(INSTANT)


def take_names(sticky: Path, name: str, victim: Path) -> NoReturn:
    """In a directory like /tmp be there first, with links, directories, files and FIFOs; then be gone."""
    become_mallory(sticky)

    def file() -> None:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))

    makers: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (lambda: os.symlink(victim / "x", name), lambda: os.unlink(name)),
        (lambda: os.symlink(victim, name), lambda: os.unlink(name)),
        (lambda: os.symlink("nowhere", name), lambda: os.unlink(name)),
        (lambda: os.mkdir(name, 0o777), lambda: os.rmdir(name)),
        (file, lambda: os.unlink(name)),
        (lambda: os.mkfifo(name, 0o666), lambda: os.unlink(name)),
    )
    pause = 0.0
    while True:
        for make, unmake in makers:
            for act in (make, unmake):
                with contextlib.suppress(OSError):
                    act()
                time.sleep(INSTANT)
            pause = (pause * 7 + 0.0013) % 0.02  # it is not there for a while, each time for another one
            time.sleep(pause)


@contextlib.contextmanager
def attacked(attack: Callable[[], NoReturn]) -> Iterator[None]:
    process = os.fork()
    if not process:
        try:
            attack()
        finally:
            os._exit(1)
    try:
        yield
        assert os.waitpid(process, os.WNOHANG) == (0, 0), "the attacker did work to the end"
    finally:
        os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)


BELOW = {
    "cert issue --to": "cert issue host{n} --to {there}",
    "cert renew": "cert renew attic",
    "ca crl": "ca crl",
    "ca crl --to": "ca crl --to {there}/crl.pem",
    "sasl auth-info --to": "sasl auth-info maildroid --to {there}/info --force",
    "--keep file:": "sasl passwd maildroid --keep file:{there}/kept{n}",
    "audit --fix": "audit --fix",
    "bundle": "bundle attic -o {there}/attic{n}.tar --force",
    "cert export --with-key --to": "cert export attic --with-key --to {there}/pair{n}.pem",
    "sasl convert PATH": "sasl convert --to gdbm {there}/converted{n}",
}
"""What writes below a directory of the attacker, by its options or since it is recorded."""


@pytest.fixture
def home(hub: Admin, place: Path, victim: Path) -> Path:
    """A directory that an administrator gave away after he had a pair issued below it."""
    home = place / "home"
    good = home / "s"
    (good / "certs").mkdir(0o700, parents=True)
    hub("cert", "issue", "attic", "--to", f"{good}/certs")
    (place / "victims").mkdir()
    (place / "victims/certs").symlink_to(victim)
    return home


@pytest.mark.parametrize("how", ["link", "directory"])
@pytest.mark.parametrize("verb", BELOW)
def test_below_a_directory_of_the_attacker(
    hub: Admin, home: Path, place: Path, victim: Path, verb: str, how: str
) -> None:
    """No run follows him, whatever he does meanwhile."""
    if how == "link":
        (home / "s").rename(place / "good")
        (home / "s").symlink_to(place / "good")
        os.lchown(home / "s", MALLORY, MALLORY)
    os.chown(home, MALLORY, MALLORY)
    kept = place / "good/certs" if how == "link" else home / "s/certs"
    before, pair = state(victim), sorted(path.name for path in kept.iterdir())
    key = (kept / "attic-key.pem").read_bytes()
    turns = (place / "good", place / "victims")
    ends: Counter[int] = Counter()
    with (
        again_and_again(hub) as run,
        attacked(lambda: turn_links(home, turns) if how == "link" else turn_directories(home)),
    ):
        for number in range(RUNS):
            words = BELOW[verb].format(n=number, there=home / "s/certs")
            ends[run(words)] += 1
            assert state(victim) == before, (number, ends)
    if how == "directory":
        names = (home / "s", home / "away", home / "link")
        (kept,) = (path / "certs" for path in names if path.is_dir() and not path.is_symlink())
    assert sorted(path.name for path in kept.iterdir()) == pair
    assert (kept / "attic-key.pem").read_bytes() == key
    assert {path.name for path in home.iterdir()} <= {"s", "next", "link", "away"}
    print(f"\n{verb}, {how}: {RUNS} runs, {dict(ends)}")
    assert ends.keys() <= {REFUSED, *HALFWAY[how], *({0, 1} if verb in {"ca crl", "audit --fix"} else ())}, (
        ends
    )


STICKY = {
    "cert issue --to": "cert issue host{n} --to {x}",
    "ca crl --to": "ca crl --to {x}",
    "sasl auth-info --to": "sasl auth-info maildroid --to {x} --force",
    "--keep file:": "sasl passwd maildroid --keep file:{x}",
    "bundle": "bundle attic -o {x} --force",
    "cert export --with-key --to": "cert export dmzmail --with-key --to {x}",
    "sasl convert PATH": "sasl convert --to gdbm {x}",
}
"""What writes into a directory where everybody may put names, and only their owner takes them away."""


@pytest.mark.parametrize("verb", STICKY)
def test_in_a_directory_like_tmp(hub: Admin, place: Path, victim: Path, verb: str) -> None:
    """A run succeeds, with a file of root's that nobody else can read, or writes nothing."""
    sticky = place / "tmp"
    sticky.mkdir()
    sticky.chmod(0o1777)
    hub("cert", "issue", "attic")
    x, before = sticky / "x", state(victim)
    ends: Counter[int] = Counter()
    with again_and_again(hub) as run, attacked(lambda: take_names(sticky, "x", victim)):
        for number in range(RUNS):
            status = run(STICKY[verb].format(n=number, x=x))
            ends[status] += 1
            assert state(victim) == before, (number, ends)
            assert of_root(sticky) == [], (number, ends)
            if status == 0:
                found = x.lstat()
                assert found.st_uid == 0
                assert stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
                assert verb == "ca crl --to" or not found.st_mode & 0o077
            for path in sticky.iterdir():
                if owner(path) == 0:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    print(f"\n{verb}, sticky: {RUNS} runs, {dict(ends)}")
    assert ends.keys() <= {0, REFUSED, *HALFWAY["sticky"]}, ends


def test_who_follows_him_loses(home: Path, victim: Path) -> None:
    """A program that opens the path as it stands writes into the victim's directory."""
    (home / "s").rename(home.parent / "good")
    os.chown(home, MALLORY, MALLORY)
    with attacked(lambda: turn_links(home, (home.parent / "good", home.parent / "victims"))):
        while (victim / "x").read_text() == "precious\n":
            with contextlib.suppress(FileNotFoundError):
                (home / "s/certs/x").write_text("lost\n")
