"""SASL: the accounts themselves, and the file that they are in."""

from collections.abc import Iterator, Mapping
from functools import partial

from ..accounts import AccountBook
from ..accounts.logins import login_names
from ..accounts.mechanisms import remarks, served
from ..model import Step
from ..sasldb.detect import PLUGIN_DIRECTORIES, Format, host_format
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, in_order, strays
from ..sasldb.slack import leftovers
from ..sasldb.store import ReplacingStore
from .finding import Finding, Repair, found
from .world import World

_BESIDE = "beside userPassword"
"""In the remarks that SASL002 and SASL003 are about."""


def realms(world: World) -> Iterator[Finding]:
    """Every account is in a realm in which some server here looks up bare names."""
    known = _realms(world)
    for account, _ in in_order(world.records):
        if account.realm not in known:
            where = " or ".join(sorted(known))
            reason = f"is in a realm where nobody looks bare names up; that is {where}"
            cure = f"smtpcreds sasl add {account.authcid}, or log in as {account}"
            yield found("SASL001", str(account), reason, cure)


def properties(world: World) -> Iterator[Finding]:
    """No account has properties that contradict each other, or serve nothing."""
    book = AccountBook(world.site)
    for account, held in in_order(world.records):
        cure = f"smtpcreds sasl passwd {book.shown(account)}"
        yield from (found(code, str(account), reason, cure) for code, reason in _faults(held))


def strangers(world: World) -> Iterator[Finding]:
    """Every key is an account's."""
    for key in strays(world.records):
        path = world.site.sasldb
        shown = ascii(key)[2:-1]
        reason = f"has the key {shown}, which is no account's and on which sasldblistusers2 never ends"
        yield found("SASL005", path, reason, "smtpcreds audit --fix --only SASL005", _without(path, key))


def logins(world: World) -> Iterator[Finding]:
    """No account has the name of a login."""
    names = login_names(world.site.root)
    for account, _ in in_order(world.records):
        if account.authcid in names:
            reason = "has the name of a login account"
            cure = f"smtpcreds sasl rotate {AccountBook(world.site).shown(account)} --successor NAME"
            yield found("SASL006", str(account), reason, cure)


def backend(world: World) -> Iterator[Finding]:
    """The database has the format of this host's Cyrus SASL."""
    if not world.has_accounts_in_file:
        return
    path = world.site.sasldb
    here, there = host_format([world.path(pattern) for pattern in PLUGIN_DIRECTORIES]), format_at(path)
    if here and there and here is not there:
        reason = f"has format {there}, and the plugin sasldb of this host reads {here}"
        yield found("SASL007", path, reason, f"smtpcreds sasl convert {path}.new --to {here}")


def slack(world: World) -> Iterator[Finding]:
    """Nothing readable is left of secrets that were replaced; only Berkeley DB files are looked at."""
    path = world.site.sasldb
    if not world.has_accounts_in_file or format_at(path) is not Format.BDB:
        return
    if number := leftovers(world.content(path) or b"", path):
        reason = f"still holds {number} pieces of records that were deleted or replaced"
        cure = "smtpcreds audit --fix --only SASL012"
        yield found("SASL012", path, reason, cure, Repair(Step("rewrite", path), partial(_rewrite, path)))


def _realms(world: World) -> set[str]:
    found = {world.site.realm}
    if world.sendmail:
        found.add(world.sendmail.option("AuthRealm") or world.host)
    if world.postfix and world.postfix.is_on("smtpd_sasl_auth_enable"):
        found.add(world.postfix.value("smtpd_sasl_local_domain") or world.postfix.value("myhostname"))
    return found - {""}


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
    return Repair(Step("remove a record from", path), lambda: open_store(path).apply(lambda _: {key: None}))


def _rewrite(path: str) -> None:
    store = open_store(path)
    if isinstance(store, ReplacingStore):
        store.apply(lambda _: {}, anew=True)
