"""The CRL beside the certificates: in every directory that holds some of this authority's."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from ..config import Site
from ..errors import SmtpcredsError
from ..files import check_directory, read_private, sweep, write_all
from ..inventory import Authority, Inventory
from ..model import Artifact, Link
from ..pki.values import Certificate
from .install import revocation
from .layout import CRL, ca_files
from .office import Office
from .revocations import NewCrl, crl_is_stale, next_crl, record_crl

Missing = dict[str, list[Artifact | Link]]
"""Directory to what it lacks of the CRL."""


@dataclass(frozen=True, slots=True)
class Published:
    """A CRL that is in place: itself, where it is kept, and its copies beside certificates."""

    crl: NewCrl
    path: str
    copies: tuple[str, ...]


def publish(office: Office, *, number: int | None = None, lifetime: timedelta | None = None) -> Published:
    """Sign a CRL, install it with the authority and beside its certificates, and record it.

    Args:
        office: whose CRL.
        number: taken already; None takes the next one.
        lifetime: None is that of the configuration.
    """
    site, inventory, authority, issuer = office.site, office.inventory, office.authority, office.issuer
    crl = next_crl(site, inventory, authority, issuer, number=number, lifetime=lifetime)
    beside = missing(site, places(site, inventory, authority), issuer.certificate, crl.pem)
    _clean(beside)
    kept = ca_files(site).crl
    write_all([Artifact(kept, crl.pem), *_all(beside)])
    record_crl(inventory, authority, crl)
    return Published(crl, kept, tuple(f"{directory}/{CRL}" for directory in beside))


def keep_fresh(office: Office) -> Published | None:
    """Sign and install a CRL if there is none, if it is due, or if it is a day old."""
    return publish(office) if crl_is_stale(office.site, office.inventory, office.authority) else None


def stale_copies(site: Site, inventory: Inventory, authority: Authority, issuer: Certificate) -> Missing:
    """Return the directories whose copy is not the authority's CRL, with what they lack."""
    if not os.path.lexists(ca_files(site).crl):
        return {}
    pem = read_private(ca_files(site).crl)
    found = missing(site, places(site, inventory, authority), issuer, pem)
    return {directory: artifacts for directory, artifacts in found.items() if artifacts}


def copy(beside: Missing) -> None:
    """Install what the directories lack; the caller holds the lock."""
    _clean(beside)
    write_all(list(_all(beside)))


def places(site: Site, inventory: Inventory, authority: Authority) -> Iterator[str]:
    """Yield the directories with certificates of the authority, the mail server's own first.

    Those that are gone are left out.
    """
    recorded = (site.root.locate(place) for place in inventory.places(authority.id))
    return filter(os.path.isdir, dict.fromkeys((site.certificates, *recorded)))


def missing(site: Site, directories: Iterable[str], issuer: Certificate, crl: bytes) -> Missing:
    """Return what each directory lacks of the CRL and its link; of those that others can change, warn."""
    found: Missing = {}
    for directory in directories:
        try:
            check_directory(directory)
            found[directory] = revocation(directory, issuer, crl)
        except SmtpcredsError as error:
            site.warn(f"{error}; no CRL was installed in {directory}")
    return found


def _clean(directories: Iterable[str]) -> None:
    for directory in directories:
        sweep(directory)


def _all(beside: Missing) -> Iterator[Artifact | Link]:
    return (artifact for artifacts in beside.values() for artifact in artifacts)
