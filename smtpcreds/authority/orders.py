"""What ``cert issue`` is asked for, checked before anything else happens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address

from ..config import Site
from ..errors import DataError, NameRefusedError, SmtpcredsError, UsageError
from ..files import read_public
from ..names import is_qualified
from ..pki.constraints import Address
from ..pki.keys import KeyType, parse_key_type
from ..pki.profiles import RELAY, Profile, parse_profile
from .layout import Pair, lifetime_of, pair_of


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


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options say of every host of one run; None means the default.

    Attributes:
        profile: its name.
        alternatives: more names and IP addresses, wildcards allowed.
        days: lifetime; the end of the authority may shorten it.
        key_type: name of the new key's type.
        directory: absolute, instead of the mail server's certificate directory.
    """

    profile: str = RELAY.name
    alternatives: tuple[str, ...] = ()
    days: int | None = None
    key_type: str | None = None
    directory: str | None = None


def orders(site: Site, hosts: Iterable[str], listing: str | None, wishes: Wishes) -> list[Order]:
    """Return the orders for the hosts named, and for those of a list file.

    Raises:
        UsageError: no host at all, or a bad option.
        NameRefusedError: a bad name.
        DataError: a bad line of the list, by number.
    """
    found = [order(site, host, wishes) for host in hosts]
    if listing:
        found += _listed(site, listing, wishes)
    if not found:
        raise UsageError("cert issue", "names no host", "smtpcreds cert issue HOST")
    return found


def order(site: Site, host: str, wishes: Wishes) -> Order:
    """Complete and check one order.

    Raises:
        NameRefusedError: a bad name.
        UsageError: an unknown profile or key type, or no lifetime.
    """
    name = site.qualify(host)
    if not is_qualified(name):
        site.warn(
            f"{name}: stands without a domain, but peers check full names; set domain in {site.settings_path}"
        )
    names, addresses = _alternatives(site, wishes.alternatives)
    days = site.settings.cert.days if wishes.days is None else wishes.days
    kind = parse_key_type(wishes.key_type or site.settings.cert.key_type)
    place = pair_of(site, name, wishes.directory)
    return Order(name, parse_profile(wishes.profile), names, addresses, lifetime_of(days), kind, place)


def _listed(site: Site, path: str, wishes: Wishes) -> Iterator[Order]:
    """Yield an order for each line ``host[,names[,profile[,days]]]``; names are parted by spaces."""
    from csv import reader

    text = read_public(path).decode(errors="replace").removeprefix("\ufeff")
    for number, row in enumerate(reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (number == 1 and cells[0].lower() == "host"):
            continue
        try:
            yield order(site, cells[0], _line_wishes(cells, wishes))
        except SmtpcredsError as error:
            raise DataError(f"{path}: line {number}", str(error), error.hint) from None


def _line_wishes(cells: list[str], wishes: Wishes) -> Wishes:
    _, names, profile, days, *more = [*cells, "", "", ""]
    if any(more):
        raise UsageError(cells[0], "has more than four fields: host,names,profile,days")
    if days and not days.isdecimal():
        raise UsageError(days, "is no number of days")
    return replace(
        wishes,
        alternatives=(*wishes.alternatives, *names.split()),
        profile=profile or wishes.profile,
        days=int(days) if days else wishes.days,
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
