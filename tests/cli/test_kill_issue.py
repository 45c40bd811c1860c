"""SIGKILL at a system call: the next command works, says what it found, and leaves pairs that fit."""

from pathlib import Path

import pytest
from admin import Admin, issued_hub

from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.rows import State
from smtpcreds.pki.encoding import parse_certificate
from smtpcreds.pki.keys import decode_key, matches


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued_hub(tmp_path_factory.mktemp("kill") / "root").root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def is_pair(stage: Admin, host: str) -> bool:
    """Tell whether key and certificate belong together; True where there is neither."""
    key, certificate = (stage.certs / f"{host}-{kind}.pem" for kind in ("key", "cert"))
    if not key.exists() and not certificate.exists():
        return True
    found = parse_certificate(certificate.read_bytes(), "certificate")
    return matches(found, decode_key(key.read_bytes(), None, "key"))


def settled(stage: Admin) -> dict[str, State]:
    """Return serial number to state, after a look at all that must hold when a run has ended."""
    assert [path.name for path in stage.root.rglob("*.smtpcreds-*")] == []
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        assert inventory.pending() == []
        return {row.serial: row.state for row in inventory.listing()}


def recorded(stage: Admin) -> tuple[int, set[State]]:
    """Return how many certificates are pending, and the states there are, before anything was recovered."""
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        return len(inventory.pending()), {row.state for row in inventory.listing()}


SAME, NEW = (), ("--new-key",)
RENAMES = [f"renameat:signal=KILL:when={number}" for number in (1, 2)]
WRITES = [f"pwrite64:signal=KILL:when={number}" for number in (8, 20, 30)]


@pytest.mark.parametrize("inject", [*RENAMES, *WRITES, "fsync:signal=KILL:when=3"])
def test_issue(stage: Admin, inject: str) -> None:
    assert stage.killed(inject, "cert", "issue", "attic")
    pending, _ = recorded(stage)
    done = stage.run("cert", "renew", "--due")
    assert (done.status, done.err.count("interrupted run")) == (0, pending), done.err
    states = settled(stage)
    assert is_pair(stage, "attic")
    if (stage.certs / "attic-cert.pem").exists():
        assert states[stage.serial("attic")] is State.ISSUED
    else:
        stage("cert", "issue", "attic")
    stage.verify(stage.certs / "attic-cert.pem")


@pytest.mark.parametrize(("number", "key"), [(1, SAME), (3, SAME), (2, NEW), (3, NEW), (4, NEW)])
def test_renew(stage: Admin, number: int, key: tuple[str, ...]) -> None:
    """The renames are: former key, former certificate, key if it is new, certificate."""
    before = stage.serial()
    assert stage.killed(f"renameat:signal=KILL:when={number}", "cert", "renew", "dmzmail", *key)
    done = stage.run("cert", "renew", "--due")
    assert (done.status, done.err.count("interrupted run")) == (0, 1), done.err
    states = settled(stage)
    assert is_pair(stage, "dmzmail")
    assert states[stage.serial()] is states[before] is State.ISSUED
    assert stage.serial() == before or sorted(states.values()) == [State.ISSUED] * 2
    stage.verify(stage.certs / "dmzmail-cert.pem")


@pytest.mark.parametrize("inject", [WRITES[2], "fdatasync:signal=KILL:when=4"])
def test_renew_in_the_inventory(stage: Admin, inject: str) -> None:
    assert stage.killed(inject, "cert", "renew", "dmzmail", "--new-key")
    stage("cert", "renew", "--due")
    assert settled(stage)[stage.serial()] is State.ISSUED
    assert is_pair(stage, "dmzmail")


@pytest.mark.parametrize(("number", "key"), [(4, SAME), (5, SAME), (5, NEW), (6, NEW)])
def test_roll_back(stage: Admin, number: int, key: tuple[str, ...]) -> None:
    """After the new pair's renames come the certificate's and the key's way back."""
    inject = f"renameat:signal=KILL:when={number}"
    assert stage.killed(inject, "cert", "renew", "dmzmail", *key, "--reload", "false")
    done = stage.run("cert", "renew", "--due")
    assert (done.status, done.err.count("interrupted run")) == (0, 1), done.err
    assert settled(stage)[stage.serial()] is State.ISSUED
    assert is_pair(stage, "dmzmail")


def test_while_the_mail_server_is_told(stage: Admin) -> None:
    import os

    before = stage.serial()
    script = stage.root / "hook"
    script.write_text("#!/bin/sh\nkill -KILL $PPID\n")
    script.chmod(0o755)
    assert stage.run("cert", "renew", "dmzmail", "--reload", str(script)).status < 0
    assert "it is in place now, and the mail server has to read it" in stage("cert", "renew", "--due")
    assert stage.serial() != before
    assert settled(stage)[stage.serial()] is State.ISSUED
    assert os.path.exists(stage.certs / "dmzmail-cert.pem.previous")


@pytest.mark.parametrize("inject", [*RENAMES, *WRITES[1:]])
def test_revoke(stage: Admin, inject: str) -> None:
    """Either nothing was revoked, or the CRL comes with the next command that signs."""
    assert stage.killed(inject, "cert", "revoke", "dmzmail")
    _, states = recorded(stage)
    assert "rename" not in inject or states == {State.REVOKED}
    done = stage.run("cert", "renew", "--due")
    assert done.status == (states == {State.REVOKED}), "a revoked pair in place is not a good news"
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2 if states == {State.REVOKED} else 0)
    assert set(settled(stage).values()) == states
    assert stage.crl.read_bytes() == (stage.certs / "crl.pem").read_bytes()
    if "rename" in inject:
        assert "did not finish its CRL" in done.err
