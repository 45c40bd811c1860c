"""Key types: which there are, how to make one, what it is called, how it signs."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..errors import UsageError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""What signs. A subclass that keeps its key elsewhere (a token, an agent) serves as well."""

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""RFC 9325 section 4.5; OpenSSL at Debian's security level 2 refuses smaller keys ("ee key too small"), and a
handshake with larger ones takes seconds."""

MIN_RSA_EXPONENT = 65537

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_CURVES: dict[str, tuple[str, Hash]] = {
    "secp256r1": ("P-256", hashes.SHA256()),
    "secp384r1": ("P-384", hashes.SHA384()),
    "secp521r1": ("P-521", hashes.SHA512()),
}
"""Name for people, and the hash of equal strength (RFC 5480 section 4)."""


class HasPublicKey(Protocol):
    """A certificate, a certificate request or a private key."""

    def public_key(self) -> object: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class KeyType:
    """One kind of key that can be made: its name on the command line, its name for people."""

    name: str
    label: str
    make: Callable[[], PrivateKey]


def _rsa(bits: int) -> KeyType:
    return KeyType(f"rsa{bits}", f"RSA {bits}", lambda: rsa.generate_private_key(65537, bits))


KEY_TYPES = {
    kind.name: kind
    for kind in (
        KeyType("p256", "P-256", lambda: ec.generate_private_key(ec.SECP256R1())),
        KeyType("p384", "P-384", lambda: ec.generate_private_key(ec.SECP384R1())),
        _rsa(2048),
        _rsa(3072),
        _rsa(4096),
        KeyType("ed25519", "Ed25519", ed25519.Ed25519PrivateKey.generate),
    )
}
DEFAULT_KEY_TYPE = "p256"


def parse_key_type(text: str) -> KeyType:
    """Return the key type of that name.

    Raises:
        UsageError: the hint lists the known ones.
    """
    try:
        return KEY_TYPES[text.lower()]
    except KeyError:
        raise UsageError(text or '""', "is not a key type", f"known are {', '.join(KEY_TYPES)}") from None


def generate(key_type: KeyType) -> PrivateKey:
    """Return a new private key."""
    return key_type.make()


def key_label(key: object) -> str:
    """Return what people call the kind of a public or private key: ``P-256``, ``RSA 3072``, ``Ed25519``."""
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return _CURVES[key.curve.name][0] if key.curve.name in _CURVES else key.curve.name
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519"
    return type(key).__name__.lstrip("_").removesuffix("PublicKey").removesuffix("PrivateKey")


def weakness(key: object) -> str | None:
    """Return why mail programs refuse a public or private key of this kind, or None."""
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return _rsa_weakness(key)
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            known = key.curve.name in _CURVES
            return None if known else f"is on the curve {key.curve.name}; use P-256 or P-384"
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return None
    return f"is a {key_label(key)} key; use P-256, P-384, RSA or Ed25519"


def _rsa_weakness(key: rsa.RSAPublicKey | rsa.RSAPrivateKey) -> str | None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return f"is an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    if public.public_numbers().e < MIN_RSA_EXPONENT:
        return f"is an RSA key with an exponent under {MIN_RSA_EXPONENT}"
    return None


def throw_away(key: PrivateKey | PublicKey) -> PrivateKey:
    """Return a new key that signs by the same algorithm; an RSA one has the least size, being a dummy."""
    match key:
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return ec.generate_private_key(key.curve)
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return rsa.generate_private_key(65537, MIN_RSA_BITS)
    return ed25519.Ed25519PrivateKey.generate()


def spki(holder: HasPublicKey) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a certificate, request or private key."""
    key = holder.public_key()
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return der


def public_id(holder: HasPublicKey) -> str:
    """Return the lower-case hex SHA-256 of the SubjectPublicKeyInfo, as in TLSA ``3 1 1`` (RFC 6698)."""
    return sha256(spki(holder)).hexdigest()


def matches(certificate: HasPublicKey, key: HasPublicKey) -> bool:
    """Tell whether the private key belongs to the certificate."""
    return spki(certificate) == spki(key)
