"""The CRLs beside the certificates, in every directory that holds some; and the CA bundle with them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from ..config import Site
from ..errors import SmtpcredsError
from ..files import check_directory, sweep, write_all
from ..inventory import Inventory
from ..model import Artifact, Link
from ..pki.crl import may_sign_crls
from ..pki.values import Issuer
from ..transaction import Transaction
from .ca import CA, Elder, Listed
from .everywhere import directories
from .install import surroundings
from .ledger import row_of
from .revocations import NewCrl, crl_is_due, crl_is_stale, next_crl, record_crl

Missing = dict[str, list[Artifact | Link]]
"""Directory to what it lacks of bundle, CRLs and links."""


@dataclass(frozen=True, slots=True)
class Published:
    """A CRL that is in place: itself, where it is kept, and its copies beside certificates."""

    crl: NewCrl
    path: str
    copies: tuple[str, ...]


def publish(
    work: Transaction, issuer: Issuer, *, number: int | None = None, lifetime: timedelta | None = None
) -> Published:
    """Sign a CRL, install it with the authority and beside its certificates, and record it.

    Args:
        work: where.
        issuer: whose CRL.
        number: taken already; None takes the next one.
        lifetime: None is that of the configuration.
    """
    certificate = issuer.certificate
    authority = work.row(certificate)
    crl = next_crl(work.site, work.inventory, authority, issuer, number=number, lifetime=lifetime)
    lists = work.ca.crl_lists({certificate: crl.pem})
    beside = _missing(work, lists)
    _clean(beside)
    kept = work.ca.files_of(certificate).crl
    write_all([Artifact(kept, crl.pem), *_all(beside)])
    work.published()
    record_crl(work.inventory, authority, crl)
    name = next(item.name for item in lists if item.issuer == certificate)
    return Published(crl, kept, tuple(f"{directory}/{name}" for directory in beside))


def keep_fresh(work: Transaction, issuer: Issuer) -> Published | None:
    """Sign and install a CRL if there is none, if it is due, or if it is a day old."""
    is_stale = crl_is_stale(work.site, work.inventory, work.ca, work.row(issuer.certificate))
    return publish(work, issuer) if is_stale else None


def refresh_elders(
    work: Transaction, *, every: bool = False, lifetime: timedelta | None = None
) -> list[Published]:
    """Sign the CRLs of elders that are due, since an expired one stops all mail; return them.

    An elder whose key can't be used gets a warning: the authority that signs goes on without it.

    Args:
        work: where; its passphrase opens the keys of elders too.
        every: also those that are not due.
        lifetime: None is that of the configuration.
    """
    done = []
    for elder in work.ca.elders:
        if _lives(work.site, elder) and (every or _elder_is_due(work.site, work.inventory, work.ca, elder)):
            try:
                done.append(publish(work, work.issuer(elder.files), lifetime=lifetime))
            except SmtpcredsError as error:
                work.warn(f"{error}; the CRL of this old authority was not signed anew")
    return done


def elders_are_due(site: Site, inventory: Inventory, ca: CA) -> bool:
    """Tell whether any elder needs a new CRL."""
    return any(_lives(site, elder) and _elder_is_due(site, inventory, ca, elder) for elder in ca.elders)


def stale_copies(work: Transaction) -> Missing:
    """Return the directories that lack something of what the authority has, with what they lack."""
    found = _missing(work, work.ca.crl_lists())
    return {directory: artifacts for directory, artifacts in found.items() if artifacts}


def copy(beside: Missing) -> None:
    """Install what the directories lack."""
    _clean(beside)
    write_all(list(_all(beside)))


def _elder_is_due(site: Site, inventory: Inventory, ca: CA, elder: Elder) -> bool:
    row = row_of(inventory, elder.certificate)
    return row is None or crl_is_due(site, inventory, ca, row)


def _lives(site: Site, elder: Elder) -> bool:
    """Tell whether an elder can need a CRL: it has not expired, and may sign one."""
    return elder.certificate.not_valid_after_utc > site.clock() and may_sign_crls(elder.certificate)


def _missing(work: Transaction, lists: Iterable[Listed]) -> Missing:
    """Return what each directory lacks; of those that others can change, warn."""
    ca, belonging = work.ca, tuple(lists)
    found: Missing = {}
    for directory in directories(work.site, work.inventory):
        try:
            check_directory(directory)
            found[directory] = surroundings(directory, ca.trusted, belonging, ca.distrusted)
        except SmtpcredsError as error:
            work.warn(f"{error}; no CRL was installed in {directory}")
    return found


def _clean(directories: Iterable[str]) -> None:
    for directory in directories:
        sweep(directory)


def _all(beside: Missing) -> Iterator[Artifact | Link]:
    return (artifact for artifacts in beside.values() for artifact in artifacts)
