"""When something is due: past two thirds of its life, as ACME clients renew (RFC 9773 appendix A)."""

from datetime import datetime


def is_due(begin: datetime, end: datetime, now: datetime) -> bool:
    """Tell whether two thirds of the time from begin to end have passed."""
    return now - begin >= (end - begin) * 2 / 3
