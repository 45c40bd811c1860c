"""SASL: the files that the accounts are in, their records, and their copies."""

import os
import stat
from collections.abc import Iterator, Mapping
from functools import partial

from ..accounts.copies import is_copy, make_copy
from ..accounts.database import AccountDatabase
from ..accounts.entries import remarks, served
from ..accounts.rules import login_names
from ..model import Account, Owner
from ..sasldb.detect import PLUGIN_DIRECTORIES, Format, host_format
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, in_order, orphans
from ..sasldb.replace import NewFile
from ..sasldb.slack import leftovers
from .finding import Finding, Repair, found
from .world import SENDMAIL_MC, Host

# SASL: the file that the accounts are in, and its copies.


def readable(world: Host) -> Iterator[Finding]:
    """The database is one."""
    if world.damage:
        path = world.damage.subject
        account = world.site.settings.sasl.account
        cure = f"mv {path} {path}.damaged && smtpcreds sasl add {account}, or put it back from a backup"
        yield found("SASL016", path, f"{world.damage.reason}, so every login fails", cure)


def backend(world: Host) -> Iterator[Finding]:
    """The database has the format of this host's Cyrus SASL."""
    if not _is_sound(world):
        return
    path = world.site.sasldb
    here, there = host_format([world.path(pattern) for pattern in PLUGIN_DIRECTORIES]), format_at(path)
    if here and there and here is not there:
        reason = f"has format {there}, and the plugin sasldb of this host reads {here}"
        cure = f"smtpcreds sasl convert {path}.new --to {here} && mv {path}.new {path}"
        yield found("SASL007", path, reason, cure)


def free_space(world: Host) -> Iterator[Finding]:
    """Nothing readable is left of secrets that were replaced; only Berkeley DB files are looked at."""
    path = world.site.sasldb
    if not _is_sound(world) or format_at(path) is not Format.BDB:
        return
    if number := leftovers(world.content(path) or b"", path):
        reason = f"still holds {number} pieces of records that were deleted or replaced"
        cure = "smtpcreds audit --fix --only SASL012"
        yield found("SASL012", path, reason, cure, Repair(path, partial(_rewrite, path)))


def copies(world: Host) -> Iterator[Finding]:
    """Each copy holds the accounts as they are; programs of others change the database alone."""
    if not _is_sound(world):
        return
    database = world.site.sasldb
    for path in map(world.path, world.site.settings.sasl.copies):
        if os.path.exists(path) and not is_copy(database, path):
            reason = f"is no copy of {database} as it is now; who reads it lets others in"
            cure = "smtpcreds audit --fix --only SASL017"
            repair = Repair(path, partial(_copy, database, path))
            yield found("SASL017", path, reason, cure, repair)


def _is_sound(world: Host) -> bool:
    return world.has_accounts_in_file and not world.damage


def _copy(database: str, path: str) -> None:
    """Give a copy the accounts; its mode and owner are other checks."""
    status = os.stat(path)
    owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
    make_copy(database, path, NewFile(stat.S_IMODE(status.st_mode), owner))


def _rewrite(path: str) -> None:
    open_store(path).rewrite()


# Where Cyrus SASL looks for configuration: of sendmail, of smtpd; and for plugins.

SENDMAIL_CONFS = (
    "/etc/sasl2/Sendmail.conf",
    "/etc/sasl/Sendmail.conf",
    "/usr/lib/x86_64-linux-gnu/sasl2/Sendmail.conf",
    "/usr/lib/sasl2/Sendmail.conf",
)
"""In the order in which Debian's sendmail searches (observed); the first that is there counts."""
DEAD_SENDMAIL_CONFS = (
    "/usr/lib/sasl/Sendmail.conf",
    "/etc/mail/sasl/Sendmail.conf",
    "/etc/mail/Sendmail.conf",
)
"""Where books and habits put it, and nobody reads it."""
SMTPD_CONFS = ("/etc/postfix/sasl/smtpd.conf",)
"""Debian's Postfix, which takes no notice of cyrus_sasl_config_path (observed)."""
DEAD_SMTPD_CONFS = ("/etc/sasl2/smtpd.conf", "/usr/lib/sasl2/smtpd.conf", "/etc/sasl/smtpd.conf")
PLUGINS = PLUGIN_DIRECTORIES


