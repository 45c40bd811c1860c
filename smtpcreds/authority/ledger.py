"""The state directory at work: one run at a time, nothing left half-done by the one before."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..config import Site
from ..errors import ConfigError, MissingInputError, StateVersionError
from ..files import ensure_directory, exclusive, sweep
from ..inventory import Authority, Event, Inventory, open_inventory
from ..pki.dn import title
from ..pki.pem import encode_der
from ..pki.values import Issuer
from .recover import recover


@contextmanager
def at_work(site: Site) -> Iterator[Inventory]:
    """Hold the lock and the inventory; what a killed run left is completed or given up first."""
    ensure_directory(site.state)
    with exclusive(site.lock), open_inventory(site.inventory) as inventory:
        for directory in (site.state, site.ca_directory, site.certificates):
            sweep(directory)
        recover(site, inventory)
        yield inventory


@contextmanager
def reading(site: Site) -> Iterator[Inventory]:
    """Open the inventory to look at it.

    Raises:
        MissingInputError: there is none yet.
    """
    if not os.path.lexists(site.inventory):
        raise MissingInputError(site.inventory, "there is no inventory yet", "smtpcreds ca init")
    with open_inventory(site.inventory, read_only=True) as inventory:
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


def enrolled(site: Site, inventory: Inventory, issuer: Issuer) -> Authority:
    """Return the inventory's row of the authority, made now if a killed ``ca init`` did not get to it."""
    der = encode_der(issuer.certificate)
    known = next((row for row in inventory.authorities() if row.der == der), None)
    return known or inventory.add_authority(
        title(issuer.certificate),
        ski=issuer.key_identifier.hex(),
        der=der,
        created=site.clock(),
        crl_number=1,
    )


def record(site: Site, inventory: Inventory, what: str, subject: str, detail: str = "") -> None:
    """Write an event to the inventory and to syslog's authpriv, where auditors look."""
    import syslog

    who = os.environ.get("SUDO_USER") or _user()
    inventory.event(Event(site.clock(), who, what, subject, detail))
    syslog.openlog("smtpcreds", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, f"{what} {subject} by {who}{detail and f': {detail}'}")


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
