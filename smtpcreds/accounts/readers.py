"""Files of accounts, line by line: one reader each, and a test that tells when a file can be no other."""

import json
import re
from collections.abc import Iterator, Mapping

from ..errors import DamagedFileError
from ..mta.auth_info import MAP_KEY, parse, parse_map_line
from ..sasldb.records import USER_PASSWORD
from .rows import Fault, Row, Rows, binary, numbered, octets, text_of
from .schemes import converted, split_scheme

# Sendmail's default-auth-info, which holds one account.


def read_auth_info(content: bytes) -> Rows:
    """Give the account; see :data:`.rows.Reader`.

    A realm in the authentication id goes before the realm line, as it does for the relay.
    """
    try:
        found = parse(content, "")
    except DamagedFileError as error:
        yield Fault("line 1", error.reason)
        return
    realm = "" if "@" in found.authcid else found.realm
    yield Row("line 3", found.authcid, realm, {USER_PASSWORD: found.secret.reveal()})


def is_auth_info(content: bytes) -> bool:
    """Tell whether a file can only be this: three to five lines, of which the first two are one bare id."""
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    if not 3 <= len(lines) <= 5:
        return False
    return lines[0] == lines[1] != b"" and not any(mark in lines[0] for mark in b",:{\t")


# The source of Sendmail's authinfo map, or of an access map: ``AuthInfo:host "U:user" "P:secret"``.


def read_auth_info_map(content: bytes) -> Rows:
    """Give the accounts; see :data:`.rows.Reader`. Servers' names and other entries of a map are left out.

    A realm in the authentication id goes before that of the R tag, as it does for the relay.
    """
    for number, line in enumerate(content.split(b"\n"), 1):
        if MAP_KEY.match(line.lstrip()):
            yield _map_row(f"line {number}", line)


def is_auth_info_map(content: bytes) -> bool:
    """Tell whether a file can only be this: some line's key begins with AuthInfo."""
    return any(MAP_KEY.match(line.lstrip()) for line in content.split(b"\n"))


def _map_row(where: str, line: bytes) -> Row | Fault:
    try:
        _, found = parse_map_line(line.removesuffix(b"\r"))
    except ValueError:
        return Fault(where, 'is not AuthInfo:host "U:..." "I:..." "P=..."')
    realm = "" if "@" in found.authcid else found.realm
    return Row(where, found.authcid, realm, {USER_PASSWORD: found.secret.reveal()})


# Dovecot's passwd-file: ``user:{SCHEME}value:...``; the schemes that Cyrus SASL can serve are converted.
#
# Source: Dovecot 2.3 manual, passwd-file and password schemes.

_EXTRA_FIELDS = 6
"""Behind password, uid, gid, gecos, home and shell."""
_RESTRICTION = re.compile(r"(?:^|\s)(allow_nets|allow_real_nets)=")
"""Not nologin: it stops Dovecot's own logins, and not those that a mail server asks it about (observed)."""
_DOVECOT_LINE = re.compile(r"[^:\s][^:]*:\{[A-Za-z0-9.-]+\}[^:]*(:.*)?", re.DOTALL)


def read_dovecot(content: bytes) -> Rows:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines and those that begin with # are skipped."""
    for number, line in _dovecot_lines(content):
        yield _dovecot_row(f"line {number}", line)


def is_passwd_file(content: bytes) -> bool:
    """Tell whether a file can only be this: each line has a user and a value with its scheme."""
    lines = [line for _, line in _dovecot_lines(content)]
    return bool(lines) and all(map(_DOVECOT_LINE.fullmatch, lines))


def _dovecot_lines(content: bytes) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in numbered(content) if not line.startswith("#"))


def _dovecot_row(where: str, line: str) -> Row | Fault:
    name, colon, rest = line.partition(":")
    if not colon:
        return Fault(where, "has no colon; a line is user:{SCHEME}value")
    scheme, value = split_scheme(rest.partition(":")[0]) or ("CRYPT", "")
    if limit := _RESTRICTION.search("".join(rest.split(":", _EXTRA_FIELDS)[_EXTRA_FIELDS:])):
        return Fault(where, f"is limited by {limit[1]}, and Cyrus SASL would let it in everywhere")
    found = converted(scheme, value, name)
    return Fault(where, found) if isinstance(found, str) else Row(where, name, "", dict((found,)))


# One JSON object a line: ``user`` or ``account``, ``realm``, ``password``, ``properties`` in Base64.

_TEXTS = ("user", "account", "realm", "password")
PROPERTIES = "properties"


def read_json_lines(content: bytes) -> Rows:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines are skipped."""
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip():
            yield _json_row(f"line {number}", line)


def is_lines_of_json(content: bytes) -> bool:
    """Tell whether the first line that is not empty is a JSON object."""
    first = text_of(content).lstrip().partition("\n")[0]
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _json_row(where: str, line: str) -> Row | Fault:
    try:
        found = json.loads(line, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        return Fault(where, "is not a JSON object, or repeats a name in one")
    if not isinstance(found, dict):
        return Fault(where, "is not a JSON object")
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
        return f"{unknown!a} is not one of {', '.join(_TEXTS)}, {PROPERTIES}"
    if "user" in found and "account" in found:
        return "has both user and account"
    for name in _TEXTS:
        if not _is_text(found.get(name, "")):
            return f"{name} is not text"
    properties = found.get(PROPERTIES, {})
    if not isinstance(properties, dict) or not all(map(_is_text, (*properties, *properties.values()))):
        return f"{PROPERTIES} is not an object of Base64 texts"
    return None


def _is_text(value: object) -> bool:
    """Tell whether octets can be made of it: JSON can name half a character (RFC 8259 section 8.2)."""
    try:
        return isinstance(value, str) and octets(value) is not None
    except UnicodeEncodeError:
        return False


# Postfix's sasl_passwd: ``[host]:port user:password``.
#
# Source: postconf(5) smtp_sasl_password_maps and postmap(1): a line that begins with white space continues
# the one before it, # begins a comment, white space at the end of a line is lost, the first colon ends the
# user.

_SPACE = " \t\r\n\v\f"
_POSTFIX_LINE = re.compile(r"(\[[^\]\s]+\]|[^\s:,{]+)(:[\w-]+)?[ \t]+[^\s:,]+:.*", re.DOTALL)


def read_postfix(content: bytes) -> Rows:
    """Give the accounts; see :data:`.rows.Reader`. The relays' names are left out."""
    for number, line in _logical(text_of(content)):
        yield _postfix_row(f"line {number}", line)


def is_sasl_passwd(content: bytes) -> bool:
    """Tell whether a file can only be this: each line has a relay, a user and a password."""
    lines = [line for _, line in _logical(text_of(content))]
    return bool(lines) and all(map(_POSTFIX_LINE.fullmatch, lines))


def _postfix_row(where: str, line: str) -> Row | Fault:
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
