"""PostgreSQL: where a database is, how it is reached, and what its errors mean. The only home of psycopg."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from .errors import (
    DamagedFileError,
    DataError,
    DeniedError,
    ExistsError,
    ForeignFormatError,
    InexpressibleError,
    LockHeldError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    UnsafePathError,
    UsageError,
    WriteError,
)
from .files.guard import check_unchanged, directory_of
from .lazy import pattern

if TYPE_CHECKING:
    import psycopg
    from psycopg import Connection as Connection


# ``postgresql://`` URLs (libpq-connect, "Connection URIs"), which never carry a password here.
#
# A URL is typed on command lines, which every user of the host can read in the list of processes. libpq takes
# passwords from ``~/.pgpass``, and needs none with peer authentication or a client certificate.

_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = frozenset({"postgresql", "postgres"})
_SECRET = frozenset(
    {"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"}
)
_PARAMETERS = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "service", "passfile", "options"),
        *("application_name", "fallback_application_name", "client_encoding", "replication"),
        *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "target_session_attrs", "load_balance_hosts"),
        *("ssl", "sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslsni", "sslcertmode"),
        *("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("min_protocol_version", "max_protocol_version"),
        *("requirepeer", "require_auth", "channel_binding", "gssencmode", "krbsrvname", "gsslib"),
        "gssdelegation",
    }
)
"""Of libpq 18 (libpq-connect): what it reads or writes, and whom it believes, is verified here. One of a
newer libpq may name a file, as ``servicefile`` does, or a program."""
_CURE = "put it into ~/.pgpass, mode 0600 (or use a service file, peer authentication, a client certificate)"


class DatabaseUrl(NamedTuple):
    """One database.

    Attributes:
        text: the URL as libpq takes it.
        hosts: pairs of host name, address or socket directory, and port; an empty part is libpq's default.
        database: its name; empty where a service file says it.
        user: the role; empty for libpq's default, the name of the running user.
        tls: libpq's ``sslmode``; empty for its default.
    """

    text: str
    hosts: tuple[tuple[str, str], ...]
    database: str
    user: str
    tls: str

    def __str__(self) -> str:
        return self.text


def is_url(text: str) -> bool:
    """Tell whether this is a URL, of whatever kind, and no path."""
    return bool(_SCHEME.match(text))


def is_postgres(text: str) -> bool:
    """Tell whether this is a URL of a PostgreSQL database, right or wrong."""
    return scheme_of(text) in _SCHEMES


def scheme_of(text: str) -> str:
    """Return the scheme in lower case; empty for a path."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else ""


def parse_url(text: str) -> DatabaseUrl:
    """Read a URL.

    Raises:
        UsageError: another scheme, a password inside, or no name of a database.
    """
    from urllib.parse import parse_qsl, unquote

    if not is_postgres(text):
        raise UsageError(_shown(text), "is not a PostgreSQL URL", "write postgresql://HOST/DATABASE")
    # urlsplit knows one host alone, and of late refuses ``host,[2001:db8::1]``, which libpq takes.
    before, _, asked = text.partition("://")[2].partition("?")
    authority, _, path = before.partition("/")
    try:
        query = dict(parse_qsl(asked, keep_blank_values=True))
    except ValueError as error:
        raise UsageError(_shown(text), f"is not a URL: {error}") from None
    who, _, places = authority.rpartition("@")
    if any(place.startswith("[") is not ("]" in place) for place in places.split(",")):
        raise UsageError(_shown(text), "is not a URL: an address in brackets is [2001:db8::1]")
    if ":" in who or _SECRET & query.keys() or "@" in path + asked:  # a password may hold / and ?
        raise UsageError(_shown(text), "carries a password, which every user of this host can see", _CURE)
    if unknown := sorted(query.keys() - _PARAMETERS):
        reason = f"has a parameter {one_line(unknown[0])!a}, which smtpcreds does not know"
        raise UsageError(_shown(text), reason, "leave it out")
    database = query.get("dbname") or unquote(path)
    if not database and "service" not in query:
        raise UsageError(text, "names no database", "write postgresql://HOST/DATABASE")
    user = query.get("user") or unquote(who)
    url = DatabaseUrl(text, _hosts(places, query), database, user, query.get("sslmode", ""))
    if not is_local([host for host, _ in url.hosts], query.get("hostaddr", "").split(",")):
        _verify_strong(_shown(text), query)
    return url


