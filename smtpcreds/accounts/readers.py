"""Files that accounts come from: one reader each, and a test that tells when a file can be no other kind.

Add a kind with one module and one row of the table.
"""

import csv
import json
import re
from base64 import b16decode, b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import NamedTuple

from ..errors import AmbiguousError, DamagedFileError, DataError
from ..mta.auth_info import parse
from ..passwords import parse_scram
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD

# What a reader gives for each account of a file, before anything of it is checked.


class Row(NamedTuple):
    """One account as its file tells it; a tuple, since a file may hold a million of them.

    Attributes:
        where: what messages call the place, such as ``line 3``.
        name: ``user`` or ``user@realm``, with surrogates where it is not UTF-8.
        realm: empty where the file says nothing of it.
        properties: octets by the property's name; they are secrets.
    """

    where: str
    name: str
    realm: str
    properties: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<{self.where}>"


class Fault(NamedTuple):
    """A place of a file that gives no account, or none that may be had; the reason shows no secret."""

    where: str
    reason: str


Reader = Callable[[bytes], Iterator[Row | Fault]]
"""From a whole file to its accounts, in order; never raises for what the file says."""


def text_of(content: bytes) -> str:
    """Return the file's text without a byte order mark; other octets than UTF-8 become surrogates."""
    return content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")


def octets(text: str) -> bytes:
    """Return the octets that :func:`text_of` read."""
    return text.encode(errors="surrogateescape")


def binary(text: str) -> bytes | None:
    """Return the octets of strict Base64 (RFC 4648 section 4); None for any other text."""
    from base64 import b64decode

    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


# Sendmail's default-auth-info, which holds one account.


def read_auth_info(content: bytes) -> Iterator[Row | Fault]:
    """Give the account; see :data:`Reader`.

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


# Dovecot's passwd-file: ``user:{SCHEME}value:...``; the schemes that Cyrus SASL can serve are converted.
#
# Source: Dovecot 2.3 manual, passwd-file and password schemes.

_FIELD = re.compile(r"\{([^}]*)\}(.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Z0-9.-]{2,20}")
_EXTRA_FIELDS = 6
"""Behind password, uid, gid, gecos, home and shell."""
_RESTRICTION = re.compile(r"(?:^|\s)(allow_nets|allow_real_nets)=")
"""Not nologin: it stops Dovecot's own logins, and not those that a mail server asks it about (observed)."""
_DOVECOT_LINE = re.compile(r"[^:\s][^:]*:\{[A-Za-z0-9.-]+\}[^:]*(:.*)?", re.DOTALL)


