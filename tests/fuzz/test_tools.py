"""What a format's own tool says of the same altered files: we read nothing that it refuses, and the same.

What a tool reads and we refuse is damaged by a rule that the tool does not look at; each is named here.

Debian: db5.3-util, gdbmtool, lmdb-utils, openssl; unpacked: postfix, sendmail-bin.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from cryptography import x509
from lab.debs import unpacked
from sasldb import peers

from smtpcreds.errors import SmtpcredsError
from smtpcreds.mta import main_cf

from .parsers import PARSERS

pytestmark = pytest.mark.filterwarnings("ignore")
FEW = 30
PATIENCE = 10
"""Seconds; a tool that works longer on a damaged file has not read it."""


class RefusedError(Exception):
    """The tool ends with an error, crashes or does not end."""


class Tool(NamedTuple):
    """One tool.

    Attributes:
        read: gives its content of a file.
        ours: gives the same from what we parsed.
        stricter: for what reasons we refuse what it reads.
    """

    read: Callable[[Path], object]
    ours: Callable[[bytes, object], object]
    stricter: str


def said(*words: str | Path, stdin: str = "") -> str:
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, errors="surrogateescape", timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise RefusedError from None
    if done.returncode or "rror" in done.stderr:
        raise RefusedError
    return done.stdout


def _db(path: Path) -> object:
    said("db5.3_verify", path)
    return peers._dumped(said("db5.3_dump", path).encode())


def _lmdb(path: Path) -> object:
    said("mdb_stat", "-n", "-a", path)
    return peers._dumped(said("mdb_dump", "-n", path).encode())


def _gdbm(path: Path) -> object:
    try:
        return peers.gdbm(path)
    except (AssertionError, ValueError, subprocess.SubprocessError):
        raise RefusedError from None


def _numbers(text: str) -> set[int]:
    return {
        int(found.replace(":", ""), 16)
        for found in re.findall(r"Serial Number:\s+([0-9A-F:]+)$", text, re.MULTILINE)
    }


def _certificate(path: Path) -> object:
    said("openssl", "asn1parse", "-inform", "DER", "-noout", "-in", path)
    shown = said("openssl", "x509", "-inform", "DER", "-noout", "-serial", "-in", path)
    return int(shown.partition("=")[2], 16)


def _crl(path: Path) -> object:
    return _numbers(said("openssl", "crl", "-inform", "DER", "-noout", "-text", "-in", path))


def _request(path: Path) -> object:
    shown = said("openssl", "req", "-inform", "DER", "-verify", "-pubkey", "-noout", "-in", path)
    return shown[shown.index("-----BEGIN") :].strip()  # OpenSSL 3.6 says above it that it verified it


def _public_key(data: bytes, _: object) -> object:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_csr(data).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


NAMES = ("smtpd_tls_key_file", "smtpd_sasl_path")


def _postconf(path: Path) -> object:
    tree = unpacked("postfix")
    (path.parent / "main.cf").write_bytes(path.read_bytes())
    (path.parent / "master.cf").touch()
    library = f"LD_LIBRARY_PATH={tree}/usr/lib/postfix"
    shown = said("env", library, tree / "usr/sbin/postconf", "-x", "-h", "-c", path.parent, *NAMES)
    return [line.split() for line in shown.splitlines()]


def _parameters(_: bytes, parsed: object) -> object:
    assert isinstance(parsed, main_cf.MainCf)
    return [parsed.value(name).split() for name in NAMES]


def _same(_: bytes, parsed: object) -> object:
    return parsed


TOOLS = {
    "sasldb Berkeley DB": Tool(_db, _same, "does not belong where it is linked|is cut off"),
    "sasldb LMDB": Tool(
        _lmdb, _same, "out of bounds|keys out of order|is not a page of the tree|is not the value|is cut off"
    ),
    "sasldb GDBM": Tool(
        _gdbm,
        _same,
        r"outside the file|a wrong head|bytes and says \d|begins otherwise|belongs to another|than fit",
    ),
    "certificate": Tool(
        _certificate,
        lambda data, _: x509.load_der_x509_certificate(data).serial_number,
        "does not decode|has a key of a kind",
    ),
    "CRL": Tool(
        _crl,
        lambda data, _: {entry.serial_number for entry in x509.load_der_x509_crl(data)},
        "is not a readable CRL",
    ),
    "CSR": Tool(_request, _public_key, "is not a readable|has 2 common names"),
    "main.cf": Tool(_postconf, _parameters, "$^"),
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_tool_reads_what_we_read_and_the_same(name: str, tmp_path: Path) -> None:
    parser, tool, path = PARSERS[name], TOOLS[name], tmp_path / "file"
    read, reasons = 0, list[str]()
    for seed in range(FEW):
        dice = Random(seed)
        data = parser.alter(dice.choice(parser.sound()), dice)
        path.write_bytes(data)
        try:
            theirs = tool.read(path)
        except RefusedError:
            with pytest.raises(SmtpcredsError):
                pytest.fail(f"{seed}: we read {parser.parse(data)}")
            continue
        try:
            ours = tool.ours(data, parser.parse(data))
        except SmtpcredsError as error:
            reasons.append(error.reason)
            continue
        read += 1
        assert ours == theirs, seed
    assert [reason for reason in reasons if not re.search(tool.stricter, reason)] == []
    assert read, "some are not damaged, or the test could not fail"
