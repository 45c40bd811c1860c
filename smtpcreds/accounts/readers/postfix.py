"""Postfix's sasl_passwd: ``[host]:port user:password``.

Source: postconf(5) smtp_sasl_password_maps and postmap(1): a line that begins with white space continues the
one before it, # begins a comment, white space at the end of a line is lost, the first colon ends the user.
"""

import re
from collections.abc import Iterator

from ...sasldb.records import USER_PASSWORD
from .rows import Fault, Row, octets, text_of

_SPACE = " \t\r\n\v\f"
_LINE = re.compile(r"[^\s,]+[ \t]+[^\s:,]+:.*", re.DOTALL)


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`.rows.Reader`. The relays' names are left out."""
    for number, line in _logical(text_of(content)):
        yield _row(f"line {number}", line)


def is_sasl_passwd(content: bytes) -> bool:
    """Tell whether a file can only be this: each line has a relay, a user and a password."""
    lines = [line for _, line in _logical(text_of(content))]
    return bool(lines) and all(map(_LINE.fullmatch, lines))


def _row(where: str, line: str) -> Row | Fault:
    parts = line.split(None, 1)
    user, colon, secret = parts[1].partition(":") if len(parts) > 1 else ("", "", "")
    if not colon:
        return Fault(where, "is not [host]:port user:password")
    return Row(where, user, "", {USER_PASSWORD: octets(secret)})


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Give each logical line with the number of its first line (readllf.c of Postfix)."""
    start, pending = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(_SPACE) or line.lstrip(_SPACE).startswith("#"):
            continue
        if line[0] in _SPACE and pending:
            pending += line
            continue
        if pending:
            yield start, pending.rstrip(_SPACE)
        start, pending = number, line
    if pending:
        yield start, pending.rstrip(_SPACE)
