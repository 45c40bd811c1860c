"""Files that hold no accounts as they are: what such a file seems to be, and how to get there from it."""

import re
from typing import NamedTuple


class Foreign(NamedTuple):
    """A kind of file: its beginning, its name, and what makes accounts of it.

    Attributes:
        mark: matched at the beginning of the file.
        name: what it seems to be.
        way: what to do.
    """

    mark: re.Pattern[bytes]
    name: str
    way: str


_AS_CSV = "open it and save the sheet as CSV (UTF-8), user and password alone"
_QUERY = (
    "export the columns as CSV, for instance: mysql -B -e 'SELECT username, password FROM mailbox' DATABASE"
)
_UNPACK = "unpack it"
_ONE_WAY = (
    "hashes can't be turned back; a new secret for each account: smtpcreds sasl add NAME; "
    "or saslauthd, which can ask them: smtpcreds sasl conf --saslauthd"
)
_LINES = 'write a line user,password for each account, or a JSON object: {"user": ..., "password": ...}'
_JSON = "make a line of each: jq -c '.[] | {user: .username, password: .password}'"
_COPY = "import the database itself: smtpcreds sasl import DATABASE"
_TABS = "smtpcreds sasl import - --as tab"
_CRYPT = rb"(?:\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2\w*)\$|\{SHA\}[^:\n]*\n)"

_KINDS = (
    (rb"PK\x03\x04", "a spreadsheet (xlsx, ods) or a ZIP archive", _AS_CSV),
    (rb"\xd0\xcf\x11\xe0", "an old spreadsheet (xls)", _AS_CSV),
    (rb"%PDF", "a PDF", "export the accounts as CSV"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "a compressed file", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (
        rb"SQLite format 3\0",
        "an SQLite database",
        "sqlite3 -csv -header FILE 'SELECT user, password FROM TABLE'",
    ),
    (rb"PGDMP", "a dump of PostgreSQL", "restore it, then: psql --csv -c 'SELECT user, password FROM TABLE'"),
    (rb"\s*-----BEGIN ", "a PEM file (keys or certificates)", "it holds no accounts"),
    (rb"\s*(?:<\?xml|<!DOCTYPE|<html|<[a-z]+[ >])", "XML or HTML", f"export it as CSV; or {_LINES}"),
    (rb"BEGIN:VC", "a vCard or calendar", "it holds no secrets; export the accounts as CSV"),
    (
        rb"\s*(?:--|/\*|(?:SET|USE|INSERT|REPLACE|CREATE|DROP|LOCK|COPY|BEGIN|START|PRAGMA)[ ;])",
        "an SQL dump",
        _QUERY,
    ),
    (rb"\s*[+]-{3,}[+-]*\n|\s*\|.*\|\s*\n", "a table as mysql or a panel prints it", _QUERY),
    (rb"[^\n|]*\|[^\n]*\n[-+]{3,}\n", "a table as psql prints it", "print it with: psql --csv"),
    (rb"\s*\[\s*[\[{]|\s*\{\s*\n|\s*\[\]", "JSON, but not an object a line", _JSON),
    (rb"# GDBM dump file", "a dump of GDBM", "gdbm_load FILE NEWFILE, then: smtpcreds sasl import NEWFILE"),
    (
        rb"[^\s:@]+@[^\s:]+: (?:userPassword|authPassword|cmusaslsecret[\w-]+)\r?\n",
        "the list of sasldblistusers2, which has no secrets",
        _COPY,
    ),
    (rb"[^:\n]*:[^:\n]*:[0-9]*:[0-9]*:[0-9]*:[0-9]*:[0-9]*:[0-9]*:", "a shadow file", _ONE_WAY),
    (
        rb"[^:\n]+:[x*!]?:[0-9]+:[0-9]+:[^:\n]*:[^:\n]*:[^:\n]*\n",
        "a passwd file, which has no secrets",
        _ONE_WAY,
    ),
    (rb"[^:\n]+:[^:\n]+:[0-9a-f]{32}\s*\n", "a file of htdigest", _ONE_WAY),
    (rb"[^:\s]+:" + _CRYPT, "a file of htpasswd, or of Dovecot's crypt hashes", _ONE_WAY),
    (rb"\s*(?:machine\s+\S+|default)\s+login\s", "a netrc file", _LINES),
    (rb"\s*(?:#.*\n\s*)*(?:defaults|account\s+\S+)\s*\n\s*\w+\s", "the configuration of msmtp", _LINES),
    (rb"\s*(?:#.*\n\s*)*\[[\w. -]+\]\s*\n\s*\w+\s*=", "an INI file", _LINES),
    (
        rb"(?:#.*\n)*(?:Connect|From|To|GreetPause|Client(?:Rate|Conn)|TLS_\w+|Srv_Features|Try_TLS|Spam):\S*\s+\S",
        "Sendmail's access map, without secrets",
        _LINES,
    ),
    (rb"\s*(?:#.*\n\s*)*[a-z][a-z0-9+]*://", "a list of URLs", _LINES),
    (rb"(?:#.*\n)*---\s*\n|\s*- \w+: |\w+:\s*\n\s+", "YAML", f"make JSON of it; {_JSON}"),
)
KINDS = tuple(Foreign(re.compile(mark, re.IGNORECASE), name, way) for mark, name, way in _KINDS)


_LINE_SHAPES = (
    (
        rb"[^\0-\x20:,;|]+:[^\0-\x20:,;|]+:[^\0-\x20:]+",
        "lines of three parts, such as Exim's passwd.client",
        "say which part is what: --as colon --columns -,user,password",
    ),
    (rb"[^\0-\x20|,;:=]+ *\|[^|\n]+", "values separated by |", f"sed 's/ *| */\\t/' FILE | {_TABS}"),
    (rb"[^\0-\x20|,;:=]+=[^\n]*", "lines of name=value", _LINES),
    (rb"[^\0-\x20,;:=|]+ +[^\0-\x20:]+", "values separated by blanks", f"sed 's/  */\\t/' FILE | {_TABS}"),
    (rb"[^\0-\x20,;:=|]+", "a list of names, without secrets", "a secret for each: smtpcreds sasl add NAME"),
)
SHAPES = tuple(
    Foreign(re.compile(rb"(?:#[^\n]*+\n)*+(?:%b *\r?(?:\n++|\Z))++\Z" % line), name, way)
    for line, name, way in _LINE_SHAPES
)
"""Tried where nothing else fits: every line has this form."""


def shape(content: bytes) -> Foreign | None:
    """Return what a file of no known format seems to be by the form of its lines."""
    return next((kind for kind in SHAPES if kind.mark.match(_head(content))), None)


def _head(content: bytes) -> bytes:
    head = content[:4096]
    return head if head == content else head.rpartition(b"\n")[0] or head


def foreign(content: bytes) -> Foreign | None:
    """Return what a file seems to be that holds no accounts as it is; None for any other."""
    head = content[:4096]
    return next((kind for kind in KINDS if kind.mark.match(head)), None)
