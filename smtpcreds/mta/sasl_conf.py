"""Sendmail.conf, smtpd.conf, exim.conf: where Cyrus SASL, inside each mail server, looks accounts up.

libsasl2 2.1.28 (``lib/config.c``) reads ``key: value`` lines of up to 4095 octets with their line feed, and
refuses the whole file for one line without a colon right behind its key, or without a value; sendmail and
smtpd then refuse every session.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import dataclass, pattern
from ..names import BY_PASSWORD, PLAINTEXT
from ..postgres import DatabaseUrl, plugin_options, quotable
from ..secret import Secret
from ..systems import DEBIAN, System, Words

# Which SASL mechanisms are offered or tried, parsed at the door and put in order.

EXTERNAL = "EXTERNAL"
GSSAPI = "GSSAPI"
"""By a Kerberos ticket; no account has to do with it."""
KEYTAB = "/etc/krb5.keytab"
"""Of the host, which MIT's and Heimdal's libraries read unless told otherwise."""
STRONGEST_FIRST = (EXTERNAL, *BY_PASSWORD)
DEFAULT = ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5")
"""None of them shows the secret on the wire."""
_NAME = pattern(r"[A-Z0-9_-]{1,20}")


def named(name: str) -> str:
    """Return a name of any mechanism, known here or not, in upper case (RFC 4422 section 3.1)."""
    if not _NAME.fullmatch(name.upper()):
        raise UsageError(name, "is not a name of a mechanism; such are SCRAM-SHA-256, CRAM-MD5")
    return name.upper()


_OF_CYRUS = pattern(
    r"ANONYMOUS|CRAM-MD5|DIGEST-MD5|EXTERNAL|GS2-IAKERB|GS2-KRB5|GSSAPI|GSS-SPNEGO|LOGIN|NTLM|OTP|PASSDSS-3DES-1"
    r"|PLAIN|SCRAM-SHA-(?:1|224|256|384|512)(?:-PLUS)?|SRP|XOAUTH2|OAUTHBEARER"
)
"""What Cyrus SASL 2.1.28 has, and what common plug-ins of others add; KERBEROS_V4 is no more."""


def served(name: str) -> str:
    """Return the name of a mechanism that a mail server with Cyrus SASL 2 can offer, in upper case."""
    if not _OF_CYRUS.fullmatch(named(name)):
        raise UsageError(name, "is not a mechanism of Cyrus SASL 2", f"known: {', '.join(STRONGEST_FIRST)}")
    return named(name)


def offer(
    chosen: Iterable[str] = (),
    *,
    plaintext: bool = False,
    external: bool = False,
    gssapi: bool = False,
) -> tuple[str, ...]:
    """Return the mechanisms, the strongest first.

    Args:
        chosen: names in any case; empty for DEFAULT.
        plaintext: add PLAIN and LOGIN, which every program offers inside TLS only.
        external: add EXTERNAL, by which a verified client certificate logs in.
        gssapi: there is a keytab, so add GSSAPI.
    """
    wanted = {name.upper() for name in chosen} or set(DEFAULT)
    wanted |= set(PLAINTEXT) if plaintext else set()
    wanted |= {EXTERNAL} if external else set()
    if GSSAPI in wanted and not gssapi:
        raise UsageError(GSSAPI, "needs the keytab of the mail server", "--keytab FILE")
    wanted |= {GSSAPI} if gssapi else set()
    known = (GSSAPI, *STRONGEST_FIRST)
    for name in sorted(wanted - set(known)):
        raise UsageError(
            name, "unknown mechanism, or one that can't be offered", f"known: {', '.join(STRONGEST_FIRST)}"
        )
    return tuple(name for name in known if name in wanted)


def usable(program: str, known: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Return those of the wanted mechanisms that a program knows, in the order of ``wanted``."""
    names = tuple(known)
    found = tuple(name for name in wanted if name in names)
    if not found:
        hint = "give --plaintext, also to the program of the hub; it offers them inside TLS only"
        reason = f"supports only the mechanisms {', '.join(names)}, none of which is enabled"
        raise UsageError(program, reason, hint if set(names) & set(PLAINTEXT) else f"--mechanism {names[0]}")
    return found


MECHANISMS = ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")
"""Offered by default; what the mail server allows outside TLS is its own setting."""
MAX_LINE = 4094
_LINE = pattern(rb"([A-Za-z0-9_-]*):(.*)", re.DOTALL)
_SPACE = b" \t\v\f\r"


@dataclass(frozen=True)
class Program:
    """A mail server.

    Attributes:
        conf: the file it reads on Debian.
        user: that its SASL library runs as.
        group: that reads the file.
    """

    conf: str
    user: str
    group: str = "root"


PROGRAMS = {
    "sendmail": Program(f"{DEBIAN.sasl_directory}/Sendmail.conf", "root"),
    "postfix": Program(f"{DEBIAN.postfix_sasl}/smtpd.conf", DEBIAN.postfix_user),
    "exim": Program(f"{DEBIAN.sasl_directory}/exim.conf", DEBIAN.exim_user, DEBIAN.exim_user),
}


