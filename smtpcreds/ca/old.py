"""What still depends on authorities that were replaced, and the commands that end it."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from ..config import Site
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityState
from ..pki.encoding import encode_der, parse_certificate
from ..pki.names import title
from ..pki.values import Certificate
from .authority import CA

RENEW_OLD = "smtpcreds cert renew --old-authority"
RETIRE_OLD = "smtpcreds ca rollover --retire-old"
RENEW_UNKNOWN = (
    f"for each host: smtpcreds cert issue HOST --force, or bundle HOST; then: {RETIRE_OLD} --force"
)
_RECORDED_LATE = timedelta(days=2)
"""Between an authority's begin, which is dated back, and the next run after one that was killed."""


def old_authorities(inventory: Inventory, ca: CA) -> set[int]:
    """Return the rows of our authorities, but for the one that signs and those of others, by number."""
    own = encode_der(ca.certificate)
    rows = inventory.authorities()
    return {row.id for row in rows if row.state is not AuthorityState.FOREIGN and row.der != own}


def hosts_of(inventory: Inventory, authorities: Collection[int], now: datetime) -> Iterator[str]:
    """Yield the hosts whose newest certificate is valid and was signed by one of these, each once."""
    rows = inventory.listing(latest=True, expires_after=now)
    yield from dict.fromkeys(row.host for row in rows if row.authority in authorities)


def old_hosts(site: Site, inventory: Inventory) -> list[str]:
    """Return the hosts that need an authority which was replaced, and not retired yet."""
    trusted = (row for row in inventory.authorities() if row.state is AuthorityState.CURRENT)
    old = {row.id for row in trusted} & old_authorities(inventory, CA(site))
    return list(hosts_of(inventory, old, site.clock()))


def of_unknown_use(inventory: Inventory, ca: CA, now: datetime) -> list[str]:
    """Return the authorities that were replaced and are older than the inventory, as after its loss.

    Which hosts use them is not known then. One that was imported came with what it had issued.
    """
    begun = inventory.begun()
    if begun is None or begun > now:
        return []
    imported = {event.subject for event in inventory.events(what="ca import")}
    replaced = (*(old.certificate for old in ca.superseded_cas), *without_files(inventory, ca))
    older = (each for each in replaced if each.not_valid_before_utc + _RECORDED_LATE < begun)
    return [title(certificate) for certificate in older if title(certificate) not in imported]


def without_files(inventory: Inventory, ca: CA) -> list[Certificate]:
    """Return our authorities that are not retired, and whose files are lost."""
    present = {encode_der(old.certificate) for old in (*ca.superseded_cas, *ca.retired)}
    present.add(encode_der(ca.certificate))
    rows = inventory.authorities()
    lost = (row for row in rows if row.state is AuthorityState.CURRENT and row.der not in present)
    return [parse_certificate(row.der, row.name) for row in lost]
