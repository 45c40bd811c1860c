"""Dovecot's passwd-file: ``user:{SCHEME}value:...``; the schemes that Cyrus SASL can serve are converted.

Source: Dovecot 2.3 manual, passwd-file and password schemes.
"""

import re
from base64 import b16decode, b64decode
from collections.abc import Callable, Iterator

from ...errors import DataError
from ...passwords import parse_scram
from ...sasldb.records import AUTH_PASSWORD, USER_PASSWORD
from .rows import Fault, Row, octets, text_of

_FIELD = re.compile(r"\{([^}]*)\}(.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Z0-9.-]{2,20}")
_EXTRA_FIELDS = 6
"""Behind password, uid, gid, gecos, home and shell."""
_RESTRICTION = re.compile(r"(?:^|\s)(allow_nets|allow_real_nets)=")
"""Not nologin: it stops Dovecot's own logins, and not those that a mail server asks it about (observed)."""
_LINE = re.compile(r"[^:\s][^:]*:\{[A-Za-z0-9.-]+\}[^:]*(:.*)?", re.DOTALL)


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines and those that begin with # are skipped."""
    for number, line in _lines(content):
        yield _row(f"line {number}", line)


def is_passwd_file(content: bytes) -> bool:
    """Tell whether a file can only be this: each line has a user and a value with its scheme."""
    lines = [line for _, line in _lines(content)]
    return bool(lines) and all(map(_LINE.fullmatch, lines))


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.removesuffix("\r")


def _row(where: str, line: str) -> Row | Fault:
    name, colon, rest = line.partition(":")
    if not colon:
        return Fault(where, "has no colon; a line is user:{SCHEME}value")
    match = _FIELD.fullmatch(rest.partition(":")[0])
    scheme, value = (match[1].upper(), match[2]) if match else ("CRYPT", "")
    convert = _SCHEMES.get(scheme)
    if convert is None:
        shown = f"scheme {scheme}" if _SCHEME.fullmatch(scheme) else "an unknown scheme"
        return Fault(where, f"its secret is of {shown}, which Cyrus SASL can't serve")
    if limit := _RESTRICTION.search("".join(rest.split(":", _EXTRA_FIELDS)[_EXTRA_FIELDS:])):
        return Fault(where, f"is limited by {limit[1]}, and Cyrus SASL would let it in everywhere")
    try:
        prop, secret = convert(scheme, value)
    except (ValueError, DataError):
        return Fault(where, f"its secret is no {scheme} value")
    return Row(where, name, "", {prop: secret})


def _scram(scheme: str, value: str) -> tuple[str, bytes]:
    """Return the same verifier as RFC 5803 writes it; Dovecot has ``iterations,salt,StoredKey,ServerKey``."""
    iterations, salt, stored, server = value.split(",")
    verifier = f"{scheme}${iterations}:{salt}${stored}:{server}".encode()
    parse_scram(verifier)
    return AUTH_PASSWORD, verifier


def _plain(_: str, value: str) -> tuple[str, bytes]:
    return USER_PASSWORD, octets(value)


def _base64(_: str, value: str) -> tuple[str, bytes]:
    return USER_PASSWORD, b64decode(value, validate=True)


def _hex(_: str, value: str) -> tuple[str, bytes]:
    return USER_PASSWORD, b16decode(value, casefold=True)


_CLEAR = ("PLAIN", "CLEAR", "CLEARTEXT")
_SCHEMES: dict[str, Callable[[str, str], tuple[str, bytes]]] = {
    **dict.fromkeys(_CLEAR, _plain),
    **{f"{name}.{code}": _base64 for name in _CLEAR for code in ("B64", "BASE64")},
    **{f"{name}.HEX": _hex for name in _CLEAR},
    "SCRAM-SHA-1": _scram,
    "SCRAM-SHA-256": _scram,
}
"""All others are one-way hashes of which only a server that sees the clear text can make use."""