# What goes over a network is for the server of that name alone: ``sslmode=verify-full``, and a password only
# as SCRAM-SHA-256, from which a server that does not have it learns nothing (libpq-connect, "sslmode",
# "require_auth"). libpq's own defaults are ``prefer`` and any method that the server likes: they give the
# password in clear to whoever sits in between and says "no TLS, clear-text password".

FULL = "verify-full"
_STRONG_METHODS = frozenset({"scram-sha-256", "gss", "none"})
_STRENGTHS = (
    ("sslmode", frozenset({FULL}), FULL),
    ("require_auth", _STRONG_METHODS, "scram-sha-256"),
)
_TUNNEL = "or reach it through a tunnel, as host 127.0.0.1"


def is_local(hosts: Iterable[str], addresses: Iterable[str] = ()) -> bool:
    """Tell whether all of these are sockets (paths, abstract names, libpq's default) or loopback addresses.

    Args:
        hosts: names, addresses or paths; an empty one is a socket.
        addresses: of libpq's ``hostaddr``, which wins where it is given.
    """
    named = (host for host in (*hosts, *addresses) if host and not host.startswith(("/", "@")))
    return all(map(_is_loopback, named))


def _is_loopback(host: str) -> bool:
    """Tell whether this is an address of this host; 127.0.0.300 is none, but a name that a DNS server has."""
    from ipaddress import ip_address

    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _verify_strong(subject: str, query: dict[str, str]) -> None:
    for name, strong, default in _STRENGTHS:
        if name in query and not set(query[name].split(",")) <= strong:
            reason = f"{name}={one_line(query[name])} lets whoever sits in between read passwords"
            raise UsageError(subject, reason, f"leave {name} out, which means {default}; {_TUNNEL}")


