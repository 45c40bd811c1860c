"""MTA: mail of a client host that Postfix sends past its hub, and values that Postfix can't take.

Source: transport(5), postconf(5); what each does was seen with 3.7.11.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from .finding import Code
from .host import Host
from .postfix_lookups import answer
from .postfix_scopes import Scope, clients, logins, senders, words_of

MTA136 = Code.warning(
    "MTA136",
    "mail of a client host that Postfix sends to another host than the hub, or nowhere (default_transport, "
    "transport_maps, sender_dependent_relayhost_maps, sender_dependent_default_transport_maps)",
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
    name = "default_transport"
    if where := _elsewhere(scope, scope.conf.value(name)):
        reason = f"says {scope.said(name)}, so mail goes {where}"
        yield MTA136.found(scope.file(name), reason, scope.cure(name, "smtp"))
    name = "transport_maps"
    for word in words_of(scope.conf.value(name)):
        said = answer(scope, word, (_EVERYWHERE, "*"))
        if where := _elsewhere(scope, said, by_table=True):
            reason = (
                f"says {scope.said(name)}, whose {said!r} is for every other domain, so mail goes {where}"
            )
            yield MTA136.found(scope.file(name), reason, _without(scope, name, word))


def _by_sender(scope: Scope) -> Iterator[Finding]:
    domain = scope.host.site.domain
    for name in _OF_SENDERS:
        for word in words_of(scope.conf.value(name)) if domain else ():
            said = answer(scope, word, (f"smtpcreds-asks@{domain}", f"@{domain}"))
            where = _elsewhere(scope, f"smtp:{said}" if said and name == _OF_SENDERS[0] else said)
            if where and said.upper() != "DUNNO":
                reason = f"says {scope.said(name)}, so mail of {domain} goes {where}"
                yield MTA136.found(scope.file(name), reason, _without(scope, name, word))


def _elsewhere(scope: Scope, said: str, *, by_table: bool = False) -> str:
    """Return where a transport and its next hop lead, in words; nothing where that is the hub.

    Args:
        scope: of a client host.
        said: as ``smtp:[host]:25``; what has no next hop takes relayhost, but by a table the recipient's domain.
        by_table: that is transport_maps.
    """
    transport, _, hop = said.partition(":")
    if transport in _NOWHERE:
        return f"to {transport}, and not to the hub"
    if said in {"", ":"} or not (hop or by_table):
        return ""
    if not hop:
        return "to the MX of each recipient's domain, past the hub"
    is_hub = _name(hop) == _name(scope.conf.value("relayhost"))
    return "" if is_hub or transport not in {"smtp", "relay", ""} else f"to {hop}, past the hub"


def _name(hop: str) -> str:
    return hop.strip("[").partition("]")[0].partition(":")[0].lower()


def _without(scope: Scope, name: str, word: str) -> str:
    return scope.cure(name, ", ".join(other for other in words_of(scope.conf.value(name)) if other != word))


MTA137 = Code.error(
    "MTA137",
    "a value that Postfix can't take, a number, a time, or a word for yes or no; the daemon ends at its start",
)
_SWITCHES = (
    *("smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"),
    *("smtpd_tls_wrappermode", "smtpd_use_tls", "smtpd_enforce_tls", "smtpd_delay_reject"),
    *("smtpd_helo_required", "smtpd_sasl_authenticated_header", "smtpd_tls_received_header"),
    *("smtp_sasl_auth_enable", "smtp_tls_wrappermode", "smtp_use_tls", "smtp_enforce_tls"),
    *("smtp_never_send_ehlo", "smtp_sender_dependent_authentication", "tls_append_default_CA"),
)
_NUMBERS = (
    *("smtpd_client_connection_count_limit", "smtpd_client_connection_rate_limit", "message_size_limit"),
    *("smtpd_client_auth_rate_limit", "smtpd_client_message_rate_limit", "smtpd_tls_ccert_verifydepth"),
    *("smtpd_recipient_limit", "smtpd_tls_loglevel", "smtp_tls_loglevel", "smtp_tls_scert_verifydepth"),
)
_TIMES = (
    *("smtpd_timeout", "smtpd_starttls_timeout", "smtp_starttls_timeout", "smtp_connect_timeout"),
    *("smtp_helo_timeout", "smtp_mail_timeout", "smtp_rcpt_timeout", "smtp_data_init_timeout"),
)
_KINDS = (
    (_SWITCHES, pattern(r"(?i)yes|no"), "neither yes nor no"),
    (_NUMBERS, pattern(r"\d{1,18}"), "no number that it takes"),
    (_TIMES, pattern(r"\d{1,9}[smhdw]?"), "no time that it takes"),
)


def values(host: Host) -> Iterator[Finding]:
    """Every value of a parameter that matters to us is one."""
    for scope in (*logins(host), *clients(host)):
        for names, form, reason in _KINDS:
            for name in names:
                value = scope.conf.value(name)
                if value and "$" not in value and not form.fullmatch(value):
                    yield MTA137.found(
                        scope.file(name), f"says {scope.said(name)}, which is {reason}", _unset(scope, name)
                    )


def _unset(scope: Scope, name: str) -> str:
    if scope.service and scope.is_own(name):
        return f"postconf -PX {scope.service.name}/{scope.service.kind}/{name} && postfix reload"
    return f"postconf -X {name} && postfix reload"


MTA138 = Code.error(
    "MTA138",
    "Postfix takes no message of client hosts, since each is too large (message_size_limit)",
)
_SMALLEST = 4096
"""Octets that a message of a few lines has with its headers."""


def room(host: Host) -> Iterator[Finding]:
    """A message of a few lines is taken."""
    for scope in logins(host):
        name, value = "message_size_limit", scope.conf.value("message_size_limit")
        if value.isdecimal() and 0 < int(value) < _SMALLEST:
            reason = f"says {scope.said(name)}, and a message of a few lines has more octets"
            yield MTA138.found(scope.file(name), reason, _unset(scope, name))


MTA139 = Code.warning(
    "MTA139",
    "Postfix relays for all hosts of its network without a login (mynetworks_style = subnet or class)",
)


def neighbours(host: Host) -> Iterator[Finding]:
    """Whom Postfix relays for without a login was named."""
    for scope in logins(host):
        name, style = "mynetworks_style", scope.conf.value("mynetworks_style")
        permits = "permit_mynetworks" in scope.conf.value("smtpd_relay_restrictions")
        if style in {"subnet", "class"} and permits and not scope.conf.value("mynetworks"):
            reason = f"says {scope.said(name)} and no mynetworks, so all hosts of its network relay unseen"
            yield MTA139.found(scope.file(name), reason, scope.cure(name, "host"))
