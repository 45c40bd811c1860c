"""Which authorities a client host trusts for the sake of which hub, by the bundles that it got."""

from collections.abc import Collection

from ..ca.authority import authority_of
from ..ca.layout import has_inventory, reading
from ..config import Site
from ..inventory.inventory import Inventory
from ..pki.encoding import parse_certificate
from ..pki.values import Certificate, key_identifier
from ..transaction import Transaction

_BROUGHT = "setup authorities"
"""The event of the authorities of a hub's bundle, by key identifier; the newest of each hub counts."""


def remember_authorities(work: Transaction, trust: Collection[Certificate]) -> None:
    """Record what a bundle of the hub brings, if it is something else than before."""
    known, brought = work.known_inventory, " ".join(sorted(key_identifier(ca).hex() for ca in trust))
    if known is None or _brought(known).get(work.site.hub) != brought:
        work.record(_BROUGHT, work.site.hub, brought)


def former_authorities(site: Site, trust: Collection[Certificate]) -> list[Certificate]:
    """Return what signed for an earlier bundle, is not in this one, and came from no other hub since."""
    if not has_inventory(site) or authority_of(site).is_there:
        return []
    with reading(site) as inventory:
        came = {event.detail.removeprefix("serial ") for event in inventory.events(what="setup")}
        rows = {row.authority for row in inventory.listing() if row.serial in came}
        others = {hub: brought for hub, brought in _brought(inventory).items() if hub != site.hub}
        kept = {ski for brought in others.values() for ski in brought.split()}
        signed = [row for row in inventory.authorities() if row.id in rows and row.ski not in kept]
    found = [parse_certificate(row.der, row.name) for row in signed]
    return [ca for ca in found if ca not in trust]


def _brought(inventory: Inventory) -> dict[str, str]:
    """Return what the newest bundle of each hub brought."""
    newest_first = list(inventory.events(what=_BROUGHT))
    return {event.subject: event.detail for event in reversed(newest_first)}
