"""The authority at work: the lock is held, the inventory open, the key at hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..config import Site
from ..inventory import Authority, Inventory
from ..pki.values import Issuer
from .ledger import at_work, enrolled


@dataclass(frozen=True, slots=True)
class Office:
    """What every deed that signs needs.

    Attributes:
        site: where.
        inventory: open for writing, under the lock.
        authority: the inventory's row of the issuer.
        issuer: signs.
    """

    site: Site
    inventory: Inventory = field(repr=False)
    authority: Authority
    issuer: Issuer


@contextmanager
def at_the_office(site: Site, issuer: Issuer) -> Iterator[Office]:
    """Hold the lock and the inventory; what a killed run left is settled first."""
    with at_work(site) as inventory:
        yield Office(site, inventory, enrolled(site, inventory, issuer), issuer)
