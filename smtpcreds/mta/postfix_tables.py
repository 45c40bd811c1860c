"""What a table of Postfix answers, of the types that are text: patterns, networks, and those inside main.cf.

Source: regexp_table(5), pcre_table(5), cidr_table(5) and DATABASE_README of Postfix 3.7.
"""

import ipaddress
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..lazy import dataclass, pattern
from .main_cf import logical_lines, words

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PATTERNS = frozenset({"regexp", "pcre"})
NETWORKS = "cidr"
INLINE, STATIC = "inline", "static"
_LINE = pattern(r"(!?)([^\w\s])(.*?)(?<!\\)\2([a-zA-Z]*)\s+(.*)")
_GROUP = pattern(r"\$(?:\{(\d{1,9})\}|\((\d{1,9})\)|(\d{1,9}))")


@dataclass(frozen=True)
class Pattern:
    """One line of a table of patterns; ``is_negated`` where it is for what does not match."""

    expression: "re.Pattern[str]"
    answer: str
    is_negated: bool = False

    def answers(self, key: str) -> str | None:
        """Return what it says of a key, with groups put in; None where it is not for it."""
        found = self.expression.search(key)
        if self.is_negated or not found:
            return self.answer if self.is_negated and not found else None
        return _GROUP.sub(lambda group: _group(found, int(group[1] or group[2] or group[3])), self.answer)


def _group(found: "re.Match[str]", number: int) -> str:
    return found[number] or "" if number <= found.re.groups else ""


def patterns(text: str) -> tuple[Pattern, ...]:
    """Read a table of patterns; none where a line can't be read here, so that nothing is said in doubt.

    Python warns where it reads brackets as sets that Postfix reads as classes: ``[[:digit:]]``.
    """
    lines = (_LINE.fullmatch(line) for line in logical_lines(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return tuple(_pattern(found) for found in lines)
    except (re.error, ValueError, OverflowError, RecursionError, FutureWarning):
        return ()


def _pattern(found: "re.Match[str] | None") -> Pattern:
    if found is None:
        raise ValueError
    sensitive = re.NOFLAG if "i" in found[4] else re.IGNORECASE  # the flag toggles, and the default ignores
    return Pattern(re.compile(found[3], sensitive), found[5].strip(), bool(found[1]))


class Range(NamedTuple):
    """One line of a table of networks."""

    network: Network
    answer: str


def networks(text: str) -> tuple[Range, ...]:
    """Read a table of networks; lines that name none are passed over, as Postfix does."""
    return tuple(_ranges(text))


def _ranges(text: str) -> Iterator[Range]:
    for line in logical_lines(text):
        key, _, answer = line.partition(" ") if " " in line else line.partition("\t")
        if (network := network_of(key)) and not key.startswith("!"):
            yield Range(network, answer.strip())


def network_of(word: str) -> Network | None:
    """Return a network as Postfix writes it, ``[::1]/128`` or ``127.0.0.0/8``; None for another word."""
    try:
        return ipaddress.ip_network(word.replace("[", "").replace("]", ""))
    except ValueError:
        return None


def inline(text: str) -> Mapping[str, str]:
    """Read what stands in braces behind ``inline:``."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    pairs = (word.strip("{} ").partition("=") for word in words(inside))
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def static(text: str) -> str:
    """Return the one answer of a ``static:``."""
    return text.strip().removeprefix("{").removesuffix("}").strip()
