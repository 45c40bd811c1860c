"""A throw-away CA with leaves, and a way to run the peers."""

import datetime
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

KEYS: dict[str, Callable[[], Key]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class Pair:
    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def key_of(kind: str) -> Key:
    return KEYS[kind]()


def sign_with(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@cache
def authority(kind: str = "p256", name: str = "Polkatistas CA", crl_sign: bool = True) -> Pair:
    key = KEYS[kind]()
    public = key.public_key()
    usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False}
    usage |= {
        "data_encipherment": False,
        "key_agreement": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder(common_name(name), common_name(name), public, x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 3650 * DAY)
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=crl_sign, **usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    )
    return Pair(key, builder.sign(key, sign_with(key)))


def leaf(issuer: Pair, host: str = "dmzmail.polkatistas.org", kind: str = "p256") -> Pair:
    key = key_of(kind)
    builder = (
        x509.CertificateBuilder(issuer.certificate.subject, common_name(host), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 90 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)
    )
    return Pair(key, builder.sign(issuer.key, sign_with(issuer.key)))


def attempt(
    *argv: str, cwd: Path | None = None, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=cwd,
        input=stdin,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def run(*argv: str, cwd: Path | None = None, stdin: str = "", env: dict[str, str] | None = None) -> str:
    done = attempt(*argv, cwd=cwd, stdin=stdin, env=env)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
