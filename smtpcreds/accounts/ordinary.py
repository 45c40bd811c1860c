"""Rows that nothing speaks against, nearly all of a long file: kept as text, and checked many at a time."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from ..lazy import pattern
from ..sasldb.records import USER_PASSWORD
from .rows import Fault, Pairs, Row

AT_ONCE = 1000
"""Rows of a block."""

_NAMES = pattern(
    r"(?:[0-9._]{0,99}+[a-zA-Z][a-zA-Z0-9._-]{0,154}+(?:@[a-zA-Z0-9][a-zA-Z0-9.-]{0,254}+)?+\n)++"
)
_SECRETS = pattern(r"(?:(?!pbkdf2)(?=[^0-9\n]*+[0-9])[a-zA-Z0-9._~-][!-~]{7,249}+\n)++")
"""With a digit, as no column's name has; not in marks; not as hashes begin."""


def is_ordinary_realm(realm: str) -> bool:
    """Tell whether names in this realm may be ordinary."""
    return _NAMES.fullmatch(f"x@{realm}\n") is not None


def pairs(places: Sequence[str], names: Sequence[str], secrets: Sequence[str]) -> Pairs | None:
    """Return what cells are, or None where one of them is odd."""
    name_lines, secret_lines = "\n".join((*names, "")), "\n".join((*secrets, ""))
    if name_lines.count("\n") != len(places) or secret_lines.count("\n") != len(places):
        return None
    fits = _NAMES.fullmatch(name_lines) and _SECRETS.fullmatch(secret_lines)
    return Pairs(places, name_lines, secret_lines) if fits else None


def parted(rows: Sequence[Row | Fault]) -> Iterator[Pairs | Row | Fault]:
    """Give rows in their order, what is ordinary between the odd ones many at a time."""
    if whole := _pairs_of(rows):
        yield whole
        return
    for is_ordinary, some in groupby(rows, lambda row: _pairs_of((row,)) is not None):
        run = [*some]
        if is_ordinary and (found := _pairs_of(run)):
            yield found
        else:
            yield from run


def _pairs_of(rows: Sequence[Row | Fault]) -> Pairs | None:
    """Return what rows are, or None where one of them is odd."""
    places, names, secrets = [], [], []
    for row in rows:
        if isinstance(row, Fault) or row.realm or len(row.properties) != 1:
            return None
        places.append(row.where)
        names.append(row.name)
        secrets.append(row.properties.get(USER_PASSWORD, b"").decode("latin-1"))
    return pairs(places, names, secrets)
