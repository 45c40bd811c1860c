"""MTA: values that keep a service of Postfix from starting, or from taking a message of client hosts.

Source: postconf(5); what each does was seen with 3.7.11, of switches and rates with one or two of the kind.
"""

import re
from collections.abc import Iterator, Mapping

from ..model import Finding, decimal
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_forms import BETWEEN, FORMS, SENDING
from .postfix_lookups import answer
from .postfix_scopes import PASSWORDS, RELOAD, Scope, logins, own_passwords, senders, servers, words_of
from .room import MESSAGE, left, too_full, too_small

MTA136 = Code.error(
    "MTA136",
    "Postfix has a number, time, choice or yes-or-no that it can't read or that is too small, or a parameter "
    "that is empty and must not be; the service dies, or takes no mail",
)
_BY_CASE = "inet_protocols"
_WANTED = frozenset(
    {"smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_ask_ccert", "smtp_sasl_auth_enable"}
)


def unset(scope: Scope, name: str) -> str:
    """Return the command that takes a parameter away where it is set, so that the default holds."""
    if not scope.is_own(name) or scope.service is None:
        return f"postconf -X {quote(name)} && {RELOAD}"
    place = f"{scope.service.name}/{scope.service.kind}/{name}"
    return f"postconf -PX {quote(place)} && {RELOAD}"


def readable(host: Host) -> Iterator[Finding]:
    """What a service reads as it starts is of the form that it expects."""
    for scope in servers(host):
        yield from _unreadable(scope, FORMS, "it dies or takes no mail")
    for scope in senders(host):
        yield from _unreadable(scope, SENDING, "no mail leaves")
        yield from _without_passwords(scope)
    if host.postfix:
        yield from _unreadable(Scope(host, None, host.postfix), BETWEEN, "no mail is handed on")


def _without_passwords(scope: Scope) -> Iterator[Finding]:
    name = "smtp_sasl_auth_enable"
    if scope.conf.is_on(name) and not scope.conf.value(PASSWORDS):
        reason = f"says {scope.said(name)} and no {PASSWORDS}, so no mail leaves"
        yield MTA136.found(scope.file(PASSWORDS), reason, own_passwords(scope))


def _unreadable(scope: Scope, forms: Mapping[str, tuple[re.Pattern[str], str]], so: str) -> Iterator[Finding]:
    for name, (form, meant) in forms.items():
        value = scope.conf.value(name)
        is_set = bool(value) or scope.conf.settings.get(name) == ""
        if is_set and not form.fullmatch(value if name == _BY_CASE else value.lower()):
            reason = f"says {scope.said(name)}, which is not {meant}, so {so}"
            cure = scope.cure(name, "yes") if name in _WANTED else unset(scope, name)
            yield MTA136.found(scope.file(name), reason, cure)


MTA143 = Code.note(
    "MTA143",
    "Postfix defers what it would refuse or return (soft_bounce); senders are told of failures "
    "only after days",
)


def soft(host: Host) -> Iterator[Finding]:
    """What is refused is refused for good."""
    for scope in servers(host):
        if scope.conf.is_on(name := "soft_bounce"):
            reason = f"says {scope.said(name)}, so what it refuses is tried again for days"
            yield MTA143.found(scope.file(name), reason, scope.cure(name, "no"))


MTA137 = Code.error(
    "MTA137",
    "Postfix takes no message of client hosts, for want of room, since each is too large, or since a check "
    "of headers or text refuses all of them",
)
_HEADERS = ("Received: from smtpcreds-asks", "Subject: smtpcreds-asks")
_CHECKS = ("header_checks", "body_checks")


def room(host: Host) -> Iterator[Finding]:
    """A message is taken."""
    for scope in logins(host):
        most, least = (_number(scope, name) for name in ("message_size_limit", "queue_minfree"))
        queue = scope.conf.value("queue_directory")
        state = left(scope.host, queue)
        free = state.f_bavail * state.f_frsize if state else least
        faults = {
            "message_size_limit": too_small(most, MESSAGE),
            "queue_minfree": too_full(queue, free, least, "octets"),
        }
        for name, why in faults.items():
            if why:
                yield MTA137.found(
                    scope.file(name), f"says {scope.said(name)}, and {why}", unset(scope, name)
                )
        yield from _refusing(scope)


def _number(scope: Scope, name: str) -> int:
    return decimal(scope.conf.value(name)) or 0


def _refusing(scope: Scope) -> Iterator[Finding]:
    """Yield tables that refuse each message."""
    for name in _CHECKS:
        for word in words_of(scope.conf.value(name)):
            said = [answer(scope, word, (line,)).upper() for line in _HEADERS]
            if all(one.startswith(("REJECT", "DISCARD", "HOLD")) for one in said):
                others = ", ".join(other for other in words_of(scope.conf.value(name)) if other != word)
                reason = f"says {scope.said(name)}, which refuses every message"
                yield MTA137.found(scope.file(name), reason, scope.cure(name, others))
