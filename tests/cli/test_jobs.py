"""Work that several processes share, of which any may be killed: ``--jobs``, and a look at many pairs."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import PASSPHRASE, STATE, Admin, environment, snapshot

from smtpcreds import jobs

HOSTS = [f"host{number}" for number in range(5)]

RUN = """
import os, sys, time
from pathlib import Path
from smtpcreds import jobs
here, made, received, started = Path(sys.argv.pop(1)), jobs._made, jobs._received, os.fork
def fork():
    process = started()
    if process:
        with open(here / "children", "a") as seen:
            print(process, file=seen)
    return process
os.fork = fork
{patch}
from smtpcreds.__main__ import main
main()
"""

CHILD_DIES = "jobs._made = lambda make, piece: os.kill(os.getpid(), 9) if piece == 3 else made(make, piece)"

PARENT_DIES = """
def waits(make, piece):
    if piece < 2:
        return made(make, piece)
    while not (here / "release").exists():
        time.sleep(0.05)
jobs._made = waits
count = []
def dies(pipe):
    count.append(received(pipe))
    return count[-1] if len(count) < 2 else os.kill(os.getpid(), 9)
jobs._received = dies
"""


def run(admin: Admin, *words: str, patch: str = "") -> tuple[int, list[int]]:
    """Run a command; return its status, and the processes that it started."""
    code = RUN.format(patch=patch)
    command = [sys.executable, "-c", code, str(admin.directory), *admin.arguments(*words)]
    ran = subprocess.run(command, env=environment(), capture_output=True)
    children = admin.directory / "children"
    started = [int(line) for line in children.read_text().split()] if children.exists() else []
    children.unlink(missing_ok=True)
    return ran.returncode, started


def all_are_whole(admin: Admin) -> None:
    for host in HOSTS:
        assert admin.is_pair(host)
        admin.verify(admin.certs / f"{host}-cert.pem")
    assert len({admin.public_key(admin.certs / f"{host}-cert.pem") for host in HOSTS}) == len(HOSTS)
    assert "agree" in admin("inventory", "check").out


def test_each_process_does_its_part(hub: Admin) -> None:
    status, children = run(hub, "cert", "issue", *HOSTS, "--jobs", "3")
    assert (status, len(children)) == (0, 3)
    all_are_whole(hub)
    status, children = run(hub, "cert", "renew", *HOSTS, "--new-key", "--jobs", "2")
    assert (status, len(children)) == (0, 2)
    all_are_whole(hub)


def test_a_small_batch_needs_no_process(hub: Admin) -> None:
    assert run(hub, "cert", "issue", *HOSTS) == (0, [])


def test_a_dry_run_starts_none_and_shows_the_same(hub: Admin) -> None:
    assert run(hub, "-n", "cert", "issue", *HOSTS, "--jobs", "2") == (0, [])
    several = hub.json("-n", "cert", "issue", *HOSTS, "--jobs", "2")
    assert several == hub.json("-n", "cert", "issue", *HOSTS)


def test_where_the_system_keeps_no_ended_child_none_is_started(hub: Admin) -> None:
    """Children of who ignores SIGCHLD, as a service that starts us may, vanish; others get their numbers."""
    ignored = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    assert run(hub, "cert", "issue", *HOSTS, "--jobs", "2", patch=ignored) == (0, [])
    all_are_whole(hub)


def test_what_a_killed_process_leaves_out_is_made_nevertheless(hub: Admin) -> None:
    status, children = run(hub, "cert", "issue", *HOSTS, "--jobs", "2", patch=CHILD_DIES)
    assert (status, len(children)) == (0, 2)
    all_are_whole(hub)


def ended(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_processes_of_a_killed_run_hold_nobody_up_and_end(hub: Admin) -> None:
    status, children = run(hub, "cert", "issue", *HOSTS, "--jobs", "2", patch=PARENT_DIES)
    assert (status, len(children)) == (-signal.SIGKILL, 2)
    assert not any(map(ended, children)), "both wait for the test"
    hub("cert", "issue", *HOSTS)
    all_are_whole(hub)
    (hub.directory / "release").touch()
    end = time.monotonic() + 60
    while not all(map(ended, children)):
        assert time.monotonic() < end, "a process outlives its run"
        time.sleep(0.05)


@pytest.mark.parametrize("words", [("issue", "attic"), ("renew", "dmzmail")], ids=" ".join)
@pytest.mark.parametrize("dry", [(), ("-n",)], ids=["run", "dry"])
def test_several_are_refused_where_the_key_is_in_a_token(
    tokened: Admin, words: tuple[str, ...], dry: tuple[str, ...]
) -> None:
    tokened("cert", "issue", "dmzmail")
    before = snapshot(tokened.root)
    said = tokened.refuses(64, *dry, "cert", *words, "--jobs", "2")
    assert "--jobs 2: the authority's key is in a token" in said
    assert snapshot(tokened.root) == before
    tokened(*dry, "cert", *words, "--jobs", "1")


def test_a_number_below_one_is_refused(hub: Admin) -> None:
    assert "--jobs 0: is not a number of processes" in hub.refuses(
        64, "cert", "issue", "attic", "--jobs", "0"
    )


def test_the_passphrase_goes_no_other_way(locked: Admin) -> None:
    path = locked.write("passphrase", f"{PASSPHRASE}\n")
    status, children = run(locked, "cert", "issue", *HOSTS, "--jobs", "2", "--passphrase", f"file:{path}")
    assert (status, len(children)) == (0, 2)


ALONE = "jobs._processors = lambda: 1"
TWO = "jobs._processors, jobs.FEW = (lambda: 2), 1"
WAITS = """
received = jobs._Ahead._receive
def waits(self):
    while self._first:
        received(self)
