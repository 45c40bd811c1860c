"""New secrets that every file format holds without quoting.

Random indices come straight from ``os.urandom``: importing ``secrets`` takes as long as starting Python.
"""

import math
import os
from string import ascii_letters, digits

from ..errors import PasswordRefusedError
from ..secret import Secret

EDGES = ascii_letters + digits
ALPHABET = EDGES + "-_.~"
"""No consumer quotes, escapes or folds these."""

MIN_BITS = 128
MAX_BITS = 4096


def generate(bits: int = 160) -> Secret:
    """Return a random secret with at least ``bits`` of entropy, as short as that allows.

    The first and last characters are letters or digits, so that neither an option parser nor a
    sentence's end misreads it.

    Raises:
        PasswordRefusedError: fewer than 128 or more than 4096 bits.
    """
    _require(bits)
    inner = math.ceil((bits - 2 * math.log2(len(EDGES))) / math.log2(len(ALPHABET)))
    middle = "".join(_pick(ALPHABET) for _ in range(inner))
    return Secret(_pick(EDGES) + middle + _pick(EDGES))


def generate_words(count: int = 10, separator: str = "-") -> Secret:
    """Return ``count`` words of the EFF long list: 12.9 bits each, for secrets that people type.

    No word of the list begins another one, so the separator takes nothing away.

    Args:
        count: at least 10, which is 129 bits.
        separator: one of ``-``, ``_``, ``.``, ``~``.

    Raises:
        PasswordRefusedError: fewer than 128 or more than 4096 bits, or another separator.
    """
    words = _words()
    _require(count * math.log2(len(words)))
    if len(separator) != 1 or separator not in "-_.~":
        raise PasswordRefusedError("generated secret", "the separator of words is one of - _ . ~")
    return Secret(separator.join(_pick(words) for _ in range(count)))


def _require(bits: float) -> None:
    if not MIN_BITS <= bits <= MAX_BITS:
        raise PasswordRefusedError(
            "generated secret", f"would have {int(bits)} bits; {MIN_BITS} to {MAX_BITS} are allowed"
        )


def _words() -> list[str]:
    # The data file, not passlib.pwd: that module costs 75 ms and fails to import in passlib 1.7.4.
    from importlib.resources import files

    return (files("passlib") / "_data/wordsets/eff_long.txt").read_text("ascii").split()


def _pick(choices: "str | list[str]") -> str:
    return choices[_below(len(choices))]


def _below(limit: int) -> int:
    """A uniform random number under ``limit`` (at most 65536), by rejection."""
    shift = 16 - (limit - 1).bit_length()
    while (number := int.from_bytes(os.urandom(2), "big") >> shift) >= limit:
        pass
    return number
