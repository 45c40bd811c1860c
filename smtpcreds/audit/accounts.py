"""SASL: the accounts themselves, the file that they are in, and its copies."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache, partial

from ..accounts.auth_info import own_file
from ..accounts.copies import is_copy, make_copy
from ..accounts.database import AccountDatabase
from ..accounts.entries import beside, is_ordinary, remarks, served
from ..accounts.rules import login_names, weakness_of
from ..ca.layout import has_inventory, reading
from ..deploy.outdated import outdated_files, outdated_hosts
from ..errors import number_of
from ..model import Account, Finding, Owner, Repair
from ..sasldb import lmdb_lock
from ..sasldb.detect import Format, host_format
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, in_order, orphans
from ..sasldb.replace import NewFile
from ..sasldb.slack import leftovers
from ..shell import quote
from ..systems import PLUGIN_DIRECTORIES
from .finding import Code
from .host import SENDMAIL_MC, Host

SASL016 = Code.error(
    "SASL016",
    "an account database that is empty, damaged, or none at all; every login fails",
)


def readable(host: Host) -> Iterator[Finding]:
    """The database is one."""
    if host.damage:
        path = host.damage.subject
        name, accounts = host.site.settings.sasl.account, AccountDatabase(host.site)
        away = f"mv {quote(path)} {quote(path)}.damaged"
        own = own_file(accounts, accounts.parse(name))
        with_file = f" --auth-info {quote(own)} --force" if own else ""
        cure = f"{away} && smtpcreds sasl add {quote(name)}{with_file}, or put it back from a backup"
        yield SASL016.found(path, f"{host.damage.reason}, so every login fails", cure)


SASL007 = Code.error("SASL007", "an account database in a format that this host's Cyrus SASL does not read")


def backend(host: Host) -> Iterator[Finding]:
    """The database has the format of this host's Cyrus SASL."""
    if not _is_sound(host):
        return
    path = host.site.sasldb
    here, there = host_format([host.path(pattern) for pattern in PLUGIN_DIRECTORIES]), format_at(path)
    if here and there and here is not there:
        reason = f"has format {there}, and the plugin sasldb of this host reads {here}"
        cure = f"smtpcreds sasl convert {quote(path)}.new --to {here} && mv {quote(path)}.new {quote(path)}"
        yield SASL007.found(path, reason, cure)


SASL012 = Code.warning("SASL012", "old secrets left readable in unused space of the database")


def free_space(host: Host) -> Iterator[Finding]:
    """Nothing readable is left of secrets that were replaced; only Berkeley DB files are looked at."""
    path = host.site.sasldb
    if not _is_sound(host) or format_at(path) is not Format.BDB:
        return
    if number := leftovers(host.content(path) or b"", path):
        reason = f"still holds {number_of(number, 'piece')} of records that were deleted or replaced"
        cure = "smtpcreds audit --fix --only SASL012"
        yield SASL012.found(path, reason, cure, Repair(path, partial(_rewrite, path)))


SASL018 = Code.error(
    "SASL018",
    "an LMDB database whose reader table is nearly full, mostly with slots of processes that ended; "
    "once it is full, logins fail",
)


def readers(host: Host) -> Iterator[Finding]:
    """Another reader finds a place in the lock file of an LMDB database."""
    path = host.site.sasldb
    if not _is_sound(host) or format_at(path) is not Format.LMDB:
        return
    table = lmdb_lock.readers(os.path.realpath(path))
    if table is None or table.free > table.slots // 10:
        return
    dead = len(table.dead)
    reason = f"has {table.free} of {table.slots} reader slots free; {dead} belong to processes that ended"
    if dead:
        cure, repair = "smtpcreds audit --fix --only SASL018", Repair(path, partial(_clear_readers, path))
        yield SASL018.found(path, reason, cure, repair)
    else:
        yield SASL018.found(path, reason, "restart the mail server")


SASL017 = Code.error(
    "SASL017",
    "a copy of the account database that does not hold the accounts as they are, perhaps because "
    "saslpasswd2 changed the database; who was deleted can still log in",
)


