"""MTA: ciphers that Postfix leaves, names that it compares, and whom it asks of those who logged in.

Source: postconf(5) and TLS_README of Postfix 3.7; what each does was seen with 3.7.11.
"""

from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_rules as effect
from .finding import Code
from .host import Host
from .postfix_client import secured
from .postfix_scopes import ENCRYPTING, Scope, clients, logins, policy, servers, words_of

MTA116 = Code.error(
    "MTA116",
    "a choice of ciphers that Postfix does not know, or that leaves none; no TLS handshake succeeds",
)
_GRADES = frozenset({"export", "low", "medium", "high"})
_ALL = ({"ALL"}, {"HIGH", "MEDIUM"})


def ciphers(host: Host) -> Iterator[Finding]:
    """Ciphers are left, of a grade that Postfix knows."""
    wanted = [(scope, "smtpd", scope.level) for scope in servers(host)]
    wanted += [(scope, "smtp", policy(scope).level) for scope in clients(host)]
    for scope, role, level in wanted:
        if level in {"", "none"}:
            continue
        is_mandatory = level in ENCRYPTING
        name = f"{role}_tls_mandatory_ciphers" if is_mandatory else f"{role}_tls_ciphers"
        if (grade := scope.conf.value(name).lower()) not in _GRADES:
            effect_ = (
                "which leaves no encryption" if grade == "null" else "a grade that Postfix does not know"
            )
            yield MTA116.found(
                scope.file(name), f"says {scope.said(name)}, {effect_}", scope.cure(name, "medium")
            )
        names = [f"{role}_tls_exclude_ciphers", f"{role}_tls_mandatory_exclude_ciphers"]
        for name in names[: 1 + is_mandatory]:
            excluded = {word.upper() for word in words_of(scope.conf.value(name).replace(":", " "))}
            if any(excluded >= enough for enough in _ALL):
                reason = f"says {scope.said(name)}, which leaves no cipher"
                yield MTA116.found(scope.file(name), reason, scope.cure(name, ""))


MTA124 = Code.error(
    "MTA124",
    "Postfix compares the certificate of its relay with names that the relay does not have; no mail leaves",
)


def names(host: Host) -> Iterator[Finding]:
    """The relay's certificate is compared with the relay's name."""
    for scope in clients(host):
        level, table, said = policy(scope)
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
    "Postfix asks others about who logged in, before it permits them: a policy server, a block list, the DNS",
)


def asked(host: Host) -> Iterator[Finding]:
    """Who logged in is permitted before others are asked, who may refuse."""
    for scope in logins(host):
        for name in effect.LISTS:
            if question := effect.question(scope.conf, name, (effect.AUTHENTICATED,)):
                reason = f"asks {question} in {name} before it permits those who logged in"
                yield MTA126.found(scope.file(name), reason, _first(scope, name))


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
            cure = f"{scope.cure('smtpd_tls_ask_ccert', 'yes')} && {scope.cure(name, 'no')}"
            yield MTA127.found(scope.file(name), reason, cure)
