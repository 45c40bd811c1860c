"""The kill helper: every call that changes files is a point by itself, and a kill there is what it says."""

import shutil
from collections import Counter
from pathlib import Path

from admin import NOBODY, Admin
from kills import CALLS

ISSUE = ("cert", "issue", "attic")


def test_each_call_is_counted_by_itself(hub: Admin) -> None:
    points = hub.kill_points(*ISSUE)
    calls = Counter(point.call for point in points)
    assert calls.keys() <= set(CALLS)
    assert calls["renameat"] == 2, "key and certificate"
    assert {"openat", "write", "pwrite64", "fchmod", "fsync", "fdatasync"} <= calls.keys()
    for call in calls.keys() - {"openat"}:
        assert [point.number for point in points if point.call == call] == [*range(1, calls[call] + 1)]
    assert all("O_CREAT" in point.text for point in points if point.call == "openat")
    assert (hub.certs / "attic-cert.pem").exists(), "counting is a run"


def test_a_kill_is_before_the_call(hub: Admin, tmp_path: Path) -> None:
    points = hub.copy(tmp_path / "counted/root").kill_points(*ISSUE)
    _, certificate = (point for point in points if point.call == "renameat")
    assert hub.killed_at(certificate, *ISSUE)
    assert (hub.certs / "attic-key.pem").exists()
    assert not (hub.certs / "attic-cert.pem").exists()
    assert not hub.killed_at(certificate, "cert", "list")


def test_the_next_run_completes_what_was_killed_anywhere(hub: Admin, tmp_path: Path) -> None:
    start = hub.copy(tmp_path / "start/root")
    for point in hub.kill_points(*ISSUE)[::7]:
        shutil.rmtree(hub.root)
        again = start.copy(hub.root)
        assert again.killed_at(point, *ISSUE), point
        again("cert", "renew", "--due")
        assert not list(again.root.rglob("*.smtpcreds-*")), point
        assert not (again.certs / "attic-cert.pem").exists() or again.is_pair("attic"), point


def test_another_user_is_refused(hub: Admin) -> None:
    ran = hub.as_user(NOBODY).run("sasl", "list")
    assert (ran.status, "Permission denied" in ran.err) == (77, True)
