"""MTA: what Sendmail demands of who connects in TLS, and what of its relay; and mail that passes by both.

Source: cf/README of sendmail 8.17 (TLS_Clt, TLS_Srv, TLS_Rcpt, FEATURE(tls_session_features) and (msp))
and op.me (CipherSuites); what each does was seen with 8.17.1.
"""

import re
from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import sendmail, sendmail_cf, sendmail_daemon
from ..names import BY_PASSWORD, is_within
from ..shell import quote
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host
from .sendmail_switches import dropped, entries, rebuilt

_DEMAND = pattern(r"(?i)(?:(?:PERM|TEMP)\+)?(VERIFY|ENCR)(?::([0-9]{1,18}))?(?:\+\+?(.*))?")
_MOST_BITS = 256
"""Of any cipher of TLS."""
_WITHOUT_VERSIONS = pattern(r"(?i)SSL_OP_NO_TLSv1_([23])\b")
_SUITES = frozenset({"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"})
"""Of TLS 1.3, that clients offer (OpenSSL 3 and GnuTLS, by default)."""

MTA029 = Code.error(
    "MTA029",
    "the access map demands of TLS what client hosts, or the relay, don't have: a certificate of who logs in "
    "by a secret, more bits than a cipher has, another name (TLS_Clt, TLS_Srv, TLS_Rcpt)",
)


def demands(host: Host) -> Iterator[Finding]:
    """Who logs in needs no certificate, and nobody needs more than there is."""
    cf, path = host.sendmail, host.path(sendmail.ACCESS)
    by_secret = bool(cf and {name.upper() for name in cf.words("AuthMechanisms")} & {*BY_PASSWORD})
    tags = ["tls_clt"] if host.relays_by_sendmail else []
    tags += ["tls_srv", "tls_rcpt"] if host.logs_in_by_sendmail else []
    for tag in tags:
        for number, subject, value in _effective(host, tag):
            demand = _DEMAND.fullmatch(value.strip())
            if demand and (why := _fault(host, tag, subject, demand, by_secret=by_secret)):
                yield MTA029.found(path, f"line {number} demands {why}", dropped(host, number))


def _fault(host: Host, tag: str, subject: str, demand: re.Match[str], *, by_secret: bool) -> str:
    """Return what is demanded that there is not, in words; nothing where all is well."""
    kind, bits, further = demand.groups(default="")
    who = subject or "everybody"
    if int(bits or 0) > _MOST_BITS:
        return f"{bits} bits of {who}, and no cipher has more than {_MOST_BITS}"
    if tag == "tls_clt":
        is_closed = kind.upper() == "VERIFY" and by_secret and _is_client(host, subject)
        return f"a certificate of {who}, so who has a secret alone can't log in" if is_closed else ""
    name = _other_name(host, tag, subject, further)
    return f"the name {name} of the relay, which it does not have" if name else ""


def _effective(host: Host, tag: str) -> list[tuple[int, str, str]]:
    """Return the lines; without those of TLS_Srv that a line for the hub itself goes before."""
    found, hub = list(entries(host, tag)), host.hub_of("sendmail-client")
    is_named = tag == "tls_srv" and any(subject.lower() == hub for _, subject, _ in found)
    return [line for line in found if not is_named or line[1].lower() == hub]


def _is_client(host: Host, subject: str) -> bool:
    """Tell whether client hosts are meant: everybody, an address or network, or a name of our domain."""
    name, domain = subject.lower(), host.site.domain.lower()
    return not name or name.startswith("ipv6:") or name[0].isdigit() or is_within(name, domain)


def _other_name(host: Host, tag: str, subject: str, further: str) -> str:
    """Return the common name that is demanded of the hub, if it is another."""
    hub = host.hub_of("sendmail-client")
    found = re.search(r"(?i)\bCN:([^+\s]+)", further)
    is_of_hub = tag == "tls_rcpt" or not subject or f".{hub}".endswith(f".{subject.lower()}")
    return found[1] if hub and is_of_hub and found and found[1].lower() != hub else ""


MTA031 = Code.error(
    "MTA031",
    "choices of TLS versions and ciphers that leave Sendmail none that others speak (TLS_Srv_Features, "
    "TLS_Clt_Features, CipherSuites)",
)


def session(host: Host) -> Iterator[Finding]:
    """A version and a cipher of TLS are left for every session."""
    cf = host.sendmail
    if cf is None:
        return
    for tag in ("tls_srv_features", "tls_clt_features"):
        for number, subject, value in entries(host, tag) if has_rules(cf, tag) else ():
            if subject and {*_WITHOUT_VERSIONS.findall(value)} >= {
                "2",
                "3",
            }:  # without one it is not looked up
                reason = f"line {number} takes TLSv1.2 and TLSv1.3 from {subject}"
                yield MTA031.found(host.path(sendmail.ACCESS), reason, dropped(host, number))
    suites = set(cf.option("CipherSuites").split(":")) - {""}
    if suites and not suites & _SUITES and all(name.startswith("TLS_") for name in suites):
        reason = f"has CipherSuites={':'.join(sorted(suites))}, which others do not offer"
        yield MTA031.found(host.path(SENDMAIL_CF), reason, _without_line(host, "O CipherSuites"))


