"""MTA: settings of Sendmail that switch off AUTH, STARTTLS and client certificates, or relay for everybody.

Source: op.me of sendmail 8.17 (DaemonPortOptions, ClientPortOptions, TLSSrvOptions, ruleset srv_features) and
cf/README (access map, FEATUREs); what each does was seen with 8.17.1.
"""

import re
from collections.abc import Iterator
from functools import partial

from ..deploy.facts import sendmail_pid
from ..lazy import pattern
from ..model import Finding
from ..mta import mechanisms, sendmail, sendmail_daemon, sendmail_tls
from ..mta.sendmail_daemon import Daemon
from ..names import BY_PASSWORD, is_within
from ..shell import quote
from . import client_hosts
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host

_LINE = pattern(r"^\s*(?:DAEMON|CLIENT)_OPTIONS\(`([^']*)'\)")
_SUBMISSION = 587
_IMPLICIT = 465
_TAG = pattern(
    r"(?i)((?:Srv|Clt)_Features|Try_TLS|TLS_Clt|TLS_Srv|TLS_Rcpt|TLS_(?:Srv|Clt)_Features):(\S*)\s+(.*)"
)
_OPEN = pattern(r"^\s*FEATURE\(`?(promiscuous_relay|relay_local_from|relay_mail_from)\b")
_BARRED = {
    "a": mechanisms.NO_ACTIVE,
    "c": mechanisms.PASS_CREDENTIALS,
    "d": mechanisms.NO_DICTIONARY,
    "f": mechanisms.FORWARD_SECRECY,
    "m": mechanisms.MUTUAL,
}
"""Letters of AuthOptions that hold inside TLS, too."""


def rebuilt(host: Host, *, is_down: bool = False) -> str:
    """Return the commands after a change of sendmail.mc; a daemon that is down is started."""
    site, pid_file = host.site, sendmail_pid(host.site)
    compile_, read = sendmail.rebuild(site.system, host.name, pid_file, site.root.prefix.rstrip("/"))
    return f"{compile_} && {site.system.to_restart('sendmail') if is_down else read}"


def numbered(host: Host, absolute: str = SENDMAIL_MC) -> list[tuple[int, str]]:
    """Return the lines of sendmail.mc, or of another file of the host, with their numbers."""
    return list(enumerate((host.text(absolute) or "").splitlines(), 1))


def removed(host: Host, word: str, what: str, *, is_down: bool = False) -> str:
    """Return how the lines of sendmail.mc that begin with a definition go, and those of LOCAL_CONFIG.

    There an option has the name that the definition is made of: ``confTO_STARTTLS`` is ``Timeout.starttls``.
    """
    option = re.sub("^TO_", "Timeout.", word.removeprefix("conf")).replace("_", "")
    own = rf"(?i:O\s+{re.escape(option)}\w*\s*=)" if word.startswith("conf") else "(?!)"
    said = re.compile(rf"\s*(?:define|FEATURE)\(`?{word}\b|{own}")
    found = [n for n, line in numbered(host) if said.match(line)]
    mc = quote(host.path(SENDMAIL_MC))
    if not found:
        return f"take {what} out of what {host.path(SENDMAIL_MC)} includes"
    return f"sed -i {quote(';'.join(f'{n}d' for n in found))} {mc} && {rebuilt(host, is_down=is_down)}"


def without_key(host: Host, line: str, letter: str) -> str:
    """Return how a line DAEMON_OPTIONS of sendmail.mc loses a key, which goes by its first letter."""
    for number, text in numbered(host):
        if (found := _LINE.match(text)) and found[1] == line:
            kept = [part for part in line.split(",") if part.strip()[:1].lower() != letter]
            new = text.replace(line, ",".join(kept))
            return f"sed -i {quote(f'{number}c {new}')} {quote(host.path(SENDMAIL_MC))} && {rebuilt(host)}"
    return f"take that out of {line} in what {host.path(SENDMAIL_MC)} includes, then: {rebuilt(host)}"


def without_line(host: Host, line: str) -> str:
    """Return how what DAEMON_OPTIONS or CLIENT_OPTIONS says goes out of sendmail.mc."""
    found = [n for n, text in numbered(host) if (said := _LINE.match(text)) and said[1] == line]
    mc = quote(host.path(SENDMAIL_MC))
    if not found:
        return f"take {line} out of what {host.path(SENDMAIL_MC)} includes, then: {rebuilt(host)}"
    return f"sed -i {quote(';'.join(f'{n}d' for n in found))} {mc} && {rebuilt(host)}"


