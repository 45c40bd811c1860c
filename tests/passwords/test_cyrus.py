"""The hashed secrets of Cyrus SASL, by RFC vectors and by the real library."""

import hashlib
from pathlib import Path

import pytest
import sasl_oracle

from smtpcreds.errors import DamagedFileError
from smtpcreds.model import Account
from smtpcreds.passwords import (
    cram_md5_secret,
    digest_md5_secret,
    is_cram_md5_of,
    is_digest_md5_of,
    is_plain_of,
    plain_secret,
    scram_secret,
)
from smtpcreds.passwords.hashes import BLOCK, INITIAL, compress
from smtpcreds.secret import Secret

ACCOUNT = Account("maildroid", "dmzmail.polkatistas.org")
PASSWORDS = ["geheim", "pässwörd", "пароль", "x" * 64, "y" * 65, "z" * 500]
SECRETS = {
    "cmusaslsecretCRAM-MD5": (cram_md5_secret, {"CRAM-MD5"}),
    "cmusaslsecretDIGEST-MD5": (lambda secret: digest_md5_secret(ACCOUNT, secret), {"DIGEST-MD5"}),
    "cmusaslsecretPLAIN": (plain_secret, {"PLAIN", "LOGIN"}),
    "authPassword": (scram_secret, {"SCRAM-SHA-256"}),
}


def md5(message: bytes, state: tuple[int, int, int, int] = INITIAL, before: int = 0) -> bytes:
    """MD5 by the function under test, from a state after ``before`` octets."""
    zeros = -(before + len(message) + 9) % BLOCK
    padded = message + b"\x80" + bytes(zeros) + (8 * (before + len(message))).to_bytes(8, "little")
    for at in range(0, len(padded), BLOCK):
        state = compress(state, padded[at : at + BLOCK])
    return b"".join(word.to_bytes(4, "little") for word in state)


def stored(account: Account, password: str, *props: str) -> dict[bytes, bytes]:
    made = [(prop, SECRETS[prop][0](Secret(password))) for prop in props]
    return {
        key: value
        for prop, secret in made
        for key, value in sasl_oracle.record(account.authcid, account.realm, prop, secret).items()
    }


@pytest.mark.parametrize(
    ("message", "digest"),  # RFC 1321 appendix A.5
    [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ],
)
def test_md5_vectors(message: str, digest: str) -> None:
    assert md5(message.encode()).hex() == digest


def test_md5_equals_hashlib_at_every_length() -> None:
    for length in range(200):
        assert md5(bytes(range(length))) == hashlib.md5(bytes(range(length))).digest()


def test_md5_block_of_another_length() -> None:
    with pytest.raises(ValueError, match="64 octets"):
        compress(INITIAL, b"short")


def test_cram_md5_answers_the_challenge_of_rfc_2195() -> None:
    value = cram_md5_secret(Secret("tanstaaftanstaaf"))
    words = [int.from_bytes(value[at : at + 4], "big") for at in range(0, 32, 4)]
    inner, outer = (words[0], words[1], words[2], words[3]), (words[4], words[5], words[6], words[7])
    digest = md5(b"<1896.697170952@postoffice.reston.mci.net>", inner, BLOCK)
    assert md5(digest, outer, BLOCK).hex() == "b913a602c7eda7a495b4e6e7334d3890"


def test_digest_md5_answers_the_challenge_of_rfc_2831() -> None:
    ha1 = digest_md5_secret(Account("chris", "elwood.innosoft.com"), Secret("secret"))
    a1 = hashlib.md5(ha1 + b":OA6MG9tEQGm2hh:OA6MHXh6VqTrRk").hexdigest()
    a2 = hashlib.md5(b"AUTHENTICATE:imap/elwood.innosoft.com").hexdigest()
    answer = hashlib.md5(f"{a1}:OA6MG9tEQGm2hh:00000001:OA6MHXh6VqTrRk:auth:{a2}".encode()).hexdigest()
    assert answer == "d388dad90d4bbd760a152321f2143af7"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("prop", SECRETS)
def test_cyrus_serves_exactly_the_mechanism_of_the_property(tmp_path: Path, prop: str, password: str) -> None:
    db = tmp_path / "sasldb2"
    sasl_oracle.write_sasldb(db, stored(ACCOUNT, password, prop))
    served = sasl_oracle.mechanisms(db, ACCOUNT.authcid, ACCOUNT.realm, password.encode())
    assert served == SECRETS[prop][1]


@pytest.mark.parametrize("realm", ["Ü.example", "€.example", "a b"])
@pytest.mark.parametrize("name", ["ÿ", "中"])
def test_digest_md5_in_realms_beyond_ascii(tmp_path: Path, name: str, realm: str) -> None:
    account, db = Account(name, realm), tmp_path / "sasldb2"
    made = digest_md5_secret(account, Secret("pässwörd"))
    sasl_oracle.write_sasldb(db, sasl_oracle.record(name, realm, "cmusaslsecretDIGEST-MD5", made))
    assert sasl_oracle.mechanisms(db, name, realm, "pässwörd".encode()) == {"DIGEST-MD5"}
    assert sasl_oracle.mechanisms(db, name, realm, b"passwort") == set()


def test_all_together_serve_every_mechanism_without_clear_text(tmp_path: Path) -> None:
    db = tmp_path / "sasldb2"
    sasl_oracle.write_sasldb(db, stored(ACCOUNT, "geheim", *SECRETS))
    served = sasl_oracle.mechanisms(db, ACCOUNT.authcid, ACCOUNT.realm, b"geheim")
    assert served == {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"}
    assert sasl_oracle.checkpass(db, ACCOUNT.authcid, ACCOUNT.realm, b"geheim")
    assert not sasl_oracle.checkpass(db, ACCOUNT.authcid, ACCOUNT.realm, b"Geheim")
    assert sasl_oracle.mechanisms(db, ACCOUNT.authcid, ACCOUNT.realm, b"Geheim") == frozenset()
    assert b"geheim" not in db.read_bytes()


def test_verification() -> None:
    right, wrong = Secret("geheim"), Secret("Geheim")
    cram, digest, plain = cram_md5_secret(right), digest_md5_secret(ACCOUNT, right), plain_secret(right)
    assert (is_cram_md5_of(cram, right), is_cram_md5_of(cram, wrong)) == (True, False)
    assert (is_plain_of(plain, right), is_plain_of(plain, wrong)) == (True, False)
    assert (is_digest_md5_of(digest, ACCOUNT, right), is_digest_md5_of(digest, ACCOUNT, wrong)) == (
        True,
        False,
    )
    assert not is_digest_md5_of(digest, Account("other", ACCOUNT.realm), right)
    assert plain_secret(right) != plain


@pytest.mark.parametrize("value", [b"", b"x" * 15, b"x" * 34])
def test_damaged_values_are_refused(value: bytes) -> None:
    for verify in (is_cram_md5_of, is_plain_of, lambda v, s: is_digest_md5_of(v, ACCOUNT, s)):
        with pytest.raises(DamagedFileError, match="octets instead of"):
            verify(value, Secret("geheim"))


def test_salt_has_its_length() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        plain_secret(Secret("x"), b"short")
