"""Accounts: a verb removes the secrets that a killed run of it left; the CA's lock is not taken."""

import fcntl
import shutil
from pathlib import Path

import pytest
from admin import Admin, relay

WORDS = {
    "add scanner --keep file:{here}/place": 9,
    "add scanner --hashed --auth-info {here}/place": 9,
    "passwd maildroid --auth-info {here}/place --force": 9,
    "auth-info maildroid --to {here}/place": 1,
    "export --reveal --to {here}/place": 1,
    "conf --to {here}/place": 1,
}
"""Of how many kill points one is tried."""


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


@pytest.mark.parametrize("line", WORDS)
def test_killed_anywhere_the_same_command_leaves_nothing_behind(
    admin: Admin, tmp_path: Path, line: str
) -> None:
    admin.sasl("add", "maildroid")
    words = ("sasl", *line.format(here=tmp_path).split())
    start = admin.copy(tmp_path / "start/root")
    for point in admin.kill_points(*words)[:: WORDS[line]]:
        shutil.rmtree(admin.root)
        (tmp_path / "place").unlink(missing_ok=True)
        start.copy(admin.root)
        assert admin.killed_at(point, *words), point
        ran = admin.run(*words)
        place = tmp_path / "place"
        if f"make its content the secret: --password file:{place}" in ran.err:
            ran = admin.run("sasl", "add", "scanner", "--password", f"file:{place}")
        done_before = ("the account exists", "exists and was not changed", "pass --force to replace it")
        assert ran.status == 0 or any(said in ran.err for said in done_before), (point, ran)
        assert place.exists(), point
        if words[1] == "add":
            admin("sasl", "show", "scanner")
        assert not list(tmp_path.rglob(".*.smtpcreds-*")), point


def test_a_hashed_account_that_was_delivered_and_not_made_is_made_by_the_same_command(
    admin: Admin, tmp_path: Path
) -> None:
    """With the secret that the client host may have by now."""
    admin.sasl("add", "maildroid")
    info = tmp_path / "info"
    words = ("sasl", "add", "scanner", "--hashed", "--auth-info", info)
    start = admin.copy(tmp_path / "start/root")
    ends = []
    for point in admin.kill_points(*words):
        shutil.rmtree(admin.root)
        info.unlink(missing_ok=True)
        start.copy(admin.root)
        assert admin.killed_at(point, *words), point
        before = info.read_bytes() if info.exists() else b""
        ran = admin.run(*words)
        assert ran.status == 0 or (ran.status == 73 and "the account exists" in ran.err), (point, ran)
        assert info.read_bytes() == before or not before
        ends.append((bool(before), ran.status))
        (tmp_path / "secret").write_bytes(info.read_bytes().splitlines()[2])
        (tmp_path / "secret").chmod(0o600)
        admin("sasl", "verify", "scanner", "--password", f"file:{tmp_path / 'secret'}")
    assert {*ends} == {(False, 0), (True, 0), (True, 73)}


def test_an_account_that_was_deleted_never_gets_its_secret_again(admin: Admin, tmp_path: Path) -> None:
    info = tmp_path / "info"
    words = ("sasl", "add", "scanner", "--hashed", "--auth-info", info)
    admin(*words)
    before = info.read_bytes()
    admin("sasl", "delete", "scanner")
    assert "pass --force to replace it" in admin.refuses(73, *words)
    admin(*words, "--force")
    assert info.read_bytes() != before


def test_a_run_that_lives_keeps_its_temporary_file(admin: Admin, tmp_path: Path) -> None:
    admin.sasl("add", "maildroid")
    began = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]) & 0xFFFFF
    beside = tmp_path / f".place.smtpcreds-000001{began:05x}dbeef"  # process 1 lives
    dead = tmp_path / ".place.smtpcreds-7fffffffdeadbeef"
    other = tmp_path / ".another.smtpcreds-7fffffffdeadbeef"
    for path in (beside, dead, other):
        path.touch(0o600)
    admin.sasl("auth-info", "maildroid", "--to", tmp_path / "place")
    assert (beside.exists(), dead.exists(), other.exists()) == (True, False, True)


def test_accounts_wait_for_no_lock_of_the_ca(admin: Admin) -> None:
    admin("ca", "init", "--no-passphrase")
    with (admin.state / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        admin.sasl("add", "maildroid")
        admin.sasl("passwd", "maildroid", "--keep", "file:kept")
        admin.sasl("delete", "maildroid")
