"""From when until when something is valid, and how that stands: one rule, and the same words for all who ask.

Certificates and CRLs have it alike. Light enough for the verbs that only look.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from ..errors import number_of

REFUSED = "so mail servers refuse every certificate of its CA"
"""What follows from a CRL that is not current (seen with Sendmail; OpenSSL and GnuTLS agree)."""


class Period(NamedTuple):
    """First and last second, both aware; ``end`` is None where a CRL does not say."""

    begin: datetime
    end: datetime | None

    def fault(self, now: datetime) -> str | None:
        """Return why it is not valid now, or None; both ends belong to it (RFC 5280 section 4.1.2.5)."""
        if self.end is not None and has_ended(self.end, now):
            return f"expired on {self.end:%Y-%m-%d %H:%M} UTC"
        if now < self.begin:
            return f"is not valid before {self.begin:%Y-%m-%d %H:%M} UTC"
        return None

    def remark(self, now: datetime) -> str | None:
        """Return that it ends soon, once it is due; see :func:`is_due`."""
        if self.end is None or not is_due(self.begin, self.end, now):
            return None
        return f"expires on {self.end:%Y-%m-%d}, in {number_of((self.end - now).days, 'day')}"

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time for a new one: it is not valid now, or two thirds of its time are over."""
        return self.fault(now) is not None or self.remark(now) is not None

    def rest(self, now: datetime) -> str:
        """Return in words until when it is valid and how long that is."""
        return (
            f"valid to {self.end:%Y-%m-%d}, {number_of((self.end - now).days, 'day')}"
            if self.end
            else "valid without end"
        )


def has_ended(end: datetime, now: datetime) -> bool:
    """Tell whether a time is over, the last second of which is ``end``."""
    return now > end


def due_at(begin: datetime, end: datetime) -> datetime:
    """Return when two thirds of the time are over, as ACME clients renew (RFC 9773 appendix A)."""
    return begin + (end - begin) * 2 / 3


def is_due(begin: datetime, end: datetime, now: datetime) -> bool:
    """Tell whether two thirds of the time from begin to end have passed."""
    return now >= due_at(begin, end)


def successor_due(authority: Period, lifetime: timedelta, now: datetime) -> str | None:
    """Return why an authority needs a successor now, or None.

    Args:
        authority: from when until when it is valid.
        lifetime: of a certificate that is issued now.
        now: aware.
    """
    begin, end = authority
    if end is None:
        return None
    if has_ended(end, now):
        return f"expired on {end:%Y-%m-%d}"
    if end - now < lifetime:
        return f"ends on {end:%Y-%m-%d}, before a new certificate of {number_of(lifetime.days, 'day')} would"
    if is_due(begin, end, now):
        return f"ends on {end:%Y-%m-%d}; two thirds of its lifetime have passed"
    return None


def crl_fault(period: Period, now: datetime) -> str | None:
    """Return why a CRL is not current, and what follows; None where it is."""
    fault = period.fault(now)
    return fault and f"{fault}, {REFUSED}"
