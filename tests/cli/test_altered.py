"""Rows of the inventory that somebody changed past the program, as events and published CRLs show."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from admin import Admin
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smtpcreds.pki.crl import Crl, read_crl
from smtpcreds.pki.describe import fingerprint
from smtpcreds.pki.keys import public_id

from .other_ca import other_ca

ISSUED = "state = 'issued', revoked_at = NULL, reason = NULL"
HOST = "attic.polkatistas.org"
Key = ec.EllipticCurvePrivateKey


def altered(hub: Admin, change: str, *values: object) -> None:
    with closing(sqlite3.connect(hub.state / "inventory.sqlite3")) as database, database:
        assert database.execute(change, values).rowcount


def serial(hub: Admin) -> str:
    rows = hub.json("cert", "list", "--all")["certificates"]
    return str(next(row["serial"] for row in rows if row["host"] == HOST))


@pytest.fixture
def revoked(hub: Admin) -> str:
    """Return the serial number of a certificate that was revoked."""
    hub("cert", "issue", "attic", "--to", hub.directory / "attic")
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    return serial(hub)


def published(hub: Admin) -> list[Crl]:
    """Return the CRLs of every authority."""
    return [read_crl(path.read_bytes(), path.name, None) for path in hub.certs.glob("crl*.pem")]


def state(hub: Admin) -> str:
    rows = hub.json("cert", "list", "--all")["certificates"]
    return str(next(row["state"] for row in rows if row["host"] == HOST))


def told(hub: Admin) -> list[str]:
    """Return what every screen says of the host, which has to be one thing."""
    screens = [hub.run(*words.split()) for words in ("inventory check", "status", "audit")]
    assert [screen.status for screen in screens] == [1, 1, 1]
    return [
        next(line for line in screen.out.splitlines() if "that was altered" in line) for screen in screens
    ]


@pytest.mark.parametrize(
    ("words", "has_crl"),
    [("ca crl", True), ("ca crl", False), ("cert revoke dmzmail", False), ("ca rollover", True)],
)
def test_a_revocation_that_was_taken_back_stays_published(
    hub: Admin, revoked: str, words: str, *, has_crl: bool
) -> None:
    if not has_crl:
        for path in (hub.crl, hub.certs / "crl.pem"):
            path.unlink()
    altered(hub, f"UPDATE certificates SET {ISSUED} WHERE serial = ?", revoked)
    expected = f"serial {revoked} was revoked on"
    assert all(expected in line and "(keyCompromise)" in line for line in told(hub))
    hub.run(*words.split())
    hub("ca", "crl")
    assert any(crl.is_revoked(int(revoked, 16)) for crl in published(hub))
    assert state(hub) == "revoked"
    assert "that was altered" not in hub.run("inventory", "check").out


def test_a_dry_run_changes_nothing_of_it(hub: Admin, revoked: str) -> None:
    altered(hub, f"UPDATE certificates SET {ISSUED} WHERE serial = ?", revoked)
    assert any("that was altered" in warning for warning in hub("ca", "crl", "--dry-run").warnings)
    assert state(hub) == "issued"


@pytest.mark.parametrize("has_crl", [True, False], ids=["the CRL knows it", "only the events know it"])
def test_a_revoked_row_that_was_deleted_is_published_again(
    hub: Admin, revoked: str, *, has_crl: bool
) -> None:
    if not has_crl:
        for path in (hub.crl, hub.certs / "crl.pem"):
            path.unlink()
    altered(hub, "DELETE FROM certificates WHERE serial = ?", revoked)
    assert "is not in the inventory" in told(hub)[0]
    found = hub.json("inventory", "check", status=1)["findings"]
    cure = next(one["cure"] for one in found if "that was altered" in one["fault"])
    hub(*cure.removeprefix("smtpcreds ").split())
    assert published(hub)[0].is_revoked(int(revoked, 16))
    assert "that was altered" not in hub.run("inventory", "check").out


def test_a_revoked_row_that_was_made_to_expire_stays_published(hub: Admin, revoked: str) -> None:
    altered(hub, "UPDATE certificates SET not_after = not_before WHERE serial = ?", revoked)
    assert "expired" in told(hub)[0]
    hub("ca", "crl")
    hub("ca", "crl")
    assert published(hub)[0].is_revoked(int(revoked, 16))


def test_a_taken_back_revocation_lets_nobody_relay(hub: Admin, revoked: str) -> None:
    """Lists of keys are written from the inventory, and not every mail server reads a CRL."""
    hub.write("/etc/group", "postfix:x:122:\n", 0o644)
    hub("cert", "issue", "tuba")
    altered(hub, f"UPDATE certificates SET {ISSUED} WHERE serial = ?", revoked)
    hub("mta", "apply", "postfix-hub", "--relay-certificates")
    listed = (hub.root / "etc/postfix/smtpcreds/relay_clientcerts").read_text()
    assert "tuba" in listed
    assert HOST not in listed


ISSUE = "the record of events says otherwise"
UNKNOWN = "is of an authority that no event explains"


OF_HOST = "WHERE host = 'attic.polkatistas.org'"
COPIED = "authority, host, profile, names, not_before, not_after, created, directory, state, fingerprint, der"


@pytest.mark.parametrize(
    "change",
    [
        f"DELETE FROM certificates {OF_HOST}",
        f"UPDATE certificates SET state = 'discarded' {OF_HOST}",
        f"UPDATE certificates SET host = 'other.example.org' {OF_HOST}",
        f"UPDATE certificates SET serial = '0102' {OF_HOST}",
        f"UPDATE certificates SET state = 'revoked', revoked_at = 1, reason = 'superseded' {OF_HOST}",
        f"INSERT INTO certificates (serial, {COPIED}) SELECT '0102', {COPIED} FROM certificates {OF_HOST}",
    ],
)
def test_a_row_that_no_event_explains_is_found(hub: Admin, change: str) -> None:
    hub("cert", "issue", "attic")
    assert ISSUE not in hub("inventory", "check").out
    altered(hub, change)
    assert ISSUE in hub("inventory", "check", status=1).out


def test_a_host_that_left_and_was_brought_back_is_found(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    hub("cert", "retire", "attic")
    altered(hub, f"UPDATE certificates SET {ISSUED} WHERE host = ?", HOST)
    assert ISSUE in hub("inventory", "check", status=1).out
    hub("cert", "issue", "tuba")
    hub("cert", "retire", "tuba")
    hub("cert", "issue", "tuba")
    assert "tuba" not in hub.run("inventory", "check").out


def test_honest_lives_are_explained(hub: Admin, tmp_path: Path) -> None:
    """Roll backs, answers, requests, bundles, imports, and what the inventory did not know."""
    hub("cert", "issue", "attic")
    hub("cert", "renew", "attic", "--reload", "false", status=69)
    hub("cert", "request", "mx")
    hub("cert", "sign", hub.certs / "mx.csr", "--server", "--client", "--to", tmp_path / "answer.pem")
    hub("cert", "install", tmp_path / "answer.pem")
    hub("bundle", "tuba", "-o", tmp_path / "tuba.tar")
    hub("cert", "revoke", "--serial", "123456789abcdef0", "--unknown")
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    hub("cert", "retire", "attic")
    hub("cert", "issue", "attic")
    stranger = other_ca(tmp_path / "other")
    hub("cert", "request", "tuba9")
    answer = stranger.answer(hub.certs / "tuba9.csr", ("tuba9.polkatistas.org",))
    hub("cert", "install", answer, "--ca", stranger.certificate)
    hub("ca", "rollover", "--retire-old", "--force")
    for path in (hub.state / "ca").glob("retired-*"):
        shutil.rmtree(path)
    found = hub.run("inventory", "check").out
    assert UNKNOWN not in found
    assert ISSUE not in found
    assert "that was altered" not in found


RETIRED_UNTOLD = (
    "INSERT INTO events (at, who, what, subject, detail, hash) "
    "SELECT 1, 'root', 'ca retire', name, 'after an interrupted run', 'ff' FROM authorities WHERE id = 1"
)


def test_a_retirement_that_was_recorded_without_its_key_is_explained(hub: Admin) -> None:
    """As earlier states of this source did where one run completed what another had begun."""
    hub("cert", "issue", "attic", "--to", hub.directory / "attic")
    hub("ca", "rollover")
    shutil.rmtree(next((hub.state / "ca").glob("old-*")))
    altered(hub, "UPDATE authorities SET state = 'retired' WHERE id = 1")
    assert UNKNOWN in hub("inventory", "check", status=1).out
    altered(hub, RETIRED_UNTOLD)
    assert UNKNOWN not in hub("inventory", "check", status=1).out
    ((der,),) = hub.query("SELECT der FROM authorities WHERE state = 'retired'")
    forged, _ = again(der)
    altered(
        hub,
        f"{OTHER} {SAME} WHERE der = ?",
        fingerprint(forged),
        "retired",
        forged.public_bytes(Encoding.DER),
        der,
    )
    assert UNKNOWN in hub("inventory", "check", status=1).out


SHIFTED = {
    "names": "names = names || '.evil'",
    "end": "not_after = not_after + 86400",
    "start": "not_before = not_before - 86400",
    "key": "key_id = '00' || substr(key_id, 3)",
    "fingerprint": "fingerprint = '00' || substr(fingerprint, 3)",
    "certificate": "der = x'3000'",
    "number in it": "der = (SELECT der FROM certificates AS other WHERE other.host <> certificates.host)",
}


@pytest.mark.parametrize("change", SHIFTED.values(), ids=SHIFTED)
def test_a_row_that_says_other_than_its_certificate_is_named(hub: Admin, change: str) -> None:
    """A later end, and it would not be renewed; another key, and what relays would be another."""
    hub("cert", "issue", "attic", "--to", hub.directory / "attic")
    number = serial(hub)
    assert hub.run("inventory", "check").status == 0
    altered(hub, f"UPDATE certificates SET {change} WHERE serial = ?", number)
    found = hub.json("inventory", "check", status=1)["findings"]
    said = [row["fault"] for row in found if row["subject"] == HOST]
    assert any(line.startswith(f"certificate {number} has a row that says otherwise: ") for line in said)


def again(der: bytes, issuer: Key | None = None) -> tuple[x509.Certificate, Key]:
    """Return a certificate that says the same of another key, which signed it itself, and that key."""
    old, key = x509.load_der_x509_certificate(der), ec.generate_private_key(ec.SECP256R1())
    new = x509.CertificateBuilder(old.issuer, old.subject, key.public_key(), old.serial_number)
    new = new.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    for extension in old.extensions:
        new = new.add_extension(extension.value, extension.critical)
    return new.sign(issuer or key, hashes.SHA256()), key


def test_a_row_whose_certificate_the_authority_did_not_sign_is_named(hub: Admin) -> None:
    """Its key would relay, for lists of keys are written from rows."""
    hub("cert", "issue", "attic", "--to", hub.directory / "attic")
    number = serial(hub)
    ((der,),) = hub.query(f"SELECT der FROM certificates WHERE serial = '{number}'")
    false, _ = again(der)
    values = false.public_bytes(Encoding.DER), fingerprint(false), public_id(false), number
    altered(hub, "UPDATE certificates SET der = ?, fingerprint = ?, key_id = ? WHERE serial = ?", *values)
    found = hub.json("inventory", "check", status=1)["findings"]
    reason = f"certificate {number} has a row that says otherwise: signature"
    assert reason in [row["fault"] for row in found if row["subject"] == HOST]


OTHER = "INSERT INTO authorities (name, ski, fingerprint, state, created, crl_number, der)"
SAME = "SELECT name, ski, ?, ?, created, crl_number, ? FROM authorities"
POINT = "authority = (SELECT max(id) FROM authorities), der = ?, fingerprint = ?, key_id = ?"


@pytest.mark.parametrize("state", ["current", "retired", "foreign"])
def test_a_row_of_an_authority_that_the_same_hand_added_is_named(hub: Admin, state: str) -> None:
    """All names, numbers and key identifiers are those of ours, and every signature is right."""
    hub("cert", "issue", "attic", "--to", hub.directory / "attic")
    number = serial(hub)
    ((ours,),) = hub.query("SELECT der FROM authorities")
    ((der,),) = hub.query(f"SELECT der FROM certificates WHERE serial = '{number}'")
    authority, key = again(ours)
    leaf, _ = again(der, key)
    altered(hub, f"{OTHER} {SAME}", fingerprint(authority), state, authority.public_bytes(Encoding.DER))
    values = leaf.public_bytes(Encoding.DER), fingerprint(leaf), public_id(leaf), number
    altered(hub, f"UPDATE certificates SET {POINT} WHERE serial = ?", *values)
    found = [row["fault"] for row in hub.json("inventory", "check", status=1)["findings"]]
    expected = "but its files are not on disk" if state == "current" else UNKNOWN
    assert any(expected in fault for fault in found), found
