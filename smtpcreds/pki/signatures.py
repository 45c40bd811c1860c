"""Signatures that fit a key: hash, algorithm identifier, and the signing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from ..errors import DataError
from .keys import PrivateKey

# DER of AlgorithmIdentifier: RFC 5758 section 3.2, RFC 4055 section 5, RFC 8410 section 3.
_ECDSA = {
    "sha256": bytes.fromhex("300a06082a8648ce3d040302"),
    "sha384": bytes.fromhex("300a06082a8648ce3d040303"),
    "sha512": bytes.fromhex("300a06082a8648ce3d040304"),
}
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_ED25519 = bytes.fromhex("300506032b6570")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a key signs: DER of the AlgorithmIdentifier, and data to signature."""

    algorithm: bytes
    sign: Callable[[bytes], bytes]


def digest_for(key: PrivateKey) -> SHA256 | SHA384 | SHA512 | None:
    """Return a hash as strong as the key (RFC 5480 section 4), or None where the scheme brings its own."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa_hash(key.curve.key_size)
    return SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def scheme_of(key: PrivateKey) -> Scheme:
    """Return the scheme for signing with this key.

    Raises:
        DataError: a kind of key that is not used here.
    """
    match key:
        case ec.EllipticCurvePrivateKey():
            digest = _ecdsa_hash(key.curve.key_size)
            return Scheme(_ECDSA[digest.name], partial(key.sign, signature_algorithm=ec.ECDSA(digest)))
        case rsa.RSAPrivateKey():
            return Scheme(_RSA_SHA256, lambda data: key.sign(data, padding.PKCS1v15(), SHA256()))
        case ed25519.Ed25519PrivateKey():
            return Scheme(_ED25519, key.sign)
    raise DataError("signing key", "is not RSA, EC or Ed25519")


def _ecdsa_hash(bits: int) -> SHA256 | SHA384 | SHA512:
    return SHA512() if bits > 384 else SHA384() if bits > 256 else SHA256()
