"""The options of Cyrus SASL's ``sql`` plugin (cyrus-sasl 2.1.28, ``plugins/sql.c``) for one database.

The plugin puts host, user, password and database between apostrophes into a conninfo string, and escapes
nothing there. It splits hosts at commas and each at its first colon, and skips all that is no letter or digit
behind a comma. TLS is ``sslmode=require``, which checks the server's certificate where libpq finds a
``~/.postgresql/root.crt``.
"""

from collections.abc import Sequence

from ..errors import InexpressibleError
from .url import DatabaseUrl

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
        "sql_hostnames": quotable("sql_hostnames", _hosts(url.hosts)),
        "sql_usessl": "yes" if remote and url.tls != "disable" else "",
        "sql_database": quotable("sql_database", url.database),
        "sql_user": quotable("sql_user", role),
        "sql_select": SELECT,
    }
    return {name: value for name, value in options.items() if value}


def quotable(option: str, value: str) -> str:
    """Accept what can stand between apostrophes.

    Raises:
        InexpressibleError: it holds an apostrophe or a backslash; the value is not shown.
    """
    if "'" in value or "\\" in value:
        raise InexpressibleError(
            option, "contains ' or \\, which Cyrus SASL's sql plugin passes on unescaped"
        )
    return value


def _hosts(hosts: Sequence[tuple[str, str]]) -> str:
    for place, (host, _) in enumerate(hosts):
        if ":" in host:
            raise InexpressibleError(
                host, "can't stand in sql_hostnames, where : ends a host", "name the host"
            )
        if place and not host[:1].isalnum():
            reason = "can't stand in sql_hostnames behind another host"
            raise InexpressibleError(host or "the local socket", reason, "name it first")
    return ",".join(f"{host}:{port}" if port else host for host, port in hosts)
