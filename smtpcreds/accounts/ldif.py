"""LDIF (RFC 2849): entries with ``uid`` or ``mail``, and ``userPassword`` or the properties of Cyrus SASL.

The schemes of ``userPassword`` are those of RFC 2307 and of Dovecot; a value without one is clear text.
"""

import re
from collections.abc import Iterator, Mapping

from ..lazy import pattern
from ..sasldb.records import AUTH_PASSWORD, MECHANISM_SECRETS, USER_PASSWORD
from .rows import Fault, Row, Rows, binary, octets, text_of
from .schemes import converted, split_scheme

_FIRST = pattern(r"(version:\s*\d+|dn:.*)", re.IGNORECASE)
_LINE = pattern(r"([A-Za-z0-9.-]+)(?:;[A-Za-z0-9-]+)*:([:<]?)[ ]*(.*)", re.DOTALL)
_OTHERS = {name.lower(): name for name in (AUTH_PASSWORD, *MECHANISM_SECRETS)}
_NAMES = ("uid", "mail")

Entry = Mapping[str, list[bytes]]


def is_ldif(content: bytes) -> bool:
    """Tell whether the first line that is neither empty nor a comment begins an LDIF file."""
    lines = (line for line in text_of(content).splitlines() if line.strip() and not line.startswith("#"))
    return _FIRST.fullmatch(next(lines, "")) is not None


def read_ldif(content: bytes) -> Rows:
    """Give the accounts; see :data:`.rows.Reader`. Entries without a secret are left out."""
    for where, lines in _entries(text_of(content)):
        try:
            row = _row(where, _parsed(lines))
        except ValueError as error:
            row = Fault(where, str(error))
        if row:
            yield row


def _entries(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give each entry with its place; lines that begin with a space continue the one before."""
    start, lines = 0, list[list[str]]()
    for number, line in enumerate((*text.split("\n"), ""), 1):
        part = line.removesuffix("\r")
        if part.startswith(" ") and lines:
            lines[-1].append(part[1:])
        elif part.strip():
            start = start or number
            lines.append([part])
        elif lines:
            yield f"line {start}", ["".join(parts) for parts in lines]
            start, lines = 0, []


def _parsed(lines: list[str]) -> Entry:
    found: dict[str, list[bytes]] = {}
    for line in lines:
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("has a line that is not attribute: value")
        name, sign, text = match[1].lower(), match[2], match[3]
        value = binary(text.strip()) if sign == ":" else octets(text)
        if value is None or sign == "<":
            raise ValueError(f"its {name} is {'no Base64' if value is None else 'in another file'}")
        found.setdefault(name, []).append(value)
    return found


def _row(where: str, entry: Entry) -> Row | Fault | None:
    if (change := entry.get("changetype", [b"add"])[0].strip().lower()) != b"add":
        return Fault(where, f"is a change ({ascii(change)[2:-1]}), not an entry")
    secrets = _secrets(entry)
    if not secrets:
        return None
    named = next((name for name in _NAMES if name in entry), None)
    if named is None:
        return Fault(where, "has a secret, and neither uid nor mail")
    if several := next((name for name in (named, *secrets) if len(entry[name]) > 1), None):
        return Fault(where, f"has {len(entry[several])} values of {several}; which one is meant?")
    name = entry[named][0].decode(errors="surrogateescape")
    properties = {_OTHERS[attribute]: entry[attribute][0] for attribute in secrets if attribute in _OTHERS}
    if USER_PASSWORD.lower() in entry:
        found = _password(entry[USER_PASSWORD.lower()][0], name)
        if isinstance(found, str):
            return Fault(where, found)
        properties.update((found,))
    return Row(where, name, "", properties)


def _secrets(entry: Entry) -> list[str]:
    return [name for name in (USER_PASSWORD.lower(), *_OTHERS) if name in entry]


def _password(value: bytes, name: str) -> tuple[str, bytes] | str:
    field = split_scheme(value.decode(errors="surrogateescape"))
    return converted(*field, name) if field else (USER_PASSWORD, value)
