"""What ``cert issue`` is asked for, checked before anything else happens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from ..config import Site
from ..errors import NameRefusedError, UsageError
from ..names import is_qualified
from ..pki.constraints import Address
from ..pki.keys import KeyType, parse_key_type
from ..pki.profiles import Profile
from .layout import Pair, pair_of

LONG_LIFE = 398
"""Days; public CAs stop there, and a longer life means that nobody remembers how to renew."""


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate that is wanted."""

    host: str
    profile: Profile
    dns_names: tuple[str, ...]
    addresses: tuple[Address, ...]
    lifetime: timedelta
    key_type: KeyType
    pair: Pair

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and address of the certificate, as text, the host first."""
        return tuple(dict.fromkeys((self.host, *self.dns_names, *map(str, self.addresses))))


def order(
    site: Site,
    host: str,
    profile: Profile,
    *,
    alternatives: Iterable[str] = (),
    days: int | None = None,
    key_type: str | None = None,
    directory: str | None = None,
) -> Order:
    """Complete and check an order.

    Args:
        site: completes short names and gives defaults.
        host: the host's name; a short one gets the domain.
        profile: what for.
        alternatives: more names and IP addresses, wildcards allowed.
        days: lifetime; the authority's end may shorten it.
        key_type: of the new key.
        directory: absolute; default is the mail server's certificate directory.

    Raises:
        NameRefusedError: a bad name.
        UsageError: an unknown key type, or no lifetime.
    """
    name = site.qualify(host)
    if not is_qualified(name):
        site.warn(f"{name}: stands without a domain, and peers check full names; set domain in {site.settings_path}")
    names, addresses = _alternatives(site, alternatives)
    lifetime = site.settings.cert.days if days is None else days
    if lifetime < 1:
        raise UsageError("--days", "a certificate lives at least one day")
    kind = parse_key_type(key_type or site.settings.cert.key_type)
    return Order(
        name, profile, names, addresses, timedelta(days=lifetime), kind, pair_of(site, name, directory)
    )


def _alternatives(site: Site, texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    names: list[str] = []
    addresses: list[Address] = []
    for text in texts:
        address = _address(text)
        if address is None:
            names.append(site.qualify(text, wildcard=True))
        else:
            addresses.append(address)
    return tuple(names), tuple(addresses)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if address.is_unspecified or address.is_multicast:
        raise NameRefusedError(text, "is no address of one host")
    return address
