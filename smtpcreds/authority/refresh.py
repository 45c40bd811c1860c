"""A fresh CRL on request, and a look at the one there is."""

from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, UsageError
from ..files import read_private, write_all
from ..model import Artifact
from ..pki.crl import may_sign_crls, read_crl
from ..pki.dn import title
from ..transaction import Transaction
from .ca import CA
from .layout import lifetime_of
from .ledger import row_of
from .publish import Published, elders_are_due, publish, refresh_elders
from .reading import reading
from .reload import Hook, owe, tell
from .revocations import crl_is_due


@dataclass(frozen=True, slots=True)
class CrlWish:
    """What ``ca crl`` is asked for.

    Attributes:
        days: lifetime; None is that of the configuration.
        copy: absolute path of one more copy, mode 0644.
        der: write that copy as DER.
    """

    days: int | None = None
    copy: str | None = None
    der: bool = False

    def __post_init__(self) -> None:
        if self.days is not None:
            lifetime_of(self.days)
        if self.der and self.copy is None:
            raise UsageError("--der", "is the form of a copy", "add --to FILE; mail servers read PEM")


@dataclass(frozen=True, slots=True)
class CrlStanding:
    """What the CRL on disk says."""

    path: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    count: int


def refresh_crl(work: Transaction, wish: CrlWish, *, hook: Hook | None = None) -> Published:
    """Sign a fresh CRL of the authority and of each elder, and install them beside certificates.

    Raises:
        MissingInputError: there is no authority.
        DataError: its certificate does not allow it to sign CRLs.
    """
    certificate = work.ca.chain[0]
    if not may_sign_crls(certificate):
        reason = "may not sign CRLs (keyUsage lacks cRLSign)"
        raise DataError(title(certificate), reason, "smtpcreds ca rollover makes one that may")
    lifetime = None if wish.days is None else lifetime_of(wish.days)
    issuer = work.issuer()
    owe(work, hook)
    refresh_elders(work, every=True, lifetime=lifetime)
    done = publish(work, issuer, lifetime=lifetime)
    if wish.copy:
        write_all([Artifact(wish.copy, done.crl.der if wish.der else done.crl.pem, 0o644)])
    work.record("ca crl", work.row(certificate).name, f"number {done.crl.number}")
    tell(work, hook)
    return done


def standing_crl(site: Site) -> CrlStanding:
    """Return what the authority's CRL says; no key is touched.

    Raises:
        MissingInputError: there is no authority, or no CRL.
        DataError: the file is damaged, or of another authority.
    """
    ca = CA(site)
    issuer, path = ca.certificate, ca.files.crl
    try:
        found = read_crl(read_private(path), path, issuer)
    except MissingInputError as error:
        raise MissingInputError(path, error.reason, "smtpcreds ca crl") from None
    return CrlStanding(path, found.number, found.this_update, found.next_update, found.count)


def is_current(site: Site) -> bool:
    """Tell whether the CRL is the newest, and has more than a third of its life left."""
    ca = CA(site)
    with reading(site) as inventory:
        authority = row_of(inventory, ca.certificate)
        due = authority is None or crl_is_due(site, inventory, ca, authority)
        return not due and not elders_are_due(site, inventory, ca)
