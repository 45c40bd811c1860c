"""MTA: clients that Sendmail refuses before they can log in: by the access map, block lists, reverse names.

Source: cf/README of sendmail 8.17 (access map, FEATURE(delay_checks), (dnsbl), (require_rdns)) and proto.m4;
what each does was seen with 8.17.1. With FEATURE(delay_checks) who logged in is asked nothing of this.
"""

import re
from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import sendmail
from ..mta.sendmail_cf import SendmailCf
from ..names import is_within
from ..shell import quote
from . import client_hosts
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host
from .sendmail_switches import dropped, numbered, rebuilt

_ENTRY = pattern(r"(?i)(?:(connect|from):)?((?:ipv6:)?[^\s:@]\S*)\s+(.*)")
_REFUSES = pattern(r"(?i)(REJECT|DISCARD|QUARANTINE:|ERROR:|[45]\d\d\s)")
_NUMERIC = pattern(r"(?i)(?:ipv6:)?[0-9a-f:.]+")


def delays(cf: SendmailCf) -> bool:
    """Tell whether FEATURE(delay_checks) asks these questions after AUTH; it renames the rulesets."""
    return "checkrelay" in cf.rulesets


MTA035 = Code.error(
    "MTA035",
    "the access map refuses, discards or holds the mail of client hosts, or on one of its users, before they "
    "can log in or although they did (Connect:, From:, or without a tag)",
)


def refused(host: Host) -> Iterator[Finding]:
    """No line of the access map is against our domain or a client host; on one, against its users."""
    cf = host.sendmail
    is_hub = host.relays_by_sendmail
    if cf is None or not (is_hub or host.logs_in_by_sendmail) or "access" not in cf.maps or delays(cf):
        return
    ours = client_hosts.names(host) if is_hub else (host.name,)
    for number, line in numbered(host, sendmail.ACCESS):
        found = _ENTRY.fullmatch(line.strip())
        tag = (found[1] or "").lower() if found else ""
        if not found or not _REFUSES.match(found[3]) or (tag == "connect" and not is_hub):
            continue
        if whom := meant(host, found[2].lower(), ours, has_addresses=is_hub and tag != "from"):
            reason = f"line {number} says {line.strip().split()[0]} {found[3].split()[0]}, which is {whom}"
            yield MTA035.found(host.path(sendmail.ACCESS), reason, dropped(host, number))


def meant(host: Host, subject: str, ours: tuple[str, ...], *, has_addresses: bool) -> str:
    """Return who of ours a key of the access map is about, in words; it stands for what is below it, too."""
    name, domain = subject.lstrip("."), host.site.domain.lower()
    if _NUMERIC.fullmatch(subject) and ("." in subject or ":" in subject or subject.isdecimal()):
        return _by_address(host, subject) if has_addresses else ""
    if domain and is_within(domain, name):
        return f"our domain {domain}"
    return next((one for one in ours if is_within(one, name)), "")


def _by_address(host: Host, subject: str) -> str:
    """Return which client host has an address that a key stands for, as far as that is known."""
    separator = ":" if subject.startswith("ipv6:") else "."
    beginning = f"{subject.removeprefix('ipv6:')}{separator}"
    known = client_hosts.addresses(host).items()
    return next((f"{name} ({one})" for one, name in known if f"{one}{separator}".startswith(beginning)), "")


MTA036 = Code.warning(
    "MTA036",
    "Sendmail asks block lists or the DNS about who connects, and refuses, before it lets them log in "
    "(FEATURE(`dnsbl'), FEATURE(`require_rdns') without FEATURE(`delay_checks'))",
)
_QUESTIONS = {
    r"\$\(e?dnsbl\b": "block lists (FEATURE(`dnsbl'))",
    r"\$&\{client_resolve\}": "the DNS (FEATURE(`require_rdns'))",
}


def asked(host: Host) -> Iterator[Finding]:
    """Who can log in is not refused before by what others say of its address."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail or delays(cf):
        return
    rules = " ".join(right for _, right in cf.rulesets.get("Basic_check_relay", []))
    for question, whom in _QUESTIONS.items():
        if re.search(question, rules):
            reason = f"asks {whom} about who connects, before client hosts can log in"
            yield MTA036.found(host.path(SENDMAIL_CF), reason, _delayed(host))


def _delayed(host: Host) -> str:
    """Return how FEATURE(delay_checks) gets above the mailers."""
    mc = host.path(SENDMAIL_MC)
    for number, line in numbered(host, SENDMAIL_MC):
        if line.startswith("FEATURE("):
            return f'sed -i "{number}i FEATURE(\\`delay_checks\')dnl" {quote(mc)} && {rebuilt(host)}'
    return f"FEATURE(`delay_checks')dnl in {mc}, then: {rebuilt(host)}"
