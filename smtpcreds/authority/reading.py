"""The inventory, to look at it only; light enough for the quick verbs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..config import Site
from ..errors import ConfigError, MissingInputError, SmtpcredsError, StateVersionError
from ..files import exists
from ..inventory import Inventory, open_inventory
from ..model import Step
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


def recording(site: Site, note: str = "") -> Step:
    """Return the line of a plan that writes to the inventory; only a file has a mode."""
    return Step("record in", site.inventory, None if is_url(site.inventory) else 0o600, note)


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


@contextmanager
def looking(site: Site) -> Iterator[Inventory | None]:
    """Open the inventory for a plan; None where the run itself will make or migrate it.

    Raises:
        StateVersionError: it is of a newer version.
    """
    with ExitStack() as stack:
        try:
            inventory = stack.enter_context(reading(site))
        except StateVersionError:
            raise
        except (MissingInputError, ConfigError):
            yield None
        else:
            yield inventory


def unsettled(site: Site, inventory: Inventory | None) -> frozenset[str]:
    """Return the stems of the pairs that a killed run left; the next run settles them before it begins."""
    rows = inventory.pending() if inventory else []
    return frozenset(site.root.locate(row.directory) for row in rows if row.directory)
