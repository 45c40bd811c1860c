"""``postgresql://`` URLs (libpq-connect, "Connection URIs"), which never carry a password here.

A URL is typed on command lines, which every user of the host can read in the list of processes. libpq takes
passwords from ``~/.pgpass``, and needs none with peer authentication or a client certificate.
"""

import re
from typing import NamedTuple

from ..errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = frozenset({"postgresql", "postgres"})
_SECRET = frozenset({"password", "sslpassword"})
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
    from urllib.parse import parse_qsl, unquote, urlsplit

    if not is_postgres(text):
        raise UsageError(_shown(text), "is no PostgreSQL URL", "write postgresql://HOST/DATABASE")
    try:
        parts = urlsplit(text, allow_fragments=False)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise UsageError(_shown(text), f"is no URL: {error}") from None
    who, _, places = parts.netloc.rpartition("@")
    if ":" in who or _SECRET & query.keys() or "@" in parts.path + parts.query:  # a password may hold / and ?
        raise UsageError(_shown(text), "carries a password, which every user of this host can see", _CURE)
    database = query.get("dbname") or unquote(parts.path[1:])
    if not database and "service" not in query:
        raise UsageError(text, "names no database", "write postgresql://HOST/DATABASE")
    user = query.get("user") or unquote(who)
    return DatabaseUrl(text, _hosts(places, query), database, user, query.get("sslmode", ""))


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
