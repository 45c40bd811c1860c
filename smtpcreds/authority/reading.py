"""The inventory, to look at it only; light enough for the quick verbs."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..config import Site
from ..errors import MissingInputError, SmtpcredsError
from ..files import exists
from ..inventory import Inventory, open_inventory
from ..postgres import is_url


def has_inventory(site: Site) -> bool:
    """Tell whether there is an inventory to read; one that a killed run was making counts as none."""
    try:
        with reading(site):
            return True
    except MissingInputError:
        return False
    except SmtpcredsError:  # whoever reads it is told
        return True


@contextmanager
def reading(site: Site) -> Iterator[Inventory]:
    """Open the inventory to look at it.

    Raises:
        MissingInputError: there is none yet.
    """
    if not is_url(site.inventory) and not exists(site.inventory):
        raise MissingInputError(site.inventory, "there is no inventory yet", "smtpcreds ca init")
    with open_inventory(site.inventory, machine=site.machine, read_only=True) as inventory:
        yield inventory