def has_rules(cf: sendmail_cf.SendmailCf, tag: str) -> bool:
    """Tell whether FEATURE(tls_session_features) is there, which makes these rulesets."""
    return tag in {name.lower() for name in cf.rulesets}


def _without_line(host: Host, beginning: str) -> str:
    lines = (host.text(SENDMAIL_MC) or "").splitlines()
    found = [n for n, line in enumerate(lines, 1) if line.startswith(beginning)]
    if not found:
        return f"take {beginning} out of what {host.path(SENDMAIL_MC)} includes, then: {rebuilt(host)}"
    edit = quote(";".join(f"{n}d" for n in found))
    return f"sed -i {edit} {quote(host.path(SENDMAIL_MC))} && {rebuilt(host)}"


_SMTP = 25
SUBMIT_CF, SUBMIT_MC = "/etc/mail/submit.cf", "/etc/mail/submit.mc"
_LOCAL = pattern(
    r"\[?(?:127\.[\d.]+|localhost(?:\.localdomain)?|(?:ipv6:)?::1|0:0:0:0:0:0:0:1)\]?", re.IGNORECASE
)
_TO_PORT = pattern(r"(?ms)^Mrelay,.*?\bA=TCP \$h(?: +([0-9]{1,5}))?$")
"""FEATURE(msp) with the argument MSA names port 587; else it is port 25."""
_ADDRESSED = pattern(r"(?i)(?:^|,)\s*A\w*\s*=\s*(?!0\.0\.0\.0\b|::\s*(?:,|$))")
_MSP = pattern(r"(\s*FEATURE\(`?msp'?\s*,\s*`?)[^')]*('?.*)")

MTA032 = Code.error(
    "MTA032",
    "mail of this host's own users that submit.cf hands to another host without credentials, or to a daemon "
    "that demands AUTH of it, speaks TLS from the start, or listens elsewhere",
)


def submissions(host: Host) -> Iterator[Finding]:
    """Mail that users submit gets to the daemon that has credentials, and may relay."""
    text = host.text(SUBMIT_CF)
    if text is None or not (host.logs_in_by_sendmail or host.relays_by_sendmail):
        return
    submit = sendmail_cf.parse(text)
    logs_in = submit.option("DefaultAuthInfo") or "authinfo" in submit.maps
    target, path = submit.macros.get("MTAHost", ""), host.path(SUBMIT_CF)
    if target and not _LOCAL.fullmatch(target):
        if host.logs_in_by_sendmail and not logs_in:
            reason = f"hands mail of users to {target}, past the daemon of this host, which has credentials"
            yield MTA032.found(path, reason, _to_daemon(host))
        return
    way = _TO_PORT.search(text)
    port = int(way[1]) if way and way[1] else _SMTP
    yield from _to_port(host, port, logs_in=bool(logs_in))


def _to_port(host: Host, port: int, *, logs_in: bool) -> Iterator[Finding]:
    """Yield what keeps users' mail from a port of this host."""
    path, mc = host.path(SUBMIT_CF), host.path(SENDMAIL_MC)
    lines = sendmail_daemon.in_result(host.text(SENDMAIL_CF) or "")
    there = [daemon for daemon in map(sendmail_daemon.parse, lines) if daemon.port == port]
    theirs = [daemon for daemon in there if daemon.is_local or not _ADDRESSED.search(daemon.line)]
    for daemon in theirs:
        for letter, what in (("a", "demands AUTH of it"), ("s", "speaks TLS from the start")):
            if letter in daemon.modifiers and not (letter == "a" and logs_in):
                reason = f"hands mail of users to DaemonPortOptions={daemon.line}, which {what}"
                cure = f"take {letter} out of M={daemon.modifiers} in {mc}, then: {rebuilt(host)}"
                yield MTA032.found(path, reason, cure)
    if there and not theirs:
        reason = (
            f"hands mail of users to port {port} of 127.0.0.1, and DaemonPortOptions={there[0].line} is not"
        )
        line = f"DAEMON_OPTIONS(`Name=MSP, Port={port}, Addr=127.0.0.1')dnl"
        yield MTA032.found(path, f"{reason} there", f"{line} in {mc}, then: {rebuilt(host)}")


def _to_daemon(host: Host) -> str:
    """Return how the line of submit.mc names the daemon of this host."""
    lines = (host.text(SUBMIT_MC) or "").splitlines()
    for number, line in enumerate(lines, 1):
        if found := _MSP.match(line):
            mc, edit = host.path(SUBMIT_MC), quote(f"{number}c {found[1]}[127.0.0.1]{found[2]}")
            again = sendmail.rebuild_submission(mc, host.path(SUBMIT_CF))
            return f"sed -i {edit} {quote(mc)} && {again}"
    return f"write DMTAHost as [127.0.0.1] in {host.path(SUBMIT_CF)}"
