"""The inventory, to look at it only; light enough for the quick verbs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..config import Site
from ..errors import MissingInputError
from ..inventory import Inventory, open_inventory


def has_inventory(site: Site) -> bool:
    """Tell whether there is an inventory to read."""
    return os.path.lexists(site.inventory)


@contextmanager
def reading(site: Site) -> Iterator[Inventory]:
    """Open the inventory to look at it.

    Raises:
        MissingInputError: there is none yet.
    """
    if not has_inventory(site):
        raise MissingInputError(site.inventory, "there is no inventory yet", "smtpcreds ca init")
    with open_inventory(site.inventory, read_only=True) as inventory:
        yield inventory
