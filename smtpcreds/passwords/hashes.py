"""What a server stores instead of the password, or to check it: SCRAM, CRAM-MD5, DIGEST-MD5, readable."""

import math
import os
from binascii import a2b_base64
from dataclasses import field

from ..errors import DamagedFileError, DataError, UsageError, suggestion
from ..lazy import dataclass
from ..model import Account
from ..secret import Secret

# SCRAM verifiers: what a server stores instead of the password.
#
# Sources: RFC 5802 section 3 (the keys), RFC 7677 (SHA-256 and at least 4096 iterations), RFC 5803 (text
# form); the Cyrus SASL 2.1.28 clients refuse more than 65536 iterations.
#
# No SASLprep happens here, as none happens in Cyrus: chosen passwords that it would change are refused
# before.

SCRAM_MECHANISMS = {
    "SCRAM-SHA-1": "sha1",
    "SCRAM-SHA-224": "sha224",
    "SCRAM-SHA-256": "sha256",
    "SCRAM-SHA-384": "sha384",
    "SCRAM-SHA-512": "sha512",
}
"""Mechanism to the name that hashlib knows its hash by."""
_KEY_SIZES = {
    "SCRAM-SHA-1": 20,
    "SCRAM-SHA-224": 28,
    "SCRAM-SHA-256": 32,
    "SCRAM-SHA-384": 48,
    "SCRAM-SHA-512": 64,
}

MIN_ITERATIONS = 4096
MAX_ITERATIONS = 65536
DEFAULT_ITERATIONS = 4096
SALT_LENGTH = 16


@dataclass(frozen=True)
class ScramKeys:
    """One account's verifier for one SCRAM mechanism; the keys are raw octets."""

    mechanism: str
    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def cyrus(self) -> bytes:
        """The value of Cyrus SASL's property ``authPassword`` (RFC 5803)."""
        salt, stored, server = self._encoded()
        return f"{self.mechanism}${self.iterations}:{salt}${stored}:{server}".encode()

    def dovecot(self) -> str:
        """The password field of a Dovecot passwd-file, scheme prefix included."""
        return f"{{{self.mechanism}}}{self.iterations}," + ",".join(self._encoded())

    def _encoded(self) -> tuple[str, ...]:
        from base64 import b64encode

        return tuple(b64encode(part).decode() for part in (self.salt, self.stored_key, self.server_key))


def derive_scram(
    secret: Secret,
    mechanism: str = "SCRAM-SHA-256",
    salt: bytes | None = None,
    iterations: int = DEFAULT_ITERATIONS,
) -> ScramKeys:
    """Compute the verifier (RFC 5802 section 3).

    Args:
        secret: the password's octets, taken as they are.
        mechanism: a key of ``SCRAM_MECHANISMS``.
        salt: raw octets, at least one; 16 random ones by default.
        iterations: 4096 to 65536; Dovecot and Cyrus clients repeat them at each login.
    """
    if mechanism not in SCRAM_MECHANISMS:
        raise UsageError(mechanism, "unknown mechanism", suggestion(mechanism, SCRAM_MECHANISMS))
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise UsageError("iterations", f"{iterations} is not in {MIN_ITERATIONS}..{MAX_ITERATIONS}")
    if salt == b"":
        raise UsageError("salt", "is empty, and Cyrus SASL accepts no such secret")
    return _derive(secret, mechanism, os.urandom(SALT_LENGTH) if salt is None else salt, iterations)


def scram_secret(
    secret: Secret,
    mechanism: str = "SCRAM-SHA-256",
    salt: bytes | None = None,
    iterations: int = DEFAULT_ITERATIONS,
) -> bytes:
    """Return the value of Cyrus SASL's property ``authPassword``; see :func:`derive_scram`."""
    return derive_scram(secret, mechanism, salt, iterations).cyrus()


def is_scram_of(stored: bytes, secret: Secret) -> bool:
    """Tell whether the stored ``authPassword`` was made from this secret."""
    from hmac import compare_digest

    keys = parse_scram(stored)
    made = _derive(secret, keys.mechanism, keys.salt, keys.iterations)
    return compare_digest(made.stored_key, keys.stored_key) and compare_digest(
        made.server_key, keys.server_key
    )


