"""Private keys as PEM text: PKCS #8 (RFC 5958) out; that, PKCS #1 and SEC 1 in."""

import hashlib
import secrets

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ..errors import (
    DamagedFileError,
    DataError,
    DeniedError,
    ForeignFormatError,
    PasswordRefusedError,
    WrongPassphraseError,
)
from ..secret import Secret
from . import der
from .keys import PrivateKey, weakness
from .pem import Block, armor, blocks

KDF_ROUNDS = 1_000_000
"""Half a second a guess. The library's own choice is 2,048; scrypt of this cost is refused by OpenSSL 3.0."""

MAX_PASSPHRASE = 1023
"""Octets that OpenSSL's tools read (PEM_BUFSIZE less the NUL)."""

_PBES2 = der.object_identifier("1.2.840.113549.1.5.13")
_PBKDF2 = der.object_identifier("1.2.840.113549.1.5.12")
_HMAC_SHA512 = der.object_identifier("1.2.840.113549.2.11")
_AES256_CBC = der.object_identifier("2.16.840.1.101.3.4.1.42")

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

    Raises:
        PasswordRefusedError: the passphrase is empty, or longer than OpenSSL's tools read.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return armor("PRIVATE KEY", plain)
    _check_passphrase(passphrase)
    salt, iv = salt or secrets.token_bytes(16), iv or secrets.token_bytes(16)
    secret = hashlib.pbkdf2_hmac("sha512", passphrase.reveal(), salt, rounds, 32)
    encrypted = der.sequence(_pbes2(salt, iv, rounds), der.tlv(der.OCTET_STRING, _encrypt(secret, iv, plain)))
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
        PassphraseNeededError: the key is encrypted and no passphrase was given.
        WrongPassphraseError: the passphrase does not open it.
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
    if der.whole(pem):
        raise ForeignFormatError(
            subject, "is DER, not PEM", "convert: openssl pkey -inform DER -in FILE -out NEW"
        )
    raise ForeignFormatError(subject, "holds no private key in PEM")


def _needs_passphrase(block: Block) -> bool:
    return block.label.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block.body


def _load(block: Block, passphrase: bytes | None, subject: str) -> object:
    legacy = b"DEK-Info:" in block.body
    if not legacy and block.decode() is None:
        raise DamagedFileError(subject, "the private key is not whole")
    try:
        return load_pem_private_key(block.text(), passphrase)
    except UnsupportedAlgorithm as error:
        raise ForeignFormatError(subject, f"uses an algorithm that can't be read ({error})") from None
    except (ValueError, TypeError) as error:
        # No cause: the library's messages may one day quote what they choke on.
        if passphrase is not None:
            raise WrongPassphraseError(subject, "the passphrase does not open this key") from None
        raise _unreadable(subject, error) from None


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
    prf = der.sequence(_HMAC_SHA512, der.NULL)
    kdf = der.sequence(_PBKDF2, der.sequence(der.tlv(der.OCTET_STRING, salt), der.integer(rounds), prf))
    cipher = der.sequence(_AES256_CBC, der.tlv(der.OCTET_STRING, iv))
    return der.sequence(_PBES2, der.sequence(kdf, cipher))


def _encrypt(secret: bytes, iv: bytes, plain: bytes) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
