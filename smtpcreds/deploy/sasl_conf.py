"""Sendmail.conf or smtpd.conf for a hub, from where its accounts are."""

import os

from ..config import Site
from ..errors import UsageError
from ..model import Artifact, Owner, Plan
from ..mta.sasl_conf import Backend, Sasldb, Sql
from ..postgres import is_url, parse_url
from ..sasldb.opening import refuse_url
from ..secret import Secret
from .file import plan_file


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


def plan_sasl_conf(content: bytes, path: str, *, private: bool, force: bool = False) -> Plan[bool]:
    """Plan the file: 0644, or 0600 where it holds a password; owned by root when root writes it.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
    """
    owner = Owner(0, 0) if os.geteuid() == 0 else None
    artifact = Artifact(path, content, 0o600 if private else 0o644, owner)
    return plan_file(artifact, "other settings", "where Cyrus SASL finds the accounts", force=force)
