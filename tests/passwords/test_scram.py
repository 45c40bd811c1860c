"""Vectors of RFC 5802 section 5 and RFC 7677 section 3, and Cyrus SASL as judge."""

import hashlib
import hmac
from base64 import b64decode
from pathlib import Path

import pytest
import sasl_oracle

from smtpcreds.errors import DamagedFileError, DataError, UsageError
from smtpcreds.passwords import SCRAM_MECHANISMS, derive_scram, is_scram_of, parse_scram, scram_secret
from smtpcreds.secret import Secret

REALM = "dmzmail.polkatistas.org"
GOOD = scram_secret(Secret("geheim"))

RFC_5802 = (
    "SCRAM-SHA-1",
    "QSXCR+Q6sek8bf92",
    (
        "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    ),
    "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC_7677 = (
    "SCRAM-SHA-256",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    (
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    ),
    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)


@pytest.mark.parametrize(("mechanism", "salt", "message", "proof", "signature"), [RFC_5802, RFC_7677])
def test_rfc_conversation(mechanism: str, salt: str, message: str, proof: str, signature: str) -> None:
    keys = derive_scram(Secret("pencil"), mechanism, b64decode(salt), 4096)
    name = SCRAM_MECHANISMS[mechanism]
    mask = hmac.digest(keys.stored_key, message.encode(), name)
    client_key = bytes(a ^ b for a, b in zip(b64decode(proof), mask, strict=True))
    assert hashlib.new(name, client_key).digest() == keys.stored_key
    assert hmac.digest(keys.server_key, message.encode(), name) == b64decode(signature)


@pytest.mark.parametrize("mechanism", SCRAM_MECHANISMS)
@pytest.mark.parametrize("password", ["geheim", "pässwörd"])
def test_cyrus_serves_exactly_this_mechanism(tmp_path: Path, mechanism: str, password: str) -> None:
    db = tmp_path / "sasldb2"
    value = scram_secret(Secret(password), mechanism)
    sasl_oracle.write_sasldb(db, sasl_oracle.record("maildroid", REALM, "authPassword", value))
    assert sasl_oracle.mechanisms(db, "maildroid", REALM, password.encode()) == {mechanism}
    assert sasl_oracle.mechanisms(db, "maildroid", REALM, password.encode() + b"x") == frozenset()


@pytest.mark.parametrize(("salt", "iterations"), [(b"s", 4096), (b"s" * 64, 65536)])
def test_cyrus_accepts_the_limits(tmp_path: Path, salt: bytes, iterations: int) -> None:
    db = tmp_path / "sasldb2"
    value = scram_secret(Secret("geheim"), salt=salt, iterations=iterations)
    sasl_oracle.write_sasldb(db, sasl_oracle.record("maildroid", REALM, "authPassword", value))
    assert sasl_oracle.authenticate(db, "SCRAM-SHA-256", "maildroid", REALM, b"geheim")


def test_forms() -> None:
    keys = derive_scram(Secret("pencil"), salt=b64decode(RFC_7677[1]))
    stored, server = (
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    )
    assert keys.cyrus().decode() == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:{server}"
    assert keys.dovecot() == f"{{SCRAM-SHA-256}}4096,W22ZaJ0SNY7soEsUEjb6gQ==,{stored},{server}"


def test_salts_differ() -> None:
    assert scram_secret(Secret("geheim")) != GOOD


def test_parse_inverts_the_form() -> None:
    assert parse_scram(GOOD).cyrus() == GOOD


def test_verification() -> None:
    assert is_scram_of(GOOD, Secret("geheim"))
    assert not is_scram_of(GOOD, Secret("geheim "))


@pytest.mark.parametrize("iterations", [0, 4095, 65537])
def test_iterations_outside_the_limits_are_refused(iterations: int) -> None:
    with pytest.raises(UsageError, match=r"4096\.\.65536"):
        scram_secret(Secret("x"), iterations=iterations)


def test_empty_salt_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        scram_secret(Secret("x"), salt=b"")


def test_unknown_mechanism_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown mechanism") as caught:
        scram_secret(Secret("x"), "SCRAM-MD5")
    assert caught.value.hint == "did you mean SCRAM-SHA-512?"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"", DataError),
        (b"CRAM-MD5$x", DataError),
        (b"SCRAM-SHA-256", DamagedFileError),
        (GOOD[:-8], DamagedFileError),
        (GOOD + b"$", DamagedFileError),
        (GOOD + b":", DamagedFileError),
        (GOOD.replace(b"$4096", b"$x"), DamagedFileError),
        (GOOD.replace(b"$4096", b"$-4096"), DamagedFileError),
        (GOOD.replace(b"$4096", b"$\xb2"), DamagedFileError),
        (GOOD.replace(b"$4096", b"$0"), DataError),
        (GOOD.replace(b"$4096", b"$4096000000"), DataError),
        (GOOD.replace(b"$4096", b"$" + b"9" * 5000), DamagedFileError),
        (GOOD.replace(b"-256", b"-512"), DamagedFileError),
        (b"\xff\xfe", DataError),
    ],
)
def test_damaged_values_are_refused(value: bytes, error: type[DataError]) -> None:
    with pytest.raises(error) as caught:
        is_scram_of(value, Secret("geheim"))
    assert type(caught.value) is error
