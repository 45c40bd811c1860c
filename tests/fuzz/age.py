"""A file of age under a passphrase (C2SP age.md), with so few rounds that it opens at once."""

from base64 import b64encode

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_ROUNDS = 4
"""log2(N); age itself writes 18."""
_FILE_KEY, _SALT, _NONCE = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
_CHUNK = 1 << 16


def encrypted(plain: bytes, passphrase: bytes) -> bytes:
    """Return the file; always the same one for the same content."""
    key = Scrypt(b"age-encryption.org/v1/scrypt" + _SALT, 32, 1 << _ROUNDS, 8, 1).derive(passphrase)
    body = ChaCha20Poly1305(key).encrypt(bytes(12), _FILE_KEY, None)
    stanza = b"-> scrypt %s %d\n%s\n" % (_text(_SALT), _ROUNDS, _text(body))
    head = b"age-encryption.org/v1\n" + stanza + b"---"
    sum_ = HMAC(_derived(b"header", b""), SHA256())
    sum_.update(head)
    return head + b" " + _text(sum_.finalize()) + b"\n" + _NONCE + b"".join(_chunks(plain))


def _chunks(plain: bytes) -> list[bytes]:
    cipher = ChaCha20Poly1305(_derived(b"payload", _NONCE))
    parts = [plain[at : at + _CHUNK] for at in range(0, len(plain), _CHUNK)] or [b""]
    last = len(parts) - 1
    return [
        cipher.encrypt(number.to_bytes(11) + bytes([number == last]), part, None)
        for number, part in enumerate(parts)
    ]


def _derived(info: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt or None, info).derive(_FILE_KEY)


def _text(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")
