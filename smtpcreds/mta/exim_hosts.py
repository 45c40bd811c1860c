"""Host lists of Exim: whether one holds an address (Exim specification, 10.11 to 10.19).

Names, lookups and expansions are not followed: nobody can tell then.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping

_LOCAL = frozenset({"", "@", "@[]", "localhost"})
_ANYWHERE = ""
"""The address of a client host that nobody knows."""


def includes(hosts: str, address: str, lists: Mapping[str, str], name: str = "") -> bool | None:
    """Tell whether a list holds an address of another host; None where nobody can tell.

    Args:
        hosts: the list.
        address: IPv4 or IPv6; empty for some host elsewhere.
        lists: those that ``+name`` stands for.
        name: of the host with that address; empty for one that is not known.
    """
    if "$" in hosts:
        return None
    last, doubt = "", False
    for item in _items(hosts):
        last, own = item, item.lstrip("! ")
        held = (own.lower() == name and name != "") or _holds(own, address, lists, name)
        if held and not doubt:
            return not item.startswith("!")
        doubt = doubt or held is not False
    return None if doubt else last.startswith("!")


def _items(hosts: str) -> Iterator[str]:
    """Yield the items of a list; a doubled separator stands for itself (6.21)."""
    separator, text = ":", hosts.strip()
    if chosen := re.match(r"<(\S)", text):
        separator, text = chosen[1], text[2:]
    whole = text.replace(separator * 2, "\0")
    for part in whole.split(separator):
        if item := part.replace("\0", separator).strip():
            yield item


def _holds(item: str, address: str, lists: Mapping[str, str], name: str) -> bool | None:
    if item == "*":
        return True
    if item.lower() in _LOCAL:
        return False
    if item.startswith("+"):
        others = {key: value for key, value in lists.items() if key != item[1:]}
        return includes(lists[item[1:]], address, others, name) if item[1:] in lists else None
    try:
        network = ipaddress.ip_network(item, strict=False)
    except ValueError:
        return None
    if address == _ANYWHERE:
        return False if network.is_loopback else None
    return ipaddress.ip_address(address) in network


def excluded(hosts: str, addresses: Mapping[str, str], lists: Mapping[str, str]) -> str:
    """Return which client host a list surely leaves out, in words; nothing where none is known to be."""
    if includes(hosts, _ANYWHERE, lists) is False:
        return "every other host"
    left_out = (a for a in addresses if includes(hosts, a, lists, addresses[a]) is False)
    return next((f"{addresses[address]} ({address})" for address in left_out), "")


def included(hosts: str, addresses: Mapping[str, str], lists: Mapping[str, str]) -> str:
    """Return which client host a list surely holds, in words; nothing where none is known to be."""
    if includes(hosts, _ANYWHERE, lists):
        return "every host"
    held = (a for a in addresses if includes(hosts, a, lists, addresses[a]))
    return next((f"{addresses[address]} ({address})" for address in held), "")


def is_loopback(addresses: str) -> bool:
    """Tell whether all of a list are addresses of the host itself; a port may stand behind each."""
    items = [
        re.sub(r"^\[(.*)\](?::\d+)?$|^(\d+(?:\.\d+){3})\.\d+$", r"\1\2", item) for item in _items(addresses)
    ]
    try:
        return bool(items) and all(ipaddress.ip_address(item).is_loopback for item in items)
    except ValueError:
        return False