# SASL: the accounts themselves.

_BESIDE = "beside userPassword"
"""In the remarks that SASL002 and SASL003 are about."""


def realms(world: Host) -> Iterator[Finding]:
    """Every account is in a realm in which some server here looks up bare names."""
    known = _realms(world)
    for account, _ in in_order(world.records):
        if account.realm not in known:
            where = " or ".join(sorted(known))
            reason = f"is in a realm where nobody looks bare names up; that is {where}"
            yield found("SASL001", str(account), reason, _moved(world, account))


def properties(world: Host) -> Iterator[Finding]:
    """No account has properties that contradict each other, or serve nothing."""
    accounts = AccountDatabase(world.site)
    for account, held in in_order(world.records):
        cure = f"smtpcreds sasl passwd {accounts.shown(account)}"
        yield from (found(code, str(account), reason, cure) for code, reason in _faults(held))


def unknown_records(world: Host) -> Iterator[Finding]:
    """Every key is an account's."""
    for key in orphans(world.records):
        path = world.site.sasldb
        shown = ascii(key)[2:-1]
        reason = f"has the key {shown}, which is no account's and on which sasldblistusers2 never ends"
        yield found("SASL005", path, reason, "smtpcreds audit --fix --only SASL005", _without(path, key))


def logins(world: Host) -> Iterator[Finding]:
    """No account has the name of a login."""
    names = login_names(world.site.root)
    for account, _ in in_order(world.records):
        if account.authcid in names:
            reason = "has the name of a login account"
            cure = f"smtpcreds sasl rotate {AccountDatabase(world.site).shown(account)} --successor NAME"
            yield found("SASL006", str(account), reason, cure)


def _realms(world: Host) -> set[str]:
    """Return the realms of the servers here, and where none is known, that of our configuration."""
    found = set()
    if world.sendmail:
        found.add(world.sendmail.option("AuthRealm") or world.host)
    if world.postfix and world.postfix.is_on("smtpd_sasl_auth_enable"):
        found.add(world.postfix.value("smtpd_sasl_local_domain") or world.postfix.value("myhostname"))
    return found - {""} or {world.site.realm}


def _moved(world: Host, account: Account) -> str:
    """Return the command that brings account and server together; clients then need the new secret."""
    realm = world.site.realm
    if account.realm == realm and world.postfix:
        command = f"postconf -e smtpd_sasl_local_domain={realm} && postfix reload"
    elif account.realm == realm:
        command = f"define(`confAUTH_REALM', `{realm}')dnl in {world.path(SENDMAIL_MC)}"
    elif any(other == (account.authcid, realm) for other, _ in in_order(world.records)):
        command = f"smtpcreds sasl delete {account}"
    else:
        command = f"smtpcreds sasl add {account.authcid} && smtpcreds sasl delete {account}"
    return f"{command}, or log in as {account}"


def _faults(held: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    is_beside = USER_PASSWORD in held
    if is_beside and AUTH_PASSWORD in held:
        yield "SASL002", "has an authPassword beside userPassword, which is not looked at"
    old = sorted(name for name in held if name.startswith("cmusaslsecret"))
    if is_beside and old:
        yield "SASL003", f"has {', '.join(old)} beside userPassword, perhaps of an older password"
    yield from (("SASL004", remark) for remark in remarks(held) if _BESIDE not in remark)
    if not served(held):
        yield "SASL004", f"has {', '.join(sorted(held))}, which serves no mechanism"


def _without(path: str, key: bytes) -> Repair:
    return Repair(path, lambda: open_store(path).apply(lambda _: {key: None}))