def copies(host: Host) -> Iterator[Finding]:
    """Each copy holds the accounts as they are; programs of others change the database alone."""
    if not _is_sound(host):
        return
    database = host.site.sasldb
    for path in map(host.path, host.site.settings.sasl.copies):
        if os.path.exists(path) and not is_copy(database, path):
            reason = f"is not a current copy of {database}; a server that reads it lets other accounts in"
            cure = "smtpcreds audit --fix --only SASL017"
            repair = Repair(path, partial(_copy, database, path))
            yield SASL017.found(path, reason, cure, repair)


def _is_sound(host: Host) -> bool:
    return host.has_accounts_in_file and not host.damage


def _copy(database: str, path: str) -> None:
    """Give a copy the accounts; its mode and owner are other checks."""
    status = os.stat(path)
    owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
    make_copy(database, path, NewFile(stat.S_IMODE(status.st_mode), owner))


def _clear_readers(path: str) -> None:
    open_store(path).apply(lambda _: {})


def _rewrite(path: str) -> None:
    open_store(path).rewrite()


SASL005 = Code.error("SASL005", "a record whose key is not an account's; sasldblistusers2 never ends on it")


def orphan_records(host: Host) -> Iterator[Finding]:
    """Every key is an account's."""
    for key in orphans(host.records):
        path = host.site.sasldb
        shown = ascii(key)[2:-1]
        reason = f"has the key {shown}, which is not an account's and on which sasldblistusers2 never ends"
        yield SASL005.found(path, reason, "smtpcreds audit --fix --only SASL005", _without(path, key))


SASL001 = Code.note("SASL001", "an account in a realm in which no server here looks up names without a realm")
SASL006 = Code.warning("SASL006", "a relay account with the name of a login account")
SASL019 = Code.note(
    "SASL019",
    "an account whose secret is short, its own name, or among the first passwords that attackers try",
)
_Held = Mapping[str, bytes]
_Look = Callable[[Account, _Held], Iterable[Finding]]


def each(host: Host) -> Iterator[Finding]:
    """Look at every account, in one walk over what may be a million; what one check finds comes together."""
    looks = [(look(host), list[Finding]()) for look in (_in_realm, _properties, _login, _secret)]
    for account, held in in_order(host.records):
        for look, found in looks:
            found += look(account, held)
    for _, found in looks:
        yield from found


def _in_realm(host: Host) -> _Look:
    """Every account is in a realm in which some server here looks up bare names."""
    known = _realms(host)
    where = " or ".join(sorted(known))
    reason = f"is not in the realm in which names without a realm are looked up, which is {where}"
    moved = _moved(host)

    def look(account: Account, _: _Held) -> Iterable[Finding]:
        return () if account.realm in known else [SASL001.found(str(account), reason, moved(account))]

    return look


def _properties(host: Host) -> _Look:
    """No account has properties that contradict each other, or serve nothing."""
    accounts = AccountDatabase(host.site)

    def look(account: Account, held: _Held) -> Iterable[Finding]:
        if is_ordinary(held):
            return ()
        cure = f"smtpcreds sasl passwd {accounts.shown(account)}"
        return [code.found(str(account), reason, cure) for code, reason in _faults(held)]

    return look


def _login(host: Host) -> _Look:
    """No account has the name of a login."""
    names, accounts = login_names(host.site.root), AccountDatabase(host.site)

    def look(account: Account, _: _Held) -> Iterable[Finding]:
        if account.authcid not in names:
            return ()
        cure = f"smtpcreds sasl rotate {accounts.shown(account)} --successor NAME"
        return [SASL006.found(str(account), "has the name of a login account", cure)]

    return look


