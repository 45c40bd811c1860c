"""A state directory put back from a backup: what was published since is read before anything is signed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from admin import Admin

from smtpcreds.pki.crl import Crl, read_crl


@pytest.fixture
def saved(hub: Admin) -> Path:
    backup = hub.directory / "backup"
    shutil.copytree(hub.state, backup)
    return backup


def put_back(hub: Admin, backup: Path) -> None:
    shutil.rmtree(hub.state)
    shutil.copytree(backup, hub.state)


def published(hub: Admin) -> Crl:
    return read_crl((hub.certs / "crl.pem").read_bytes(), "crl.pem", None)


@pytest.mark.parametrize(
    "words", ["ca crl", "cert issue tuba", "cert renew dmzmail", "cert renew --due", "ca rollover"]
)
def test_no_revocation_is_lost(hub: Admin, saved: Path, words: str) -> None:
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    before, serial = published(hub), int(hub.serial("attic"), 16)
    put_back(hub, saved)

    told = (
        "the state directory is older than what it published; 1 of its revocations are not in the inventory"
    )
    assert (
        f"{hub.certs}/crl.pem: is CRL number {before.number}: {told}"
        in hub("inventory", "check", status=1).out
    )
    assert told in hub("status", status=1).out
    foreseen = hub(*words.split(), "--dry-run", status=1 if "--due" in words else 0)
    assert any(told in warning for warning in foreseen.warnings)
    assert published(hub).number == before.number

    done = hub(*words.split(), status=1 if "--due" in words else 0)  # the revoked pair is in place
    assert any(told in warning for warning in done.warnings)
    hub("ca", "crl")
    lists = [read_crl(path.read_bytes(), path.name, None) for path in hub.certs.glob("crl*.pem")]
    (after,) = [crl for crl in lists if crl.issuer == before.issuer]
    assert after.number
    assert before.number
    assert after.number > before.number
    entry = after.find(serial)
    assert entry
    assert entry == before.find(serial)
    row = hub.json("cert", "list", "--all")
    assert "attic.polkatistas.org" in str(row)
    assert told not in hub.run("inventory", "check").out


def test_a_number_is_not_used_twice(hub: Admin, saved: Path) -> None:
    hub("ca", "crl")
    before = published(hub)
    put_back(hub, saved)
    hub("cert", "issue", "attic")
    after = published(hub)
    assert after.number
    assert before.number
    assert after.number > before.number


def test_a_certificate_that_the_backup_still_calls_issued_is_revoked(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    shutil.copytree(hub.state, hub.directory / "backup")
    hub("cert", "revoke", "attic")
    put_back(hub, hub.directory / "backup")
    hub("ca", "crl")
    assert published(hub).is_revoked(int(hub.serial("attic"), 16))
    assert [
        row["state"]
        for row in hub.json("cert", "list", "--all")["certificates"]
        if row["host"].startswith("attic")
    ] == ["revoked"]


def test_the_list_of_another_authority_is_no_witness(hub: Admin, tmp_path: Path) -> None:
    other = Admin(tmp_path / "other")
    other.configure()
    other("ca", "init", "--no-passphrase")
    for _ in range(3):
        other("ca", "crl")
    (hub.certs / "crl-00000000.pem").write_bytes(other.crl.read_bytes())
    assert hub("ca", "crl").warnings == []


def test_a_root_counts_on_too(smtpcreds: Admin) -> None:
    smtpcreds("ca", "init", "--intermediate", "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    key = smtpcreds.state / "ca/root-key.pem"
    shutil.copytree(smtpcreds.state, smtpcreds.directory / "backup")
    smtpcreds("ca", "crl", "--root-key", key)
    put_back(smtpcreds, smtpcreds.directory / "backup")
    smtpcreds("cert", "issue", "attic")
    root = read_crl((smtpcreds.state / "ca/root-crl.pem").read_bytes(), "root-crl.pem", None)
    assert root.number == 2


def test_a_backup_of_before_a_rollover_leaves_the_successor_its_crl(hub: Admin, saved: Path) -> None:
    """What the successor revoked stays revoked, and no second authority gets its name."""
    hub("ca", "rollover")
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    put_back(hub, saved)

    told = "trusts polkatistas.org Mail CA G2, which the state directory does not know"
    assert told in hub("inventory", "check", status=1).out
    assert hub("status", status=1).out.count(told) == 1
    assert told in hub("audit", status=1).out
    assert any(told in warning for warning in hub("ca", "crl", "--dry-run").warnings)

    done = hub("ca", "crl")
    assert any(told in warning for warning in done.warnings)
    verified = hub.run("cert", "verify", "attic")
    assert (verified.status, "was revoked on" in verified.out) == (1, True)
    certificate = hub.certs / "attic-cert.pem"
    judged = subprocess.run(
        ["openssl", "verify", "-crl_check", "-CApath", hub.certs, certificate], capture_output=True, text=True
    )
    assert "certificate revoked" in judged.stderr
    assert hub("ca", "rollover").out.startswith("polkatistas.org Mail CA G3:")
    assert hub.run("cert", "verify", "attic").status == 1


def roll_over_and_retire(hub: Admin) -> None:
    hub("ca", "rollover")
    backup = hub.directory / "before-retirement"
    shutil.copytree(hub.state, backup)
    hub("cert", "renew", "--old-authority")
    hub("ca", "rollover", "--retire-old")


@pytest.mark.parametrize(
    "words", ["ca crl", "cert issue tuba", "cert renew --due", "cert issue dmzmail --force"]
)
def test_a_backup_of_before_a_retirement_brings_no_authority_back(hub: Admin, words: str) -> None:
    """The bundle beside the certificates holds the successor alone: the old authority was retired."""
    hub("cert", "issue", "attic")
    shutil.copytree(hub.certs, hub.directory / "old-certs")
    roll_over_and_retire(hub)
    trusted = (hub.certs / "cacert.pem").read_bytes()
    put_back(hub, hub.directory / "before-retirement")

    told = "trusts polkatistas.org Mail CA no more, which the state directory does: it is older"
    for looked in (("inventory", "check"), ("status",), ("audit",)):
        assert told in hub(*looked, status=1).out, looked
    foreseen = hub(*words.split(), "--dry-run", status=1 if "--due" in words else 0)
    assert any(told in warning for warning in foreseen.warnings)

    done = hub.run(*words.split())
    assert any(f"{told}; it is retired here, too" in warning for warning in done.warnings)
    assert (hub.certs / "cacert.pem").read_bytes() == trusted
    assert f"retired: {hub.json('ca', 'show')['name'].removesuffix(' G2')}" in hub("ca", "show").out
    assert told not in hub.run("inventory", "check").out
    judged = subprocess.run(
        ["openssl", "verify", "-CApath", hub.certs, hub.directory / "old-certs/attic-cert.pem"],
        capture_output=True,
        text=True,
    )
    assert judged.returncode != 0


def test_an_authority_that_was_replaced_and_retired_does_not_come_back(hub: Admin, saved: Path) -> None:
    """The state is of before the rollover: what is trusted beside certificates is the successor alone."""
    roll_over_and_retire(hub)
    trusted = (hub.certs / "cacert.pem").read_bytes()
    put_back(hub, saved)

    for words in ("ca crl", "cert issue tuba", "cert issue dmzmail --force", "ca rollover"):
        said = hub.refuses(65, *words.split())
        assert "is trusted no more beside certificates, and polkatistas.org Mail CA G2 is" in said, words
        assert (hub.certs / "cacert.pem").read_bytes() == trusted
    assert "trusts polkatistas.org Mail CA G2, which" in hub("inventory", "check", status=1).out


def test_a_killed_rollover_retires_nothing(hub: Admin) -> None:
    """Its bundle still holds the old authority alone, and the next run puts the new one beside it."""
    old = (hub.certs / "cacert.pem").read_bytes()
    hub("ca", "rollover")
    (hub.certs / "cacert.pem").write_bytes(old)
    hub("ca", "crl")
    assert (hub.certs / "cacert.pem").read_bytes().count(b"BEGIN CERT") == 2
