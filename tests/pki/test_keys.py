"""Private keys: made, written, and read back by us, OpenSSL and GnuTLS."""

import contextlib
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.errors import (
    DamagedFileError,
    DataError,
    ForeignFormatError,
    PasswordRefusedError,
    SmtpcredsError,
    UsageError,
    WrongPassphraseError,
)
from smtpcreds.pki import encoding, keys
from smtpcreds.pki.keys import KDF_ROUNDS, PassphraseNeededError, decode_key, encode_key, is_encrypted
from smtpcreds.secret import Secret

from .cases import calm, key_of
from .peers import run

PASSPHRASE = Secret("correct horse Bättery")
FAST = 1000
"""Rounds for the tests that are not about the cost."""

ALL = ("p256", "p384", "rsa2048", "rsa3072", "ed25519")


def test_key_types_are_those_of_the_manual() -> None:
    assert list(keys.KEY_TYPES) == ["p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519"]
    assert keys.parse_key_type(keys.DEFAULT_KEY_TYPE).label == "P-256"
    assert keys.parse_key_type("P384") is keys.KEY_TYPES["p384"]


def test_an_unknown_key_type_lists_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        keys.parse_key_type("dsa")
    assert all(name in str(caught.value.hint) for name in keys.KEY_TYPES)


@pytest.mark.parametrize("name", ALL)
def test_a_key_is_what_its_label_says(name: str) -> None:
    assert keys.key_label(key_of(name, "leaf")) == keys.KEY_TYPES[name].label


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
def test_round_trip(name: str, passphrase: Secret | None) -> None:
    key = key_of(name, "leaf")
    pem = encode_key(key, passphrase, rounds=FAST)
    assert is_encrypted(pem) is (passphrase is not None)
    assert keys.public_id(decode_key(pem, passphrase, "key.pem")) == keys.public_id(key)


@pytest.mark.parametrize("name", ["p256", "rsa2048", "ed25519"])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
def test_openssl_gnutls_and_the_library_open_it(name: str, passphrase: Secret | None, tmp_path: Path) -> None:
    key, file, secret = key_of(name, "leaf"), tmp_path / "key.pem", tmp_path / "secret"
    file.write_bytes(encode_key(key, passphrase, rounds=FAST))
    secret.write_bytes((passphrase or Secret("none")).reveal() + b"\n")
    opened = run("openssl", "pkey", "-in", file, "-pubout", "-outform", "DER", "-passin", f"file:{secret}")
    assert opened.stdout == keys.spki(key), opened.stderr
    answer = run("certtool", "--key-info", "--infile", file, input=secret.read_bytes())
    assert answer.returncode == 0, answer.stderr
    assert load_pem_private_key(file.read_bytes(), passphrase.reveal() if passphrase else None)


def test_the_default_cost_is_a_million_rounds_of_sha512(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(encode_key(key_of("p256", "leaf"), PASSPHRASE))
    text = run("openssl", "asn1parse", "-i", "-in", file).stdout.decode()
    assert f"INTEGER           :{KDF_ROUNDS:X}" in text.replace(":0F4240", ":F4240")
    assert "hmacWithSHA512" in text
    assert "aes-256-cbc" in text
    assert KDF_ROUNDS == 1_000_000


def test_salt_and_vector_are_random_or_given() -> None:
    key = key_of("p256", "leaf")
    assert encode_key(key, PASSPHRASE, rounds=1) != encode_key(key, PASSPHRASE, rounds=1)
    fixed = {"rounds": 1, "salt": bytes(16), "iv": bytes(16)}
    assert encode_key(key, PASSPHRASE, **fixed) == encode_key(key, PASSPHRASE, **fixed)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "x" * 1024], ids=["empty", "long"])
def test_a_passphrase_that_others_misread_is_refused(text: str) -> None:
    with pytest.raises(PasswordRefusedError):
        encode_key(key_of("p256", "leaf"), Secret(text), rounds=1)


