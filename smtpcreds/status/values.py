"""What the screen shows: frozen values, complete without clock or disk. Names in them may be hostile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Crl:
    """The CRL that lies with an authority; ``number`` and ``next_update`` are None where it does not say."""

    number: int | None
    this_update: datetime
    next_update: datetime | None
    revoked: int


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that is trusted.

    Attributes:
        fingerprint: SHA-256 of its certificate, lower-case hex.
        signs: it is the one that signs certificates; otherwise it was replaced and is not retired yet.
        counts: its certificates by where they stand, see :meth:`smtpcreds.inventory.Inventory.tally`.
    """

    name: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    signs: bool
    crl: Crl | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Cure(StrEnum):
    """Who can renew a certificate, and how."""

    RENEW = "smtpcreds cert renew --due"
    SIGN = "where the key is kept, make a request; then: smtpcreds cert sign CSR"
    REQUEST = "smtpcreds cert request HOST"
    ELSEWHERE = "on its own host: smtpcreds cert renew --due"
    ROLLOVER = "smtpcreds ca rollover --help"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that no newer one replaced.

    Attributes:
        place: of the pair, as the inventory has it; empty where its host keeps it. With host and machine it
            is unique.
        path: of the certificate, if that is on this host.
        machine: host that installed it; empty unless several share the inventory.
        cure: what is to be done when it is due.
    """

    host: str
    profile: str
    serial: str
    not_before: datetime
    not_after: datetime
    place: str = ""
    path: str | None = None
    machine: str = ""
    cure: Cure = Cure.RENEW

    def due_at(self) -> datetime:
        """Return when two thirds of its life are over."""
        return self.not_before + (self.not_after - self.not_before) * 2 / 3


@dataclass(frozen=True, slots=True)
class Account:
    """A relay account, ``user@realm``, and the hosts that are known to use it."""

    name: str
    clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account database.

    Attributes:
        database: path or URL.
        total: how many it holds.
        shown: the first of them.
    """

    database: str
    total: int = 0
    shown: tuple[Account, ...] = ()


class Kind(StrEnum):
    """What changes, or is due."""

    AUTHORITY = "authority"
    CRL = "crl"
    CERTIFICATE = "certificate"
    ACCOUNT = "account"
    TLSA = "tlsa"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Change:
    """A replacement that is half-way.

    Attributes:
        old: what is replaced.
        new: what takes its place.
        since: when it began.
        until: when its next step is due; None where nobody said.
        note: how it stands.
        next: the command of the next step.
    """

    kind: Kind
    old: str
    new: str
    since: datetime
    until: datetime | None
    note: str
    next: str


@dataclass(frozen=True, slots=True)
class Due:
    """Work that is due; ``count`` things have the same cure."""

    kind: Kind
    subject: str
    reason: str
    cure: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Status:
    """Everything.

    Attributes:
        at: when it was looked at.
        hub: the relay's name.
        authorities: the one that signs first; empty where there is none.
        certificates: those that end next, first; at most :data:`smtpcreds.status.gather.LOOK`.
        has_more: there are more certificates than these.
        lifetime: what a certificate issued now would be given.
    """

    at: datetime
    hub: str
    authorities: tuple[Authority, ...]
    certificates: tuple[Certificate, ...]
    has_more: bool
    accounts: Accounts
    changes: tuple[Change, ...]
    due: tuple[Due, ...]
    lifetime: timedelta

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing here yet."""
        return not (self.authorities or self.certificates or self.accounts.total)

    def days_left(self, end: datetime) -> int:
        """Return whole days until then; negative when it is over."""
        return (end - self.at).days

    def is_due(self, kind: Kind, subject: str) -> bool:
        """Tell whether work of this kind is due on this subject."""
        return any((item.kind, item.subject) == (kind, subject) for item in self.due)
