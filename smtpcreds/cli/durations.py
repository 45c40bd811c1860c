"""Spans of time as people type them."""

import re
from datetime import timedelta

from ..errors import UsageError

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FORM = re.compile(r"([0-9]{1,6})([a-z])")


def parse_duration(text: str) -> timedelta:
    """Return the span of ``12h``, ``30d`` or ``4w``.

    Raises:
        UsageError: another form; there are no months and minutes, because ``m`` could be either.
    """
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        shown = text if text.isprintable() and text else ascii(text)
        raise UsageError(shown, "is no span of time", "write hours, days or weeks: 12h, 30d, 4w")
    return int(found[1]) * _UNITS[found[2]]