def _without(host: Host, daemon: Daemon, letter: str) -> str:
    """Return how a line of sendmail.mc loses a modifier."""
    for number, line in numbered(host):
        if (found := _LINE.match(line)) and found[1] == daemon.line:
            new = line.replace(daemon.line, sendmail_daemon.without(daemon.line, letter))
            return f"sed -i {quote(f'{number}c {new}')} {quote(host.path(SENDMAIL_MC))} && {rebuilt(host)}"
    return f"take {letter} out of M={daemon.modifiers} where {host.path(SENDMAIL_MC)} says {daemon.line}"


def daemons(host: Host) -> list[Daemon]:
    """Return the daemon's ports that other hosts reach; none on a host that relays for nobody."""
    lines = sendmail_daemon.in_result(host.text(SENDMAIL_CF) or "") if host.relays_by_sendmail else []
    return [daemon for daemon in map(sendmail_daemon.parse, lines) if not daemon.is_local]


def _relays_by_certificate(host: Host) -> bool:
    cf = host.sendmail
    trusts = bool(cf and "EXTERNAL" in {name.upper() for name in cf.classes.get("TrustAuthMech", ())})
    return trusts or _lists_certificates(host)


def _lists_certificates(host: Host) -> bool:
    lines = (line.lower() for _, line in numbered(host, sendmail.ACCESS))
    return any(line.startswith("certissuer:") for line in lines)


MTA021 = Code.error(
    "MTA021",
    "Sendmail's daemon offers no AUTH or no STARTTLS to client hosts, or requires AUTH of those that "
    "relay by certificate (a modifier of DAEMON_OPTIONS)",
)


def modifiers(host: Host) -> Iterator[Finding]:
    """The port at which client hosts come in has AUTH and STARTTLS."""
    meant = {host.port, _SUBMISSION}
    for daemon in daemons(host):
        if daemon.port not in meant:
            continue
        where = f"DaemonPortOptions={daemon.line}"
        for letter, effect in (("A", "AUTH"), ("S", "STARTTLS")):
            if letter in daemon.modifiers and not (letter == "S" and "s" in daemon.modifiers):
                reason = f"says {where}, so no {effect} is offered there"
                yield MTA021.found(host.path(SENDMAIL_CF), reason, _without(host, daemon, letter))
        must_log_in = "a" in daemon.modifiers and "A" not in daemon.modifiers
        if must_log_in and daemon.port != _SUBMISSION and _lists_certificates(host):
            reason = f"says {where}, so who relays by certificate is refused without AUTH"
            yield MTA021.found(host.path(SENDMAIL_CF), reason, _without(host, daemon, "a"))


MTA022 = Code.error(
    "MTA022",
    "Sendmail uses TLS without STARTTLS on a port where clients expect STARTTLS, or the reverse",
)


def wrapped(host: Host) -> Iterator[Finding]:
    """TLS from the first octet is spoken at port 465, and nowhere else."""
    for daemon in daemons(host):
        is_on = "s" in daemon.modifiers
        if is_on and daemon.port in {25, _SUBMISSION}:
            reason = f"says DaemonPortOptions={daemon.line}, where clients begin in clear; both wait"
            yield MTA022.found(host.path(SENDMAIL_CF), reason, _without(host, daemon, "s"))
        elif not is_on and daemon.port == _IMPLICIT:
            reason = f"says DaemonPortOptions={daemon.line}, where clients begin with TLS; both wait"
            cure = f"write M=s into that line of {host.path(SENDMAIL_MC)}, then: {rebuilt(host)}"
            yield MTA022.found(host.path(SENDMAIL_CF), reason, cure)


MTA023 = Code.error(
    "MTA023",
    "Sendmail relays by certificate, and asks no client for one (confTLS_SRV_OPTIONS, Srv_Features V)",
)
MTA024 = Code.error(
    "MTA024",
    "the access map, or a ruleset Local_srv_features, takes AUTH or STARTTLS from clients (Srv_Features)",
)