@pytest.mark.parametrize("name", ["p256", "rsa2048", "ed25519"])
def test_a_wrong_passphrase_is_denied(name: str) -> None:
    pem = encode_key(key_of(name, "leaf"), PASSPHRASE, rounds=1)
    # Of 256 wrong keys about one leaves padding that looks right; 600 tries meet such a one.
    for number in range(600 if name == "p256" else 3):
        with pytest.raises(WrongPassphraseError) as caught:
            decode_key(pem, Secret(f"wrong {number}"), "cakey.pem")
    assert caught.value.exit_status == 77
    assert str(caught.value).startswith("cakey.pem: ")


def test_an_encrypted_key_without_a_passphrase_says_what_it_needs() -> None:
    pem = encode_key(key_of("p256", "leaf"), PASSPHRASE, rounds=1)
    for nothing in (None, Secret("")):
        with pytest.raises(PassphraseNeededError) as caught:
            decode_key(pem, nothing, "cakey.pem")
    assert caught.value.exit_status == 77


def test_a_needless_passphrase_is_ignored() -> None:
    assert decode_key(encode_key(key_of("p256", "leaf")), PASSPHRASE, "key.pem")


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("name", ["p256", "rsa2048"])
def test_traditional_forms_are_read(name: str, encrypted: bool) -> None:
    key = key_of(name, "leaf")
    how = BestAvailableEncryption(PASSPHRASE.reveal()) if encrypted else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, how)
    assert is_encrypted(pem) is encrypted
    assert keys.public_id(decode_key(pem, PASSPHRASE, "old.pem")) == keys.public_id(key)
    if encrypted:
        with pytest.raises(WrongPassphraseError):
            decode_key(pem, Secret("wrong"), "old.pem")


def test_openssl_output_with_text_and_parameters_is_read(tmp_path: Path) -> None:
    made = run("openssl", "ecparam", "-name", "prime256v1", "-genkey").stdout
    assert b"EC PARAMETERS" in made
    first = decode_key(made, None, "ec.pem")
    file = tmp_path / "ec.pem"
    file.write_bytes(made)
    with_text = run("openssl", "pkey", "-in", file, "-text").stdout
    assert b"ASN1 OID" in with_text
    assert keys.public_id(decode_key(with_text, None, "text.pem")) == keys.public_id(first)


@pytest.mark.parametrize("cipher", ["aes256", "des3"])
def test_keys_that_openssl_encrypted_are_read(cipher: str, tmp_path: Path) -> None:
    plain, secret = tmp_path / "plain.pem", tmp_path / "secret"
    plain.write_bytes(encode_key(key_of("p256", "leaf")))
    secret.write_text("word\n")
    made = run("openssl", "pkcs8", "-topk8", "-v2", cipher, "-in", plain, "-passout", f"file:{secret}").stdout
    assert decode_key(made, Secret("word"), "key.pem")


def test_small_rsa_keys_are_refused() -> None:
    for bits in (1024, 2047):
        small = rsa.generate_private_key(65537, bits)
        with pytest.raises(DataError, match=f"{bits} bits"):
            decode_key(encode_key(small), None, "weak.pem")


def test_tiny_rsa_keys_are_refused(tmp_path: Path) -> None:
    made = run("openssl", "genrsa", "512").stdout
    with pytest.raises(DataError, match="2048"):
        decode_key(made, None, "tiny.pem")


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()], ids=["k1", "brainpool"])
def test_curves_that_verifiers_refuse_are_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(DataError, match="curve"):
        decode_key(encode_key(ec.generate_private_key(curve)), None, "odd.pem")


def test_other_kinds_of_key_are_refused() -> None:
    pem = ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(DataError, match="Ed448"):
        decode_key(pem, None, "odd.pem")


