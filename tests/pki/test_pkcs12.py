"""PKCS #12 files in the hands of OpenSSL, GnuTLS, NSS and Java, and theirs in ours."""

from functools import cache
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from smtpcreds.errors import (
    DamagedFileError,
    DataError,
    ForeignFormatError,
    PasswordRefusedError,
    SmtpcredsError,
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


FORMS = {
    "as it is": (),
    "before 3.0": ("-legacy",),
    "certificate by 3DES": ("-legacy", "-descert"),
    **{f"MAC by {name}": ("-macalg", name) for name in ("sha1", "sha224", "sha384", "sha512", "md5")},
    **{
        name: ("-legacy", "-keypbe", name, "-certpbe", name)
        for name in (
            "aes-128-cbc", "aes-256-cbc", "camellia-256-cbc", "PBE-SHA1-3DES", "PBE-SHA1-2DES",
            "PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128", "PBE-MD5-DES", "NONE",
        )
    },
    "no MAC": ("-nomac",),
    "nothing at all": ("-nomac", "-keypbe", "NONE", "-certpbe", "NONE"),
    "one round": ("-noiter", "-nomaciter"),
    "many certificates": ("-certfile", "many", "-caname", "first"),
}  # fmt: skip
"""How ``openssl pkcs12 -export`` is told to protect a file."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("corpus")
    host = leaf(authority(), HOST)
    (place / "word").write_text(WORD)
    (place / "pem").write_bytes(host.key_pem + host.pem + authority().pem)
    (place / "many").write_bytes(b"".join(leaf(authority(), f"h{n}.{HOST}").pem for n in range(9)))
    made = ("openssl", "pkcs12", "-export", "-in", "pem", "-passout", "file:word", "-out", "p12")
    found = {}
    for name, more in FORMS.items():
        run(*made, *more, cwd=place)
        found[name] = (place / "p12").read_bytes()
    return found


@pytest.mark.parametrize("form", FORMS)
def test_what_openssl_protects_in_any_way_is_read(form: str, corpus: dict[str, bytes]) -> None:
    read = read_pkcs12(corpus[form], Secret(WORD), "p12")
    assert read.certificate.subject.rfc4514_string() == f"CN={HOST}"
    assert len(read.chain) == (10 if form == "many certificates" else 1)


def damaged(data: bytes, chance: Random) -> bytes:
    """Return a file with one octet more, less or other, or cut off; mostly where its structure is."""
    at = chance.randrange(chance.choice((60, 300, len(data))))
    before, after = data[:at], data[at + 1 :]
    other = bytes([chance.randrange(256)])
    return chance.choice(
        (before + other + after, before + after, before + other + data[at:], data + other, before)
    )


def test_nothing_is_read_that_openssl_refuses(corpus: dict[str, bytes], place: Path) -> None:
    chance, read = Random(15), 0
    for number in range(400):
        data = damaged(corpus[list(FORMS)[number % len(FORMS)]], chance)
        try:
            read_pkcs12(data, Secret(WORD), "p12")
        except SmtpcredsError:
            continue
        read += 1
        (place / "p12").write_bytes(data)
        run("openssl", "pkcs12", "-legacy", "-in", "p12", "-passin", "file:word", "-noenc", cwd=place)
    assert read, "none is left to compare"


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
