"""The CRLs beside the certificates, in every directory that holds some; and the CA bundle with them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from ..config import Site
from ..errors import SmtpcredsError
from ..files import check_directory, sweep, write_all
from ..inventory import Inventory
from ..model import Artifact, Link
from .elders import distrusted, files_of, trusted
from .everywhere import crl_lists, directories
from .install import Listed, surroundings
from .office import Office
from .revocations import NewCrl, crl_is_stale, next_crl, record_crl

Missing = dict[str, list[Artifact | Link]]
"""Directory to what it lacks of bundle, CRLs and links."""


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
    site, inventory, certificate = office.site, office.inventory, office.issuer.certificate
    crl = next_crl(site, inventory, office.authority, office.issuer, number=number, lifetime=lifetime)
    lists = crl_lists(site, {certificate: crl.pem})
    beside = _missing(site, directories(site, inventory), lists)
    _clean(beside)
    kept = files_of(site, certificate).crl
    write_all([Artifact(kept, crl.pem), *_all(beside)])
    record_crl(inventory, office.authority, crl)
    name = next(item.name for item in lists if item.issuer == certificate)
    return Published(crl, kept, tuple(f"{directory}/{name}" for directory in beside))


def keep_fresh(office: Office) -> Published | None:
    """Sign and install a CRL if there is none, if it is due, or if it is a day old."""
    return publish(office) if crl_is_stale(office.site, office.inventory, office.authority) else None


def stale_copies(site: Site, inventory: Inventory) -> Missing:
    """Return the directories that lack something of what the authority has, with what they lack."""
    found = _missing(site, directories(site, inventory), crl_lists(site))
    return {directory: artifacts for directory, artifacts in found.items() if artifacts}


def copy(beside: Missing) -> None:
    """Install what the directories lack; the caller holds the lock."""
    _clean(beside)
    write_all(list(_all(beside)))


def _missing(site: Site, places: Iterable[str], lists: Iterable[Listed]) -> Missing:
    """Return what each directory lacks; of those that others can change, warn."""
    known, gone, belonging = trusted(site), distrusted(site), tuple(lists)
    found: Missing = {}
    for directory in places:
        try:
            check_directory(directory)
            found[directory] = surroundings(directory, known, belonging, gone)
        except SmtpcredsError as error:
            site.warn(f"{error}; no CRL was installed in {directory}")
    return found


def _clean(directories: Iterable[str]) -> None:
    for directory in directories:
        sweep(directory)


def _all(beside: Missing) -> Iterator[Artifact | Link]:
    return (artifact for artifacts in beside.values() for artifact in artifacts)