def features(host: Host) -> Iterator[Finding]:
    """No client host is left out of AUTH, STARTTLS and the question for its certificate."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail:
        return
    if "V" in cf.option("TLSSrvOptions") and _relays_by_certificate(host):
        reason = f"has TLSSrvOptions={cf.option('TLSSrvOptions')}, so no client is asked for a certificate"
        cure = removed(host, "confTLS_SRV_OPTIONS", "confTLS_SRV_OPTIONS")
        yield MTA023.found(host.path(SENDMAIL_CF), reason, cure)
    for number, subject, value in entries(host, "srv_features"):
        yield from _of_features(host, host.path(sendmail.ACCESS), subject, value, dropped(host, number))
    for value in _hook(host, "Local_srv_features"):
        cure = f"take the ruleset Local_srv_features out of {host.path(SENDMAIL_MC)}, then: {rebuilt(host)}"
        yield from _of_features(host, host.path(SENDMAIL_CF), "", value, cure)


def _of_features(host: Host, path: str, subject: str, value: str, cure: str) -> Iterator[Finding]:
    letters, who = set(value.replace(" ", "")), subject or "everybody"
    if value.upper().startswith("TEMP"):
        yield MTA024.found(path, f"puts off {who} (Srv_Features {value})", cure)
        return
    if hidden := [name for letter, name in (("A", "AUTH"), ("S", "STARTTLS")) if letter in letters]:
        yield MTA024.found(path, f"takes {' and '.join(hidden)} from {who} (Srv_Features)", cure)
    if "l" in letters and _lists_certificates(host):
        yield MTA024.found(path, f"lets {who} relay by certificate only after AUTH (Srv_Features l)", cure)
    if "V" in letters and _relays_by_certificate(host):
        yield MTA023.found(path, f"asks {who} for no certificate (Srv_Features V)", cure)


def entries(host: Host, tag: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, subject and value of the lines of the access map with a tag, where that map is used."""
    if host.sendmail and "access" in host.sendmail.maps:
        for number, line in numbered(host, sendmail.ACCESS):
            if (found := _TAG.fullmatch(line.strip())) and found[1].lower() == tag:
                yield number, found[2], found[3]


def dropped(host: Host, number: int) -> str:
    """Return how a line of the access map goes."""
    path = host.path(sendmail.ACCESS)
    return f"sed -i {number}d {quote(path)} && {sendmail.makemap(host.site.system, path)}"


def _hook(host: Host, name: str) -> Iterator[str]:
    """Yield what a ruleset returns for everything, by its first rule, as ``$#`` and words."""
    rules = host.sendmail.rulesets.get(name, []) if host.sendmail else []
    if rules and rules[0][0] == "$*" and (found := re.match(r"(?:\$@\s*)?\$#\s*(.*)", rules[0][1])):
        yield found[1]


MTA025 = Code.error(
    "MTA025",
    "as a client, Sendmail never logs in or never starts TLS: a modifier of CLIENT_OPTIONS, Try_TLS NO, "
    "Clt_Features A or S, or a ruleset Local_try_tls",
)


def client(host: Host) -> Iterator[Finding]:
    """Who has credentials for a relay logs in there, in TLS."""
    if not host.logs_in_by_sendmail:
        return
    for daemon in map(sendmail_daemon.parse, sendmail_daemon.of_client(host.text(SENDMAIL_CF) or "")):
        for letter, effect in (("A", "does not log in"), ("S", "starts no TLS")):
            if letter in daemon.modifiers:
                reason = f"says ClientPortOptions={daemon.line}, so it {effect} anywhere"
                yield MTA025.found(host.path(SENDMAIL_CF), reason, _without(host, daemon, letter))


def client_rules(host: Host) -> Iterator[Finding]:
    """Nor does the access map keep it from that."""
    hub = host.hub_of("sendmail-client") if host.logs_in_by_sendmail else ""
    path = host.path(sendmail.ACCESS)
    for number, subject, value in entries(host, "clt_features") if hub else ():
        hidden = [name for name in ("AUTH", "STARTTLS") if name[0] in value.split()]
        if hidden and _is_for(host, subject, hub):
            reason = (
                f"line {number} keeps Sendmail from {' and '.join(hidden)} with {subject or 'every host'}"
            )
            yield MTA025.found(path, f"{reason} (Clt_Features)", dropped(host, number))
    for number, subject, value in entries(host, "try_tls") if hub else ():
        if value.upper().startswith("NO") and _is_for(host, subject, hub):
            reason = f"line {number} keeps Sendmail from TLS with {subject or 'every host'} (Try_TLS)"
            yield MTA025.found(path, reason, dropped(host, number))


