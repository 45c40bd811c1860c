"""MTA: whether Sendmail can send mail to other hosts at all: by which mailer, and under which name.

Source: cf/README of sendmail 8.17 (confRELAY_MAILER, confSMTP_MAILER, confLOCAL_MAILER, confHELO_NAME,
confOPERATORS, CLIENT_OPTIONS, RELAY_MAILER_ARGS); what each does was seen with 8.17.1.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import sendmail_client, sendmail_daemon
from ..mta.sendmail_cf import SendmailCf
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_switches import removed, without_line

_DEFINED = pattern(r"(?m)^M([^\s,]+),")
_CHOSEN = pattern(r"\$#\s*([\w*-]+)")
_CHOICES = {
    "MailerToTriple": "confRELAY_MAILER",
    "Parse1": "confSMTP_MAILER",
    "localaddr": "confLOCAL_MAILER",
}
"""Rulesets that choose a mailer, and the name of what they choose; a smart host has its own."""
_TO_THE_RELAY = ("< $+ > $*", "$#")
_STAYS_HERE = frozenset({"local", "prog", "discard"})
_BUILT_IN = frozenset({"error", "discard"})
_PORT = pattern(r"(?ms)^Mrelay,.*?\bA=TCP \$h +([0-9]{1,5})$")
_SOURCE = pattern(r"(?i)(?:^|,)\s*P\w*\s*=\s*(?!0\b)")
_NAME = pattern(r"[\w.-]+|\[[\w.:]+\]")

MTA047 = Code.error(
    "MTA047",
    "Sendmail can send no mail: to a mailer that does not exist or keeps it here (confRELAY_MAILER, "
    "confSMTP_MAILER, confLOCAL_MAILER), under a name that is none (confHELO_NAME), from an address or to a "
    "port where nobody is reached (CLIENT_OPTIONS, RELAY_MAILER_ARGS), or since no @ is an operator "
    "(confOPERATORS)",
)


def sends(host: Host) -> Iterator[Finding]:
    """Mail for other hosts goes to a mailer, by a name that they take."""
    cf = host.sendmail
    if cf is None or not (host.relays_by_sendmail or host.logs_in_by_sendmail):
        return
    defined = {*_DEFINED.findall(host.text(SENDMAIL_CF) or ""), *_BUILT_IN}
    own = _astray(host) if host.logs_in_by_sendmail else ()
    for name, why in (*_unfit(cf, defined), *_refused(cf), *own):
        yield MTA047.found(host.path(SENDMAIL_CF), why, removed(host, name, name))


def leaves(host: Host) -> Iterator[Finding]:
    """It does not connect from an address that is for itself alone, nor from one port, as the daemon's."""
    is_ours = host.relays_by_sendmail or host.logs_in_by_sendmail
    for line in sendmail_daemon.of_client(host.text(SENDMAIL_CF) or "") if is_ours else ():
        if sendmail_daemon.parse(line).is_local or _SOURCE.search(line):
            reason = f"says ClientPortOptions={line}, and from there no other host is reached"
            yield MTA047.found(host.path(SENDMAIL_CF), reason, without_line(host, line))


def _unfit(cf: SendmailCf, defined: set[str]) -> Iterator[tuple[str, str]]:
    """Yield choices of a mailer that can't send, and why."""
    for ruleset, name in _CHOICES.items():
        is_asked = ruleset != "Parse1" or not cf.macros.get("S")
        for left, right in cf.rulesets.get(ruleset, []) if is_asked else ():
            chosen = _CHOSEN.match(right)
            if chosen and chosen[1] not in defined:
                yield name, f"gives mail to the mailer {chosen[1]}, which does not exist"
                break
            if chosen and (left, right[:2]) == _TO_THE_RELAY and chosen[1] in _STAYS_HERE:
                yield name, f"gives mail for the relay to the mailer {chosen[1]}, which keeps it here"


def _refused(cf: SendmailCf) -> Iterator[tuple[str, str]]:
    """Yield names and operators with which no session comes about, and why."""
    if (helo := cf.option("HeloName")) and not _NAME.fullmatch(helo):
        yield "confHELO_NAME", f"has HeloName={helo}, which is no name of a host, so mail servers refuse it"
    if "operatorchars" in cf.options and "@" not in cf.option("OperatorChars"):
        yield (
            "confOPERATORS",
            f"has OperatorChars={cf.option('OperatorChars')} without @, so no address is one",
        )


def _astray(host: Host) -> Iterator[tuple[str, str]]:
    """Yield what keeps a client host's mail from the port of its hub, and why."""
    found = _PORT.search(host.text(SENDMAIL_CF) or "")
    if not found or host.text(sendmail_client.FRAGMENT) is None:
        return
    port = host.attempt(lambda: host.port_of_hub("sendmail-client"), int(found[1]))
    if int(found[1]) != port:
        yield "RELAY_MAILER_ARGS", f"connects to port {found[1]} of the hub, which listens on {port}"
