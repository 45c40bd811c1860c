"""Sendmail.conf and smtpd.conf: where Cyrus SASL, in sendmail and in Postfix's smtpd, looks accounts up.

libsasl2 2.1.28 (``lib/config.c``) reads ``key: value`` lines of up to 4095 octets with their line feed, and
refuses the whole file for one line without a colon right behind its key, or without a value; sendmail and
smtpd then refuse every session. The ``sql`` plugin (``plugins/sql.c``) puts host, user, password and database
between apostrophes into a conninfo string, and escapes nothing there.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import DamagedFileError, InexpressibleError
from ..secret import Secret

MECHANISMS = ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")
"""Offered by default; what the mail server allows outside TLS is its own setting."""
MAX_LINE = 4094
_KEY = re.compile(rb"[A-Za-z0-9_-]+")
_SPACE = b" \t\v\f\r"


@dataclass(frozen=True, slots=True)
class Program:
    """A mail server: the file it reads on Debian, and the user that its SASL library runs as."""

    conf: str
    user: str


PROGRAMS = {
    "sendmail": Program("/etc/sasl2/Sendmail.conf", "root"),
    "postfix": Program("/etc/postfix/sasl/smtpd.conf", "postfix"),
}


@dataclass(frozen=True, slots=True)
class Sasldb:
    """Accounts in a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Sql:
    """Accounts in PostgreSQL.

    Attributes:
        hosts: pairs of host or socket directory, and port; an empty part is libpq's default.
        database: its name.
        role: that the mail server reads as.
        select: the statement, with ``%u``, ``%r`` and ``%p`` for name, realm and property.
        tls: refuse to connect without TLS.
        password: of the role; None where the server needs none, or libpq finds one in ``~/.pgpass``.
    """

    hosts: Sequence[tuple[str, str]]
    database: str
    role: str
    select: str
    tls: bool = False
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Saslauthd:
    """Login accounts, asked of saslauthd through its socket; PLAIN and LOGIN only."""

    mux: str = ""


Backend = Sasldb | Sql | Saslauthd


def render(backend: Backend, mechanisms: Sequence[str] = ()) -> bytes:
    """Return the file's octets.

    Args:
        backend: where the accounts are.
        mechanisms: to be offered; empty for the default of the backend.

    Raises:
        InexpressibleError: a value that libsasl2 or its plugin would misread.
    """
    offered = mechanisms or (MECHANISMS[-2:] if isinstance(backend, Saslauthd) else MECHANISMS)
    lines = [*_settings(backend), ("mech_list", " ".join(offered).encode())]
    return b"".join(_line(key, value) for key, value in lines)


def parse(content: bytes, path: str) -> dict[str, bytes]:
    """Read the file as libsasl2 does: the first line of a key counts.

    Raises:
        DamagedFileError: a line that stops the mail server, by its number.
    """
    settings: dict[str, bytes] = {}
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
        text = line.lstrip(_SPACE)
        if not text or text.startswith(b"#"):
            continue
        key = _KEY.match(text)
        rest = text[key.end() :] if key else b""
        value = rest.removeprefix(b":").strip(_SPACE)
        if key is None or not rest.startswith(b":") or not value or len(line) > MAX_LINE:
            reason = f"line {number} is not 'key: value', for which libsasl2 refuses the whole file"
            raise DamagedFileError(path, reason, "correct it, and restart the mail server")
        settings.setdefault(key[0].decode().lower(), value)
    return settings


def _settings(backend: Backend) -> Iterable[tuple[str, bytes]]:
    if isinstance(backend, Sasldb):
        return _auxprop("sasldb", [("sasldb_path", backend.path.encode(errors="surrogateescape"))])
    if isinstance(backend, Sql):
        return _auxprop("sql", _sql(backend))
    mux = [("saslauthd_path", backend.mux.encode(errors="surrogateescape"))] if backend.mux else []
    return [("pwcheck_method", b"saslauthd"), *mux]


def _auxprop(plugin: str, more: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [("pwcheck_method", b"auxprop"), ("auxprop_plugin", plugin.encode()), *more]


def _sql(backend: Sql) -> Iterable[tuple[str, bytes]]:
    yield "sql_engine", b"pgsql"
    if hosts := _hosts(backend.hosts):
        yield "sql_hostnames", hosts.encode()
    if backend.tls:
        yield "sql_usessl", b"yes"
    yield "sql_database", _quotable("sql_database", backend.database.encode())
    yield "sql_user", _quotable("sql_user", backend.role.encode())
    if backend.password:
        yield "sql_passwd", _quotable("sql_passwd", backend.password.reveal())
    yield "sql_select", backend.select.encode()


def _hosts(hosts: Sequence[tuple[str, str]]) -> str:
    """Return ``host:port,host``.

    The plugin splits at the first colon, and skips all that is no letter or digit behind a comma.
    """
    for place, (host, _) in enumerate(hosts):
        if ":" in host:
            raise InexpressibleError(
                host, "can't stand in sql_hostnames, where : ends a host", "name the host"
            )
        if place and not host[:1].isalnum():
            raise InexpressibleError(
                host or "sql_hostnames", "can't stand in sql_hostnames behind another host", "name it first"
            )
    words = (f"{host}:{port}" if port else host for host, port in hosts)
    return _quotable("sql_hostnames", ",".join(words).encode()).decode()


def _quotable(key: str, value: bytes) -> bytes:
    if b"'" in value or b"\\" in value:
        raise InexpressibleError(key, "contains ' or \\, which Cyrus SASL's sql plugin passes on unescaped")
    return value


def _line(key: str, value: bytes) -> bytes:
    line = key.encode() + b": " + value
    if not value or value != value.strip() or any(octet < 32 or octet == 127 for octet in value):
        reason = "is empty, or contains a control character or outer spaces, which libsasl2 can't read"
        raise InexpressibleError(key, reason)
    if len(line) > MAX_LINE:
        raise InexpressibleError(key, f"makes a line of over {MAX_LINE} octets")
    return line + b"\n"
