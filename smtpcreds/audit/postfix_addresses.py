"""MTA: addresses and protocols that Postfix is bound to, and that it does not have, or can't use.

What each does was seen with 3.7.11. Addresses of this host are those that the kernel lists.
"""

import re
from collections.abc import Iterable, Iterator

from ..model import Finding
from ..mta.postfix import RESTART
from ..mta.postfix_tables import network_of
from .finding import Code
from .host import MAIN_CF, Host
from .postfix_scopes import Scope, clients, logins, words_of
from .postfix_values import unset

MTA152 = Code.error(
    "MTA152",
    "Postfix is bound to an address or a protocol that this host does not have, to none, or to the loopback; "
    "no client host reaches it, or no mail leaves",
)
_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_IPV6, _IPV4 = "ipv6", "ipv4"
_OF_LOOPBACK = "00000000000000000000000000000001"
_OF_LINKS = "fe80"


def addresses(host: Host) -> frozenset[str] | None:
    """Return the IPv4 addresses of this host but for the loopback's; None where they can't be seen."""
    text = host.text("/proc/net/fib_trie")
    return None if text is None else frozenset(a for a in _LOCAL.findall(text) if not a.startswith("127."))


def has_ipv6(host: Host) -> bool | None:
    """Tell whether this host has an IPv6 address for others; None where that can't be seen."""
    text = host.text("/proc/net/if_inet6")
    if text is None:
        return None if addresses(host) is None else False
    found = (line.split()[0] for line in text.splitlines() if line.split())
    return any(address != _OF_LOOPBACK and not address.startswith(_OF_LINKS) for address in found)


def bound(host: Host) -> Iterator[Finding]:
    """Postfix has an address at which others reach it, and by which it reaches them."""
    main = host.postfix
    if main is None or not (logins(host) or clients(host)):
        return
    faults = {
        "inet_interfaces": _interfaces(host),
        "proxy_interfaces": _misnamed(words_of(main.value("proxy_interfaces"))),
        "inet_protocols": _protocols(host),
    }
    for name, why in faults.items():
        if why:
            cure = f"postconf -X {name} && {host.said(RESTART)}"
            yield MTA152.found(host.path(MAIN_CF), f"says {name}={main.value(name)}, {why}", cure)
    for scope in clients(host):
        yield from _sending(scope)


def _interfaces(host: Host) -> str:
    main, name = host.postfix, "inet_interfaces"
    if main is None or name not in main.settings:
        return ""
    words, own = words_of(main.value(name)), addresses(host)
    if not words:
        return "so it listens nowhere, and hands no mail on"
    lacking = [word for word in words if own is not None and _is_for_others(word) and word not in own]
    return f"and this host has no {lacking[0]}, so it does not start" if lacking else _misnamed(words)


def _misnamed(words: Iterable[str]) -> str:
    wrong = next((word for word in words if "/" in word or (":" in word and not network_of(word))), "")
    return f"and {wrong} is no address of a host, so no mail leaves" if wrong else ""


def _is_for_others(word: str) -> bool:
    network = network_of(word) if "/" not in word else None
    return network is not None and network.version == 4 and not network.is_loopback


def _protocols(host: Host) -> str:
    words = words_of(host.postfix.value("inet_protocols").lower()) if host.postfix else ()
    if {*words} == {_IPV6} and has_ipv6(host) is False:
        return "and this host has no IPv6 address, so it reaches nobody, and nobody reaches it"
    if {*words} == {_IPV4} and addresses(host) == frozenset() and has_ipv6(host):
        return "and this host has no IPv4 address, so it reaches nobody, and nobody reaches it"
    return ""


def _sending(scope: Scope) -> Iterator[Finding]:
    relay = network_of(scope.conf.value("relayhost").strip("[").partition("]")[0])
    is_here = relay is not None and relay.is_loopback
    for name in ("smtp_bind_address", "smtp_bind_address6"):
        value = scope.conf.value(name)
        bound_to = network_of(value)
        if value and bound_to is None:
            reason = f"says {scope.said(name)}, which is no address, so no mail leaves"
        elif bound_to and bound_to.version == 4 and bound_to.is_loopback and not is_here:
            reason = f"says {scope.said(name)}, by which it reaches this host alone, so no mail leaves"
        else:
            continue
        yield MTA152.found(scope.file(name), reason, unset(scope, name))
