"""Which hosts are ours, by what is known without asking anybody: the inventory, and /etc/hosts."""

from collections.abc import Mapping

from ..ca.layout import reading
from .host import Host

_HOSTS = "/etc/hosts"


def names(host: Host) -> tuple[str, ...]:
    """Return the names of hosts that have a certificate, but for the hub's own."""
    nobody: tuple[str, ...] = ()
    return host.attempt(lambda: _names(host), nobody)


def _names(host: Host) -> tuple[str, ...]:
    with reading(host.site) as inventory:
        return tuple(sorted({row.host for row in inventory.listing(latest=True)} - {host.site.hub}))


def is_of(host: Host, name: str, subject: str) -> bool:
    """Tell whether an address, or the beginning of some, is one that /etc/hosts has for a name."""
    lines = (line.partition("#")[0].lower().split() for line in (host.text(_HOSTS) or "").splitlines())
    return any(name in line[1:] and f"{line[0]}.".startswith(f"{subject}.") for line in lines)


def addresses(host: Host) -> Mapping[str, str]:
    """Return the addresses of those that /etc/hosts has, to their names."""
    found, ours = {}, names(host)
    for line in (host.text(_HOSTS) or "").splitlines():
        address, *known = line.partition("#")[0].lower().split() or [""]
        if mine := next((name for name in known if name in ours), ""):
            found[address] = mine
    return found
