"""Revocations as values; no cryptography is imported for them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ..errors import UsageError


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


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate that must no longer be trusted; ``at`` is aware, whole seconds count."""

    serial: int
    at: datetime
    reason: Reason = Reason.UNSPECIFIED

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a revocation needs a time with a zone")


def parse_reason(text: str) -> Reason:
    """Return the reason of that name; upper and lower case are the same."""
    reason = _BY_NAME.get(text.lower())
    if reason is None:
        shown = text if text.isprintable() else ascii(text)
        raise UsageError(shown or '""', "is not a revocation reason", f"known: {', '.join(REASON_NAMES)}")
    return reason
