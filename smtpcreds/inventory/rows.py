"""The rows of the inventory as frozen values.

Times are aware; the database holds whole seconds since 1970 UTC. Serial numbers are text as
:func:`serial_text` gives it. ``authority`` is always :attr:`AuthorityRow.id`.
"""

from dataclasses import field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from ..errors import InexpressibleError
from ..lazy import dataclass
from ..pki.revocation import REASON_NAMES


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


@dataclass(frozen=True)
class AuthorityRow:
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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Signed:
    """What signing added to an intent.

    Attributes:
        der: the certificate.
        key_id: SHA-256 of its SubjectPublicKeyInfo, lower-case hex.
    """

    serial: str
    key_id: str
    der: bytes = field(repr=False)


@dataclass(frozen=True)
class CertificateRow:
    """A certificate, without its DER: see :meth:`.inventory.Inventory.der`.

    Attributes:
        fingerprint: SHA-256 of the DER, lower-case hex; None before signing.
        key_id: SHA-256 of its SubjectPublicKeyInfo, lower-case hex; None before signing.
        revoked_at: set exactly when the state is REVOKED.
        reason: why it was revoked (RFC 5280 section 5.3.1 name) or discarded (free text).
        machine: which of the hosts that share the inventory began it; empty where nobody shares it, and for
            a pair that all of them have.
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
        """Tell whether its pair was installed on this host; an empty name is a host that shares nothing.

        A pair that hubs keep for a client host is on each of them: it has no machine.
        """
        return bool(self.directory) and (not self.machine or machine in {"", self.machine})


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL."""

    serial: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class CrlRow:
    """A CRL that was signed; ``sha256`` is of its DER, lower-case hex."""

    authority: int
    number: int
    this_update: datetime
    next_update: datetime
    sha256: str


@dataclass(frozen=True)
class Event:
    """Who did what to which subject, and when."""

    at: datetime
    who: str
    what: str
    subject: str
    detail: str = ""


MTA_OPTIONS, MTA_FILE, OF_HUB = "mta options", "mta write", "setup settings"
"""Events of a mail program of one host: what ``mta apply`` was told, and wrote, and what its hub says."""
HANDOVER, FETCHES = "bundle", "bundle --authorize"
"""Events of a client host: what it was given, and may fetch from now on."""


def subject_on(machine: str, subject: str) -> str:
    """Return a subject as it is recorded that is of one host of several that may share an inventory."""
    return f"{machine} {subject}" if machine else subject


