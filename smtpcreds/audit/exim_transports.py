"""MTA: whether Exim's mail leaves by its transports, and a client host's by the one to the hub.

Source: Exim specification 4.96, chapter 30 (the smtp transport); what each option does was seen with 4.96.
"""

import os
from collections.abc import Callable, Iterator, Mapping

from ..model import Finding, decimal
from ..mta import exim_client, exim_hosts, exim_routers
from ..mta import exim_rules as effect
from ..systems import DEBIAN
from .exim import cure, in_transport, logging_in, servers, shown_path
from .exim_acls import is_missing
from .finding import Code
from .host import Host
from .room import MESSAGE, too_small

MTA218 = Code.error(
    "MTA218",
    "a transport of Exim by which no mail leaves (hosts_require_auth without credentials, hosts_max_try, "
    "interface, message_size_limit, protocol, transport_filter)",
)
_CREDENTIALS = f"{DEBIAN.exim_directory}/passwd.client"
"""Of Debian's authenticators for the mail that goes out."""


def leaves(host: Host) -> Iterator[Finding]:
    """Mail goes out by each smtp transport that a router uses."""
    conf = host.exim_rules
    if not conf or not (servers(conf) or logging_in(conf)):
        return
    used = {options.get("transport") for options in conf.routers.values()}
    for name in (name for name in conf.transports if name in used):
        options = conf.transports[name]
        for option, look in _STOPS.items() if options.get("driver") == "smtp" else ():
            value = options.get(option, "")
            if value and "$" not in value and (why := look(host, value)):
                reason = f"has {option} = {value} in the transport {name}, and {why}"
                yield MTA218.found(shown_path(host), reason, in_transport(host, name, option, ""))


def _unknown(host: Host, value: str) -> str:
    lines = (host.text(_CREDENTIALS) or "").splitlines()
    knows = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
    is_ours = host.content(host.path(exim_client.CREDENTIALS)) is not None
    no_one = effect.is_everybody(value) and not knows and not is_ours
    return "this host has no credentials for other hosts" if no_one else ""


def _bound(_: Host, value: str) -> str:
    is_other = exim_hosts.is_loopback(value) and "127." in value
    return "nobody else is reached from an address of this host alone" if is_other else ""


def _filtered(host: Host, value: str) -> str:
    program = value.split()[0]
    is_gone = program.startswith("/") and not os.path.exists(host.path(program))
    return "that program is not there" if is_gone else ""


_STOPS: Mapping[str, Callable[[Host, str], str]] = {
    "hosts_require_auth": _unknown,
    "hosts_max_try": lambda _, value: "" if value.strip("0") else "no host is tried",
    "interface": _bound,
    "message_size_limit": lambda _, value: too_small(decimal(value) or 0, MESSAGE),
    "protocol": lambda _, value: "mail servers speak SMTP" if value == "lmtp" else "",
    "transport_filter": _filtered,
}
"""Options, and why no mail leaves, in words."""


MTA219 = Code.warning("MTA219", "mail of a client host that a router of Exim sends past the hub")


def past(host: Host) -> Iterator[Finding]:
    """Mail of a client host goes to its hub, by our transport."""
    conf = host.exim_rules
    mail = exim_routers.Mail(host.site.domain, is_missing(host))
    is_client = conf and not servers(conf) and exim_client.HUB in conf.transports
    if conf and is_client and (name := exim_routers.past(conf, mail, exim_client.HUB)):
        reason = f"has the router {name} take mail for other domains, before {exim_client.HUB} does"
        yield MTA219.found(shown_path(host), reason, cure(host, f"take the router {name} out"))
