"""PKCS #12 files in the hands of OpenSSL, GnuTLS, NSS and Java."""

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtpcreds.errors import DataError, PasswordRefusedError
from smtpcreds.pki.pkcs12 import Bundle, write_pkcs12
from smtpcreds.secret import Secret

from .x509_scene import attempt, authority, leaf, run

HOST = "dmzmail.polkatistas.org"
WORD = "correct-horse.battery~staple_9"
MODES = [False, True]


@cache
def bundle(kind: str = "p256") -> Bundle:
    host = leaf(authority(), HOST, kind)
    return Bundle(host.key, host.certificate, (authority().certificate,), HOST)


@cache
def written(compatible: bool) -> bytes:
    return write_pkcs12(bundle(), Secret(WORD), compatible=compatible)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "word").write_text(WORD)
    return tmp_path


def write(place: Path, compatible: bool) -> Bundle:
    (place / "p12").write_bytes(written(compatible))
    return bundle()


def test_openssl_sees_strong_encryption_and_an_equally_strong_mac(place: Path) -> None:
    write(place, compatible=False)
    text = run("openssl", "pkcs12", "-info", "-in", "p12", "-noout", "-passin", "file:word", cwd=place)
    assert "MAC: sha256, Iteration 600000" in text
    assert text.count("PBES2, PBKDF2, AES-256-CBC, Iteration 600000, PRF hmacWithSHA256") == 2


def test_openssl_sees_the_compatible_form(place: Path) -> None:
    write(place, compatible=True)
    text = run("openssl", "pkcs12", "-info", "-in", "p12", "-noout", "-passin", "file:word", cwd=place)
    assert "MAC: sha1, Iteration 100000" in text
    assert text.count("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000") == 2


@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519"])
@pytest.mark.parametrize("compatible", MODES)
def test_openssl_takes_out_what_was_put_in(kind: str, compatible: bool, place: Path) -> None:
    given = bundle(kind)
    (place / "p12").write_bytes(write_pkcs12(given, Secret(WORD), compatible=compatible))
    opened = ("openssl", "pkcs12", "-in", "p12", "-passin", "file:word", "-nodes")
    text = run(*opened, cwd=place)
    for certificate in (given.certificate, *given.chain):
        assert certificate.public_bytes(Encoding.PEM).decode() in text
    assert f"friendlyName: {HOST}" in text
    (place / "key").write_text(text)
    public = given.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert run("openssl", "pkey", "-in", "key", "-pubout", cwd=place) == public.decode()


@pytest.mark.parametrize("compatible", MODES)
def test_openssl_opens_it_with_its_passphrase_alone_and_notices_a_changed_byte(
    compatible: bool, place: Path
) -> None:
    write(place, compatible)
    (place / "other").write_text(f"{WORD}x")
    look = ("openssl", "pkcs12", "-noout", "-in")
    assert attempt(*look, "p12", "-passin", "file:other", cwd=place).returncode != 0
    data = bytearray(written(compatible))
    data[len(data) // 2] ^= 1
    (place / "altered").write_bytes(data)
    assert attempt(*look, "altered", "-passin", "file:word", cwd=place).returncode != 0


@pytest.mark.parametrize("compatible", MODES)
def test_gnutls_verifies_the_mac_and_lists_the_bags(compatible: bool, place: Path) -> None:
    write(place, compatible)
    text = run("certtool", "--p12-info", "--inder", "--infile", "p12", "--password", WORD, cwd=place)
    assert "BEGIN CERTIFICATE" in text
    assert "PRIVATE KEY" in text
    assert HOST in text
    assert (
        attempt(
            "certtool", "--p12-info", "--inder", "--infile", "p12", "--password", "x", cwd=place
        ).returncode
        != 0
    )


@pytest.mark.parametrize("compatible", MODES)
def test_nss_imports_it(compatible: bool, place: Path) -> None:
    write(place, compatible)
    (place / "empty").write_text("\n")
    run("certutil", "-N", "-d", "sql:.", "--empty-password", cwd=place)
    run("pk12util", "-i", "p12", "-w", "word", "-k", "empty", "-d", "sql:.", cwd=place)
    assert HOST in run("certutil", "-K", "-d", "sql:.", "-f", "empty", cwd=place)


@pytest.mark.parametrize("compatible", MODES)
def test_java_opens_it(compatible: bool, place: Path) -> None:
    given = write(place, compatible)
    listed = ("keytool", "-list", "-v", "-keystore", "p12", "-storetype", "PKCS12", "-storepass:file", "word")
    text = run(*listed, cwd=place)
    assert f"Alias name: {HOST}" in text
    assert "Entry type: PrivateKeyEntry" in text
    assert "Certificate chain length: 2" in text
    assert f"{given.certificate.serial_number:x}" in text


@pytest.mark.parametrize("word", ["", "contraseña", "tab\there", "\0", b"\xff"])
def test_passphrases_that_programs_read_differently_are_refused(word: str | bytes) -> None:
    with pytest.raises(PasswordRefusedError):
        write_pkcs12(bundle(), Secret(word))


def test_a_key_goes_only_with_its_certificate() -> None:
    other = bundle("p384")
    with pytest.raises(DataError, match="is not the key of"):
        write_pkcs12(Bundle(bundle().key, other.certificate, (), HOST), Secret(WORD))


def test_a_bundle_does_not_show_its_key() -> None:
    assert "PrivateKey" not in repr(bundle())
