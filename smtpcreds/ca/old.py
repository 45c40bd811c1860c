"""What still depends on authorities that were replaced, and the commands that end it."""

from collections.abc import Collection, Iterator
from datetime import datetime

from ..config import Site
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityState
from ..pki.encoding import encode_der
from .authority import CA

RENEW_OLD = "smtpcreds cert renew --old-authority"
RETIRE_OLD = "smtpcreds ca rollover --retire-old"


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
