"""Damaged octets end in one family of errors, wherever they are damaged; never in a traceback."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin, peer

from smtpcreds.errors import DamagedFileError, SmtpcredsError
from smtpcreds.pki.crl import read_crl
from smtpcreds.pki.describe import describe
from smtpcreds.pki.encoding import armor, parse_certificates
from smtpcreds.pki.keys import decode_key
from smtpcreds.pki.requests import read_request
from smtpcreds.secret import Secret

VERSION = {"crl": b"\x02\x01\x01", "csr": b"\x02\x01\x00"}
PEM = {"crl": "X509 CRL", "csr": "CERTIFICATE REQUEST"}


def crl(data: bytes) -> object:
    found = read_crl(data, "file", None)
    return list(found.entries()), found.find(3)


def csr(data: bytes) -> object:
    return read_request(data, "file")


def certificate(data: bytes) -> object:
    return [describe(one) for one in parse_certificates(data, "file").certificates]


def key(data: bytes) -> object:
    return decode_key(armor("PRIVATE KEY", data), None, "file")


READERS: dict[str, Callable[[bytes], object]] = {read.__name__: read for read in (crl, csr, certificate, key)}


def der(path: Path) -> bytes:
    return base64.b64decode("".join(path.read_text().splitlines()[1:-1]))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return one of each kind, made by OpenSSL or by a hub."""
    here = tmp_path_factory.mktemp("damage")
    hub = Admin(here / "root")
    hub("setup", HUB, "--no-passphrase")
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic", "--reason", "superseded")
    names = ("-subj", f"/CN={HUB}", "-addext", f"subjectAltName=DNS:{HUB}")
    pair = ("-newkey", "rsa:2048", "-nodes", "-keyout", here / "key.pem", "-out", here / "csr.pem")
    peer("openssl", "req", "-new", *pair, *names)
    files = {
        "crl": hub.certs / "crl.pem",
        "csr": here / "csr.pem",
        "certificate": hub.certs / "dmzmail-cert.pem",
        "key": here / "key.pem",
    }
    return {kind: der(path) for kind, path in files.items()}


_HEAD = 50


@pytest.mark.parametrize("kind", READERS)
def test_every_octet_may_be_wrong(made: dict[str, bytes], kind: str) -> None:
    refused = 0
    READERS[kind](made[kind])
    for at in range(len(made[kind])):
        if kind == "key" and at > _HEAD and at % 16:
            continue  # of long numbers, whose primes are tested anew each time
        for mask in (1, 4, 0x80):
            damaged = bytearray(made[kind])
            damaged[at] ^= mask
            try:
                READERS[kind](bytes(damaged))
            except SmtpcredsError:
                refused += 1
    assert refused > len(made[kind]) // 10


@pytest.mark.parametrize("kind", VERSION)
def test_another_version_is_said_to_be_unreadable(made: dict[str, bytes], kind: str) -> None:
    octets = bytearray(made[kind])
    octets[octets.index(VERSION[kind]) + 2] = 7
    with pytest.raises(DamagedFileError, match="7 is not a valid"):
        READERS[kind](bytes(octets))


@pytest.mark.parametrize(("cipher", "octets"), [("aes128", 15), ("aes128", 0), ("des3", 7)])
def test_a_short_iv_of_an_old_key(tmp_path: Path, cipher: str, octets: int) -> None:
    peer("openssl", "genrsa", "-traditional", "-out", tmp_path / "plain", "2048")
    words = ("-traditional", f"-{cipher}", "-passout", "pass:x", "-out", tmp_path / "old")
    peer("openssl", "rsa", "-in", tmp_path / "plain", *words)
    text = (tmp_path / "old").read_bytes()
    decode_key(text, Secret(b"x"), "file")
    short = re.sub(rb"(DEK-Info: [A-Z0-9-]+,)([0-9A-F]+)", lambda m: m[1] + m[2][: 2 * octets], text)
    with pytest.raises(DamagedFileError, match="without a whole IV"):
        decode_key(short, Secret(b"x"), "file")


def test_the_audit_goes_on_and_says_what_it_could_not_read(tmp_path: Path) -> None:
    hub = Admin(tmp_path / "root")
    hub("setup", HUB, "--no-passphrase")
    octets = bytearray(der(hub.certs / "crl.pem"))
    octets[octets.index(VERSION["crl"]) + 2] = 7
    for path in (hub.certs / "crl.pem", hub.crl):
        path.write_bytes(armor(PEM["crl"], bytes(octets)))
    hub.path(f"{CERTS}/dmzmail-key.pem").chmod(0o644)
    found = hub.json("audit", status=1)["findings"]
    unread = {one["subject"] for one in found if one["code"] == "AUDIT001"}
    assert unread == {str(hub.certs / "crl.pem"), str(hub.crl)}
    assert "PERM001" in {one["code"] for one in found}
    for words in (("status",), ("ca", "show"), ("inventory", "check"), ("cert", "verify", "dmzmail")):
        assert hub.run(*words).status in {1, 65}
    assert hub.run("status", "--format", "nagios").status == 3
    hub("ca", "crl")
    assert "AUDIT001" not in hub.run("audit").out
