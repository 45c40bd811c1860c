"""What a person may mean by a word: a host, a serial number, a fingerprint, or the beginning of one."""

import re
from dataclasses import dataclass

from ..errors import NameRefusedError
from ..names import parse_host
from .rows import Certificate

MIN_PREFIX = 4
"""Hex digits from which on a word is tried as a prefix."""
_HEX = re.compile(r"[0-9a-f]+")
_AFTER_EXACT = "!"
"""Sorts before every hex digit, so nothing but the word itself lies below word + this."""
_AFTER_PREFIX = "g"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A host name, and the half-open range ``low <= text < high`` of serial numbers and fingerprints."""

    host: str
    low: str
    high: str

    def is_exactly(self, row: Certificate) -> bool:
        """Tell whether the word is the whole host name, serial number or fingerprint of this one."""
        return row.host == self.host or (self.low != "" and self.low in (row.serial, row.fingerprint))


def wanted(which: str) -> Wanted:
    """Read a word; the range is empty where it is no hex number."""
    word = which.strip().lower()
    digits = word.replace(":", "")
    if not _HEX.fullmatch(digits):
        return Wanted(_host(word), "", "")
    return Wanted(
        _host(word), digits, digits + (_AFTER_PREFIX if len(digits) >= MIN_PREFIX else _AFTER_EXACT)
    )


def _host(word: str) -> str:
    try:
        return parse_host(word, wildcard=True)
    except NameRefusedError:  # imported certificates may stand under any name
        return word
