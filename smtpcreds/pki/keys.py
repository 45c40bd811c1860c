"""Keys: which types there are, how one is made, kept encrypted, and signs."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import field
from functools import partial
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from ..errors import (
    DamagedFileError,
    DataError,
    DeniedError,
    ForeignFormatError,
    PasswordRefusedError,
    UsageError,
    WrongPassphraseError,
    suggestion,
)
from ..lazy import dataclass, pattern
from ..secret import Secret
from . import encoding
from .encoding import Block, armor, blocks
from .rounds import refuse_endless

# Key types: which there are, how to make one, what it is called, how it signs.

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class RemoteKey:
    """A private key that never leaves its token, and signs there.

    Attributes:
        public: its public half.
        uri: where it is (RFC 7512), without any secret.
        sign: data and name of a hash, empty for Ed25519, to the signature as X.509 has it.
        close: logs out of the token.
    """

    public: PublicKey
    uri: str
    sign: Callable[[bytes, str], bytes] = field(repr=False)
    close: Callable[[], None] = field(default=lambda: None, repr=False)

    def public_key(self) -> PublicKey:
        """Return its public half, as other keys do."""
        return self.public


SigningKey = PrivateKey | RemoteKey
"""What an authority signs with."""

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


_RSA_PSS = bytes.fromhex("06092a864886f70d01010a")
"""The object identifier id-RSASSA-PSS."""
_HEAD = 24
"""Octets of a SubjectPublicKeyInfo in which its algorithm stands."""


class HasPublicKey(Protocol):
    """A certificate, a certificate request or a private key."""

    def public_key(self) -> object: ...  # noqa: D102


@dataclass(frozen=True)
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
    """Return the key type of that name."""
    try:
        return KEY_TYPES[text.lower()]
    except KeyError:
        raise UsageError(text or '""', "is not a key type", suggestion(text, KEY_TYPES)) from None


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
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            known = key.curve.name in _CURVES
            return None if known else f"is on the curve {key.curve.name}; use P-256 or P-384"
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return _rsa_weakness(key)
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return None
    return f"is a {key_label(key)} key; use P-256, P-384, RSA or Ed25519"


def restriction(info: bytes, key: HasPublicKey | PublicKey) -> str | None:
    """Return why a key can't be used as it was given, or None.

    The library reads an RSA-PSS key (RFC 4055 section 1.2) and a curve with explicit parameters (RFC 5480
    section 2.1.1) as plain ones; what it writes then belongs to another key.

    Args:
        info: DER SubjectPublicKeyInfo as it was found.
        key: as the library understood it.
    """
    if info == spki(key):
        return None
    if _RSA_PSS in info[:_HEAD]:
        return "is an RSA key for PSS alone, which verifiers do not accept as a plain RSA key"
    return "is written in a form that is not that of its kind, as with explicit curve parameters"


def _rsa_weakness(key: rsa.RSAPublicKey | rsa.RSAPrivateKey) -> str | None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return f"is an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    if public.public_numbers().e < MIN_RSA_EXPONENT:
        return f"is an RSA key with an exponent under {MIN_RSA_EXPONENT}"
    return None


def throw_away(key: SigningKey | PublicKey) -> PrivateKey:
    """Return a new key that signs by the same algorithm; an RSA one has the least size, being a dummy."""
    match key:
        case RemoteKey():
            return throw_away(key.public)
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return ec.generate_private_key(key.curve)
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return rsa.generate_private_key(65537, MIN_RSA_BITS)
    return ed25519.Ed25519PrivateKey.generate()


def spki(holder: HasPublicKey | PublicKey) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a certificate, request, private or public key."""
    key = holder.public_key() if hasattr(holder, "public_key") else holder
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[union-attr]
    return der


def public_id(holder: HasPublicKey | PublicKey) -> str:
    """Return the lower-case hex SHA-256 of the SubjectPublicKeyInfo, as in TLSA ``3 1 1`` (RFC 6698)."""
    return sha256(spki(holder)).hexdigest()


