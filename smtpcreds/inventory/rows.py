"""The rows of the inventory as frozen values.

Times are aware; the database holds whole seconds since 1970 UTC. Serial numbers are text as
:func:`serial_text` gives it. ``authority`` is always :attr:`Authority.id`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from ..errors import InexpressibleError


class State(StrEnum):
    """Where a certificate stands; expiry is not a state but a comparison with the clock."""

    PENDING = "pending"
    """Intended; perhaps signed, not yet known to be in place."""
    ISSUED = "issued"
    REVOKED = "revoked"
    DISCARDED = "discarded"
    """Intended and given up; its serial number is never used again."""


class AuthorityState(StrEnum):
    """Whether an authority still signs certificates, and whether it is ours."""

    CURRENT = "current"
    RETIRED = "retired"
    FOREIGN = "foreign"
    """Another's, who signed a certificate that was installed here; its key was never ours."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate.

    Attributes:
        id: number of the row, chosen by the inventory.
        name: what people call it.
        ski: subject key identifier, lower-case hex.
        fingerprint: SHA-256 of the DER, lower-case hex.
        der: the certificate.
    """

    id: int
    name: str
    ski: str
    fingerprint: str
    state: AuthorityState
    created: datetime
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Intent:
    """A certificate that is about to be signed.

    Attributes:
        host: the host name it is for, in lower-case A-labels.
        profile: name of the profile.
        names: the subject alternative names as text, in their order.
        directory: where the pair will be installed; empty where the host keeps its own key.
    """

    authority: int
    serial: str
    host: str
    profile: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    created: datetime
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What signing added to an intent.

    Attributes:
        der: the certificate.
        key_id: SHA-256 of its SubjectPublicKeyInfo, lower-case hex.
    """

    serial: str
    key_id: str
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, without its DER: see :meth:`Inventory.der`.

    Attributes:
        fingerprint: SHA-256 of the DER, lower-case hex; None before signing.
        key_id: SHA-256 of its SubjectPublicKeyInfo, lower-case hex; None before signing.
        revoked_at: set exactly when the state is REVOKED.
        reason: why it was revoked (RFC 5280 section 5.3.1 name) or discarded (free text).
        machine: which of the hosts that share the inventory began it; empty where nobody shares it.
    """

    authority: int
    serial: str
    host: str
    profile: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    created: datetime
    directory: str
    state: State
    fingerprint: str | None = None
    key_id: str | None = None
    revoked_at: datetime | None = None
    reason: str | None = None
    machine: str = ""

    def is_on(self, machine: str) -> bool:
        """Tell whether its pair was installed on this host; an empty name is a host that shares nothing."""
        return bool(self.directory) and machine in {"", self.machine}


@dataclass(frozen=True, slots=True)
class Revoked:
    """An entry of a CRL."""

    serial: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Crl:
    """A CRL that was signed; ``sha256`` is of its DER, lower-case hex."""

    authority: int
    number: int
    this_update: datetime
    next_update: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which subject, and when."""

    at: datetime
    who: str
    what: str
    subject: str
    detail: str = ""


def serial_text(number: int) -> str:
    """Return a serial number as OpenSSL prints it, in lower case: hex, an even number of digits.

    Raises:
        InexpressibleError: a negative number.
    """
    if number < 0:
        raise InexpressibleError(f"serial number {number}", "is negative; RFC 5280 allows positive ones")
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def seconds(at: datetime) -> int:
    """Return whole seconds since 1970 UTC, rounded down.

    Raises:
        ValueError: a naive time.
    """
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return int(at.timestamp() // 1)


def moment(value: int) -> datetime:
    """Return the UTC time of :func:`seconds`."""
    return datetime.fromtimestamp(value, UTC)
