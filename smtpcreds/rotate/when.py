"""Dates as people type them behind ``--after``."""

import re
from datetime import UTC, datetime, timedelta

from ..errors import UsageError

_DAYS = re.compile(r"([0-9]{1,5})d")


def parse_after(text: str, now: datetime) -> datetime:
    """Read ``30d``, ``2026-12-01`` (midnight UTC) or an RFC 3339 time.

    Raises:
        UsageError: anything else, or a time that is over.
    """
    match = _DAYS.fullmatch(text)
    try:
        when = now + timedelta(days=int(match[1])) if match else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            "--after", f"{text!a} is neither days, as in 30d, nor a date, as in 2026-12-01"
        ) from None
    aware = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    if aware < now:
        raise UsageError("--after", f"{text} is over", "leave --after out to retire the account at once")
    return aware
