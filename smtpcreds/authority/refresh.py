"""A fresh CRL on request, and a look at the one there is."""

from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, UsageError
from ..files import read_private, write_all
from ..model import Artifact, Plan, Step
from ..pki.crl import may_sign_crls, read_crl
from ..pki.dn import title
from .ca import Passphrase, certificates, once, open_issuer, require
from .elder_crls import elders_are_due, refresh_elders
from .layout import ca_files, lifetime_of
from .ledger import record, row_of
from .office import at_the_office
from .publish import Published, publish
from .reading import reading
from .reload import Hook
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


def plan_crl(
    site: Site, wish: CrlWish, passphrase: Passphrase, *, hook: Hook | None = None
) -> Plan[Published]:
    """Plan a fresh CRL of the authority and each of its elders, installed beside all certificates.

    Raises:
        MissingInputError: there is no authority.
        DataError: its certificate does not allow it to sign CRLs.
    """
    require(site)
    if not may_sign_crls(certificates(site)[0]):
        reason = "may not sign CRLs (keyUsage lacks cRLSign)"
        raise DataError(title(certificates(site)[0]), reason, "smtpcreds ca rollover makes one that may")
    steps = [Step("sign", ca_files(site).crl, 0o600, "and its copies beside the certificates")]
    if wish.copy:
        steps.append(Step("write", wish.copy, 0o644))
    if hook:
        steps.append(Step("run", str(hook)))

    def apply() -> Published:
        asked, lifetime = once(passphrase), None if wish.days is None else lifetime_of(wish.days)
        issuer = open_issuer(site, asked)
        refresh_elders(site, asked, every=True, lifetime=lifetime)
        with at_the_office(site, issuer) as office:
            done = publish(office, lifetime=lifetime)
            if wish.copy:
                content = done.crl.der if wish.der else done.crl.pem
                write_all([Artifact(wish.copy, content, 0o644)])
            record(site, office.inventory, "ca crl", office.authority.name, f"number {done.crl.number}")
        if hook:
            hook.run()
        return done

    return Plan(tuple(steps), apply)


def standing_crl(site: Site) -> CrlStanding:
    """Return what the authority's CRL says; no key is touched.

    Raises:
        MissingInputError: there is no authority, or no CRL.
        DataError: the file is damaged, or of another authority.
    """
    issuer, path = certificates(site)[0], ca_files(site).crl
    try:
        found = read_crl(read_private(path), path, issuer)
    except MissingInputError as error:
        raise MissingInputError(path, error.reason, "smtpcreds ca crl") from None
    return CrlStanding(path, found.number, found.this_update, found.next_update, found.count)


def is_current(site: Site) -> bool:
    """Tell whether the CRL is the newest, and has more than a third of its life left."""
    with reading(site) as inventory:
        authority = row_of(inventory, certificates(site)[0])
        due = authority is None or crl_is_due(site, inventory, authority)
        return not due and not elders_are_due(site, inventory)
