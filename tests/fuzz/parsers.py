"""The parsers, each with sound files to begin with and what alters them."""

import datetime
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import keytabs
import lmdb
from cryptography import x509
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from smtpcreds.accounts.formats import KINDS, read_text
from smtpcreds.bundle import archive
from smtpcreds.config import parse_settings
from smtpcreds.mta import (
    access,
    auth_info,
    dovecot,
    exim,
    keytab,
    main_cf,
    postfix,
    sasl_conf,
    sendmail,
    sendmail_cf,
)  # fmt: skip
from smtpcreds.pki import crl, describe, encoding, foreign, keys, requests
from smtpcreds.sasldb import bdb, bdb_read, gdbm, lmdb_read
from smtpcreds.secret import Secret
from smtpcreds.smtp import connection, sasl

from . import age, alter, typed
from .more import more

RECORDS = {f"joe{n}\0hub\0userPassword".encode(): b"S3cret" * n for n in range(1, 40)}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub.example")])
SECRET = Secret(b"geheim")


class Parser(NamedTuple):
    """``parse`` ends in a value or in an error of ours."""

    parse: Callable[[bytes], object]
    sound: Callable[[], list[bytes]]
    alter: alter.Alter


@cache
def _certificate() -> bytes:
    key = alter.key()
    made = x509.CertificateBuilder(_NAME, _NAME, key.public_key(), 77, NOW, NOW + datetime.timedelta(9))
    for value, critical in (
        (x509.BasicConstraints(ca=True, path_length=1), True),
        (x509.SubjectAlternativeName([x509.DNSName("hub.example"), x509.DNSName("*.example")]), False),
        (x509.NameConstraints([x509.DNSName("example")], None), True),
        (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
        (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
        (x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier("http://x/")],
                                                            None, None, None)]), False),
        (x509.AuthorityInformationAccess([x509.AccessDescription(
            x509.oid.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://x/"))]), False),  # noqa: E501
    ):  # fmt: skip
        made = made.add_extension(value, critical)
    return made.sign(key, SHA256()).public_bytes(coding.Encoding.DER)


@cache
def _crl() -> bytes:
    made = x509.CertificateRevocationListBuilder(_NAME, NOW, NOW + datetime.timedelta(9))
    for serial, reason in ((5, x509.ReasonFlags.key_compromise), (6, x509.ReasonFlags.certificate_hold)):
        entry = x509.RevokedCertificateBuilder(serial, NOW).add_extension(x509.CRLReason(reason), False)
        made = made.add_revoked_certificate(entry.build())
    made = made.add_extension(x509.CRLNumber(7), False)
    return made.sign(alter.key(), SHA256()).public_bytes(coding.Encoding.DER)


@cache
def _request() -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName("hub.example")])
    made = x509.CertificateSigningRequestBuilder(_NAME).add_extension(names, False)
    return made.sign(alter.key(), SHA256()).public_bytes(coding.Encoding.DER)


def _key(encryption: coding.KeySerializationEncryption) -> bytes:
    return alter.key().private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, encryption)


@cache
def _lmdb() -> bytes:
    """A file as the library leaves it: branch and leaf pages, a value on pages of its own, a free list."""
    with TemporaryDirectory() as directory:
        path = f"{directory}/sasldb2"
        with lmdb.open(path, subdir=False, map_size=1 << 20, lock=False) as environment:
            for part in range(3):
                with environment.begin(write=True) as transaction:
                    for number in range(60 * part, 60 * part + 60):
                        name = f"joe{number}\0hub.example\0userPassword"
                        transaction.put(name.encode(), b"S3cret" * (number % 40 + 1))
            with environment.begin(write=True) as transaction:
                transaction.put(b"large\0hub\0userPassword", b"x" * 9000)
                transaction.delete(b"joe7\0hub.example\0userPassword")
        return Path(path).read_bytes()


def _armored(label: str, data: bytes) -> bytes:
    return encoding.armor(label, data)


def _pem(data: bytes) -> object:
    return [describe.describe(one) for one in encoding.parse_certificates(data, "file").certificates]


def _der(data: bytes) -> object:
    return describe.describe(encoding.parse_certificate(data, "file"))


def _read_crl(data: bytes) -> object:
    return list(crl.read_crl(data, "file", x509.load_der_x509_certificate(_certificate())).entries())


def _rows(data: bytes) -> object:
    return list(read_text(data, None, "file").rows)


def _table(kind: str) -> bytes:
    return _TABLES.get(kind) or _TABLES["csv"].replace(b",", _COMMAS[kind])


