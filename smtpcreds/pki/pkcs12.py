"""PKCS #12 files (RFC 7292): key, certificate and chain behind a passphrase.

The bags are encrypted by cryptography. It protects the file's integrity with a MAC of 2,048 rounds only, by
which the passphrase could be guessed hundreds of times faster than through the encryption, so the MAC is
computed anew here.
"""

import hashlib
import hmac
from dataclasses import field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES

from ..errors import DataError, PasswordRefusedError, UnavailableError
from ..lazy import dataclass
from ..secret import Secret
from . import encoding
from .pair_rules import key_fault

_MAC_KEY = 3
"""Purpose byte of the derived MAC key (RFC 7292 appendix B.3)."""

_BLOCK_SIZE = 64


@dataclass(frozen=True)
class _Form:
    algorithm: PBES
    digest: str
    rounds: int


_MODERN = _Form(PBES.PBESv2SHA256AndAES256CBC, "sha256", 600_000)
# .NET's loader refuses more than 300,000 rounds by default; readers that need 3DES are slow ones anyway.
_COMPATIBLE = _Form(PBES.PBESv1SHA1And3KeyTripleDESCBC, "sha1", 100_000)
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}  # noqa: S303


@dataclass(frozen=True)
class Bundle:
    """What a file holds; ``name`` is the friendly name, "" when there is none."""

    key: pkcs12.PKCS12PrivateKeyTypes = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    name: str


def write_pkcs12(bundle: Bundle, passphrase: Secret, *, compatible: bool = False) -> bytes:
    """Return the file: AES-256, SHA-256, 600,000 rounds for both encryption and MAC.

    Args:
        bundle: key, certificate, chain (issuing CA first) and friendly name.
        passphrase: printable ASCII, not empty.
        compatible: 3DES and SHA-1 with 100,000 rounds, for readers that know nothing newer (Windows Server
            2016, Java before 8u301, macOS before 15).
    """
    password = _accepted(passphrase)
    if fault := key_fault(bundle.certificate, bundle.key, "the certificate"):
        raise DataError(bundle.name or "PKCS #12", f"the private key {fault}")
    form = _COMPATIBLE if compatible else _MODERN
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(form.rounds)
        .key_cert_algorithm(form.algorithm)
        .hmac_hash(_HASHES[form.digest])
        .build(password)
    )
    try:
        data = pkcs12.serialize_key_and_certificates(
            bundle.name.encode() or None, bundle.key, bundle.certificate, bundle.chain or None, encryption
        )
    except UnsupportedAlgorithm as error:
        raise UnavailableError("PKCS #12", f"this cryptography library can't write it: {error}") from None
    return _with_strong_mac(data, password, form)


def _accepted(passphrase: Secret) -> bytes:
    password = passphrase.reveal()
    if not password:
        raise PasswordRefusedError("PKCS #12", "an empty passphrase protects nothing")
    if not (password.isascii() and password.decode("ascii").isprintable()):
        raise PasswordRefusedError(
            "PKCS #12",
            "the passphrase has characters that OpenSSL, NSS and Java encode differently",
            "use letters, digits and punctuation of ASCII",
        )
    return password


def _with_strong_mac(data: bytes, password: bytes, form: _Form) -> bytes:
    version, content, old = encoding.values(encoding.first(data).body)
    digest_info, salt, _rounds = encoding.values(old.body)
    algorithm, _digest = encoding.values(digest_info.body)
    _data_oid, explicit = encoding.values(content.body)
    key = _mac_key(password, salt.body, form)
    mac = hmac.digest(key, encoding.first(explicit.body).body, form.digest)
    info = encoding.tlv(encoding.SEQUENCE, algorithm.raw + encoding.tlv(encoding.OCTET_STRING, mac))
    protection = encoding.tlv(encoding.SEQUENCE, info + salt.raw + encoding.integer(form.rounds))
    return encoding.tlv(encoding.SEQUENCE, version.raw + content.raw + protection)


def _mac_key(password: bytes, salt: bytes, form: _Form) -> bytes:
    """RFC 7292 appendix B.2 for SHA-1 and SHA-256: one block of output is all a MAC key needs."""
    text = password.decode("ascii").encode("utf-16-be") + b"\0\0"
    state = bytes([_MAC_KEY]) * _BLOCK_SIZE + _filled(salt) + _filled(text)
    new = getattr(hashlib, form.digest)
    for _ in range(form.rounds):
        state = new(state).digest()
    return bytes(state)


def _filled(text: bytes) -> bytes:
    size = -(-len(text) // _BLOCK_SIZE) * _BLOCK_SIZE
    return (text * size)[:size]
