"""MTA: values that keep a service of Postfix from starting, or from taking a message of client hosts.

Source: postconf(5); what each does was seen with 3.7.11, of switches and rates with one or two of the kind.
"""

import re
from collections.abc import Iterator, Mapping

from ..lazy import pattern
from ..model import Finding, decimal
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_forms import BETWEEN, FORMS, SENDING
from .postfix_lookups import answer
from .postfix_missing import without
from .postfix_scopes import (
    PASSWORDS,
    RELOAD,
    Scope,
    clients,
    logins,
    own_passwords,
    senders,
    servers,
    words_of,
)
from .room import HOPS, MESSAGE, TOO_FAR, left, too_full, too_small

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
        yield from _without_log(Scope(host, None, host.postfix))


def _without_log(scope: Scope) -> Iterator[Finding]:
    """Yield what keeps Postfix from logging to a file; then none of its services starts."""
    path, prefixes = scope.conf.value(name := "maillog_file"), scope.conf.words("maillog_file_prefixes")
    known = prefixes or ("/var", "/dev/stdout")
    why = "" if path.startswith(known) else f"which is not below {' or '.join(known)}"
    if scope.host.services and not any(each.command == "postlogd" for each in scope.host.services):
        why = why or "and master.cf has no service postlog"
    if path and why:
        yield MTA136.found(scope.file(name), f"says {scope.said(name)}, {why}", unset(scope, name))


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
    "Postfix takes no message of client hosts, or of a client host's programs, for want of room, since each "
    "is too large, or since a check of headers, text or characters keeps all of them",
)
_SIZE, _FREE, _HOPS = "message_size_limit", "queue_minfree", "hopcount_limit"
_HEADERS = ("Received: from smtpcreds-asks", "Subject: smtpcreds-asks")
_MIME = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8")
_CHECKS = {"header_checks": _HEADERS, "body_checks": _HEADERS, "mime_header_checks": _MIME}
_KEEPING = ("REJECT", "DISCARD", "HOLD", "REDIRECT")
_CHARACTERS = ("message_reject_characters", "message_strip_characters")
_ESCAPED = pattern(r"\\(?:([0-7]{1,3})|.)")
_USUAL = frozenset("Received: by from with for; Subject:")
"""Of headers that each message has."""


def room(host: Host) -> Iterator[Finding]:
    """A message is taken."""
    taking = logins(host)
    for scope in (*taking, *clients(host)):
        most, least, hops = (_number(scope, name) for name in (_SIZE, _FREE, _HOPS))
        queue = scope.conf.value("queue_directory")
        state = left(scope.host, queue)
        free = state.f_bavail * state.f_frsize if state else least
        faults = {
            _SIZE: too_small(most, MESSAGE),
            _FREE: too_full(queue, free, least, "octets"),
            _HOPS: TOO_FAR if scope in taking and 0 < hops <= HOPS else "",
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
    """Yield tables and characters that keep each message."""
    for name, lines in _CHECKS.items():
        for word in words_of(scope.conf.value(name)):
            said = [answer(scope, word, (line,)).upper() for line in lines]
            if all(one.startswith(_KEEPING) for one in said):
                whose = "with MIME headers " * (lines is _MIME)
                reason = f"says {scope.said(name)}, which keeps every message {whose}from where it is to go"
                yield MTA137.found(scope.file(name), reason, without(scope, name, word))
    for name in _CHARACTERS:
        plain = _ESCAPED.sub(_character, scope.conf.value(name))
        if found := sorted(_USUAL & {*plain}):
            reason = f"says {scope.said(name)}, and the headers of each message have {found[-1]!r}"
            yield MTA137.found(scope.file(name), reason, unset(scope, name))


def _character(found: "re.Match[str]") -> str:
    return chr(int(found[1], 8)) if found[1] else ""
