"""The state directory at work: one run at a time, nothing left half-done by the one before."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..config import Site
from ..files import actor, announce, ensure_directory, exclusive, exists, read_private, sweep
from ..inventory import Authority, AuthorityState, Event, Inventory, open_inventory
from ..pki.crl import read_crl
from ..pki.dn import title
from ..pki.pem import encode_der
from ..pki.values import Certificate, Issuer, key_identifier
from .ca import certificates, has_authority
from .elders import files_of, retired
from .everywhere import spread
from .recover import recover


@contextmanager
def at_work(site: Site) -> Iterator[Inventory]:
    """Hold the lock and the inventory; what a killed run left is completed or given up first.

    A shared inventory is held against all its hosts, so whatever is pending in it was left by a killed run.
    """
    ensure_directory(site.state)
    with (
        exclusive(site.lock),
        open_inventory(site.inventory, machine=site.machine) as inventory,
        inventory.alone(),
    ):
        for directory in (site.state, site.ca_directory, site.certificates):
            sweep(directory)
        recover(site, inventory)
        _settle(site, inventory)
        yield inventory


def enrolled(site: Site, inventory: Inventory, issuer: Issuer) -> Authority:
    """Return the inventory's row of the authority, made now if a killed ``ca init`` did not get to it."""
    return enrol(site, inventory, issuer.certificate)


def enrol(site: Site, inventory: Inventory, certificate: Certificate) -> Authority:
    """Return the row of an authority of ours, made now if it is new; it counts on from its CRL on disk."""
    number = _crl_number(files_of(site, certificate).crl)
    return _enrolled(site, inventory, certificate, AuthorityState.CURRENT, crl_number=number)


def acquainted(site: Site, inventory: Inventory, ca: Certificate) -> Authority:
    """Return the inventory's row of a CA, made now as another's if it is new."""
    return _enrolled(site, inventory, ca, AuthorityState.FOREIGN, crl_number=0)


def row_of(inventory: Inventory, certificate: Certificate) -> Authority | None:
    """Return the inventory's row of a CA, or None."""
    der = encode_der(certificate)
    return next((row for row in inventory.authorities() if row.der == der), None)


def _enrolled(
    site: Site, inventory: Inventory, ca: Certificate, state: AuthorityState, *, crl_number: int
) -> Authority:
    return row_of(inventory, ca) or inventory.add_authority(
        title(ca),
        ski=key_identifier(ca).hex(),
        der=encode_der(ca),
        created=site.clock(),
        crl_number=crl_number,
        state=state,
    )


def _crl_number(path: str) -> int:
    number = read_crl(read_private(path), path, None).number if exists(path) else None
    return 1 if number is None else number


def _settle(site: Site, inventory: Inventory) -> None:
    """Record what a killed run changed about authorities: their directories say what is so."""
    if not has_authority(site):
        return
    own = certificates(site)[0]
    if row_of(inventory, own) is None:
        enrol(site, inventory, own)
        spread(site, inventory)
        record(site, inventory, "ca recorded", title(own), "after an interrupted run")
        site.warn(f"{title(own)}: this authority was not in the inventory; an interrupted run is completed")
    for elder in retired(site):
        row = row_of(inventory, elder.certificate)
        if row and row.state is AuthorityState.CURRENT:
            spread(site, inventory)
            inventory.retire_authority(row.id)
            record(site, inventory, "ca retire", row.name, "after an interrupted run")
            site.warn(f"{row.name}: an interrupted run began to retire this authority; it is completed")


def record(site: Site, inventory: Inventory, what: str, subject: str, detail: str = "") -> None:
    """Write an event to the inventory and to syslog's authpriv, where auditors look."""
    record_all(site, inventory, what, [(subject, detail)])


def record_all(site: Site, inventory: Inventory, what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Write an event for each subject and detail; see :func:`record`."""
    who, now, listed = actor(), site.clock(), list(deeds)
    inventory.event(*(Event(now, who, what, subject, detail) for subject, detail in listed))
    announce(what, listed)
