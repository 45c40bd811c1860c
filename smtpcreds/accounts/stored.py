"""How an account's secret is stored: readable, or as verifiers that each serve one mechanism.

Source: ``lib/checkpw.c`` and the plugins of Cyrus SASL 2.1.28. A sasldb gives one ``authPassword``, so a
hashed account has one SCRAM mechanism; the properties of Cyrus SASL 1 add others.
"""

import os
from collections.abc import Callable, Mapping

from ..errors import DataError, ExistsError, MissingInputError, PasswordRefusedError
from ..files import check_parents, disk, exists, require_directory, sweep_target, write_new
from ..lazy import dataclass
from ..model import Account, Artifact
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
from ..shell import quote
from ..sources import Context, KeyringEntry, store_in_keyring

_SECRET_OF: dict[str, Callable[[Account, Secret], bytes]] = {
    "CRAM-MD5": lambda _, secret: cram_md5_secret(secret),
    "DIGEST-MD5": digest_md5_secret,
    "PLAIN": lambda _, secret: plain_secret(secret),
}
ALSO = tuple(_SECRET_OF)
"""Mechanisms with a hashed secret of their own. Those of CRAM-MD5 and DIGEST-MD5 are password-equivalent;
PLAIN's serves LOGIN too."""


@dataclass(frozen=True)
class ClearText:
    """``userPassword``: every mechanism, and the secret can be read back."""

    def properties(self, account: Account, secret: Secret) -> dict[str, bytes]:  # noqa: ARG002
        """Return the account's properties."""
        return {USER_PASSWORD: secret.reveal()}

    def __str__(self) -> str:
        return "clear text"


@dataclass(frozen=True)
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
        """Return the account's properties, freshly salted."""
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


# Where a secret that can't be read back goes before it opens anything.


@dataclass(frozen=True)
class Delivery:
    """One place for a new secret.

    ``deliver`` runs before the database changes: a run killed in between leaves a secret too many, which
    opens nothing, and never an account whose secret nobody has. It raises rather than lose anything.

    Attributes:
        target: a path, or what the place is called; empty for standard output.
        place: by which it is found again: the path of a default-auth-info, else a source of the secret,
            as ``keyring:SERVICE/NAME``; empty where nobody named one.
        undo: brings back what was there, where the database was not changed after all.
        can_follow: a secret in clear text may come here after the change, since the database has it too.
    """

    deliver: Callable[[Secret], object]
    target: str = ""
    place: str = ""
    undo: Callable[[], object] = lambda: None
    can_follow: bool = False

    @property
    def is_print(self) -> bool:
        """Tell whether a person reads the secret."""
        return not self.target

    @property
    def is_auth_info(self) -> bool:
        """Tell whether it is a default-auth-info."""
        return os.path.isabs(self.target) and not self.place.startswith("file:")


def to_file(path: str) -> Delivery:
    """Keep the secret in a new file of mode 0600, with a final line feed, as ``file:PATH`` reads it."""
    taken = ExistsError(
        path,
        "exists and was not changed",
        f"name another file, or make its content the secret: --password {quote(f'file:{path}')}",
    )

    def refuse() -> None:
        require_directory(path)
        sweep_target(path)
        if exists(path):
            raise taken
        check_parents(path)

    def deliver(secret: Secret) -> None:
        refuse()
        try:
            write_new(Artifact(path, secret.reveal() + b"\n", 0o600, note="the secret"))
        except ExistsError:
            raise taken from None

    refuse()
    return Delivery(deliver, path, f"file:{path}")


def to_keyring(entry: KeyringEntry, replaceable: Callable[[Secret], bool]) -> Delivery:
    """Keep the secret in the keyring.

    Args:
        entry: service and name.
        replaceable: tells whether what the entry holds now may be lost: the account's secret so far may,
            the passphrase of something else may not.
    """

    def deliver(secret: Secret) -> None:
        found = None if disk().is_preview else _found(entry)  # to read it may ask a person
        if found is not None and not replaceable(found):
            hint = (
                f"keyring del {entry.service} {entry.name}, or make it the secret: --password {entry.subject}"
            )
            raise ExistsError(entry.subject, "holds another secret and was not changed", hint)
        store_in_keyring(entry.service, entry.name, secret)

    return Delivery(deliver, entry.subject, entry.subject)


def _found(entry: KeyringEntry) -> Secret | None:
    try:
        return entry.read(Context("entry of the keyring"))
    except MissingInputError:
        return None
