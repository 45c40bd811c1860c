"""Properties that contradict each other or can't work: what we say of them is what libsasl2 does."""

from pathlib import Path

import pytest
import sasl_oracle
from admin import HUB, relay

from smtpcreds.accounts.entries import CLEAR_TEXT, remarks, served
from smtpcreds.model import Account
from smtpcreds.passwords import cram_md5_secret, digest_md5_secret, plain_secret, scram_secret
from smtpcreds.secret import Secret

OLD, NEW = b"old secret", b"new secret"
ACCOUNT = Account("maildroid", HUB)
SCRAM = scram_secret(Secret(OLD))
CRAM, DIGEST, PLAIN = (f"cmusaslsecret{name}" for name in ("CRAM-MD5", "DIGEST-MD5", "PLAIN"))
HASHED = {
    "authPassword": SCRAM,
    CRAM: cram_md5_secret(Secret(OLD)),
    DIGEST: digest_md5_secret(ACCOUNT, Secret(OLD)),
    PLAIN: plain_secret(Secret(OLD)),
}
CLEAR = {"userPassword": NEW}
CASES = {
    "ordinary": (CLEAR, 0),
    "all hashed": (HASHED, 0),
    "authPassword beside userPassword": (CLEAR | {"authPassword": SCRAM}, 1),
    "CRAM-MD5 beside userPassword": (CLEAR | {CRAM: HASHED[CRAM]}, 1),
    "DIGEST-MD5 beside userPassword": (CLEAR | {DIGEST: HASHED[DIGEST]}, 1),
    "PLAIN beside userPassword": (CLEAR | {PLAIN: HASHED[PLAIN]}, 1),
    "carriage return": ({"userPassword": NEW + b"\r"}, 1),
    "NUL": ({"userPassword": NEW + b"\0rest"}, 1),
    "over 1024 octets": ({"userPassword": b"x" * 1025}, 1),
    "over 8191 octets": ({"userPassword": b"x" * 9000}, 1),
    "1024 octets": ({"userPassword": b"x" * 1024}, 0),
    "short CRAM-MD5": ({CRAM: HASHED[CRAM][:31]}, 1),
    "long CRAM-MD5": ({CRAM: HASHED[CRAM] + b"x"}, 0),
    "short DIGEST-MD5": ({DIGEST: HASHED[DIGEST][:15]}, 1),
    "long DIGEST-MD5": ({DIGEST: HASHED[DIGEST] + b"x"}, 0),
    "short PLAIN": ({PLAIN: HASHED[PLAIN][:32]}, 1),
    "long PLAIN": ({PLAIN: HASHED[PLAIN] + b"x"}, 0),
    "two SCRAM values": ({"authPassword": SCRAM + b" " + scram_secret(Secret(OLD), "SCRAM-SHA-1")}, 1),
    "SCRAM with a carriage return": ({"authPassword": SCRAM + b"\r"}, 1),
    "SCRAM cut off": ({"authPassword": SCRAM[:-3]}, 1),
    "SCRAM in lower case": ({"authPassword": SCRAM.lower()}, 1),
    "another scheme": ({"authPassword": b"{SSHA}c2FsdA=="}, 1),
    "nothing": ({"mail": b"maildroid@polkatistas.org"}, 0),
}
PASSWORDS = (OLD, NEW, NEW + b"\r", b"x" * 1024, b"x" * 1025, b"x" * 9000, b"")


def lets_in(path: Path, mechanism: str) -> bool:
    """Tell whether libsasl2 lets any of the passwords in."""
    exchanges = (
        sasl_oracle.exchange(path, mechanism, ACCOUNT.authcid, ACCOUNT.realm, password)
        for password in PASSWORDS
    )
    return any(found.accepted for found in exchanges)


@pytest.mark.parametrize("name", CASES)
def test_mechanisms_are_those_that_libsasl2_serves(name: str, tmp_path: Path) -> None:
    held, notes = CASES[name]
    records: dict[bytes, bytes] = {}
    for prop, value in held.items():
        records |= sasl_oracle.record(ACCOUNT.authcid, ACCOUNT.realm, prop, value)
    sasl_oracle.write_sasldb(tmp_path / "sasldb2", records)
    really = {mechanism for mechanism in sasl_oracle.MECHANISMS if lets_in(tmp_path / "sasldb2", mechanism)}
    assert set(served(held)) == really
    assert len(remarks(held)) == notes


def test_an_empty_password_opens_plain_and_login(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    sasl_oracle.write_sasldb(path, sasl_oracle.record(ACCOUNT.authcid, ACCOUNT.realm, "userPassword", b""))
    really = {mechanism for mechanism in CLEAR_TEXT if lets_in(path, mechanism)}
    assert really == set(served({"userPassword": b""})) == {"PLAIN", "LOGIN"}
    assert "an empty password" in remarks({"userPassword": b""})[0]


def test_too_many_iterations_for_clients(tmp_path: Path) -> None:
    held = {"authPassword": SCRAM.replace(b"$4096:", b"$65537:")}
    assert served(held) == ()
    assert "clients accept 65536" in remarks(held)[0]


def test_few_iterations_are_worth_a_note() -> None:
    held = {"authPassword": SCRAM.replace(b"$4096:", b"$4095:")}
    assert served(held) == ("SCRAM-SHA-256",)
    assert "under 4096" in remarks(held)[0]


def test_list_and_show_print_the_notes_and_passwd_ends_them(tmp_path: Path) -> None:
    admin = relay(tmp_path)
    held = CLEAR | {"authPassword": SCRAM, PLAIN: HASHED[PLAIN], "cmusaslsecretOTP": b"md5\t0499\tseed"}
    records: dict[bytes, bytes] = {}
    for prop, value in held.items():
        records |= sasl_oracle.record(ACCOUNT.authcid, ACCOUNT.realm, prop, value)
    sasl_oracle.write_sasldb(admin.database, records)
    notes = [
        "authPassword is ignored beside userPassword",
        "cmusaslsecretOTP also lets the account log in, perhaps with an older password",
        "cmusaslsecretPLAIN also lets the account log in, perhaps with an older password",
    ]
    assert admin.sasl("show", "maildroid", "--json").data["remarks"] == notes
    assert [line.strip() for line in admin.sasl("list").out.splitlines()[1:]] == [f"note: {n}" for n in notes]
    assert {"PLAIN", "LOGIN"} == admin.opened_by("maildroid", OLD)
    admin.sasl("passwd", "maildroid")
    assert admin.opened_by("maildroid", OLD) == set()
    assert admin.sasl("show", "maildroid", "--json").data["properties"] == ["userPassword"]
