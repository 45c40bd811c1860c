"""Routers of Exim: what becomes of a client host's mail for another domain (Exim specification, 15 to 22)."""

from collections.abc import Mapping

from . import exim_rules as effect
from .exim_rules import Configuration

_OUTWARD = frozenset({"dnslookup", "manualroute", "ipliteral", "queryprogram"})
_LOST = (":fail:", ":defer:", ":blackhole:")
_KEEPERS = frozenset({"appendfile", "autoreply"})
"""Drivers of transports by which a message stays on the host."""
NO_ROUTER = "no router takes mail for other domains"


def loss(conf: Configuration, domain: str) -> str:
    """Return which router loses the mail of a client host, in words; nothing where it goes on its way.

    Args:
        conf: with its routers in order.
        domain: of the senders.
    """
    for name, options in conf.routers.items():
        takes = _takes(options, domain)
        if takes is None:
            return ""
        keeper = conf.transports.get(options.get("transport", ""), {}).get("driver", "")
        if takes and options.get("driver") == "accept" and keeper in _KEEPERS:
            return f"the router {name} keeps mail for other domains, by the transport {options['transport']}"
        if takes and (options.get("driver") != "redirect" or options.get("data", "").startswith("$")):
            return ""
        data = options.get("data", "").strip('"').strip()
        if takes and data.startswith(_LOST):
            return f"the router {name} takes mail for other domains, by data = {data.split()[0]}"
    return NO_ROUTER if conf.routers else ""


def past(conf: Configuration, domain: str, hub: str) -> str:
    """Return the router that sends mail for other domains elsewhere than by the transport to the hub.

    Args:
        conf: with its routers in order.
        domain: of the senders.
        hub: the name of that transport.
    """
    for name, options in conf.routers.items():
        takes, goes_by = _takes(options, domain), options.get("transport", "")
        if takes is None or goes_by == hub:
            return ""
        if takes and options.get("driver") in _OUTWARD:
            return name
    return ""


def _takes(options: Mapping[str, str], domain: str) -> bool | None:
    """Tell whether a router takes mail for other domains; None where nobody can tell."""
    facts = (_is_for(options.get("domains", "*")), _sends(options.get("senders", "*"), domain))
    is_off = options.get("verify_only") in {"yes", "true"} or effect.is_never(options.get("condition", "1"))
    if is_off or False in facts:
        return False
    is_bound = {"condition", "local_parts", "require_files", "check_local_user"} & {*options}
    return None if None in facts or is_bound else True


def _is_for(domains: str) -> bool | None:
    """Tell whether a list of domains has others than ours; one that is looked up has some of them only."""
    found = effect.elsewhere(domains)
    return False if found is None and ("$" in domains or ";" in domains) else found


def _sends(senders: str, domain: str) -> bool | None:
    """Tell whether a list of addresses holds those of a domain; None where nobody can tell."""
    items = [item.strip() for item in senders.split(":")]
    if "*" in items:
        return True
    if any("$" in item or item.startswith(("!", "+")) or domain in item for item in items):
        return None
    return False
