"""Sendmail.conf or smtpd.conf for a hub, from where its accounts are."""

import os
from collections.abc import Mapping
from dataclasses import replace

from ..config import Site
from ..errors import DamagedFileError, UsageError
from ..files import check_parents, check_target, exists, read_public
from ..model import Artifact, Root
from ..mta.sasl_conf import PROGRAMS, Backend, Sasldb, Sql, parse, shown
from ..postgres import is_url, parse_url
from ..postgres.cyrus import plugin_options
from ..sasldb.opening import refuse_url
from ..secret import Secret
from .file import write_file
from .owners import owner_of
from .wishes import Wishes

_NOTE = "where Cyrus SASL finds the accounts"
_PLACE = ("sql_hostnames", "sql_database")


def backend_of(site: Site, database: str | None, role: str, password: Secret | None = None) -> Backend:
    """Return where the mail server finds the accounts of a database.

    Args:
        site: the configured database, as the mail server of that root names it.
        database: another file or URL.
        role: that the mail server reads a PostgreSQL database as.
        password: of that role, where it needs one.

    Raises:
        ForeignFormatError, UsageError: a URL that Cyrus SASL would read and that accounts are not kept in.
    """
    place = database or site.settings.sasl.database
    if is_url(place):
        refuse_url(place)
        return Sql(parse_url(place), role, password)
    if password:
        raise UsageError("--role-password", "is for accounts in PostgreSQL, and these are in a file")
    return Sasldb(os.path.abspath(place))


def backend_of_hub(site: Site, family: str, wishes: Wishes) -> Backend:
    """Return where a hub finds accounts.

    A role and its password that are not given are those of the installed file, if it is about the same
    database: the configuration of smtpcreds holds no password that it could be written with again.

    Raises:
        ForeignFormatError, UsageError: as :func:`backend_of`.
        DeniedError: the installed file holds a password, and the running user can't read it.
    """
    server = PROGRAMS.get(family)
    backend = backend_of(site, None, wishes.role or (server.user if server else "root"), wishes.role_password)
    if not server or not isinstance(backend, Sql):
        return backend
    there = _installed(site.path(server.conf))
    wanted = plugin_options(backend.url, "")
    if any(there.get(name) != wanted.get(name) for name in _PLACE):
        return backend
    role = wishes.role or str(there.get("sql_user", backend.role))
    kept = there.get("sql_passwd") if role == there.get("sql_user") else None
    return replace(
        backend, role=role, password=backend.password or (kept if isinstance(kept, Secret) else None)
    )


def _installed(path: str) -> Mapping[str, str | Secret]:
    """Return the settings of a file; of a damaged one or none, nothing."""
    if not exists(path):
        return {}
    check_parents(path)
    check_target(path)
    try:
        return shown(parse(read_public(path), path))
    except DamagedFileError:
        return {}


def write_sasl_conf(
    root: Root, content: bytes, path: str, *, group: str | None = None, force: bool = False
) -> bool:
    """Write the file, owned by root when root writes it; return False where it was there as it is to be.

    Args:
        root: whose groups are meant.
        content: of the file.
        path: of the file.
        group: that alone may read it, since it holds a password; None for everybody.
        force: replace another content.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
        UnavailableError: there is no such group.
    """
    mode = 0o644 if group is None else 0o600 if group == "root" else 0o640
    artifact = Artifact(path, content, mode, owner_of(root, "root", group or "root"), _NOTE)
    return write_file(artifact, "other settings", force=force)
