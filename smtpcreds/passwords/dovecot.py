"""Passwords as Dovecot's passwd-file stores them: a scheme in braces, then its value.

Source: Dovecot 2.3, ``doveadm pw -l``. ARGON2ID is made by cryptography, from the OpenSSL that it is built
with (3.2 or later), from its release 45.0 on.
"""

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import NamedTuple

from ..errors import DataError, UnavailableError, UsageError
from ..lazy import pattern
from ..secret import Secret
from .hashes import derive_scram, parse_scram

_FIELD = pattern(r"\{([A-Za-z0-9.-]+)\}(.*)", re.DOTALL)


class Scheme(NamedTuple):
    """How a value is made, freshly salted, and whether a stored one was made from a secret."""

    make: Callable[[Secret], str]
    is_of: Callable[[str, Secret], bool]


def _sha512_crypt(secret: Secret) -> str:
    from passlib.hash import sha512_crypt

    # What Dovecot and crypt(3) use themselves, and name in no value; the server repeats them at every login.
    handler = sha512_crypt.using(rounds=5000)  # type: ignore[no-untyped-call]
    return str(handler.hash(secret.reveal()))


def _is_sha512_crypt(value: str, secret: Secret) -> bool:
    from passlib.hash import sha512_crypt

    if value.startswith("$6$rounds="):  # another program's, perhaps for hours
        return False
    return bool(sha512_crypt.verify(secret.reveal(), value))


_ARGON2ID = "$argon2id$v=19$m=65536,t=3,p=1$"
"""RFC 9106 section 4, second choice, but with one lane; the memory is in KiB."""


def _argon2id(secret: Secret) -> str:
    from cryptography import __version__ as version
    from cryptography.exceptions import UnsupportedAlgorithm

    another = "choose another scheme, as SCRAM-SHA-256"
    if not _has_argon2id():
        reason = f"needs release 45.0 of Python's cryptography, and here is {version}"
        raise UnavailableError("ARGON2ID", reason, another)
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        made = Argon2id(salt=os.urandom(16), length=32, iterations=3, lanes=1, memory_cost=65536)
        return made.derive_phc_encoded(secret.reveal())
    except UnsupportedAlgorithm:
        reason = "is not in the OpenSSL that Python's cryptography uses"
        raise UnavailableError("ARGON2ID", reason, another) from None


def _has_argon2id() -> bool:
    """Tell whether cryptography knows it (44.0), and its values as Dovecot stores them (45.0)."""
    try:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    except ImportError:
        return False
    return hasattr(Argon2id, "derive_phc_encoded")


def _is_argon2id(value: str, secret: Secret) -> bool:
    if not value.startswith(_ARGON2ID) or not _has_argon2id():  # another program's, perhaps of gigabytes
        return False
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(secret.reveal(), value)
    except InvalidKey:
        return False
    return True


def _scram(mechanism: str) -> Scheme:
    prefix = f"{{{mechanism}}}"

    def is_of(value: str, secret: Secret) -> bool:
        iterations, salt, *_ = value.split(",")
        made = derive_scram(secret, mechanism, b64decode(salt), int(iterations))
        return made.dovecot() == prefix + value

    return Scheme(lambda secret: derive_scram(secret, mechanism).dovecot().removeprefix(prefix), is_of)


def _plain(secret: Secret) -> str:
    return b64encode(secret.reveal()).decode()


_SCHEMES = {
    "SHA512-CRYPT": Scheme(_sha512_crypt, _is_sha512_crypt),
    "SCRAM-SHA-256": _scram("SCRAM-SHA-256"),
    "SCRAM-SHA-1": _scram("SCRAM-SHA-1"),
    "ARGON2ID": Scheme(_argon2id, _is_argon2id),
    "PLAIN.b64": Scheme(_plain, lambda value, secret: value == _plain(secret)),
}
DOVECOT_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-1")
DOVECOT_SCHEMES = tuple(_SCHEMES)
"""SHA512-CRYPT and ARGON2ID serve PLAIN and LOGIN, SCRAM also its own mechanism, PLAIN.b64 every one."""


def dovecot_secret(secret: Secret, scheme: str = "SHA512-CRYPT") -> str:
    """Return the password field of a passwd-file, prefix included, freshly salted."""
    return f"{{{scheme}}}{_scheme(scheme).make(secret)}"


def dovecot_verifier(stored: bytes) -> str | None:
    """Return the password field for a value of ``authPassword``; None where Dovecot can't use it."""
    try:
        keys = parse_scram(stored)
    except DataError:
        return None
    return keys.dovecot() if keys.mechanism in DOVECOT_SCRAM else None


def is_dovecot_of(field: str, secret: Secret, scheme: str) -> bool:
    """Tell whether a password field is of this scheme and was made from this secret."""
    made, found = _scheme(scheme), _FIELD.fullmatch(field)
    if not found or found[1] != scheme:
        return False
    try:
        return made.is_of(found[2], secret)
    except (ValueError, UsageError):
        return False


def _scheme(name: str) -> Scheme:
    if name not in _SCHEMES:
        raise UsageError(name, f"is not one of {', '.join(_SCHEMES)}")
    return _SCHEMES[name]
