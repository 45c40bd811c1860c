"""PKCS #12 files in the hands of OpenSSL, GnuTLS, NSS and Java, and theirs in ours."""

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from smtpcreds.errors import (
    DamagedFileError,
    DataError,
    ForeignFormatError,
    PasswordRefusedError,
    WrongPassphraseError,
)
from smtpcreds.pki import encoding
from smtpcreds.pki.pkcs12 import Bundle, read_pkcs12, write_pkcs12
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


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_what_was_written_is_read_back(kind: str) -> None:
    given = bundle(kind)
    read = read_pkcs12(write_pkcs12(given, Secret(WORD)), Secret(WORD), "p12")
    assert read.certificate == given.certificate
    assert read.chain == given.chain
    assert read.name == HOST
    assert read.key.public_key() == given.key.public_key()


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


@pytest.mark.parametrize("compatible", MODES)
def test_openssl_takes_out_what_was_put_in(compatible: bool, place: Path) -> None:
    given = write(place, compatible)
    opened = ("openssl", "pkcs12", "-in", "p12", "-passin", "file:word", "-nodes")
    text = run(*opened, cwd=place)
    for certificate in (given.certificate, *given.chain):
        assert certificate.public_bytes(Encoding.PEM).decode() in text
    assert f"friendlyName: {HOST}" in text
    assert "BEGIN PRIVATE KEY" in text


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


@pytest.mark.parametrize("legacy", [(), ("-legacy",)], ids=["3.0", "1.1.1 and before"])
def test_openssls_files_are_read(legacy: tuple[str, ...], place: Path) -> None:
    host = leaf(authority(), HOST)
    (place / "pem").write_bytes(host.key_pem + host.pem + authority().pem)
    made = ("openssl", "pkcs12", "-export", "-in", "pem", "-out", "p12", "-name", "dmz mail")
    run(*made, "-passout", "file:word", *legacy, cwd=place)
    read = read_pkcs12((place / "p12").read_bytes(), Secret(WORD), "p12")
    assert (read.certificate, read.chain) == (host.certificate, (authority().certificate,))
    assert read.name == "dmz mail"


def test_javas_files_are_read(place: Path) -> None:
    made = ("keytool", "-genkeypair", "-alias", "a", "-keyalg", "EC", "-groupname", "secp256r1")
    run(*made, "-dname", f"CN={HOST}", "-keystore", "p12", "-storepass:file", "word", cwd=place)
    read = read_pkcs12((place / "p12").read_bytes(), Secret(WORD), "p12")
    assert read.certificate.subject.rfc4514_string() == f"CN={HOST}"
    assert read.chain == ()


@pytest.mark.parametrize("compatible", MODES)
def test_another_passphrase_opens_nothing(compatible: bool) -> None:
    for wrong in (WORD + "x", "", "ü"):
        with pytest.raises(WrongPassphraseError) as caught:
            read_pkcs12(written(compatible), Secret(wrong), "dmz.p12")
        assert WORD not in str(caught.value)


def test_one_changed_byte_is_noticed() -> None:
    data = bytearray(written(True))
    data[len(data) // 2] ^= 1
    with pytest.raises(WrongPassphraseError, match="altered"):
        read_pkcs12(bytes(data), Secret(WORD), "dmz.p12")


@pytest.mark.parametrize("word", ["", "contraseña", "tab\there", "\0", b"\xff"])
def test_passphrases_that_programs_read_differently_are_refused(word: str | bytes) -> None:
    with pytest.raises(PasswordRefusedError):
        write_pkcs12(bundle(), Secret(word))


def test_a_key_goes_only_with_its_certificate() -> None:
    other = bundle("p384")
    with pytest.raises(DataError, match="is not the key of"):
        write_pkcs12(Bundle(bundle().key, other.certificate, (), HOST), Secret(WORD))


def test_a_file_without_a_key_is_no_credential(place: Path) -> None:
    (place / "pem").write_bytes(authority().pem)
    made = ("openssl", "pkcs12", "-export", "-nokeys", "-in", "pem", "-out", "p12", "-passout", "file:word")
    run(*made, cwd=place)
    with pytest.raises(DamagedFileError, match="lacks a private key"):
        read_pkcs12((place / "p12").read_bytes(), Secret(WORD), "p12")


@pytest.mark.parametrize("data", [b"", b"0", b"hello", b"0\x80", b"\x30\x03\x02\x01\x00", b"\x30\xff"])
def test_other_files_are_named(data: bytes) -> None:
    with pytest.raises(ForeignFormatError, match="not a PKCS #12 file"):
        read_pkcs12(data, Secret(WORD), "dmz.p12")


def test_a_bundle_does_not_show_its_key() -> None:
    assert "PrivateKey" not in repr(bundle())


def test_years_of_rounds_are_refused_before_they_begin() -> None:
    """The number is in the file, and OpenSSL runs as many as it says."""
    version, content, mac = encoding.values(encoding.first(written(False)).body)
    info, salt, _ = encoding.values(mac.body)
    endless = encoding.sequence(info.raw, salt.raw, encoding.integer(2**31 - 1))
    with pytest.raises(DataError, match=r"p12: asks for 2,147,483,647 rounds"):
        read_pkcs12(encoding.sequence(version.raw, content.raw, endless), Secret(WORD), "p12")