def _hosts(places: str, query: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return hosts and ports; parameters of the query win over the authority, as in libpq."""
    pairs = [_host(place) for place in places.split(",")]
    hosts = query["host"].split(",") if "host" in query else [host for host, _ in pairs]
    ports = query["port"].split(",") if "port" in query else [port for _, port in pairs]
    if len(ports) == 1:
        ports *= len(hosts)
    return tuple(zip(hosts, ports, strict=False))


def _host(place: str) -> tuple[str, str]:
    from urllib.parse import unquote

    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        return unquote(address), port.removeprefix(":")
    host, _, port = place.partition(":")
    return unquote(host), port


def _shown(text: str) -> str:
    """Return a URL without what may be a password."""
    scheme, is_there, rest = text.partition("://")
    if not is_there:
        return text
    place = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{'...@' * ('@' in rest)}{place}"


# PostgreSQL's SQLSTATEs (appendix A of its manual) as errors of ours.

Fault = tuple[type[SmtpcredsError], str, str | None]

_ROOT = "put sslrootcert=/etc/mail/certs/cacert.pem into the URL: the CA of the server's certificate"
_GRANT = "as its owner, grant this role what is missing, or work as that owner"
_REACH = "is the server running, and does it know this role and database? A password comes from ~/.pgpass"
_METHOD = "in pg_hba.conf: hostssl ... scram-sha-256; or cert, and sslcert= and sslkey= in the URL"
_AT_A_PORT = "in pg_hba.conf: hostssl ... scram-sha-256; on this host, reach it through its socket"
_ALONE = "if no other user can listen at that port"
_AT_OURS = f"{_AT_A_PORT}; or require_auth=password in the URL (md5, none), {_ALONE}"
_OF_LIBPQ = {
    "does not support SSL": "let the server speak TLS (ssl = on): man smtpcreds, section POSTGRESQL",
    "certificate verify failed": _ROOT,
    "does not match host name": "name the host as its certificate does",
    'requirement "!password"': (
        "in pg_hba.conf: scram-sha-256; or require_auth=password in the URL, if the server asks PAM or LDAP"
    ),
    'requirement "scram-sha-256,gss': _AT_OURS,
    "requirement": _METHOD,
    "channel binding": f"{_AT_A_PORT}; there also channel_binding=disable in the URL, {_ALONE}",
}
"""Hints by what libpq's messages say."""
_STATES: dict[str, Fault] = {
    "23503": (MissingInputError, "the inventory knows no such authority", "see: smtpcreds ca show"),
    "23505": (ExistsError, "this is recorded already", None),
    "25006": (WriteError, "{message}", "name the primary server, not a standby"),
    "42501": (DeniedError, "{message}", _GRANT),
    "55P03": (LockHeldError, "is locked by another process", "try again later"),
}
_CLASSES: dict[str, Fault] = {
    "08": (UnavailableError, "{message}", None),
    "0A": (DataError, "{message}", None),
    "22": (InexpressibleError, "can't hold this value: {message}", None),
    "23": (DataError, "can't hold this ({message})", None),
    "40": (LockHeldError, "another process changed it at the same time", "run it again"),
    "42": (DamagedFileError, "is damaged ({message})", "restore it from a backup"),
    "53": (WriteError, "{message}; nothing was changed", "make room on the database server"),
    "54": (InexpressibleError, "can't hold this value: {message}", None),
    "57": (UnavailableError, "{message}", "run it again when the database server is back"),
    "58": (WriteError, "{message}; nothing was changed", "look into the database server's log"),
    "XX": (DamagedFileError, "is damaged ({message})", "look into the database server's log"),
}
"""By the first two characters, where the whole SQLSTATE is not in the table above."""


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Turn what psycopg raises inside into errors about the database.

    Only the server's primary message is passed on: its details quote values.
    """
    import psycopg

    try:
        yield
    except UnicodeEncodeError as error:
        raise InexpressibleError(subject, f"can't hold this value: {error.reason}") from error
    except psycopg.Error as error:
        known = _known(subject, error)
        if known is None:
            raise
        raise known from error


def one_line(message: str) -> str:
    """Return text without line ends and other unprintable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in message).split())


def damaged(subject: str, message: str) -> SmtpcredsError:
    """Return the error for content that contradicts itself."""
    kind, reason, hint = _CLASSES["42"]
    return kind(subject, reason.format(message=one_line(message)), hint)


def _known(subject: str, error: "psycopg.Error") -> SmtpcredsError | None:
    import psycopg

    state = error.sqlstate
    message = one_line(error.diag.message_primary or str(error))
    if state:
        row = _STATES.get(state) or _CLASSES.get(state[:2])
    elif isinstance(error, psycopg.DataError):  # psycopg's own: a NUL in a text
        row = _CLASSES["22"]
    else:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        advice = next((text for part, text in _OF_LIBPQ.items() if part in message), _REACH)
        row = (UnavailableError, "{message}", advice) if lost else None
    if row is None:
        return None
    kind, reason, hint = row
    return kind(subject, reason.format(message=message), hint)


# Connections: named after their process, durable in each commit, in UTF-8.

OLDEST = 11
"""Of the servers: the first with EXECUTE FUNCTION in triggers and sha256()."""
PATIENCE = 30.0
"""Seconds to wait for locks."""
LOCKS = 0x736D6372
"""``smcr``: the first half of the key of every advisory lock of this program."""
_SESSION: LiteralString = """
SET synchronous_commit = on;
SET default_transaction_isolation = 'read committed';
SET row_security = off;
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3
"""
"""Each commit is on disk; a policy that hides rows is an error, not a shorter answer; a host that vanished
loses its locks after a minute, not after two hours."""