def read_dovecot(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`Reader`. Empty lines and those that begin with # are skipped."""
    for number, line in _dovecot_lines(content):
        yield _dovecot_row(f"line {number}", line)


def is_passwd_file(content: bytes) -> bool:
    """Tell whether a file can only be this: each line has a user and a value with its scheme."""
    lines = [line for _, line in _dovecot_lines(content)]
    return bool(lines) and all(map(_DOVECOT_LINE.fullmatch, lines))


def _dovecot_lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.removesuffix("\r")


def _dovecot_row(where: str, line: str) -> Row | Fault:
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


# One JSON object a line: ``user`` or ``account``, ``realm``, ``password``, ``properties`` in Base64.

_TEXTS = ("user", "account", "realm", "password")
PROPERTIES = "properties"


def read_json_lines(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`Reader`. Empty lines are skipped."""
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


# Postfix's sasl_passwd: ``[host]:port user:password``.
#
# Source: postconf(5) smtp_sasl_password_maps and postmap(1): a line that begins with white space continues
# the one before it, # begins a comment, white space at the end of a line is lost, the first colon ends the
# user.

_SPACE = " \t\r\n\v\f"
_POSTFIX_LINE = re.compile(r"[^\s,]+[ \t]+[^\s:,]+:.*", re.DOTALL)


def read_postfix(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`Reader`. The relays' names are left out."""
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


# Comma-separated values (RFC 4180): ``user,password[,realm]``, or a header that names the columns.

USER_COLUMNS = ("user", "account")
PASSWORD, REALM = "password", "realm"
ENCODED = ":base64"
"""Ends the name of a column that holds another property than the password, as in ``authPassword:base64``."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a line has what; the user comes first. ``encoded`` are the properties in Base64 by column."""

    count: int
    password: int | None
    realm: int | None
    encoded: Mapping[int, str]


_PLAIN = Columns(3, 1, 2, {})


def read_table(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`Reader`. Empty lines are skipped."""
    columns = _PLAIN
    for number, (where, cells) in enumerate(_table_lines(text_of(content))):
        if isinstance(cells, Fault):
            yield cells
        elif number or not is_header(cells):
            yield _table_row(where, columns, cells)
        elif fault := _header_fault(names := _names(cells)):
            yield Fault(where, fault)
            return
        else:
            columns = _columns(names)


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether the first line names columns: its first cell is ``user`` or ``account``."""
    return cells[0].lower() in USER_COLUMNS


def is_table(content: bytes) -> bool:
    """Tell whether a file can only be this: there is a header, or each line has a user and a password."""
    lines = (cells for _, cells in _table_lines(text_of(content)))
    first = next(lines, None)
    if first is None or isinstance(first, Fault):
        return False
    return (len(first) > 1 and is_header(first)) or all(map(_is_pair, (first, *lines)))


def _is_pair(cells: Sequence[str] | Fault) -> bool:
    return not isinstance(cells, Fault) and 2 <= len(cells) <= 3 and ":" not in cells[0]


def _table_lines(text: str) -> Iterator[tuple[str, Sequence[str] | Fault]]:
    """Give each line that is not empty with its place; a bad one does not end the file."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            for cells in reader:
                if cells:
                    yield f"line {start}", cells
                start = reader.line_num + 1
        except csv.Error as error:
            yield (where := f"line {start}"), Fault(where, f"is no CSV: {error}")
        else:
            return


def _names(cells: Sequence[str]) -> list[str]:
    return [cell if cell.endswith(ENCODED) else cell.lower() for cell in cells]


def _header_fault(names: Sequence[str]) -> str | None:
    for number, name in enumerate(names[1:], 2):
        if name in names[: number - 1] or name in USER_COLUMNS:
            return f"column {number} comes twice"
        if name not in (PASSWORD, REALM) and not name.endswith(ENCODED):
            return f"column {number} is none of user, password, realm, PROPERTY{ENCODED}"
    if {PASSWORD, USER_PASSWORD + ENCODED} <= set(names):
        return f"has both {PASSWORD} and {USER_PASSWORD}{ENCODED}"
    return None if len(names) > 1 else "has no column for secrets, such as password"


def _columns(names: Sequence[str]) -> Columns:
    at = {name: number for number, name in enumerate(names)}
    encoded = {at[name]: name.removesuffix(ENCODED) for name in names if name.endswith(ENCODED)}
    return Columns(len(names), at.get(PASSWORD), at.get(REALM), encoded)


def _table_row(where: str, columns: Columns, cells: Sequence[str]) -> Row | Fault:
    if len(cells) != columns.count:
        if columns is not _PLAIN or len(cells) != 2:
            expected = "2 or 3" if columns is _PLAIN else str(columns.count)
            return Fault(where, f"has {len(cells)} fields, not {expected}")
        cells = (*cells, "")
    properties: dict[str, bytes] = {}
    if columns.password is not None and cells[columns.password]:
        properties[USER_PASSWORD] = octets(cells[columns.password])
    for number, name in columns.encoded.items():
        value = binary(cells[number])
        if value is None:
            return Fault(where, f"its {name} is not Base64")
        if value:
            properties[name] = value
    return Row(where, cells[0], cells[columns.realm] if columns.realm is not None else "", properties)


@dataclass(frozen=True, slots=True)
class Kind:
    """A text format: its reader, and what tells it from all others."""

    read: Reader
    is_certain: Callable[[bytes], bool]


KINDS = {
    "csv": Kind(read_table, is_table),
    "jsonl": Kind(read_json_lines, is_lines_of_json),
    "auth-info": Kind(read_auth_info, is_auth_info),
    "dovecot": Kind(read_dovecot, is_passwd_file),
    "postfix": Kind(read_postfix, is_sasl_passwd),
}


_SAMPLE = 65536
"""Octets that tell the format of a longer file."""


def detect(content: bytes, subject: str) -> Kind:
    """Return the one kind that a file can be."""
    if not content.strip():
        raise DataError(subject, "is empty; there is nothing to import")
    sample = content if len(content) <= _SAMPLE else content[:_SAMPLE].rpartition(b"\n")[0] + b"\n"
    fitting = [name for name, kind in KINDS.items() if kind.is_certain(sample)]
    if len(fitting) == 1:
        return KINDS[fitting[0]]
    reason = f"could be {' or '.join(fitting)}" if fitting else "is of no format that can be told for certain"
    raise AmbiguousError(subject, reason, f"name it: --as {' or --as '.join(fitting or KINDS)}")