def matches(certificate: HasPublicKey, key: HasPublicKey) -> bool:
    """Tell whether the private key belongs to the certificate."""
    return spki(certificate) == spki(key)


# Private keys as PEM text: PKCS #8 (RFC 5958) out; that, PKCS #1 and SEC 1 in.

KDF_ROUNDS = 1_000_000
"""Half a second a guess. The library's own choice is 2,048; scrypt of this cost is refused by OpenSSL 3.0."""

MAX_PASSPHRASE = 1023
"""Octets that OpenSSL's tools read (PEM_BUFSIZE less the NUL)."""

_PBES2 = encoding.object_identifier("1.2.840.113549.1.5.13")
_PBKDF2 = encoding.object_identifier("1.2.840.113549.1.5.12")
_HMAC_SHA512 = encoding.object_identifier("1.2.840.113549.2.11")
_AES256_CBC = encoding.object_identifier("2.16.840.1.101.3.4.1.42")

_KEY_LABELS = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
_FOREIGN_HINTS = {
    "OPENSSH PRIVATE KEY": "convert a copy: ssh-keygen -p -m PKCS8 -f FILE",
    "DSA PRIVATE KEY": "make a P-256 key instead",
}


class PassphraseNeededError(DeniedError):
    """The key is encrypted and no passphrase was given."""


