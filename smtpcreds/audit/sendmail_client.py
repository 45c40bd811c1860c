"""MTA: mail of a client host that Sendmail takes past the hub.

Source: cf/README of sendmail 8.17 (FEATURE(mailertable), confFALLBACK_MX, confFALLBACK_SMARTHOST,
confCONNECT_ONLY_TO); what the table does was seen with 8.17.1.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta.sendmail import makemap
from ..shell import quote
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_switches import numbered, removed

_ROUTE = pattern(r"(?i)(\S+)\s+(?:e?smtp8?|dsmtp|relay):\[?([^\s\]:]+)\]?.*")
_OPTIONS = {
    "FallbackMXhost": "confFALLBACK_MX",
    "FallbackSmartHost": "confFALLBACK_SMARTHOST",
    "ConnectOnlyTo": "confCONNECT_ONLY_TO",
}

MTA040 = Code.warning(
    "MTA040",
    "mail of a client host that goes to another host than the hub (mailertable, confFALLBACK_MX, "
    "confFALLBACK_SMARTHOST), or all of a host that goes to one (confCONNECT_ONLY_TO)",
)


def past(host: Host) -> Iterator[Finding]:
    """All mail for other hosts goes to the hub, and that of the hub where it should."""
    cf, hub = host.sendmail, host.hub_of("sendmail-client")
    if cf and host.relays_by_sendmail and (only := cf.option("ConnectOnlyTo")):
        reason, name = f"has ConnectOnlyTo={only}, by which all mail goes there alone", "confCONNECT_ONLY_TO"
        yield MTA040.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))
        return
    if cf is None or not hub or not host.logs_in_by_sendmail:
        return
    for option, name in _OPTIONS.items():
        value = cf.option(option)
        if value and value.strip("[]").lower() != hub:
            reason = f"has {option}={value}, by which mail goes past the hub {hub}"
            yield MTA040.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))
    table = cf.map_file("mailertable")
    for number, line in numbered(host, table) if table else ():
        found = _ROUTE.fullmatch(line.strip())
        if found and found[2].lower() != hub:
            reason = f"line {number} sends mail for {found[1]} to {found[2]}, past the hub {hub}"
            path = host.path(table)
            cure = f"sed -i {number}d {quote(path)} && {makemap(host.site.system, path)}"
            yield MTA040.found(host.path(table), reason, cure)