def program_on(system: System, name: str) -> Program:
    """Return a mail server as a system has it: its own default place, and its users."""
    known, words = PROGRAMS[name], Words(system)
    conf = words.said(known.conf)
    if name == "postfix":
        conf = f"{system.postfix_sasl}/{conf.rpartition('/')[2]}"
    return Program(conf, words.user(known.user), words.group(known.group))


@dataclass(frozen=True)
class Sasldb:
    """Accounts in a file."""

    path: str


@dataclass(frozen=True)
class Sql:
    """Accounts in PostgreSQL.

    Attributes:
        url: of the database.
        role: that the mail server reads as.
        password: of the role; None where the server needs none, or libpq finds one in ``~/.pgpass``.
    """

    url: DatabaseUrl
    role: str
    password: Secret | None = None


@dataclass(frozen=True)
class Saslauthd:
    """Login accounts, asked of saslauthd through its socket; PLAIN and LOGIN only.

    Attributes:
        mux: the directory of the socket; empty for the library's own.
        database: accounts that are looked up before, by every mechanism; None where there are none.
    """

    mux: str = ""
    database: Sasldb | Sql | None = None


Backend = Sasldb | Sql | Saslauthd


def database_of(backend: Backend | None) -> Sasldb | Sql | None:
    """Return where the accounts of the database are, whoever is asked besides."""
    return backend.database if isinstance(backend, Saslauthd) else backend


def moved(backend: Backend, path: str) -> Backend:
    """Return the same accounts in a file that is called otherwise there."""
    if isinstance(backend, Saslauthd):
        return replace(backend, database=Sasldb(path))
    return Sasldb(path)


def render(backend: Backend, mechanisms: Sequence[str] = (), keytab: str = "") -> bytes:
    """Return the file's octets.

    Args:
        backend: where the accounts are.
        mechanisms: to be offered; empty for the default of the backend.
        keytab: of the mail server, which then offers GSSAPI too; empty for none.

    Raises:
        UsageError: what is no name of a mechanism.
    """
    offered = tuple(map(served, mechanisms or (MECHANISMS if database_of(backend) else PLAINTEXT)))
    first = (GSSAPI,) if keytab and GSSAPI not in offered else ()
    listed = " ".join((*first, *offered)).encode()
    lines = [*_settings(backend), ("mech_list", listed), *_path("keytab", keytab)]
    return b"".join(_line(key, value) for key, value in lines)


def pieces(backend: Backend, mechanisms: Sequence[str] = (), keytab: str = "") -> tuple[bytes | Secret, ...]:
    """Return what :func:`render` does, in three pieces around the password if there is one."""
    text = render(backend, mechanisms, keytab)
    head, key, rest = text.partition(b"\nsql_passwd: ")
    if not key:
        return (text,)
    password, end, tail = rest.partition(b"\n")
    return head + key, Secret(password), end + tail


def shown(settings: Mapping[str, bytes]) -> dict[str, str | Secret]:
    """Return settings as text, the password as a secret."""
    return {
        name: Secret(value) if name == "sql_passwd" else value.decode(errors="replace")
        for name, value in settings.items()
    }


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
        found = _LINE.match(text)
        value = found[2].strip(_SPACE) if found else b""
        if not found or not value or len(line) > MAX_LINE:
            reason = f"line {number} is not 'key: value', for which libsasl2 refuses the whole file"
            raise DamagedFileError(path, reason, "correct it, and restart the mail server")
        settings.setdefault(found[1].decode().lower(), value)
    return settings


def _settings(backend: Backend) -> Iterable[tuple[str, bytes]]:
    """Return who checks a password, in this order, and where the accounts are."""
    database = database_of(backend)
    methods = [b"auxprop"] if database else []
    yield "pwcheck_method", b" ".join([*methods, *([b"saslauthd"] if isinstance(backend, Saslauthd) else [])])
    if database:
        yield from _sasldb(database.path) if isinstance(database, Sasldb) else _sql(database)
    if isinstance(backend, Saslauthd):
        yield from _path("saslauthd_path", backend.mux)


def _sasldb(path: str) -> Iterable[tuple[str, bytes]]:
    return [("auxprop_plugin", b"sasldb"), *_path("sasldb_path", path)]


def _path(key: str, path: str) -> list[tuple[str, bytes]]:
    return [(key, path.encode(errors="surrogateescape"))] if path else []


def _sql(backend: Sql) -> Iterable[tuple[str, bytes]]:
    for name, value in plugin_options(backend.url, backend.role).items():
        yield name, value.encode()
    if backend.password:
        password = backend.password.reveal()
        quotable("sql_passwd", password.decode("latin-1"))
        yield "sql_passwd", password


def _line(key: str, value: bytes) -> bytes:
    line = key.encode() + b": " + value
    if not value or value != value.strip() or any(octet < 32 or octet == 127 for octet in value):
        reason = "is empty, or contains a control character or outer spaces, which libsasl2 can't read"
        raise InexpressibleError(key, reason)
    if len(line) > MAX_LINE:
        raise InexpressibleError(key, f"makes a line of over {MAX_LINE} octets")
    return line + b"\n"