def _rows_of(kind: str) -> Callable[[bytes], object]:
    return lambda data: list(read_text(data, kind, "file").rows)


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="surrogateescape"))


def _replies(data: bytes) -> object:
    replies, found = connection.Replies("hub"), []
    for at in range(0, len(data), 7):
        replies.feed(data[at : at + 7])
        while reply := replies.take():
            found.append((reply, connection.capabilities(reply)))
    return found


def _bundle() -> bytes:
    label = archive.Label("hub.example", "sendmail", "00" * 32)
    members = [archive.Member(f"etc/{n}", 0o600, b"content" * 90 * n, archive.Kind.FILE) for n in range(3)]
    return archive.pack(label, members, NOW)


_TOML = b"""domain = "example"
hub = "hub.example"
[ca]
days = 3000
[cert]
days = 90
key_type = "p384"
[sasl]
copies = ["/a", "/b"]
[mta]
plaintext = true
"""
_TABLES = {
    "csv": b'name,password,realm\njoe,"a,""b",hub\nanne,S3cret,\n',
    "tsv": b"joe\tS3cret\nanne\tx y\n",
    "colon": b"joe:S3cret\nanne:a:b\n",
    "jsonl": b'{"name": "joe", "password": "S3cret", "realm": null}\n',
    "ldif": b"version: 1\ndn: uid=joe,dc=x\nuid: joe\nuserPassword:: UzNjcmV0\nmail: joe@x\n folded\n",
    "dump": b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n 6a6f6500687562007573657250617373776f7264\n 61\nDATA=END\n",  # noqa: E501
    "authinfo": b'AuthInfo:hub "U:joe" "I:joe" "P:S3cret" "R:hub" "M:PLAIN"\n',
    "auth-info": b"joe\njoe\nS3cret\nhub\nPLAIN\n",
    "dovecot": b"joe:{PLAIN}S3cret::::::\nanne:{SSHA256.b64}AAAA:1:2::/h::x=y\n",
    "postfix": b"[hub.example]:587 joe:S3cret\nhub anne@x:a b\n",
}
_COMMAS = {"semicolon": b";", "tab": b"\t"}
_SASL = b'realm="hub",nonce="abc",qop="auth,auth-int",charset=utf-8,algorithm=md5-sess,maxbuf=1024'

_CONFIGURATIONS: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
    "TOML": (_text(lambda text: parse_settings(text, "file")), [_TOML]),
    "default-auth-info": (lambda data: auth_info.parse(data, "file"), [_TABLES["auth-info"]]),
    "authinfo map": (lambda data: auth_info.parse_map(data, "file"), [_TABLES["authinfo"]]),
    "access": (
        lambda data: access.parse(data, "file"),
        [b"CERTIssuer:/C=x/CN=y\tRELAY\nTLS_Srv:x VERIFY:256\n"],
    ),
    "Sendmail.conf": (
        lambda data: sasl_conf.parse(data, "file"),
        [b"pwcheck_method: auxprop\nmech_list: PLAIN\n"],
    ),
    "sendmail.mc": (
        lambda data: sendmail.parse(data, "file"),
        [
            b"define(`confCACERT', `/etc/mail/certs/cacert.pem')dnl\nTRUST_AUTH_MECH(`PLAIN')dnl\nMAILER(`smtp')dnl\n"  # noqa: E501
        ],
    ),
    "sendmail.cf": (
        _text(sendmail_cf.parse),
        [
            (
                b"V10/Debian\nO AuthMechanisms=PLAIN\nDaemonPortOptions=Port=smtp\nO DaemonPortOptions=Port=25, Name=MTA\n"  # noqa: E501
                b"Kaccess hash -o /etc/mail/access\nC{TrustAuthMech}PLAIN\nMsmtp, P=[IPC],\n\tA=TCP $h\nDj$w\n"  # noqa: E501
            )
        ],
    ),
    "main.cf": (
        _text(lambda text: main_cf.parse(text, "file")),
        [b"# x\nsmtpd_tls_key_file = /a\nsmtpd_sasl_path =\n  smtpd\nx = $y ${z?{a}:{b}}\n"],
    ),
    "master.cf": (
        _text(lambda text: main_cf.parse_master(text, "file", main_cf.MainCf({}))),
        [b"smtp inet n - y - - smtpd\n  -o a=b -o { c = d }\nsubmission inet n - n - - smtpd -v\n"],
    ),
    "postfix settings": (lambda data: postfix.parse(data, "file"), [b"smtpd_tls_key_file = /a\nb = c\n"]),
    "postfix table": (lambda data: postfix.parse_table(data, "file"), [b"AA:BB dmz\n# x\nCC relay\n"]),
    "exim": (
        _text(exim.parse_configuration),
        [
            b"tls_certificate = /a\n.ifdef X\nA = b \\\n  c\n.endif\nbegin authenticators\nplain:\n  driver = plaintext\n"  # noqa: E501
        ],
    ),
    "exim file": (lambda data: exim.parse("file", data), [b"tls_certificate = /a\n# x\nhosts = <; a ; b\n"]),
    "dovecot": (
        _text(dovecot.parse_configuration),
        [b"ssl_cert = </a\nservice auth {\n  unix_listener x {\n    mode = 0600\n  }\n}\n"],
    ),
    "dovecot file": (
        lambda data: dovecot.parse(data, "file"),
        [b"joe@hub:{SCRAM-SHA-256}4096,AA==,BB==,CC==\nanne@hub:{PLAIN}x\n"],
    ),
    "SMTP replies": (
        _replies,
        [b"220 hub ESMTP\r\n250-hub\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 5\r\n334 \r\n"],
    ),
    "DIGEST-MD5 challenge": (sasl.parse, [_SASL]),
    "SCRAM first message": (
        lambda data: sasl.parse_first(data, "abc"),
        [b"r=abcdef,s=QSXCR+Q6sek8bf92,i=4096"],
    ),
    "index.txt": (
        lambda data: foreign.read_index(data, "file"),
        [
            b"V\t270101000000Z\t\t01\tunknown\t/CN=a\nR\t270101000000Z\t260101000000Z,keyCompromise\t02\tunknown\t/CN=b\n"
        ],
    ),
    "serial": (lambda data: foreign.read_counter(data, "file"), [b"0A\n"]),
    "accounts": (_rows, [*_TABLES.values(), b",\n", b"# joe:S3cret\n", b"x" * (1 << 17)]),
    **{f"accounts as {kind}": (_rows_of(kind), [_table(kind)]) for kind in KINDS},
}


