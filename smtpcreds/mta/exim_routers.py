"""Routers of Exim: what becomes of a client host's mail for another domain (Exim specification, 15 to 22)."""

from collections.abc import Callable, Mapping
from dataclasses import field

from ..lazy import dataclass
from . import exim_rules as effect
from .exim_acls import looked_up
from .exim_conditions import Known, constant
from .exim_rules import Configuration

_OUTWARD = frozenset({"dnslookup", "manualroute", "ipliteral", "queryprogram"})
_LOST = (":fail:", ":defer:", ":blackhole:", "/dev/null")
_KEEPERS = frozenset({"appendfile", "autoreply"})
"""Drivers of transports by which a message stays on the host."""
NO_ROUTER = "no router takes mail for other domains"


@dataclass(frozen=True)
class Mail:
    """What is known of mail that is on its way.

    Attributes:
        domain: of its senders.
        is_missing: tells of a path that nothing is there.
        known: what variables say.
    """

    domain: str
    is_missing: Callable[[str], bool]
    known: Known = field(default_factory=dict)


def loss(conf: Configuration, mail: Mail) -> str:
    """Return which router loses the mail of a client host, in words; nothing where it goes on its way.

    Args:
        conf: with its routers in order.
        mail: that comes to them.
    """
    for name, options in conf.routers.items():
        takes = _takes(options, mail)
        if takes is None:
            return ""
        if takes and (file := next(filter(mail.is_missing, looked_up(options.get("data", ""))), "")):
            return f"the router {name} takes mail for other domains, and looks in {file}, which is not there"
        if takes and (gone := _absent_transport(conf, options)):
            return f"the router {name} takes mail for other domains, and there is no transport {gone}"
        keeper = conf.transports.get(options.get("transport", ""), {}).get("driver", "")
        if takes and options.get("driver") == "accept" and keeper in _KEEPERS:
            return f"the router {name} keeps mail for other domains, by the transport {options['transport']}"
        if takes and (options.get("driver") != "redirect" or options.get("data", "").startswith("$")):
            return ""
        data = options.get("data", "").strip('"').strip()
        if takes and data.startswith(_LOST):
            return f"the router {name} takes mail for other domains, by data = {data.split()[0]}"
    return NO_ROUTER if conf.routers else ""


def _absent_transport(conf: Configuration, options: Mapping[str, str]) -> str:
    name = options.get("transport", "")
    return "" if "$" in name or name in conf.transports else name


def past(conf: Configuration, mail: Mail, hub: str) -> str:
    """Return the router that sends mail for other domains elsewhere than by the transport to the hub.

    Args:
        conf: with its routers in order.
        mail: that comes to them.
        hub: the name of that transport.
    """
    for name, options in conf.routers.items():
        takes, goes_by = _takes(options, mail), options.get("transport", "")
        if takes is None or goes_by == hub:
            return ""
        if takes and options.get("driver") in _OUTWARD:
            return name
    return ""


_BOUND = frozenset({"local_parts", "check_local_user"})


def _takes(options: Mapping[str, str], mail: Mail) -> bool | None:
    """Tell whether a router takes mail for other domains; None where nobody can tell."""
    facts = (
        _is_for(options.get("domains", "*")),
        _sends(options.get("senders", "*"), mail.domain),
        _has_files(options.get("require_files", ""), mail.is_missing),
        constant(options.get("condition", "yes"), mail.known),
    )
    if options.get("verify_only") in {"yes", "true"} or _is_for_few(options) or False in facts:
        return False
    return None if None in facts or _BOUND & {*options} else True


def _is_for_few(options: Mapping[str, str]) -> bool:
    """Tell whether a router asks for something in the local part that addresses seldom have (15.8)."""
    affixes = (options.get(name) for name in ("local_part_prefix", "local_part_suffix"))
    optional = (options.get(f"local_part_{name}_optional", "no") for name in ("prefix", "suffix"))
    named = options.get("local_parts", "*")
    return any(
        affix and is_optional not in {"yes", "true"}
        for affix, is_optional in zip(affixes, optional, strict=True)
    ) or not set(named) & set("*^$;+!")


def _has_files(required: str, is_missing: Callable[[str], bool]) -> bool | None:
    """Tell whether the files are there that a router needs; None where nobody can tell."""
    items = [item.strip() for item in required.split(":") if item.strip()]
    if any(item.startswith("/") and "$" not in item and is_missing(item) for item in items):
        return False
    return None if items else True


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
