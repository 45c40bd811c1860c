"""What keeps the mail server of a hub from taking Kerberos tickets: its plug-in, or its keytab."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence

from ..config import Site
from ..errors import MissingInputError, SmtpcredsError, UnsafePathError
from ..files.guard import read_checked, user_name
from ..mta.keytab import principals
from ..shell import quote
from ..systems import Words
from .files import groups_of, owner_of
from .plugins import absent_plugins

SERVICE = "smtp"
"""What Sendmail and Postfix, and every client, call theirs."""


def keytab_errors(site: Site, keytab: str, host: str, user: str) -> Iterator[SmtpcredsError]:
    """Yield what is wrong; there is nothing to be said of a plug-in where no Cyrus SASL is.

    Args:
        site: where.
        keytab: path on the host.
        host: full name, by which clients ask for tickets.
        user: that the mail server runs as, on Debian.
    """
    for absent in absent_plugins(site, ["GSSAPI"]):
        reason = "is not installed, and without it nobody logs in by GSSAPI"
        yield MissingInputError(absent.plugin, reason, absent.cure)
    try:
        _verify(site, keytab, host, Words(site.system).user(user))
    except SmtpcredsError as error:
        yield error


def how_to_make(keytab: str, host: str) -> str:
    """Return the command that fetches the key from the KDC."""
    name = f"{SERVICE}/{host}"
    return f"kadmin -q 'addprinc -randkey {name}'; kadmin -q {quote(f'ktadd -k {keytab} {name}')}"


def is_for(principal: str, host: str) -> bool:
    """Tell whether tickets for the mail server of that name, of any realm, are opened by this key."""
    return principal.rpartition("@")[0].lower() == f"{SERVICE}/{host}"


def lacking(held: Sequence[str], host: str) -> str:
    """Say that a keytab has other principals' keys, the first three of them by name."""
    more = f" and {len(held) - 3} more" if len(held) > 3 else ""
    return f"holds no key of {SERVICE}/{host}, but of {', '.join(held[:3]) or 'nobody'}{more}"


def excess_of(group: int, groups: Collection[int]) -> int:
    """Return the bits that a keytab's mode must not have; the mail server's own group may read it."""
    return 0o037 if group in groups else 0o077


def _verify(site: Site, keytab: str, host: str, user: str) -> None:
    path = site.path(keytab)
    make = how_to_make(keytab, host)
    if not os.path.lexists(path):
        raise MissingInputError(path, "is missing, so nobody can log in by GSSAPI", make)
    content = read_checked(path, lambda path, found: _check_rights(site, path, found, user))
    held = principals(content, path)
    if not any(is_for(principal, host) for principal in held):
        raise MissingInputError(path, lacking(held, host), make)


def _check_rights(site: Site, path: str, found: os.stat_result, user: str) -> None:
    runs = owner_of(site.root, user, user)
    if found.st_uid not in {0, os.geteuid(), *((runs.uid,) if runs else ())}:
        reason = f"belongs to {user_name(found.st_uid)}, who can pose as the mail server"
        raise UnsafePathError(path, reason, f"chown root {quote(path)}")
    groups = {runs.gid, *groups_of(site.root, user)} if runs else set()
    mode, excess = stat.S_IMODE(found.st_mode), excess_of(found.st_gid, groups)
    if mode & excess:
        reason = f"has mode {mode:04o}; who reads it can log in as anybody"
        raise UnsafePathError(path, reason, f"chmod {mode & ~excess:04o} {quote(path)}")
