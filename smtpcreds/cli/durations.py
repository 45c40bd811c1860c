"""Spans of time as people type them: ``12h``, ``30d``, ``2w``."""

import re
from datetime import timedelta

from ..errors import UsageError

_FORM = re.compile(r"([0-9]{1,6})([mhdwy])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}


def parse_duration(text: str) -> timedelta:
    """Return the span of a number and a unit: minutes, hours, days, weeks or years of 365 days.

    Raises:
        UsageError: another form, or more than 2700 years.
    """
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or int(found[1]) * _UNITS[found[2]] > timedelta(days=1_000_000):
        raise UsageError(text or '""', "is no span of time", "write a number and m, h, d, w or y: 30d")
    return int(found[1]) * _UNITS[found[2]]
