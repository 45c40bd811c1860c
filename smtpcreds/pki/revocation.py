"""Revocations as values; no cryptography is imported for them."""

from datetime import datetime
from enum import Enum

from ..errors import UsageError, suggestion
from ..lazy import dataclass
from .dates import Period


class Reason(Enum):
    """CRLReason by its names in RFC 5280 section 5.3.1.

    removeFromCRL is left out: it belongs to delta CRLs, which are not made here.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"


REASON_NAMES = tuple(reason.value for reason in Reason)
_BY_NAME = {reason.value.lower(): reason for reason in Reason}


@dataclass(frozen=True)
class Revoked:
    """One certificate that must no longer be trusted; ``at`` is aware, whole seconds count."""

    serial: int
    at: datetime
    reason: Reason = Reason.UNSPECIFIED

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a revocation needs a time with a zone")

    def __str__(self) -> str:
        return revoked_on(self.at, self.reason.value)


@dataclass(frozen=True)
class CurrentCrl:
    """The CRL that lies with an authority; ``number`` and ``next_update`` are None where it does not say."""

    number: int | None
    this_update: datetime
    next_update: datetime | None
    revoked: int

    @property
    def period(self) -> Period:
        """From when until when it is valid."""
        return Period(self.this_update, self.next_update)


def revoked_on(at: datetime, reason: str) -> str:
    """Return in words when and why a certificate was revoked."""
    return f"was revoked on {at:%Y-%m-%d} ({reason})"


def parse_reason(text: str) -> Reason:
    """Return the reason of that name; upper and lower case are the same."""
    reason = _BY_NAME.get(text.lower())
    if reason is None:
        shown = text if text.isprintable() else ascii(text)
        raise UsageError(shown or '""', "is not a revocation reason", suggestion(text, REASON_NAMES))
    return reason
