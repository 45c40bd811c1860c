"""One JSON object a line: ``user`` or ``account``, ``realm``, ``password``, ``properties`` in Base64."""

import json
from collections.abc import Iterator, Mapping

from ...sasldb.records import USER_PASSWORD
from .rows import Fault, Row, binary, octets, text_of

_TEXTS = ("user", "account", "realm", "password")
PROPERTIES = "properties"


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines are skipped."""
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip():
            yield _row(f"line {number}", line)


def is_lines_of_json(content: bytes) -> bool:
    """Tell whether the first line that is not empty is a JSON object."""
    first = text_of(content).lstrip().partition("\n")[0]
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _row(where: str, line: str) -> Row | Fault:
    try:
        found = json.loads(line, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        return Fault(where, "is no JSON object, or repeats a name in one")
    if not isinstance(found, dict):
        return Fault(where, "is no JSON object")
    if fault := _shape_fault(found):
        return Fault(where, fault)
    properties = {name: binary(text) for name, text in found.get(PROPERTIES, {}).items()}
    if wrong := next((name for name, value in properties.items() if value is None), None):
        return Fault(where, f"its {wrong!a} is not Base64")
    values = {name: value for name, value in properties.items() if value is not None}
    if secret := found.get("password"):
        if USER_PASSWORD in values:
            return Fault(where, f"has both password and {USER_PASSWORD}")
        values[USER_PASSWORD] = octets(secret)
    return Row(where, found.get("user") or found.get("account") or "", found.get("realm", ""), values)


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _shape_fault(found: Mapping[str, object]) -> str | None:
    if unknown := next((name for name in found if name not in (*_TEXTS, PROPERTIES)), None):
        return f"{unknown!a} is none of {', '.join(_TEXTS)}, {PROPERTIES}"
    if "user" in found and "account" in found:
        return "has both user and account"
    for name in _TEXTS:
        if not _is_text(found.get(name, "")):
            return f"{name} is no text"
    properties = found.get(PROPERTIES, {})
    if not isinstance(properties, dict) or not all(map(_is_text, (*properties, *properties.values()))):
        return f"{PROPERTIES} is no object of Base64 texts"
    return None


def _is_text(value: object) -> bool:
    """Tell whether octets can be made of it: JSON can name half a character (RFC 8259 section 8.2)."""
    try:
        return isinstance(value, str) and octets(value) is not None
    except UnicodeEncodeError:
        return False