@contextmanager
def connected(
    url: DatabaseUrl, *, read_only: bool = False, patience: float = PATIENCE
) -> "Iterator[Connection]":
    """Connect in autocommit mode, and close the connection afterwards.

    Args:
        url: of the database.
        read_only: let the server refuse every write.
        patience: seconds after which a lock that another process holds is an error.
    """
    library = _library(url)
    parameters = _parameters(library, url)
    with translated(url.text):
        connection: Connection = library.connect(autocommit=True, prepare_threshold=None, **parameters)
    try:
        _verify(connection, url)
        with translated(url.text):
            connection.execute(_SESSION)
            settings = {"lock_timeout": str(max(1, int(patience * 1000)))}
            settings |= {"default_transaction_read_only": "on"} if read_only else {}
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        yield connection
    finally:
        connection.close()


def program_name() -> str:
    """Return what the server shows of this process (pg_stat_activity.application_name)."""
    return f"smtpcreds process {os.getpid()} on {os.uname().nodename}"


def _library(url: DatabaseUrl) -> Any:
    try:
        import psycopg
    except ImportError as error:
        reason = f"needs psycopg 3, which can't be imported ({one_line(str(error))})"
        from .extras import how_to_install, in_package

        hint = f"{how_to_install('psycopg')}; it uses libpq of the system{in_package('libpq')}"
        raise UnavailableError(url.text, reason, hint) from None
    return psycopg


def _parameters(library: Any, url: DatabaseUrl) -> dict[str, Any]:
    try:
        given = library.conninfo.conninfo_to_dict(url.text)
    except library.ProgrammingError as error:
        raise UsageError(url.text, f"libpq can't read it: {one_line(str(error))}") from None
    _verify_services(given)
    known = _known_to_libpq(library, url)
    _verify_files(known)
    _verify_sockets(url, known, _usual_directory(library.pq))
    strong = _strong(library.pq, url, given, known)
    return {
        "connect_timeout": 10,
        **strong,
        **given,
        "application_name": program_name(),
        "client_encoding": "utf8",
    }


_REQUIRE_AUTH = 160000
"""The version of libpq that has ``require_auth``."""
_NO_CLEAR_TEXT = "!password"
_PEER = "name the server's user in the URL: requirepeer=postgres"
_NO_FILE = f"{os.devnull}/none"


def _known_to_libpq(library: Any, url: DatabaseUrl) -> dict[str, str]:
    """Return what libpq will go by: the URL, else a service file, else the environment (libpq-envars)."""
    return _resolved(library.pq, library.conninfo.make_conninfo(url.text, port="0"))[1]


def _usual_directory(pq: Any) -> str:
    """Return where libpq looks for the socket of a server without a host; that is compiled into it."""
    return _resolved(pq, "host='' hostaddr='' port=0")[0]


def _resolved(pq: Any, asked: str) -> tuple[str, dict[str, str]]:
    """Return host and parameters as libpq itself understands them; at port 0 it connects to nothing."""
    begun = pq.PGconn.connect_start(asked.encode())
    try:
        return begun.host.decode(), {o.keyword.decode(): (o.val or b"").decode() for o in begun.info}
    finally:
        begun.finish()


_READ_BY_LIBPQ = {
    "passfile": "~/.pgpass",
    "sslrootcert": "~/.postgresql/root.crt",
    "sslcrl": "~/.postgresql/root.crl",
    "sslcrldir": "",
    "sslcert": "~/.postgresql/postgresql.crt",
    "sslkey": "~/.postgresql/postgresql.key",
}
"""Parameters that name files, and where libpq looks without them (libpq-pgpass, libpq-ssl)."""
_OF_NO_FILE = frozenset({"", "system"})


def _verify_files(known: dict[str, str]) -> None:
    """Refuse what another user could change: who writes it says which server is ours.

    libpq looks only at the modes of password file and key, and HOME may be that of whoever called sudo.
    It writes the secrets of TLS to ``sslkeylogfile``, wherever a link leads.
    """
    if log := known.get("sslkeylogfile"):
        raise UsageError(f"sslkeylogfile={log}", "would hold what opens the connection", "leave it out")
    paths = [str(known.get(name) or os.path.expanduser(usual)) for name, usual in _READ_BY_LIBPQ.items()]
    _verify_unchanged(paths)


