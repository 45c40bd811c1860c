"""The authority's rows in the inventory, and the record of what was done."""

from collections.abc import Iterable

from ..config import Site
from ..files import actor, announce, read_if_there
from ..inventory import Authority, AuthorityState, Event, Inventory
from ..pki.crl import read_crl
from ..pki.dn import title
from ..pki.pem import encode_der
from ..pki.values import Certificate, key_identifier
from .ca import CA
from .everywhere import spread


def ensure_authority(site: Site, inventory: Inventory, ca: CA, certificate: Certificate) -> Authority:
    """Return the row of an authority of ours, made now if it is new; it counts on from its CRL on disk."""
    known = row_of(inventory, certificate)
    return known or _added(
        site, inventory, certificate, AuthorityState.CURRENT, _crl_number(ca.files_of(certificate).crl)
    )


def ensure_external_authority(site: Site, inventory: Inventory, ca: Certificate) -> Authority:
    """Return the inventory's row of a CA, made now as another's if it is new."""
    return row_of(inventory, ca) or _added(site, inventory, ca, AuthorityState.FOREIGN, 0)


def row_of(inventory: Inventory, certificate: Certificate) -> Authority | None:
    """Return the inventory's row of a CA, or None."""
    der = encode_der(certificate)
    return next((row for row in inventory.authorities() if row.der == der), None)


def recover_authorities(site: Site, inventory: Inventory, ca: CA) -> None:
    """Record what a killed run changed about authorities: their directories say what is so."""
    if not ca.is_there:
        return
    own = ca.certificate
    if row_of(inventory, own) is None:
        ensure_authority(site, inventory, ca, own)
        spread(site, inventory, ca)
        record_all(site, inventory, "ca recorded", [(title(own), "after an interrupted run")])
        site.warn(f"{title(own)}: this authority was not in the inventory; an interrupted run is completed")
    for elder in ca.retired:
        row = row_of(inventory, elder.certificate)
        if row and row.state is AuthorityState.CURRENT:
            spread(site, inventory, ca)
            inventory.retire_authority(row.id)
            record_all(site, inventory, "ca retire", [(row.name, "after an interrupted run")])
            site.warn(f"{row.name}: an interrupted run began to retire this authority; it is completed")


def record_all(site: Site, inventory: Inventory, what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Write an event for each subject and detail to the inventory and to syslog's authpriv."""
    who, now, listed = actor(), site.clock(), list(deeds)
    inventory.event(*(Event(now, who, what, subject, detail) for subject, detail in listed))
    announce(what, listed)


def _added(
    site: Site, inventory: Inventory, ca: Certificate, state: AuthorityState, crl_number: int
) -> Authority:
    return inventory.add_authority(
        title(ca),
        ski=key_identifier(ca).hex(),
        der=encode_der(ca),
        created=site.clock(),
        crl_number=crl_number,
        state=state,
    )


def _crl_number(path: str) -> int:
    content = read_if_there(path)
    number = None if content is None else read_crl(content, path, None).number
    return 1 if number is None else number