def parse_scram(stored: bytes) -> ScramKeys:
    """Read a value of ``authPassword``; iterations under 4096, as old servers wrote, are accepted.

    Raises:
        DataError: another scheme than SCRAM, or more iterations than clients accept.
        DamagedFileError: a SCRAM value that contradicts itself.
    """
    mechanism, _, rest = stored.decode("latin-1").partition("$")
    if mechanism not in SCRAM_MECHANISMS:
        raise DataError("authPassword", "is of another scheme than SCRAM")
    try:
        keys = _parsed(mechanism, rest)
    except ValueError:
        raise DamagedFileError("authPassword", f"is not a {mechanism} value (RFC 5803)") from None
    if not 1 <= keys.iterations <= MAX_ITERATIONS:
        raise DataError(
            "authPassword", f"asks for {keys.iterations} iterations; clients accept {MAX_ITERATIONS}"
        )
    return keys


def _parsed(mechanism: str, rest: str) -> ScramKeys:
    head, keys = rest.split("$")
    iterations, encoded_salt = head.split(":")
    salt, stored_key, server_key = map(_decoded, (encoded_salt, *keys.split(":")))
    size = _KEY_SIZES[mechanism]
    if not iterations.isdigit() or not len(stored_key) == len(server_key) == size:
        raise ValueError(rest)
    return ScramKeys(mechanism, int(iterations), salt, stored_key, server_key)


def _decoded(text: str) -> bytes:
    # Five times as fast as b64decode, which counts when every account of a database is looked at.
    return a2b_base64(text, strict_mode=True)


def _derive(secret: Secret, mechanism: str, salt: bytes, iterations: int) -> ScramKeys:
    from hashlib import new, pbkdf2_hmac
    from hmac import digest

    name = SCRAM_MECHANISMS[mechanism]
    salted = pbkdf2_hmac(name, secret.reveal(), salt, iterations)
    stored_key = new(name, digest(salted, b"Client Key", name)).digest()
    return ScramKeys(mechanism, iterations, salt, stored_key, digest(salted, b"Server Key", name))


# MD5's compression function (RFC 1321 section 3.4), which hashlib hides.
#
# CRAM-MD5 verifiers are two intermediate states of the hash, after one block each.

State = tuple[int, int, int, int]

BLOCK = 64
INITIAL: State = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)

_MASK = 0xFFFFFFFF
_SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_STRIDES = ((1, 0), (5, 1), (3, 5), (7, 0))
"""Of each round: word index = (stride * step + start) mod 16."""


def compress(state: State, block: bytes) -> State:
    """Return the state after one block of exactly 64 octets."""
    if len(block) != BLOCK:
        raise ValueError("an MD5 block has 64 octets")
    words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, BLOCK, 4)]
    a, b, c, d = state
    for step in range(64):
        turn = step // 16
        stride, start = _STRIDES[turn]
        total = a + _mix(turn, b, c, d) + words[(stride * step + start) % 16] + _sine(step)
        a, d, c, b = d, c, b, (b + _rotate(total & _MASK, _SHIFTS[turn][step % 4])) & _MASK
    return tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))  # type: ignore[return-value]


def _mix(turn: int, b: int, c: int, d: int) -> int:
    if turn == 0:
        return (b & c) | (~b & d)
    if turn == 1:
        return (b & d) | (c & ~d)
    return b ^ c ^ d if turn == 2 else c ^ (b | (~d & _MASK))


def _sine(step: int) -> int:
    return int(abs(math.sin(step + 1)) * 2**32)


def _rotate(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _MASK


# The hashed secrets of Cyrus SASL 1, one property for each mechanism, which Cyrus SASL 2.1.28 still reads.
#
# Together with SCRAM they serve every mechanism without a clear-text password in the database. The values for
# CRAM-MD5 and DIGEST-MD5 are password-equivalent: who has them can log in by that mechanism.
#
# Sources: RFC 2195 with RFC 2104 (HMAC), RFC 2831 section 2.1.2.1; ``plugins/cram.c``,
# ``plugins/digestmd5.c`` and ``lib/checkpw.c`` of Cyrus SASL 2.1.28.

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
    """Return ``cmusaslsecretPLAIN``: 16 octets of salt, a NUL, MD5 of salt + ``sasldb`` + password."""
    salt = os.urandom(_SALT) if salt is None else salt
    if len(salt) != _SALT:
        raise ValueError("the salt has 16 octets")
    return salt + b"\0" + _md5(salt + b"sasldb" + secret.reveal())


def is_cram_md5_of(stored: bytes, secret: Secret) -> bool:
    """Tell whether the stored value was made from this secret."""
    return _same("cmusaslsecretCRAM-MD5", stored, cram_md5_secret(secret))


def is_digest_md5_of(stored: bytes, account: Account, secret: Secret) -> bool:
    """Tell whether the stored value was made from this account and secret."""
    return _same("cmusaslsecretDIGEST-MD5", stored, digest_md5_secret(account, secret))


def is_plain_of(stored: bytes, secret: Secret) -> bool:
    """Tell whether the stored value was made from this secret."""
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