def _verify_services(given: dict[str, Any]) -> None:
    """Refuse service files that another user could change, before libpq reads them (libpq-pgservice)."""
    if given.get("service") or os.environ.get("PGSERVICE"):
        own = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
        common = os.environ.get("PGSYSCONFDIR") or "/etc/postgresql-common"
        _verify_unchanged([own, f"{common}/pg_service.conf"])


def _verify_unchanged(paths: Iterable[str]) -> None:
    for path in paths:
        if path not in _OF_NO_FILE and os.path.exists(path):
            check_unchanged(path)


def _verify_sockets(url: DatabaseUrl, known: dict[str, str], usual: str) -> None:
    """Refuse a socket that any user may have put there, before a password is given through it.

    The server's user has its own directory, which root put in its place (/var/run/postgresql); libpq looks
    for no other user where the URL names one (libpq-connect, "requirepeer").
    """
    if known.get("requirepeer"):
        return
    hosts, addresses = (str(known[name]).split(",") for name in ("host", "hostaddr"))
    for host, address in zip_longest(hosts, addresses, fillvalue=""):
        place = host or ("" if address else usual)
        if place.startswith("@") or (place.startswith("/") and _is_open(place)):
            reason = f"has its socket in {place}, where every user can put another"
            raise UnsafePathError(url.text, reason, _PEER)


def _is_open(directory: str) -> bool:
    """Tell whether another user than the server's can put a socket there, or the directory in its place."""
    try:
        with directory_of(directory, follow=True) as (at, name):
            above = os.fstat(at).st_mode & stat.S_IWOTH
            found = os.stat(name, dir_fd=at)
    except FileNotFoundError:
        return bool(above)
    except MissingInputError:
        return _is_open(os.path.dirname(directory))
    except UnsafePathError:
        return True
    return bool(found.st_mode & stat.S_IWOTH or (above and found.st_uid not in {0, os.geteuid()}))


def _strong(pq: Any, url: DatabaseUrl, given: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Return parameters for what the URL leaves open where the server is elsewhere; see :data:`FULL`.

    With a client certificate the server may ask for nothing more. A libpq without ``require_auth`` is held to
    channel binding, which SCRAM alone has (RFC 5802 section 6); with a client certificate it is given no
    password at all.
    """
    places = [place for name in ("host", "hostaddr") for place in str(known[name]).split(",") if place]
    if is_local(places):
        return _strong_here(pq, known, all(place.startswith(("/", "@")) for place in places))
    _verify_strong(url.text, given)
    if not (known["sslrootcert"] or _has_root()):
        reason = "is on another host, and no CA certificate is there to know it by"
        raise UnavailableError(url.text, reason, _ROOT)
    strong = {"sslmode": FULL, "gssencmode": "disable"}
    if pq.version() >= _REQUIRE_AUTH:
        return strong | {"require_auth": "scram-sha-256" + ",none" * bool(known["sslcert"])}
    if known["sslcert"] and given.get("channel_binding") != "require":
        return strong | {"password": "", "passfile": _NO_FILE}
    return strong | {"channel_binding": "require"}


def _strong_here(pq: Any, known: dict[str, str], is_socket: bool) -> dict[str, Any]:
    """Return parameters for a server of this host, where any user can listen while it is down.

    One at a port has to know the role's password (RFC 5802 section 3: SCRAM proves both sides), or has the
    accounts as if it were ours; a socket's owner is known by its directory, see :func:`_verify_sockets`.
    """
    if pq.version() < _REQUIRE_AUTH:
        is_left_open = not is_socket and known["channel_binding"] == "prefer" and known["sslmode"] != FULL
        return {"channel_binding": "require"} if is_left_open else {}
    if known["require_auth"]:
        return {}
    is_shown = known["sslcert"] and known["sslmode"] == FULL
    at_a_port = "scram-sha-256,gss" + ",none" * bool(is_shown)
    return {"require_auth": _NO_CLEAR_TEXT if is_socket else at_a_port}


def _has_root() -> bool:
    """Tell whether libpq finds a CA certificate of its own accord (libpq-ssl, table of files)."""
    return os.path.exists(os.path.expanduser("~/.postgresql/root.crt"))


def _verify(connection: "Connection", url: DatabaseUrl) -> None:
    version = connection.info.server_version // 10000
    if version < OLDEST:
        raise UnavailableError(
            url.text, f"is served by PostgreSQL {version}; {OLDEST} is the oldest that will do"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "make another one: createdb -E UTF8 -T template0 NAME"
        raise ForeignFormatError(url.text, f"is encoded in {encoding}, not in UTF8", hint)


# One host at a time: an advisory lock that goes with its connection, and can say who holds it.

_HOLDER = """
SELECT usename, pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid, objid, objsubid) = (%s, %s, 2)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def held(connection: "Connection", number: int, subject: str) -> Iterator[None]:
    """Hold an advisory lock of this database for the block, outside any transaction.

    The server frees it when the connection ends, however it ends.

    Args:
        connection: also the one that writes, so that what can't be kept locked can't be written either.
        number: which lock of this program.
        subject: what messages call the database.
    """
    _take(connection, number, subject)
    try:
        yield
    finally:
        if not connection.broken:
            with translated(subject):
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCKS, number))


