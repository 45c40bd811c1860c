"""How an account's secret is stored: readable, or as verifiers that each serve one mechanism.

Source: ``lib/checkpw.c`` and the plugins of Cyrus SASL 2.1.28. A sasldb gives one ``authPassword``, so a
hashed account has one SCRAM mechanism; the properties of Cyrus SASL 1 add others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import DataError, PasswordRefusedError
from ..model import Account
from ..passwords import (
    DEFAULT_ITERATIONS,
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    cram_md5_secret,
    digest_md5_secret,
    parse_scram,
    plain_secret,
    scram_secret,
)
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD
from ..secret import Secret

_SECRET_OF: dict[str, Callable[[Account, Secret], bytes]] = {
    "CRAM-MD5": lambda _, secret: cram_md5_secret(secret),
    "DIGEST-MD5": digest_md5_secret,
    "PLAIN": lambda _, secret: plain_secret(secret),
}
ALSO = tuple(_SECRET_OF)
"""Mechanisms with a hashed secret of their own. Those of CRAM-MD5 and DIGEST-MD5 are password-equivalent;
PLAIN's serves LOGIN too."""


@dataclass(frozen=True, slots=True)
class ClearText:
    """``userPassword``: every mechanism, and the secret can be read back."""

    def properties(self, account: Account, secret: Secret) -> dict[str, bytes]:  # noqa: ARG002
        """Return the account's properties."""
        return {USER_PASSWORD: secret.reveal()}

    def __str__(self) -> str:
        return "clear text"


@dataclass(frozen=True, slots=True)
class Hashed:
    """Verifiers only; the secret can't be read back.

    Attributes:
        scram: the mechanism of ``authPassword``; None for none.
        iterations: of SCRAM, 4096 to 65536.
        also: a part of ``ALSO``.
    """

    scram: str | None = "SCRAM-SHA-256"
    iterations: int = DEFAULT_ITERATIONS
    also: tuple[str, ...] = ()

    def properties(self, account: Account, secret: Secret) -> dict[str, bytes]:
        """Return the account's properties, freshly salted.

        Raises:
            UsageError: an unknown SCRAM mechanism, or iterations outside the limits.
        """
        made = {property_of(mechanism): _SECRET_OF[mechanism](account, secret) for mechanism in self.also}
        if self.scram:
            made[AUTH_PASSWORD] = scram_secret(secret, self.scram, iterations=self.iterations)
        return made

    def __str__(self) -> str:
        scram = (f"{self.scram}, {self.iterations} iterations",) if self.scram else ()
        return f"hashed ({'; '.join(scram + self.also)})"


Form = ClearText | Hashed
CLEAR = ClearText()


def property_of(mechanism: str) -> str:
    """Return the property that Cyrus SASL 1 kept a mechanism's secret in."""
    return f"cmusaslsecret{mechanism}"


def form_of(account: Account, held: Mapping[str, bytes]) -> Form:
    """Return the form that an account has, as far as it can be made again.

    ``userPassword`` wins over all others, as in libsasl2. An ``authPassword`` that serves nothing counts as
    the default; iterations outside today's limits are brought inside.

    Raises:
        PasswordRefusedError: the account has no property that can be made here.
    """
    if USER_PASSWORD in held:
        return CLEAR
    also = tuple(mechanism for mechanism in ALSO if property_of(mechanism) in held)
    if AUTH_PASSWORD in held:
        return _like(held[AUTH_PASSWORD], also)
    if also:
        return Hashed(None, also=also)
    raise PasswordRefusedError(
        str(account),
        f"has no secret that can be made here, only {' '.join(sorted(held))}",
        "say --clear or --hashed",
    )


def first_value(stored: bytes) -> bytes:
    """Return what Cyrus SASL reads of an ``authPassword``: the value before the first space."""
    return stored.partition(b" ")[0]


def _like(stored: bytes, also: tuple[str, ...]) -> Hashed:
    try:
        keys = parse_scram(first_value(stored))
    except DataError:
        return Hashed(also=also)
    return Hashed(keys.mechanism, min(max(keys.iterations, MIN_ITERATIONS), MAX_ITERATIONS), also)
