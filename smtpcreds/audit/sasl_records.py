"""SASL: the accounts themselves."""

from collections.abc import Iterator, Mapping

from ..accounts import AccountBook
from ..accounts.logins import login_names
from ..accounts.mechanisms import remarks, served
from ..model import Account
from ..sasldb.opening import open_store
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, in_order, strays
from .finding import Finding, Repair, found
from .world import SENDMAIL_MC, World

_BESIDE = "beside userPassword"
"""In the remarks that SASL002 and SASL003 are about."""


def realms(world: World) -> Iterator[Finding]:
    """Every account is in a realm in which some server here looks up bare names."""
    known = _realms(world)
    for account, _ in in_order(world.records):
        if account.realm not in known:
            where = " or ".join(sorted(known))
            reason = f"is in a realm where nobody looks bare names up; that is {where}"
            yield found("SASL001", str(account), reason, _moved(world, account))


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


def _realms(world: World) -> set[str]:
    """Return the realms of the servers here, and where none is known, that of our configuration."""
    found = set()
    if world.sendmail:
        found.add(world.sendmail.option("AuthRealm") or world.host)
    if world.postfix and world.postfix.is_on("smtpd_sasl_auth_enable"):
        found.add(world.postfix.value("smtpd_sasl_local_domain") or world.postfix.value("myhostname"))
    return found - {""} or {world.site.realm}


def _moved(world: World, account: Account) -> str:
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