def _secret(host: Host) -> _Look:
    """No secret that lies in clear text is soon guessed."""
    accounts = AccountDatabase(host.site)

    def look(account: Account, held: _Held) -> Iterable[Finding]:
        secret = held.get(USER_PASSWORD)
        if secret is None or not (fault := weakness_of(account, secret)):
            return ()
        verb = "rotate" if _is_usable(account) else "delete"
        cure = f"smtpcreds sasl {verb} {accounts.shown(account)}"
        return [SASL019.found(str(account), f"its secret {fault}", cure)]

    return look


SASL023 = Code.error(
    "SASL023",
    "a default-auth-info that was made here, with a secret that no longer opens its account",
)
SASL024 = Code.error(
    "SASL024",
    "a client host whose last bundle has an account that is gone, or its former secret; it can't log in",
)


def outdated(host: Host) -> Iterator[Finding]:
    """Nobody who was given an account is left with a secret that no longer works."""
    if host.damage:
        return
    with reading(host.site) if has_inventory(host.site) else nullcontext() as inventory:
        for one in outdated_files(host.site, inventory):
            yield SASL023.found(one.holder, one.reason, one.cure)
        for one in outdated_hosts(host.site, inventory) if inventory else ():
            yield SASL024.found(one.holder, one.reason, one.cure)


def _realms(host: Host) -> set[str]:
    """Return the realms of the servers here, and where none is known, that of our configuration."""
    found = set()
    if host.sendmail:
        found.add(host.sendmail.option("AuthRealm") or host.known_as)
    if host.postfix and host.postfix.is_on("smtpd_sasl_auth_enable"):
        found.add(host.postfix.value("smtpd_sasl_local_domain") or host.postfix.value("myhostname"))
    return found - {""} or {host.site.realm}


def _is_usable(account: Account) -> bool:
    """Tell whether a client can be given the name; another program's may hold anything."""
    return str(account).isprintable()


def _moved(host: Host) -> Callable[[Account], str]:
    """Return what gives the command that brings account and server together.

    Clients then need the new secret.
    """
    realm = host.site.realm

    @cache
    def ours() -> set[str]:
        return {account.authcid for account, _ in in_order(host.records) if account.realm == realm}

    def moved(account: Account) -> str:
        if not _is_usable(account):
            return f"smtpcreds sasl delete {quote(str(account))}"
        if account.realm == realm and host.postfix:
            command = f"postconf -e smtpd_sasl_local_domain={realm} && postfix reload"
        elif account.realm == realm:
            command = f"define(`confAUTH_REALM', `{realm}')dnl in {host.path(SENDMAIL_MC)}"
        elif account.authcid in ours():
            command = f"smtpcreds sasl delete {quote(str(account))}"
        else:
            delete = f"smtpcreds sasl delete {quote(str(account))}"
            command = f"smtpcreds sasl add {quote(account.authcid)} && {delete}"
        return f"{command}, or log in as {account}"

    return moved


SASL002 = Code.warning(
    "SASL002",
    "an authPassword beside a userPassword: it is ignored, and may hold an older secret",
)
SASL003 = Code.error(
    "SASL003",
    "a secret of Cyrus SASL 1.5 (cmusaslsecret) beside a userPassword; it can open the account by an older "
    "password",
)
SASL004 = Code.warning("SASL004", "an account with a property that can't work")


def _faults(held: Mapping[str, bytes]) -> Iterator[tuple[Code, str]]:
    is_beside = USER_PASSWORD in held
    if is_beside and AUTH_PASSWORD in held:
        yield SASL002, "has an authPassword beside userPassword, which is ignored"
    old = sorted(name for name in held if name.startswith("cmusaslsecret"))
    if is_beside and old:
        yield SASL003, f"has {', '.join(old)} beside userPassword, perhaps of an older password"
    told = frozenset(beside(held)) if is_beside else frozenset()
    yield from ((SASL004, remark) for remark in remarks(held) if remark not in told)
    if not served(held):
        yield SASL004, f"has {', '.join(sorted(held))}, which can't log in by any mechanism"


def _without(path: str, key: bytes) -> Repair:
    return Repair(path, lambda: open_store(path).apply(lambda _: {key: None}))
