"""MTA: tables of Postfix by which strangers relay, or accounts do not. Each was seen with 3.7.11."""

import re
from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_rules as effect
from ..mta import postfix_tables as tables
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix import MTA111
from .postfix_lookups import answer, answers, entries_of, is_permit, parents
from .postfix_missing import without_table
from .postfix_scopes import BY_FILE, RELOAD, Scope, logins, servers, tables_of, words_of

MTA132 = Code.error(
    "MTA132",
    "Postfix relays for who claims a sender's address or a host name: a table permits before strangers are "
    "refused",
)
_CLAIMED = frozenset({"check_sender_access", "check_helo_access"})
_STRANGER = ("stranger.invalid", "0.0.0.0")  # noqa: S104


def claimed(host: Host) -> Iterator[Finding]:
    """What a client says of itself lets nobody relay."""
    for scope in servers(host):
        for name in effect.RELAYING:
            for rule in effect.rules(scope.conf, name):
                if _lets_in(scope, rule) and effect.is_open(scope.conf, rule.name):
                    what = f"{rule.name} {rule.argument}"
                    reason = f"permits by {what} in {name} before it refuses strangers, so they relay"
                    yield MTA132.found(scope.file(name), reason, without_table(scope, name, rule.argument))


def _lets_in(scope: Scope, rule: effect.Rule) -> bool:
    if rule.name in _CLAIMED:
        return any(map(is_permit, answers(scope, rule.argument)))
    return rule.name == "check_client_access" and is_permit(answer(scope, rule.argument, _STRANGER))


def everywhere(host: Host) -> Iterator[Finding]:
    """Domains and addresses that count as ours are not all there are."""
    for scope in servers(host):
        name = "relay_domains"
        if any(_is_any(scope, word) for word in words_of(scope.conf.value(name))):
            reason = f"says {scope.said(name)}, so strangers may relay to other people's domains"
            yield MTA111.found(scope.file(name), reason, scope.cure(name, ""))
        name = "smtpd_authorized_xclient_hosts"
        named = map(tables.network_of, words_of(scope.conf.value(name)))
        if any(effect.is_everybody(network) for network in named if network):
            reason = f"says {scope.said(name)}, so everybody may claim to be one who relays"
            yield MTA111.found(scope.file(name), reason, scope.cure(name, ""))


MTA142 = Code.error(
    "MTA142",
    "Postfix relays for strangers to a domain that is not its own: check_recipient_access permits it before "
    "they are refused",
)
_LISTS = ("mydestination", "relay_domains", "virtual_mailbox_domains", "virtual_alias_domains")


def recipients(host: Host) -> Iterator[Finding]:
    """No table of recipients permits a domain for which this host takes no mail."""
    for scope in servers(host):
        for name in effect.RELAYING:
            for rule in effect.rules(scope.conf, name):
                if rule.name == "check_recipient_access" and effect.is_open(scope.conf, rule.name):
                    yield from _strangers_to(scope, name, rule)


def _strangers_to(scope: Scope, name: str, rule: effect.Rule) -> Iterator[Finding]:
    own = _own(scope)
    for key, said in entries_of(scope, rule.argument).items():
        if is_permit(said) and _is_foreign(key, own):
            what = f"{rule.name} {rule.argument} in {name}"
            reason = f"permits {key} by {what} before it refuses strangers, so they relay to it"
            yield MTA142.found(scope.file(name), reason, without_table(scope, name, rule.argument))
            return


def _is_foreign(key: str, own: frozenset[str] | None) -> bool:
    """Tell whether a key is a recipient elsewhere; ``user@`` is the user in every domain (access(5))."""
    domain = key.rpartition("@")[2].lstrip(".")
    return key.endswith("@") or ("." in domain and own is not None and not own & {*parents(domain)})


def _own(scope: Scope) -> frozenset[str] | None:
    """Return the domains for which a service takes mail from everybody; None where some can't be known."""
    conf, name = scope.conf, scope.conf.value("myhostname")
    own = {scope.host.site.domain, name, name.partition(".")[2], conf.value("mydomain")}
    for word in (word for name in _LISTS for word in words_of(conf.value(name))):
        if ":" not in word and not word.startswith("/"):
            own.add(word.lower())
        elif entries := entries_of(scope, word):
            own |= {*entries}
        else:
            return None
    return frozenset(own)


_TOP_LEVEL = frozenset({"com", "net", "org", "edu", "gov", "info", "biz"})
"""With a domain count those below it, as Postfix does by default."""


def _is_any(scope: Scope, word: str) -> bool:
    kind = word.partition(":")[0]
    return word.lower() in _TOP_LEVEL or (
        kind in {tables.STATIC, *tables.PATTERNS} and bool(answer(scope, word, _STRANGER))
    )


MTA133 = Code.error(
    "MTA133",
    "Postfix refuses mail of accounts: smtpd_sender_login_maps does not name them as Postfix does",
)
_OWNERS = frozenset(
    {
        *("reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"),
        "reject_known_sender_login_mismatch",
    }
)


def owners(host: Host) -> Iterator[Finding]:
    """Who owns a sender's address is named as they are known once they logged in: ``user@realm``."""
    for scope in logins(host):
        realm = scope.conf.value("smtpd_sasl_local_domain")
        if scope.conf.value("smtpd_sasl_type") != "cyrus" or not realm or not _is_compared(scope):
            continue
        accounts = {tuple(key.split(b"\0")[:2]) for key in host.records}
        for table in tables_of(host, scope.conf, "smtpd_sender_login_maps"):
            named = {word for value in table.entries.values() for word in words_of(value)}
            bare = sorted(word for word in named if (word.encode(), realm.encode()) in accounts)
            if not bare:
                continue
            edits = "; ".join(
                rf"s/([[:space:],]){re.escape(word)}([[:space:],]|$)/\1{word}@{realm}\2/g" for word in bare
            )
            made = f"postmap {quote(f'{table.kind}:{table.path}')} && " if BY_FILE[table.kind] else ""
            cure = f"sed -i -E {quote(edits)} {quote(table.path)} && {made}{RELOAD}"
            reason = f"says {', '.join(bare)}, and who logs in so is {bare[0]}@{realm} to Postfix"
            yield MTA133.found(table.path, reason, cure)


def _is_compared(scope: Scope) -> bool:
    """Tell whether a list compares owners before it permits who logged in."""
    for name in effect.LISTS:
        for rule in effect.rules(scope.conf, name):
            if rule.name in {"permit", effect.AUTHENTICATED}:
                break
            if rule.name in _OWNERS and not rule.is_warning:
                return True
    return False
