"""Sendmail.conf or smtpd.conf for a hub, from where its accounts are."""

import os

from ..config import Site
from ..errors import UsageError
from ..model import Artifact, Plan, Root
from ..mta.sasl_conf import Backend, Sasldb, Sql
from ..postgres import is_url, parse_url
from ..sasldb.opening import refuse_url
from ..secret import Secret
from .file import plan_file
from .owners import owner_of


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


def plan_sasl_conf(
    root: Root, content: bytes, path: str, *, group: str | None = None, force: bool = False
) -> Plan[bool]:
    """Plan the file, owned by root when root writes it.

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
    artifact = Artifact(path, content, mode, owner_of(root, "root", group or "root"))
    return plan_file(artifact, "other settings", "where Cyrus SASL finds the accounts", force=force)
