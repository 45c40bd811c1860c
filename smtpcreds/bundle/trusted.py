"""Which authorities a client host trusts for the sake of which hub, by the bundles that it got."""

from collections.abc import Collection, Iterator

from ..ca.authority import authority_of
from ..ca.directory import bundled
from ..ca.layout import FROM_BUNDLE, has_inventory, reading
from ..config import Site, parse_settings
from ..deploy.options import applied_programs
from ..deploy.role import hubs
from ..files import exists, read_public
from ..inventory.inventory import Inventory
from ..mta.program import Role
from ..pki.encoding import parse_certificate
from ..pki.names import generation, title
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
    """Return what came with an earlier bundle of this hub, is not in this one, and came from no other hub."""
    if authority_of(site).is_there:
        return []
    found, kept = list(_by_tar(site, trust)), set[str]()
    if has_inventory(site):
        with reading(site) as inventory:
            found += _by_setup(inventory)
            others = {hub: brought for hub, brought in _brought(inventory).items() if hub != site.hub}
            if used := _used(site, inventory):
                others = {hub: brought for hub, brought in others.items() if hub in used}
        kept = {identifier for brought in others.values() for identifier in brought.split()}
    return [ca for ca in found if ca not in trust and key_identifier(ca).hex() not in kept]


def _by_setup(inventory: Inventory) -> Iterator[Certificate]:
    """Yield what signed for an earlier bundle."""
    came = {event.detail.removeprefix("serial ") for event in inventory.events(what="setup")}
    rows = {row.authority for row in inventory.listing() if row.serial in came}
    signed = [row for row in inventory.authorities() if row.id in rows]
    yield from (parse_certificate(row.der, row.name) for row in signed)


def _by_tar(site: Site, trust: Collection[Certificate]) -> Iterator[Certificate]:
    """Yield predecessors of the authorities of the bundle on a host that ``tar`` filled, by their names.

    Nothing recorded there what came; the archive says of which hub it is.
    """
    path = site.path(FROM_BUNDLE)
    if not exists(path) or parse_settings(read_public(path).decode(), path).hub != site.hub:
        return
    lines = {generation(title(ca))[0] for ca in trust}
    yield from (ca for ca in bundled(site.certificates) if generation(title(ca))[0] in lines)


def _used(site: Site, inventory: Inventory) -> set[str]:
    """Return the hubs of the mail programs here; nothing where that of one was not recorded."""
    known = hubs(site)
    applied = {program.NAME for program in applied_programs(inventory) if program.ROLE is Role.CLIENT}
    return set(known.values()) if applied <= known.keys() else set()


def _brought(inventory: Inventory) -> dict[str, str]:
    """Return what the newest bundle of each hub brought."""
    newest_first = list(inventory.events(what=_BROUGHT))
    return {event.subject: event.detail for event in reversed(newest_first)}