GOOD = encode_key(key_of("p256", "leaf"))
BAD = {
    "cut": (GOOD[:120], DamagedFileError),
    "short": (GOOD.replace(GOOD[60:100], b""), DamagedFileError),
    "garbled": (re.sub(rb"\nMI", b"\nMJ", GOOD), DamagedFileError),
    "not base64": (GOOD.replace(b"MI", b"!!"), DamagedFileError),
    "empty": (b"", ForeignFormatError),
    "random": (bytes(range(256)), ForeignFormatError),
    "ssh": (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        ForeignFormatError,
    ),
    "der": (
        key_of("p256", "leaf").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        ForeignFormatError,
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_a_key_is_named(what: str) -> None:
    data, kind = BAD[what]
    with pytest.raises(kind) as caught:
        decode_key(data, None, "key.pem")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@calm
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_damage_shows_as_no_other_kind_of_error(place: int, junk: bytes) -> None:
    with contextlib.suppress(SmtpcredsError):
        decode_key(GOOD[:place] + junk + GOOD[place + len(junk) :], None, "key.pem")


@pytest.mark.parametrize("name", ["p256", "rsa2048", "ed25519"])
def test_a_certificate_matches_its_key_only(name: str) -> None:
    key, other = key_of(name, "leaf"), key_of(name, "root")
    assert keys.matches(key, key)
    assert not keys.matches(key, other)


def test_the_public_id_is_what_openssl_hashes() -> None:
    key = key_of("p256", "leaf")
    public = run("openssl", "pkey", "-pubout", "-outform", "DER", input=encode_key(key)).stdout
    assert keys.public_id(key) in run("openssl", "dgst", "-sha256", input=public).stdout.decode()


@calm
@given(st.integers(0, 1 << 70))
def test_der_integers_are_read_by_openssl_rules(number: int) -> None:
    encoded = encoding.integer(number)
    assert int.from_bytes(encoded[2:], signed=True) == number
    assert encoded[1] == 1 or encoded[2] or encoded[3] & 0x80, "shortest form"


@calm
@given(st.binary(max_size=70_000))
def test_der_lengths(content: bytes) -> None:
    value = encoding.tlv(encoding.SEQUENCE, content)
    assert encoding.whole(value)
    assert not encoding.whole(value + b"\0")
    assert not encoding.whole(value[:-1])
    assert encoding.first(value + b"rest").raw == value


def test_years_of_rounds_are_refused_before_they_begin() -> None:
    """The number is in the file, and OpenSSL runs as many as it says."""
    algorithm = keys._pbes2(bytes(16), bytes(16), 2**31 - 1)
    endless = encoding.sequence(algorithm, encoding.tlv(encoding.OCTET_STRING, bytes(144)))
    with pytest.raises(DataError, match=r"asks for 2,147,483,647 rounds"):
        decode_key(encoding.armor("ENCRYPTED PRIVATE KEY", endless), PASSPHRASE, "key.pem")


def scrypt_key(*costs: int) -> bytes:
    """Return the armoured header of a key under scrypt (RFC 7914 section 7); its content is nothing."""
    named = encoding.tlv(0x06, bytes.fromhex("2b06010401da47040b"))
    values = b"".join(map(encoding.integer, costs))
    kdf = encoding.sequence(named, encoding.tlv(0x30, encoding.tlv(0x04, bytes(16)) + values))
    cipher = encoding.sequence(keys._AES256_CBC, encoding.tlv(0x04, bytes(16)))
    algorithm = encoding.sequence(keys._PBES2, encoding.sequence(kdf, cipher))
    whole = encoding.sequence(algorithm, encoding.tlv(0x04, bytes(144)))
    return encoding.armor("ENCRYPTED PRIVATE KEY", whole)


@pytest.mark.parametrize(
    "costs",
    [
        (1 << 20, 8, 1),  # a gigabyte
        (1 << 22, 8, 1),
        (1 << 14, 8, 4000),  # little memory, and minutes
        (2, 1, 1 << 26),
        (2, 1 << 26, 1),
        (1 << 200, 8, 1),
        (1 << 20, 8, 1, 32),
    ],
)
def test_gigabytes_of_scrypt_are_refused_before_they_begin(costs: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="of scrypt to derive its key"):
        decode_key(scrypt_key(*costs), PASSPHRASE, "key.pem")


def test_keys_that_openssl_encrypted_with_scrypt_are_read(tmp_path: Path) -> None:
    plain, secret = tmp_path / "plain.pem", tmp_path / "secret"
    plain.write_bytes(encode_key(key_of("p256", "leaf")))
    secret.write_text("word\n")
    made = run("openssl", "pkcs8", "-topk8", "-scrypt", "-in", plain, "-passout", f"file:{secret}").stdout
    assert decode_key(made, Secret("word"), "key.pem")
