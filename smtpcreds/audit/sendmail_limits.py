"""MTA: whether Sendmail refuses client hosts by number, rate or load.

Source: op.me of sendmail 8.17 (MaxDaemonChildren, RefuseLA) and cf/README
(FEATURE(ratecontrol), FEATURE(conncontrol)); what each does was seen with 8.17.1.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import sendmail
from ..mta.sendmail_cf import SendmailCf
from . import client_hosts
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_access import delays, meant
from .sendmail_switches import daemons, dropped, numbered, removed, without_key

MTA044 = Code.warning(
    "MTA044",
    "Sendmail takes no second connection while one is open, or none under any load "
    "(confMAX_DAEMON_CHILDREN, children= of DAEMON_OPTIONS, confREFUSE_LA)",
)
_LIMITS = {
    ("MaxDaemonChildren", "confMAX_DAEMON_CHILDREN"): "takes no connection while another is open",
    ("RefuseLA", "confREFUSE_LA"): "refuses connections as soon as one process runs",
}
"""Option and its name in sendmail.mc, and what 1 does; 0 is no limit."""


def connections(host: Host) -> Iterator[Finding]:
    """A busy hub takes client hosts' connections."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail:
        return
    for (option, name), effect in _LIMITS.items():
        if cf.option(option) == "1":
            reason = f"has {option}=1, so it {effect}"
            yield MTA044.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))
    for daemon in daemons(host):
        if daemon.children == "1":
            effect = _LIMITS["MaxDaemonChildren", "confMAX_DAEMON_CHILDREN"]
            reason = f"says DaemonPortOptions={daemon.line}, so it {effect}"
            yield MTA044.found(host.path(SENDMAIL_CF), reason, without_key(host, daemon.line, "c"))


MTA045 = Code.warning(
    "MTA045",
    "a line of the access map by which client hosts get no connection, or one a minute or at a time "
    "(ClientConn:, ClientRate:)",
)
_ENTRY = pattern(r"(?i)(ClientConn|ClientRate):(\S*)\s+(-?[0-9]{1,18})")
_RULESETS = {"clientconn": "ConnControl", "clientrate": "RateControl"}


def counted(host: Host) -> Iterator[Finding]:
    """Client hosts may come as often as they have mail."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail or "access" not in cf.maps:
        return
    ours = client_hosts.names(host)
    for number, line in numbered(host, sendmail.ACCESS):
        found = _ENTRY.fullmatch(line.strip())
        if not found or not _counts(cf, _RULESETS[found[1].lower()]):
            continue
        most, subject = int(found[3]), found[2].lower()
        whom = meant(host, subject, ours, has_addresses=True) if subject else "every client host"
        if most != 0 and most <= 1 and whom:
            what = (
                "no connection" if most < 0 else "one at a time" if found[1][6:7] in "Cc" else "one a minute"
            )
            reason = f"line {number} says {found[1]}:{found[2]} {most}, so {whom} gets {what}"
            yield MTA045.found(host.path(sendmail.ACCESS), reason, dropped(host, number))


def _counts(cf: SendmailCf, ruleset: str) -> bool:
    """Tell whether a ruleset is asked about who can log in, too; after FEATURE(delay_checks) it is not."""
    asking = "check_relay" if delays(cf) else "Basic_check_relay"
    return any(f'$>"{ruleset}"' in right for _, right in cf.rulesets.get(asking, []))
