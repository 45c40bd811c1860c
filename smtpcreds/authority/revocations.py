"""The authority's CRL: signed, recorded when it is in place, always young.

Sendmail refuses every certificate of a CA whose CRL has expired, so each command that signs signs a new CRL
once a day, and those that only look warn when two thirds of its life are over.

A number is taken before a CRL is signed, in one transaction with the revocations that it is to list, and the
CRL is recorded after it was installed. A number without its record is a CRL that a killed run still owes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from ..config import Site
from ..files import read_if_there
from ..inventory import Authority, Crl, Inventory
from ..pki.crl import BACKDATE, build_crl, may_sign_crls, to_pem
from ..pki.pem import blocks, parse_certificate
from ..pki.revocation import Revoked, parse_reason
from ..pki.values import Issuer
from .ca import CA
from .due import is_due

FRESH = timedelta(days=1)
"""A CRL younger than this is not signed anew by a command that merely issues."""


@dataclass(frozen=True, slots=True)
class NewCrl:
    """A CRL that was signed: its number, itself as DER, its first and last second, how many it lists."""

    number: int
    der: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime
    count: int

    @property
    def pem(self) -> bytes:
        """The form that mail servers read."""
        return to_pem(self.der)


def sign_crl(
    site: Site, issuer: Issuer, number: int, revoked: Sequence[Revoked], lifetime: timedelta | None = None
) -> NewCrl:
    """Return a CRL of the authority; it lives ``cert.crl_days`` days unless told otherwise."""
    now, life = site.clock(), lifetime or timedelta(days=site.settings.cert.crl_days)
    der = build_crl(issuer.certificate, issuer.key, number, revoked, now, life, is_trial=issuer.is_trial)
    return NewCrl(number, der, now - BACKDATE, now + life, len(revoked))


def next_crl(
    site: Site,
    inventory: Inventory,
    authority: Authority,
    issuer: Issuer,
    *,
    number: int | None = None,
    lifetime: timedelta | None = None,
) -> NewCrl:
    """Sign the next CRL; write it, then record it.

    Args:
        site: where.
        inventory: holds the revocations.
        authority: the row of the issuer.
        issuer: signs.
        number: taken already; None takes the next one.
        lifetime: None is that of the configuration.
    """
    number = inventory.next_crl_number(authority.id) if number is None else number
    rows = inventory.revoked(authority.id, expires_after=site.clock())
    revoked = [Revoked(int(row.serial, 16), row.at, parse_reason(row.reason)) for row in rows]
    return sign_crl(site, issuer, number, revoked, lifetime)


def record_crl(inventory: Inventory, authority: Authority, crl: NewCrl) -> None:
    """Record that the CRL is in place."""
    digest = sha256(crl.der).hexdigest()
    inventory.record_crl(Crl(authority.id, crl.number, crl.this_update, crl.next_update, digest))


def signs_crls(authority: Authority) -> bool:
    """Tell whether an authority may sign CRLs; some that were imported may not."""
    return may_sign_crls(parse_certificate(authority.der, authority.name))


def owed(inventory: Inventory, authority: Authority) -> bool:
    """Tell whether a CRL number was taken whose CRL is not in place: a killed run may have revoked."""
    latest = inventory.latest_crl(authority.id)
    return latest is not None and latest.number != inventory.last_crl_number(authority.id)


def crl_is_due(site: Site, inventory: Inventory, ca: CA, authority: Authority) -> bool:
    """Tell whether a CRL has to be signed: none is there, it is not the newest, or past most of its life."""
    if not signs_crls(authority):
        return False
    latest = inventory.latest_crl(authority.id)
    if latest is None or owed(inventory, authority) or not _is_kept(ca, authority, latest):
        return True
    return latest.this_update > site.clock() or is_due(latest.this_update, latest.next_update, site.clock())


def crl_is_stale(site: Site, inventory: Inventory, ca: CA, authority: Authority) -> bool:
    """Tell whether a command that signs anyhow should sign a CRL too: it is due, or a day old."""
    latest = inventory.latest_crl(authority.id)
    if latest is None or crl_is_due(site, inventory, ca, authority):
        return signs_crls(authority)
    return site.clock() - latest.this_update >= FRESH


def _is_kept(ca: CA, authority: Authority, latest: Crl) -> bool:
    """Tell whether the file is the CRL recorded last; a backup put back may hold an older one."""
    kept = read_if_there(ca.files_of_row(authority).crl)
    content = None if kept is None else next((block.decode() for block in blocks(kept)), None)
    return content is not None and sha256(content).hexdigest() == latest.sha256