def _take(connection: "Connection", number: int, subject: str) -> None:
    try:
        with translated(subject):
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, number))
    except LockHeldError:
        row = connection.execute(_HOLDER, (LOCKS, number)).fetchone()
        raise LockHeldError(subject, f"is held by {_holder(row)}", "try again when it ended") from None


def _holder(row: "tuple[Any, ...] | None") -> str:
    """Name who holds a lock, by what the server knows; any role can call itself what it likes."""
    if not row:
        return "another process"
    role, process, name = (one_line(str(value or "")) for value in row)
    return f"role {role}, process {process} of the server, as {name!a}"


# The options of Cyrus SASL's ``sql`` plugin (cyrus-sasl 2.1.28, ``plugins/sql.c``) for one database.
#
# The plugin puts host, user, password and database between apostrophes into a conninfo string, and escapes
# nothing there. It splits hosts at commas and each at its first colon, and skips all that is no letter or
# digit behind a comma. TLS is ``sslmode=require``, which checks the server's certificate where libpq finds a
# ``~/.postgresql/root.crt``.

SELECT = "SELECT value FROM public.smtpcreds_sasl WHERE username = '%u' AND realm = '%r' AND prop = '%p'"
"""The plugin fills in name, realm and property, escaped by PQescapeString."""


def plugin_options(url: DatabaseUrl, role: str) -> dict[str, str]:
    """Return options by name; a password is none of them.

    Args:
        url: of the database.
        role: to read as; empty for libpq's default.

    Raises:
        InexpressibleError: the URL says more than the plugin can be told.
    """
    if not url.database:
        raise InexpressibleError(
            url.text, "names a service, which Cyrus SASL can't", "write host and database"
        )
    remote = any(host and not host.startswith("/") for host, _ in url.hosts)
    options = {
        "auxprop_plugin": "sql",
        "sql_engine": "pgsql",
        "sql_hostnames": quotable("sql_hostnames", _cyrus_hosts(url.hosts)),
        "sql_usessl": "yes" if remote and url.tls != "disable" else "",
        "sql_database": quotable("sql_database", url.database),
        "sql_user": quotable("sql_user", role),
        "sql_select": SELECT,
    }
    return {name: value for name, value in options.items() if value}


def quotable(option: str, value: str) -> str:
    """Accept what can stand between apostrophes."""
    if "'" in value or "\\" in value:
        raise InexpressibleError(
            option, "contains ' or \\, which Cyrus SASL's sql plugin passes on unescaped"
        )
    return value


def _cyrus_hosts(hosts: Sequence[tuple[str, str]]) -> str:
    for place, (host, _) in enumerate(hosts):
        if ":" in host:
            raise InexpressibleError(
                host, "can't be written in sql_hostnames, where : ends a host", "name the host"
            )
        if place and not host[:1].isalnum():
            reason = "can't be written in sql_hostnames behind another host"
            raise InexpressibleError(host or "the local socket", reason, "name it first")
    return ",".join(f"{host}:{port}" if port else host for host, port in hosts)