def _plain_key() -> bytes:
    plain = coding.NoEncryption()
    return alter.key().private_bytes(coding.Encoding.DER, coding.PrivateFormat.PKCS8, plain)


def _read_key(data: bytes) -> object:
    return keys.decode_key(data, SECRET, "file")


PARSERS = {
    "PEM": Parser(
        _pem,
        lambda: [_armored("CERTIFICATE", _certificate()) * 2],
        alter.either(
            alter.text, lambda data, dice: _armored("CERTIFICATE", alter.signed(_certificate(), dice)) + data
        ),
    ),
    "certificate": Parser(
        _der, lambda: [_certificate()], alter.either(alter.signed, alter.signed, alter.der)
    ),
    "CRL": Parser(_read_crl, lambda: [_crl()], alter.either(alter.signed, alter.signed, alter.der)),
    "CSR": Parser(
        lambda data: requests.read_request(data, "file"),
        lambda: [_request()],
        alter.either(alter.signed, alter.signed, alter.der),
    ),
    "key": Parser(
        _read_key,
        lambda: [_key(coding.NoEncryption()), _key(coding.BestAvailableEncryption(b"geheim"))],
        alter.either(
            alter.text,
            lambda data, dice: _armored("PRIVATE KEY", alter.der(_plain_key(), dice)),
        ),
    ),
    "sasldb Berkeley DB": Parser(bdb_read.decode, lambda: [bdb.encode(RECORDS)], alter.octets),
    "sasldb GDBM": Parser(gdbm.decode, lambda: [gdbm.encode(RECORDS)], alter.octets),
    "keytab": Parser(
        lambda data: keytab.principals(data, "file"),
        lambda: [keytabs.keytab("smtp/hub.example", "imap/hub.example")],
        alter.octets,
    ),
    "sasldb LMDB": Parser(lmdb_read.decode, lambda: [lmdb_read.empty(1 << 20), _lmdb()], alter.octets_in_use),
    "age": Parser(
        lambda data: archive.unpack(archive.decrypt(data, SECRET, "file"), "file"),
        lambda: [age.encrypted(_bundle(), b"geheim")],
        alter.either(alter.text, lambda _, dice: age.encrypted(alter.tar(_bundle(), dice), b"geheim")),
    ),
    "bundle": Parser(
        lambda data: archive.unpack(data, "file"), lambda: [_bundle()], alter.either(alter.tar, alter.octets)
    ),
    **{
        name: Parser(parse, lambda sound=sound: sound, alter.text)  # type: ignore[misc]
        for name, (parse, sound) in _CONFIGURATIONS.items()
    },
    **{name: Parser(*row) for name, row in (more(bdb.encode(RECORDS)) | typed.rows()).items()},
}