jobs._Ahead._receive = waits
"""


def said(admin: Admin, patch: str, *words: str) -> tuple[str, int]:
    """Run a command; return what it says, and how many processes it started."""
    command = [sys.executable, "-c", RUN.format(patch=patch), str(admin.directory), *admin.arguments(*words)]
    out = subprocess.run(command, env=environment(), capture_output=True, text=True).stdout
    children = admin.directory / "children"
    started = children.read_text().count("\n") if children.exists() else 0
    children.unlink(missing_ok=True)
    return out, started


@pytest.fixture
def damaged(hub: Admin) -> Admin:
    """A key that is another's, a certificate that is of no CA and one of another host, and a row altered."""
    hub("cert", "issue", *HOSTS)
    shutil.copy(hub.certs / "host1-key.pem", hub.certs / "host0-key.pem")
    shutil.copy(hub.certs / "host4-cert.pem", hub.certs / "host3-cert.pem")
    own = ["openssl", "req", "-x509", "-key", str(hub.certs / "host2-key.pem"), "-subj", "/CN=host2"]
    subprocess.run([*own, "-out", str(hub.certs / "host2-cert.pem")], check=True, capture_output=True)
    with sqlite3.connect(hub.root / STATE[1:] / "inventory.sqlite3") as inventory:
        inventory.execute("UPDATE certificates SET not_after = not_after + 1 WHERE host LIKE 'host4.%'")
    return hub


@pytest.mark.parametrize("words", [("inventory", "check"), ("audit",)], ids=" ".join)
def test_who_looks_at_all_says_the_same_with_another_process(damaged: Admin, words: tuple[str, ...]) -> None:
    asked = ("--json", *words)
    alone, started = said(damaged, ALONE, *asked)
    assert started == 0
    assert alone.count("host") > 4
    forks = 1 if words == ("audit",) else 2
    for patch in (TWO + WAITS, f"{TWO}\n{CHILD_DIES}"):
        assert said(damaged, patch, *asked) == (alone, forks)


def raises_at(wrong: int) -> Callable[[int], jobs.Piece]:
    def make(piece: int) -> jobs.Piece:
        if piece == wrong:
            raise ValueError("no")
        return str(piece)

    return make


def test_what_raises_is_left_to_the_caller() -> None:
    assert list(jobs.shared(5, raises_at(2), 2)) == ["0", "1", None, "3", "4"]
    assert list(jobs.shared(2, raises_at(2), 1)) == [None, None]


def test_pieces_come_from_the_end_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "processes", lambda pieces, wanted: 2)
    with jobs.from_the_end(5, raises_at(2)) as take:
        found: dict[int, jobs.Piece] = {}
        while 0 not in found:  # the last one that is made
            found |= {piece: made for piece in range(5) if (made := take(piece)) is not None}
    assert found == {0: "0", 1: "1", 3: "3", 4: "4"}
    monkeypatch.setattr(jobs, "processes", lambda pieces, wanted: 1)
    with jobs.from_the_end(5, raises_at(9)) as take:
        assert take(4) is None


def test_where_the_system_gives_no_process_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", none_left)
    assert list(jobs.shared(3, raises_at(9), 2)) == [None, None, None]
    with jobs.from_the_end(500, raises_at(999)) as take:
        assert take(499) is None


def test_a_process_with_threads_is_not_forked_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_processors", lambda: 4)
    monkeypatch.setattr(jobs, "_has_one_thread", lambda: True)
    assert [jobs.processes(number, None) for number in (0, 399, 400, 10_000)] == [1, 1, 2, 4]
    assert [jobs.processes(number, 3) for number in (0, 2, 100)] == [1, 2, 3]
    monkeypatch.setattr(jobs, "_has_one_thread", lambda: False)
    assert [jobs.processes(10_000, wanted) for wanted in (None, 3)] == [1, 3]