def encode_key(
    key: PrivateKey,
    passphrase: Secret | None = None,
    *,
    rounds: int = KDF_ROUNDS,
    salt: bytes | None = None,
    iv: bytes | None = None,
) -> bytes:
    """Return the key as PEM: PKCS #8, encrypted when there is a passphrase.

    The encryption is PBES2 with PBKDF2-HMAC-SHA512 and AES-256-CBC (RFC 8018 section 6.2), the strongest that
    OpenSSL, GnuTLS and this library all read.

    Args:
        key: the private key.
        passphrase: None leaves the key unencrypted.
        rounds: cost of one guess.
        salt: 16 octets, random unless given.
        iv: 16 octets, random unless given.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return armor("PRIVATE KEY", plain)
    _check_passphrase(passphrase)
    salt, iv = salt or secrets.token_bytes(16), iv or secrets.token_bytes(16)
    secret = hashlib.pbkdf2_hmac("sha512", passphrase.reveal(), salt, rounds, 32)
    encrypted = encoding.sequence(
        _pbes2(salt, iv, rounds), encoding.tlv(encoding.OCTET_STRING, _encrypt(secret, iv, plain))
    )
    return armor("ENCRYPTED PRIVATE KEY", encrypted)


def is_encrypted(pem: bytes) -> bool:
    """Tell whether the first private key of the text needs a passphrase."""
    block = next((block for block in blocks(pem) if block.label in _KEY_LABELS), None)
    return block is not None and _needs_passphrase(block)


def decode_key(pem: bytes, passphrase: Secret | None, subject: str) -> PrivateKey:
    """Return the first private key of a PEM text.

    Takes PKCS #8, PKCS #1 and SEC 1, each encrypted or not, with anything around it (``openssl -text``,
    parameters, certificates). A passphrase that is not needed is ignored.

    Args:
        pem: content of the file.
        passphrase: None where there is none.
        subject: name of the file, for messages.

    Raises:
        DamagedFileError: a key that does not decode.
        ForeignFormatError: not a private key, or one in a form that mail programs don't read.
        DataError: RSA below 2048 bits, or a kind of key that mail programs refuse.
    """
    block = _only_key(pem, subject)
    encrypted = _needs_passphrase(block)
    if encrypted and not passphrase:
        raise PassphraseNeededError(
            subject, "is encrypted and needs a passphrase", "give --passphrase SOURCE"
        )
    key = _load(block, passphrase.reveal() if encrypted and passphrase else None, subject)
    if fault := weakness(key):
        raise DataError(subject, fault)
    return key  # type: ignore[return-value]  # weakness() lets only these kinds pass


def _only_key(pem: bytes, subject: str) -> Block:
    found = blocks(pem)
    if block := next((block for block in found if block.label in _KEY_LABELS), None):
        return block
    for label, hint in _FOREIGN_HINTS.items():
        if any(block.label == label for block in found):
            raise ForeignFormatError(subject, f"holds a {label} block", hint)
    if b"PRIVATE KEY-----" in pem:
        raise DamagedFileError(subject, "holds a cut-off private key")
    if encoding.whole(pem):
        raise ForeignFormatError(
            subject, "is DER, not PEM", "convert: openssl pkey -inform DER -in FILE -out NEW"
        )
    raise ForeignFormatError(subject, "holds no private key in PEM")


def _needs_passphrase(block: Block) -> bool:
    return block.label.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block.body


def _load(block: Block, passphrase: bytes | None, subject: str) -> object:
    legacy = b"DEK-Info:" in block.body
    if legacy:
        _verify_iv(block, subject)
    elif (content := block.decode()) is None:
        raise DamagedFileError(subject, "the private key is not whole")
    elif passphrase is not None:
        refuse_endless(content, subject)
    try:
        return load_pem_private_key(block.text(), passphrase)
    except UnsupportedAlgorithm as error:
        raise ForeignFormatError(subject, f"uses an algorithm that can't be read ({error})") from None
    except encoding.DAMAGE as error:
        # No cause: the library's messages may one day quote what they choke on.
        if passphrase is not None:
            raise WrongPassphraseError(subject, "the passphrase does not open this key") from None
        raise _unreadable(subject, error) from None


_DEK_INFO = pattern(rb"DEK-Info: *([A-Z0-9-]+),([0-9A-Fa-f]*)\s")
_OF_DES = 8
_OF_OTHERS = 16


def _verify_iv(block: Block, subject: str) -> None:
    """Check the length of the IV (RFC 1421 section 4.6.1.3), of which a short one ends the library (45.0)."""
    found = _DEK_INFO.search(block.body)
    size = _OF_DES if found and found[1].startswith(b"DES") else _OF_OTHERS
    if found is None or len(found[2]) != 2 * size:
        raise DamagedFileError(subject, "the private key has a DEK-Info line without a whole IV")


def _unreadable(subject: str, error: Exception) -> DataError:
    if "bit" in str(error) and "small" in str(error).replace("at least", "small"):
        return DataError(subject, "is an RSA key below 1024 bits; 2048 is the least")
    return DamagedFileError(subject, "the private key does not decode")


def _check_passphrase(passphrase: Secret) -> None:
    if not passphrase:
        raise PasswordRefusedError("passphrase", "is empty", "to store a key unencrypted say --no-passphrase")
    if len(passphrase) > MAX_PASSPHRASE:
        raise PasswordRefusedError("passphrase", f"is over {MAX_PASSPHRASE} octets; OpenSSL reads no more")


def _pbes2(salt: bytes, iv: bytes, rounds: int) -> bytes:
    """Return the AlgorithmIdentifier of RFC 8018 appendix A.4."""
    prf = encoding.sequence(_HMAC_SHA512, encoding.NULL)
    kdf = encoding.sequence(
        _PBKDF2, encoding.sequence(encoding.tlv(encoding.OCTET_STRING, salt), encoding.integer(rounds), prf)
    )
    cipher = encoding.sequence(_AES256_CBC, encoding.tlv(encoding.OCTET_STRING, iv))
    return encoding.sequence(_PBES2, encoding.sequence(kdf, cipher))


def _encrypt(secret: bytes, iv: bytes, plain: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


# A key in a token, as a file that names it: the form of pkcs11-provider, by which OpenSSL takes it too.

_URI_LABEL = "PKCS#11 PROVIDER URI"
_URI_KIND = encoding.tlv(encoding.VISIBLE_STRING, b"PKCS#11 Provider URI v1.0")


def encode_remote(uri: str) -> bytes:
    """Return the file of a key in a token: the URI, and SEQUENCE { VisibleString, UTF8String } as PEM."""
    named = encoding.sequence(_URI_KIND, encoding.tlv(encoding.UTF8_STRING, uri.encode()))
    return uri.encode() + b"\n" + armor(_URI_LABEL, named)


def remote_uri(pem: bytes, subject: str) -> str | None:
    """Return the URI of a key in a token, or None where the file holds the key itself."""
    block = next((block for block in blocks(pem) if block.label == _URI_LABEL), None)
    if block is None:
        return None
    content = block.decode() or b""
    found = list(encoding.values(encoding.first(content).body)) if encoding.whole(content) else []
    if len(found) != 2 or found[1].tag != encoding.UTF8_STRING:
        raise DamagedFileError(subject, "does not name a key in a token as it should")
    return found[1].body.decode(errors="replace")


def decode_public_key(der: bytes, subject: str) -> PublicKey:
    """Return a public key from SubjectPublicKeyInfo, or from RSAPublicKey of PKCS #1."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DataError(subject, f"has a public key that can't be read ({error})") from None
    if fault := weakness(key):
        raise DataError(subject, fault)
    return key  # type: ignore[return-value]  # weakness() lets only these kinds pass


