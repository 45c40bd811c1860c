"""MTA: ciphers that Postfix leaves, names that it compares, and whom it asks of those who logged in.

Source: postconf(5) and TLS_README of Postfix 3.7; what each does was seen with 3.7.11.
"""

import re
from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_rules as effect
from ..smtp.ciphers import encrypting, left
from .finding import Code
from .host import Host
from .postfix_client import secured
from .postfix_policy import Policy, policy
from .postfix_scopes import ENCRYPTING, Scope, clients, logins, servers, words_of

MTA116 = Code.error(
    "MTA116",
    "a choice of ciphers that Postfix does not know, or that leaves none; no TLS handshake succeeds",
)
_GRADES = frozenset({"export", "low", "medium", "high"})
_LISTS = {"high": "aNULL:-aNULL:HIGH:@STRENGTH", "medium": "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH"}
"""The defaults of tls_high_cipherlist and tls_medium_cipherlist."""


def ciphers(host: Host) -> Iterator[Finding]:
    """Ciphers are left, of a grade that Postfix knows."""
    for scope in servers(host):
        yield from _of_service(scope, "smtpd", scope.level)
    for scope in clients(host):
        found = policy(scope)
        yield from _of_service(scope, "smtp", found.level)
        if found.table and _leaves_nothing(scope, found):
            reason = f"says {' '.join(found.words)} for the relay, which leaves no cipher or no version"
            yield MTA116.found(found.table.path, reason, secured(scope, found.table))


def _leaves_nothing(scope: Scope, found: Policy) -> bool:
    """Tell whether the attributes of a line of a policy table leave nothing of what parameters leave."""
    grade = found.attribute("ciphers").lower() or "medium"
    given = found.attribute("protocols")
    versions = effect.versions(given or scope.conf.value("smtp_tls_mandatory_protocols"))
    if grade not in _GRADES or (given and not versions):
        return True
    value = _value(scope, grade)
    excluded = [word for word in re.split(r"[,:]", found.attribute("exclude")) if word]
    left_over = _suffices(value, versions)
    return bool(excluded) and left_over and not _suffices(":!".join((value, *excluded)), versions)


def _of_service(scope: Scope, role: str, level: str) -> Iterator[Finding]:
    if level in {"", "none"}:
        return
    mandatory = "mandatory_" if level in ENCRYPTING else ""
    name = f"{role}_tls_{mandatory}ciphers"
    if not (grade := scope.conf.value(name).lower()):
        return  # MTA136
    if grade not in _GRADES:
        effect_ = "which leaves no encryption" if grade == "null" else "a grade that Postfix does not know"
        yield MTA116.found(
            scope.file(name), f"says {scope.said(name)}, {effect_}", scope.cure(name, "medium")
        )
        return
    excluding = [f"{role}_tls_exclude_ciphers", f"{role}_tls_{mandatory}exclude_ciphers"]
    versions = effect.versions(scope.conf.value(f"{role}_tls_{mandatory}protocols"))
    excluded = [word for other in dict.fromkeys(excluding) for word in _excluded(scope, other)]
    listed = f"tls_{grade}_cipherlist"
    value = _value(scope, grade)
    if not _suffices(value, versions):
        reason = f"says {scope.said(listed)}, which leaves no cipher"
        yield MTA116.found(scope.file(listed), reason, scope.cure(listed, _LISTS.get(grade, "DEFAULT")))
    elif not _suffices(":!".join((value, *excluded)), versions):
        for other in dict.fromkeys(excluding):
            if _excluded(scope, other):
                reason = f"says {scope.said(other)}, which leaves no cipher"
                yield MTA116.found(scope.file(other), reason, scope.cure(other, ""))


def _value(scope: Scope, grade: str) -> str:
    return scope.conf.value(f"tls_{grade}_cipherlist") or _LISTS.get(grade, _LISTS["medium"])


def _excluded(scope: Scope, name: str) -> tuple[str, ...]:
    return words_of(scope.conf.value(name).replace(":", " "))


def _suffices(text: str, versions: frozenset[str]) -> bool:
    """Tell whether a handshake can succeed; TLS 1.3 has other ciphers, but none helps a string of none."""
    return bool(left(text) if "TLSv1.3" in versions else encrypting(text))


MTA124 = Code.error(
    "MTA124",
    "Postfix compares the certificate of its relay with names that the relay does not have; no mail leaves",
)


def names(host: Host) -> Iterator[Finding]:
    """The relay's certificate is compared with the relay's name."""
    for scope in clients(host):
        level, table, said, *_ = policy(scope)
        relay = scope.conf.value("relayhost").strip("[").partition("]")[0].partition(":")[0].lower()
        if level not in {"verify", "secure"} or not relay:
            continue
        given = [word.removeprefix("match=") for word in said if word.startswith("match=")]
        name = f"smtp_tls_{level}_cert_match"
        patterns = [
            word.lower()
            for text in given or [scope.conf.value(name)]
            for word in words_of(text.replace(":", " ").replace("|", " "))
        ]
        if not patterns or any(_fits(pattern, relay) for pattern in patterns):
            continue
        shown = ", ".join(patterns)
        if given and table:
            reason = f"compares {shown} with the certificate of {relay}, so no mail leaves"
            yield MTA124.found(table.path, reason, secured(scope, table))
        else:
            reason = f"says {scope.said(name)}, which is not the name of {relay}, so no mail leaves"
            value = "hostname" if level == "verify" else "nexthop, dot-nexthop"
            yield MTA124.found(scope.file(name), reason, scope.cure(name, value))


def _fits(pattern: str, relay: str) -> bool:
    return pattern in {"nexthop", "hostname", relay} or (pattern[:1] == "." and relay.endswith(pattern))


MTA126 = Code.warning(
    "MTA126",
    "Postfix asks others about who logged in, before it permits them: a block list, the DNS",
)
MTA144 = Code.note(
    "MTA144",
    "Postfix asks a policy server, or the DNS for the recipient's domain, before it permits those who logged "
    "in: their mail waits while no answer comes",
)


def asked(host: Host) -> Iterator[Finding]:
    """Who logged in is permitted before others are asked, who may refuse."""
    for scope in logins(host):
        for name in effect.LISTS:
            if question := effect.question(scope.conf, name, (effect.AUTHENTICATED,)):
                reason = f"asks {question} in {name} before it permits those who logged in"
                yield MTA126.found(scope.file(name), reason, _first(scope, name))
            elif question := effect.question(scope.conf, name, (effect.AUTHENTICATED,), effect.WAITING):
                reason = f"asks {question} in {name} about those who logged in, whose mail waits with it"
                yield MTA144.found(scope.file(name), reason, _first(scope, name))


def _first(scope: Scope, name: str) -> str:
    others = (word for word in words_of(scope.conf.value(name)) if word.lower() != effect.AUTHENTICATED)
    return scope.cure(name, ", ".join((effect.AUTHENTICATED, *others)))


MTA127 = Code.error("MTA127", "Postfix demands a certificate of who logs in by a secret")


def demands(host: Host) -> Iterator[Finding]:
    """Who has a secret needs no certificate."""
    for scope in logins(host):
        is_heeded = scope.level in ENCRYPTING or scope.conf.is_on("smtpd_tls_wrappermode")
        name = "smtpd_tls_req_ccert"
        if scope.conf.is_on(name) and is_heeded:
            reason = f"says {scope.said(name)}, so who has a secret alone gets no TLS, and can't log in"
            cure = f"{scope.setting('smtpd_tls_ask_ccert', 'yes')} && {scope.cure(name, 'no')}"
            yield MTA127.found(scope.file(name), reason, cure)
