"""A certificate once more: same names, profile, lifetime and place; the same key, or a new one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address

from ..config import Site
from ..errors import MissingInputError
from ..inventory import Certificate, Inventory
from ..pki.constraints import Address
from ..pki.issue import new_serial
from ..pki.keys import KEY_TYPES, KeyType, PrivateKey, generate, key_label, parse_key_type
from ..pki.pem import parse_certificate
from ..pki.profiles import parse_profile
from ..pki.values import BACKDATE, Issuer, validity
from ..pki.values import Certificate as Parsed
from .batch import Draft
from .former import Former, key_that_waits, key_to_keep, read_former, verify_ours
from .issue import verify_permitted
from .layout import Pair, lifetime_of
from .orders import Order
from .renewals import Renewals


@dataclass(frozen=True, slots=True)
class Job:
    """One renewal, looked over.

    Attributes:
        order: what is wanted.
        former: what is in place.
        key: to be kept, or the one that waited; None makes a new one.
        waited: the key waits beside the pair.
    """

    order: Order
    former: Former
    key: PrivateKey | None = field(repr=False)
    waited: bool = False

    def draft(self, site: Site, issuer: Issuer) -> Draft:
        """Return what is to be signed."""
        return Draft(
            self.order,
            self.key or generate(self.order.key_type),
            new_serial(),
            validity(site.clock(), self.order.lifetime, issuer),
            self.former,
            keeps_key=self.key is not None and not self.waited,
            waited=self.waited,
        )


def job(site: Site, inventory: Inventory, row: Certificate, chain: Sequence[Parsed], wanted: Renewals) -> Job:
    """Look one renewal over.

    Args:
        site: where.
        inventory: what there is.
        row: the certificate to be renewed.
        chain: the authority that will sign, and those above it.
        wanted: new key, its type, lifetime.

    Raises:
        ExistsError: something of another origin stands in the place.
        MissingInputError: the key to be kept is gone.
        SmtpcredsError: names not permitted, a damaged or leaked key.
    """
    order = order_again(site, inventory, row, wanted)
    verify_permitted(order, chain)
    former = read_former(order.pair)
    verify_ours(former, row, inventory)
    if wanted.next_key:
        return Job(order, former, key_that_waits(order.pair), waited=True)
    return Job(order, former, None if wanted.new_key else key_to_keep(former, row, inventory))


def order_again(site: Site, inventory: Inventory, row: Certificate, wanted: Renewals) -> Order:
    """Return the order that makes the certificate once more."""
    names, addresses = _parted(row.names)
    return Order(
        row.host,
        parse_profile(row.profile),
        names,
        addresses,
        _lifetime(site, inventory, row) if wanted.days is None else lifetime_of(wanted.days),
        _key_type(site, inventory, row, wanted),
        Pair(site.root.locate(row.directory)),
    )


def _lifetime(site: Site, inventory: Inventory, row: Certificate) -> timedelta:
    """Return how long the certificate was meant to live: its end may be that of its authority."""
    authority = next(item for item in inventory.authorities() if item.id == row.authority)
    if row.not_after >= parse_certificate(authority.der, authority.name).not_valid_after_utc:
        return timedelta(days=site.settings.cert.days)
    return row.not_after - row.not_before - BACKDATE


def _key_type(site: Site, inventory: Inventory, row: Certificate, wanted: Renewals) -> KeyType:
    if wanted.key_type:
        return parse_key_type(wanted.key_type)
    default = parse_key_type(site.settings.cert.key_type)
    if not wanted.new_key:
        return default
    try:
        key = parse_certificate(inventory.der(row.authority, row.serial), row.host).public_key()
    except MissingInputError:  # adopted from a ledger that had no certificates
        return default
    return next((kind for kind in KEY_TYPES.values() if kind.label == key_label(key)), default)


def _parted(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    names: list[str] = []
    addresses: list[Address] = []
    for text in texts:
        try:
            addresses.append(ip_address(text))
        except ValueError:
            names.append(text)
    return tuple(names), tuple(addresses)
