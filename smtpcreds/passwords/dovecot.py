"""Passwords as Dovecot's passwd-file stores them: a scheme in braces, then its value.

Source: Dovecot 2.3, ``doveadm pw -l``. ARGON2ID would need one more dependency and is left out.
"""

from collections.abc import Callable

from ..errors import UsageError
from ..secret import Secret
from .scram import derive_scram


def _sha512_crypt(secret: Secret) -> str:
    from passlib.hash import sha512_crypt

    # 5000 rounds is what Dovecot and crypt(3) use themselves; the server repeats them at every login.
    handler = sha512_crypt.using(rounds=5000)  # type: ignore[no-untyped-call]
    return f"{{SHA512-CRYPT}}{handler.hash(secret.reveal())}"


DOVECOT_SCHEMES: dict[str, Callable[[Secret], str]] = {
    "SHA512-CRYPT": _sha512_crypt,
    "SCRAM-SHA-256": lambda secret: derive_scram(secret, "SCRAM-SHA-256").dovecot(),
    "SCRAM-SHA-1": lambda secret: derive_scram(secret, "SCRAM-SHA-1").dovecot(),
}
"""Scheme to the function that makes its value, prefix included. SHA512-CRYPT serves PLAIN and LOGIN."""


def dovecot_secret(secret: Secret, scheme: str = "SHA512-CRYPT") -> str:
    """Return the password field of a passwd-file, freshly salted.

    Raises:
        UsageError: a scheme that is not made here.
    """
    if scheme not in DOVECOT_SCHEMES:
        raise UsageError(scheme, f"is none of {', '.join(DOVECOT_SCHEMES)}")
    return DOVECOT_SCHEMES[scheme](secret)