def _is_for(host: Host, subject: str, hub: str) -> bool:
    """Tell whether a key of the access map stands for a hub: a name, address or network of it, or nothing."""
    return not subject or is_within(hub, subject.lower()) or client_hosts.is_of(host, hub, subject)


MTA026 = Code.error(
    "MTA026",
    "a ruleset of your own that refuses everybody, also clients that logged in (Local_check_rcpt and "
    "its like)",
)
_HOOKS = (
    *("Local_check_relay", "Local_check_mail", "Local_check_rcpt", "Local_Relay_Auth", "Local_tls_client"),
    *("Local_tls_server", "Local_tls_rcpt", "Local_try_tls"),
)
_BY_SENDMAIL = (
    *("check_data", "check_eom", "check_eoh", "check_compat"),
    *("tls_srv_features", "tls_clt_features"),
)
"""Rulesets that Sendmail itself calls, and the macros leave to the administrator."""


def _is_called(host: Host, name: str) -> bool:
    """Tell whether a rule calls a ruleset; those of TLS are called after LOCAL_TLS_CLIENT and its like."""
    rulesets = host.sendmail.rulesets.values() if host.sendmail else ()
    return any(f'$>"{name}"' in right for rules in rulesets for _, right in rules)


def hooks(host: Host) -> Iterator[Finding]:
    """No ruleset of the administrator's refuses without looking."""
    is_ours = host.relays_by_sendmail or host.logs_in_by_sendmail
    for name in (*filter(partial(_is_called, host), _HOOKS), *_BY_SENDMAIL) if is_ours else ():
        rules = host.sendmail.rulesets.get(name, []) if host.sendmail else []
        refuses = any(value.startswith(("error", "discard")) for value in _hook(host, name))
        says_no = name == "Local_Relay_Auth" and rules and rules[0][0] == "$*" and rules[0][1].endswith("NO")
        if refuses or says_no:
            reason = f"has a ruleset {name} that refuses everybody by its first rule"
            cure = f"take the ruleset {name} out of {host.path(SENDMAIL_MC)}, then: {rebuilt(host)}"
            yield MTA026.found(host.path(SENDMAIL_CF), reason, cure)


MTA027 = Code.error("MTA027", "Sendmail relays for everybody, or for anybody who claims to be local")


def open_relay(host: Host) -> Iterator[Finding]:
    """Only who logged in, shows a certificate or is listed may relay."""
    for _, line in numbered(host) if host.relays_by_sendmail else ():
        if found := _OPEN.match(line):
            who = (
                "everybody"
                if found[1] == "promiscuous_relay"
                else "every sender that names an address of ours"
            )
            reason = f"has FEATURE(`{found[1]}'), so {who} relays without AUTH"
            yield MTA027.found(host.path(SENDMAIL_MC), reason, removed(host, found[1], found[1]))


_NO_TIME = pattern(r"0+[smhdw]?")


MTA028 = Code.error(
    "MTA028",
    "options that leave Sendmail no TLS version, no time for a handshake, or no mechanism by which to log in",
)


def left(host: Host) -> Iterator[Finding]:
    """A version of TLS and a mechanism by password are left."""
    cf = host.sendmail
    if cf is None:
        return
    for role, is_enough in (("Server", sendmail_tls.serves), ("Client", sendmail_tls.asks)):
        options = cf.option(f"{role}SSLOptions")
        if not is_enough(options):
            reason = f"has {role}SSLOptions={options}, which leaves no version that others speak"
            name = f"conf{role.upper()}_SSL_OPTIONS"
            yield MTA028.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))
    if _NO_TIME.fullmatch(time := cf.option("Timeout.starttls")):
        reason = f"has Timeout.starttls={time}, so no handshake succeeds"
        yield MTA028.found(
            host.path(SENDMAIL_CF), reason, removed(host, "confTO_STARTTLS", "confTO_STARTTLS")
        )
    barred = [_BARRED[letter] for letter in cf.option("AuthOptions") if letter in _BARRED]
    offered = [name.upper() for name in cf.words("AuthMechanisms") if name.upper() in BY_PASSWORD]
    if barred and offered and not mechanisms.left(offered, (), barred):
        reason = f"has AuthOptions={cf.option('AuthOptions')}, which leaves none of {' '.join(offered)}"
        yield MTA028.found(
            host.path(SENDMAIL_CF), reason, removed(host, "confAUTH_OPTIONS", "confAUTH_OPTIONS")
        )