# Signatures that fit a key: hash, algorithm identifier, and the signing itself.

# DER of AlgorithmIdentifier: RFC 5758 section 3.2, RFC 4055 section 5, RFC 8410 section 3.
_ECDSA = {
    "sha256": bytes.fromhex("300a06082a8648ce3d040302"),
    "sha384": bytes.fromhex("300a06082a8648ce3d040303"),
    "sha512": bytes.fromhex("300a06082a8648ce3d040304"),
}
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_ED25519 = bytes.fromhex("300506032b6570")


@dataclass(frozen=True)
class Scheme:
    """How a key signs: DER of the AlgorithmIdentifier, and data to signature."""

    algorithm: bytes
    sign: Callable[[bytes], bytes]


def digest_for(key: PrivateKey) -> SHA256 | SHA384 | SHA512 | None:
    """Return a hash as strong as the key (RFC 5480 section 4), or None where the scheme brings its own."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa_hash(key.curve.key_size)
    return SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def scheme_of(key: SigningKey) -> Scheme:
    """Return the scheme for signing with this key."""
    match key:
        case RemoteKey():
            return _remote_scheme(key)
        case ec.EllipticCurvePrivateKey():
            digest = _ecdsa_hash(key.curve.key_size)
            return Scheme(_ECDSA[digest.name], partial(key.sign, signature_algorithm=ec.ECDSA(digest)))
        case rsa.RSAPrivateKey():
            return Scheme(_RSA_SHA256, lambda data: key.sign(data, padding.PKCS1v15(), SHA256()))
        case ed25519.Ed25519PrivateKey():
            return Scheme(_ED25519, key.sign)
    raise DataError("signing key", "is not RSA, EC or Ed25519")


def _remote_scheme(key: RemoteKey) -> Scheme:
    """Return the scheme of a key in a token; each signature is verified, since another key may lie there."""
    match public := key.public:
        case ec.EllipticCurvePublicKey():
            digest = _ecdsa_hash(public.curve.key_size)
            verify = partial(public.verify, signature_algorithm=ec.ECDSA(digest))
            return Scheme(_ECDSA[digest.name], lambda data: _verified(key, data, digest.name, verify))
        case rsa.RSAPublicKey():
            verify = partial(public.verify, padding=padding.PKCS1v15(), algorithm=SHA256())
            return Scheme(_RSA_SHA256, lambda data: _verified(key, data, "sha256", verify))
        case ed25519.Ed25519PublicKey():
            return Scheme(_ED25519, lambda data: _verified(key, data, "", public.verify))
    raise DataError(key.uri, "is not RSA, EC or Ed25519")


def _verified(key: RemoteKey, data: bytes, digest: str, verify: Callable[[bytes, bytes], None]) -> bytes:
    signature = key.sign(data, digest)
    try:
        verify(signature, data)
    except InvalidSignature:
        raise DataError(key.uri, "is not the key of the CA certificate; nothing was signed") from None
    return signature


def _ecdsa_hash(bits: int) -> SHA256 | SHA384 | SHA512:
    return SHA512() if bits > 384 else SHA384() if bits > 256 else SHA256()
