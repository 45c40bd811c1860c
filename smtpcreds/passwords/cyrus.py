"""The hashed secrets of Cyrus SASL 1, one property for each mechanism, which Cyrus SASL 2.1.28 still reads.

Together with SCRAM they serve every mechanism without a clear-text password in the database. The values for
CRAM-MD5 and DIGEST-MD5 are password-equivalent: who has them can log in by that mechanism.

Sources: RFC 2195 with RFC 2104 (HMAC), RFC 2831 section 2.1.2.1; ``plugins/cram.c``,
``plugins/digestmd5.c`` and ``lib/checkpw.c`` of Cyrus SASL 2.1.28.
"""

import os

from ..errors import DamagedFileError
from ..model import Account
from ..secret import Secret
from .md5 import BLOCK, INITIAL, compress

_SALT = 16


def cram_md5_secret(secret: Secret) -> bytes:
    """Return ``cmusaslsecretCRAM-MD5``: HMAC-MD5's inner and outer state, 8 big-endian 32-bit words."""
    key = secret.reveal()
    padded = (_md5(key) if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    states = (compress(INITIAL, bytes(octet ^ pad for octet in padded)) for pad in (0x36, 0x5C))
    return b"".join(word.to_bytes(4, "big") for state in states for word in state)


def digest_md5_secret(account: Account, secret: Secret) -> bytes:
    """Return ``cmusaslsecretDIGEST-MD5``: MD5 of ``authcid:realm:password``, 16 octets.

    Each of the three is hashed as ISO 8859-1 where it fits into it (RFC 2831 section 2.1.2.1).
    """
    parts = (account.authcid.encode(), account.realm.encode(), secret.reveal())
    return _md5(b":".join(map(_latin, parts)))


def plain_secret(secret: Secret, salt: bytes | None = None) -> bytes:
    """Return ``cmusaslsecretPLAIN``: 16 octets of salt, a NUL, MD5 of salt + ``sasldb`` + password.

    Raises:
        ValueError: a salt of another length.
    """
    salt = os.urandom(_SALT) if salt is None else salt
    if len(salt) != _SALT:
        raise ValueError("the salt has 16 octets")
    return salt + b"\0" + _md5(salt + b"sasldb" + secret.reveal())


def is_cram_md5_of(stored: bytes, secret: Secret) -> bool:
    """Tell whether the stored value was made from this secret.

    Raises:
        DamagedFileError: another length than 32 octets.
    """
    return _same("cmusaslsecretCRAM-MD5", stored, cram_md5_secret(secret))


def is_digest_md5_of(stored: bytes, account: Account, secret: Secret) -> bool:
    """Tell whether the stored value was made from this account and secret.

    Raises:
        DamagedFileError: another length than 16 octets.
    """
    return _same("cmusaslsecretDIGEST-MD5", stored, digest_md5_secret(account, secret))


def is_plain_of(stored: bytes, secret: Secret) -> bool:
    """Tell whether the stored value was made from this secret.

    Raises:
        DamagedFileError: another length than 33 octets.
    """
    salt = stored[:_SALT].ljust(_SALT, b"\0")
    return _same("cmusaslsecretPLAIN", stored, plain_secret(secret, salt))


def _same(name: str, stored: bytes, made: bytes) -> bool:
    from hmac import compare_digest

    if len(stored) != len(made):
        raise DamagedFileError(name, f"has {len(stored)} octets instead of {len(made)}")
    return compare_digest(stored, made)


def _latin(value: bytes) -> bytes:
    try:
        return value.decode().encode("latin-1")
    except UnicodeError:
        return value


def _md5(value: bytes) -> bytes:
    from hashlib import md5

    return md5(value, usedforsecurity=False).digest()