def serial_text(number: int) -> str:
    """Return a serial number as OpenSSL prints it, in lower case: hex, an even number of digits."""
    if number < 0:
        raise InexpressibleError(f"serial number {number}", "is negative; RFC 5280 allows positive ones")
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def seconds(at: datetime) -> int:
    """Return whole seconds since 1970 UTC, rounded down."""
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return int(at.timestamp() // 1)


@lru_cache(64)
def moment(value: int) -> datetime:
    """Return the UTC time of :func:`seconds`."""
    return datetime.fromtimestamp(value, UTC)


# Rows to values and back, in the order of the columns in :mod:`.schema`.
#
# The ``*_of`` functions raise ValueError or TypeError for a row that no program of ours has written.

Row = tuple[Any, ...]


def intent_values(intent: Intent, machine: str) -> Row:
    """Return the columns of INTEND."""
    return *_common_values(intent), machine


def adopted_values(certificate: CertificateRow, der: bytes | None) -> Row:
    """Return the columns of ADOPT."""
    from hashlib import sha256

    return (
        *_common_values(certificate),
        certificate.state.value,
        None if der is None else sha256(der).hexdigest(),
        certificate.key_id,
        None if certificate.revoked_at is None else seconds(certificate.revoked_at),
        certificate.reason,
        der,
    )


def _common_values(item: Intent | CertificateRow) -> Row:
    return (
        item.authority,
        item.serial,
        item.host,
        item.profile,
        _joined(item),
        seconds(item.not_before),
        seconds(item.not_after),
        seconds(item.created),
        item.directory,
    )


def _joined(item: Intent | CertificateRow) -> str:
    for name in item.names:
        if not name or "\n" in name:
            raise InexpressibleError(
                f"certificate {item.serial}", f"has a name that can't be listed: {name!r}"
            )
    return "\n".join(item.names)


def check_text(*values: str | None) -> None:
    """Raise TypeError for what is not text: SQLite holds anything in any column."""
    "".join([value or "" for value in values])


def _octets(value: object) -> bytes:
    """Return a BLOB; of a number, ``bytes`` would make as many octets."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{type(value).__name__} in the place of octets")
    return bytes(value)


_STATES = {state.value: state for state in State}


def certificate_of(row: Row) -> CertificateRow:
    """Parse a row of SELECT_CERTIFICATE."""
    (
        authority,
        serial,
        host,
        profile,
        names,
        not_before,
        not_after,
        created,
        directory,
        state,
        fingerprint,
        key_id,
        revoked_at,
        reason,
        machine,
    ) = row
    check_text(serial, host, profile, directory, fingerprint, key_id, reason, machine)
    int(serial, 16)
    if revoked_at is not None and reason is None:
        raise ValueError("revoked for no reason")
    return CertificateRow(
        authority=authority,
        serial=serial,
        host=host,
        profile=profile,
        names=tuple(names.split("\n")) if names else (),
        not_before=moment(not_before),
        not_after=moment(not_after),
        created=moment(created),
        directory=directory,
        state=_STATES.get(state) or State(state),
        fingerprint=fingerprint,
        key_id=key_id,
        revoked_at=None if revoked_at is None else moment(revoked_at),
        reason=reason,
        machine=machine,
    )


def authority_of(row: Row) -> AuthorityRow:
    """Parse a row of SELECT_AUTHORITY."""
    number, name, ski, fingerprint, state, created, der = row
    check_text(name, ski, fingerprint)
    return AuthorityRow(number, name, ski, fingerprint, AuthorityState(state), moment(created), _octets(der))


def revoked_of(row: Row) -> Revoked:
    """Parse a row of SELECT_REVOKED."""
    serial, at, reason = row
    int(serial, 16)
    if reason not in REASON_NAMES:
        raise ValueError(f"{reason!a} in the place of a reason")
    return Revoked(serial, moment(at), reason)


def crl_values(crl: CrlRow) -> Row:
    """Return the columns of RECORD_CRL."""
    return crl.authority, crl.number, seconds(crl.this_update), seconds(crl.next_update), crl.sha256


def crl_of(row: Row) -> CrlRow:
    """Parse a row of LATEST_CRL."""
    authority, number, this_update, next_update, digest = row
    return CrlRow(authority, number, moment(this_update), moment(next_update), digest)


def event_values(event: Event) -> Row:
    """Return the columns of EVENT."""
    return seconds(event.at), event.who, event.what, event.subject, event.detail


def event_of(row: Row) -> Event:
    """Parse a row of SELECT_EVENT."""
    at, who, what, subject, detail = row
    check_text(who, what, subject, detail)
    return Event(moment(at), who, what, subject, detail)


def standing_of(row: Row) -> str:
    """Say in words where a certificate stands, from a row of STANDING."""
    state, is_signed = row
    return f"{State(state)}, {'signed' if is_signed else 'not signed'}"


def tally_of(row: Row) -> tuple[str, int]:
    """Parse a row of TALLY."""
    standing, number = row
    return str(standing), int(number)


def der_of(row: Row) -> bytes:
    """Parse a row of DER."""
    return _octets(row[0])


def number_of(row: Row) -> int:
    """Parse a row of one number."""
    return int(row[0])


def text_of(row: Row) -> str:
    """Parse the first column of a row as text."""
    return str(row[0])
