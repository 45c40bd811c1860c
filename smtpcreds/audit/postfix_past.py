"""MTA: mail of a client host that Postfix sends past its hub, and a network that it relays for.

Source: transport(5), postconf(5); what each does was seen with 3.7.11.
"""

from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_rules as effect
from .finding import Code
from .host import Host
from .postfix_lookups import answer
from .postfix_missing import without
from .postfix_scopes import Scope, lacks_service, logins, senders, words_of

MTA138 = Code.warning(
    "MTA138",
    "mail of a client host that Postfix sends to another host than the hub, or nowhere (default_transport, "
    "relay_transport, transport_maps, sender_dependent_relayhost_maps, "
    "sender_dependent_default_transport_maps)",
)
_EVERYWHERE = "smtpcreds-asks@recipient.invalid"
"""A recipient of no domain that a table would name."""
_NOWHERE = frozenset({"discard", "error", "retry", "local", "virtual"})
_OF_SENDERS = ("sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps")


def past(host: Host) -> Iterator[Finding]:
    """What leaves a client host goes to its hub."""
    for scope in senders(host)[:1]:
        if scope.conf.value("relayhost") and scope.conf.value("smtp_sasl_password_maps"):
            yield from _by_transport(scope)
            yield from _by_sender(scope)


def _by_transport(scope: Scope) -> Iterator[Finding]:
    has_domains = "relay_domains" in scope.conf.settings and scope.conf.value("relay_domains")
    for name, usual in (
        ("default_transport", "smtp"),
        *([("relay_transport", "relay")] if has_domains else []),
    ):
        is_told = scope.conf.value(name).startswith("error")  # MTA140
        is_told = is_told or (usual == "smtp" and lacks_service(scope, scope.conf.value(name)))  # MTA129
        if not is_told and (where := _elsewhere(scope, scope.conf.value(name))):
            mail = "mail" if usual == "smtp" else "mail for relay_domains"
            reason = f"says {scope.said(name)}, so {mail} goes {where}"
            yield MTA138.found(scope.file(name), reason, scope.cure(name, usual))
    name = "transport_maps"
    for word in words_of(scope.conf.value(name)):
        said = answer(scope, word, (_EVERYWHERE, "*"))
        if where := _elsewhere(scope, said, by_table=True):
            reason = f"says {scope.said(name)}, whose {said!r} is for all domains, so mail goes {where}"
            yield MTA138.found(scope.file(name), reason, without(scope, name, word))


def _by_sender(scope: Scope) -> Iterator[Finding]:
    domain = scope.host.site.domain
    for name in _OF_SENDERS:
        for word in words_of(scope.conf.value(name)) if domain else ():
            said = answer(scope, word, (f"smtpcreds-asks@{domain}", f"@{domain}"))
            where = _elsewhere(scope, f"smtp:{said}" if said and name == _OF_SENDERS[0] else said)
            if where and said.upper() != "DUNNO":
                reason = f"says {scope.said(name)}, so mail of {domain} goes {where}"
                yield MTA138.found(scope.file(name), reason, without(scope, name, word))


def _elsewhere(scope: Scope, said: str, *, by_table: bool = False) -> str:
    """Return where a transport and its next hop lead, in words; nothing where that is the hub.

    Args:
        scope: of a client host.
        said: as ``smtp:[host]:25``.
        by_table: of transport_maps; there no next hop means the recipient's domain, elsewhere relayhost.
    """
    transport, _, hop = said.partition(":")
    if transport in _NOWHERE:
        return f"to {transport}, and not to the hub"
    if lacks_service(scope, transport):
        return f"to {transport}, a service that master.cf does not have"
    if said in {"", ":"} or not (hop or by_table):
        return ""
    if not hop:
        return "to the MX of each recipient's domain, past the hub"
    is_hub = _name(hop) == _name(scope.conf.value("relayhost"))
    return "" if is_hub or transport not in {"smtp", "relay", ""} else f"to {hop}, past the hub"


def _name(hop: str) -> str:
    return hop.strip("[").partition("]")[0].partition(":")[0].lower()


def _relaying(scope: Scope) -> tuple[effect.Rule, ...]:
    """Return the restrictions by which a service relays, by default or as they are set."""
    lists = (tuple(effect.rules(scope.conf, name)) for name in effect.RELAYING)
    return next(filter(None, lists), ())


MTA139 = Code.warning(
    "MTA139",
    "Postfix relays for all hosts of its network without a login (mynetworks_style is subnet or class)",
)


def neighbours(host: Host) -> Iterator[Finding]:
    """Whom Postfix relays for without a login was named."""
    for scope in logins(host):
        name, style = "mynetworks_style", scope.conf.value("mynetworks_style")
        permits = any(rule.name == "permit_mynetworks" for rule in _relaying(scope))
        if style in {"subnet", "class"} and permits and "mynetworks" not in scope.conf.settings:
            reason = f"has {scope.said(name)} and no mynetworks, so all hosts of its network relay unseen"
            yield MTA139.found(scope.file(name), reason, scope.cure(name, "host"))
