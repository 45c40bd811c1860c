"""The authority's CRL: signed, recorded when it is in place, always young.

Sendmail refuses every certificate of a CA whose CRL has expired, so each command that signs signs a new CRL
once a day, and those that only look warn when two thirds of its life are over.

A number is taken before a CRL is signed, in one transaction with the revocations that it is to list, and the
CRL is recorded after it was installed. A number without its record is a CRL that a killed run still owes.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import chain, count
from operator import itemgetter

from ..config import Site
from ..errors import DataError
from ..files import exists, is_directory, names_in, read_if_there, read_private
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityRow, AuthorityState, CrlRow
from ..lazy import dataclass
from ..pki.chains import is_issued_by
from ..pki.crl import BACKDATE, Crl, build_crl, may_sign_crls, not_revoked, read_crl, to_pem, verify_unlisted
from ..pki.dates import Period
from ..pki.encoding import blocks, parse_certificate
from ..pki.names import title
from ..pki.pair_rules import has_expired
from ..pki.revocation import Revoked, parse_reason
from ..pki.values import Certificate, Issuer
from .authority import CA
from .directory import bundled
from .layout import CRL, CURE_EARLY, cure_crl

FRESH = timedelta(days=1)
"""A CRL younger than this is not signed anew by a command that merely issues."""


@dataclass(frozen=True)
class NewCrl:
    """A CRL that was signed: its number, itself as DER, its first and last second, how many it lists."""

    number: int
    der: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime
    count: int

    @cached_property
    def pem(self) -> bytes:
        """The form that mail servers read."""
        return to_pem(self.der)


def sign_crl(
    site: Site, issuer: Issuer, number: int, revoked: Iterable[Revoked], lifetime: timedelta | None = None
) -> NewCrl:
    """Return a CRL of the authority; it lives ``cert.crl_days`` days unless told otherwise."""
    now, life = site.clock(), lifetime or timedelta(days=site.settings.cert.crl_days)
    places = count()
    listed = map(itemgetter(0), zip(revoked, places, strict=False))  # a million are never all in memory
    der = build_crl(issuer.certificate, issuer.key, number, listed, now, life, is_trial=issuer.is_trial)
    return NewCrl(number, der, now - BACKDATE, now + life, next(places))


def verify_clock(now: datetime, issuer: Certificate, last: Crl | CrlRow | None) -> None:
    """Accept a time at which an authority may sign: it is valid, and its last CRL is not of the future.

    A clock that is behind, as after a power cut, would replace a good CRL by one that ended long ago.

    Args:
        now: aware.
        issuer: the authority.
        last: its last CRL; None where it has signed none.
    """
    says = f"and the clock of this host says {now:%Y-%m-%d %H:%M} UTC"
    begin, hint = issuer.not_valid_before_utc, "set the clock of this host"
    if now < begin:
        hint += f"; or if it was ahead then and is right now: {CURE_EARLY}"
        raise DataError(title(issuer), f"is not valid before {begin:%Y-%m-%d %H:%M} UTC, {says}", hint)
    if last is not None and now < last.this_update:
        signed = f"signed CRL number {last.number} on {last.this_update:%Y-%m-%d %H:%M} UTC"
        hint += "; or if it was ahead then and is right now: smtpcreds ca crl --force"
        raise DataError(title(issuer), f"{signed}, {says}", hint)


def next_crl(
    site: Site,
    inventory: Inventory,
    authority: AuthorityRow,
    issuer: Issuer,
    *,
    number: int | None = None,
    lifetime: timedelta | None = None,
    more: Sequence[Revoked] = (),
) -> NewCrl:
    """Sign the next CRL; write it, then record it.

    Args:
        site: where.
        inventory: holds the revocations.
        authority: the row of the issuer.
        issuer: signs.
        number: taken already; None takes the next one.
        lifetime: None is that of the configuration.
        more: entries beside those of the inventory.
    """
    number = inventory.next_crl_number(authority.id) if number is None else number
    rows = inventory.revoked(authority.id, expires_after=site.clock())
    revoked = (Revoked(int(row.serial, 16), row.at, parse_reason(row.reason)) for row in rows)
    return sign_crl(site, issuer, number, chain(revoked, more), lifetime)


def record_crl(inventory: Inventory, authority: AuthorityRow, crl: NewCrl) -> None:
    """Record that the CRL is in place."""
    digest = sha256(crl.der).hexdigest()
    row = CrlRow(authority.id, crl.number, crl.this_update, crl.next_update, digest)
    inventory.record_crl(row, crl.der)


def signs_crls(authority: AuthorityRow) -> bool:
    """Tell whether an authority may sign CRLs; some that were imported may not."""
    return may_sign_crls(parse_certificate(authority.der, authority.name))


def revoking_authorities(inventory: Inventory) -> set[int]:
    """Return the rows of the authorities that can revoke, by number: ours, not retired, with that right."""
    rows = inventory.authorities()
    return {row.id for row in rows if row.state is AuthorityState.CURRENT and signs_crls(row)}


def owed(inventory: Inventory, authority: AuthorityRow) -> bool:
    """Tell whether a CRL number was taken whose CRL is not in place: a killed run may have revoked."""
    latest = inventory.latest_crl(authority.id)
    return latest is not None and latest.number != inventory.last_crl_number(authority.id)


def crl_is_due(site: Site, inventory: Inventory, ca: CA, authority: AuthorityRow) -> bool:
    """Tell whether a CRL has to be signed: none is there, it is not the newest, or past most of its life."""
    if not signs_crls(authority):
        return False
    latest = inventory.latest_crl(authority.id)
    if latest is None or owed(inventory, authority) or not _is_kept(ca, authority, latest):
        return True
    return Period(latest.this_update, latest.next_update).is_due(site.clock())


def crl_is_stale(site: Site, inventory: Inventory, ca: CA, authority: AuthorityRow) -> bool:
    """Tell whether a command that signs anyhow should sign a CRL too: it is due, or a day old."""
    latest = inventory.latest_crl(authority.id)
    if latest is None or crl_is_due(site, inventory, ca, authority):
        return signs_crls(authority)
    return site.clock() - latest.this_update >= FRESH


def signed_elsewhere(inventory: Inventory, ca: CA, authority: AuthorityRow) -> bytes | None:
    """Return the CRL recorded last as PEM where it is not in place here: another host has signed it.

    Raises:
        DataError: what is recorded is not signed by the authority.
    """
    latest = inventory.latest_crl(authority.id)
    der = inventory.crl_der(latest) if latest and not _is_kept(ca, authority, latest) else None
    if der is None:
        return None
    pem = to_pem(der)
    issuer = parse_certificate(authority.der, authority.name)
    read_crl(pem, f"CRL of {authority.name} in the inventory", issuer)
    return pem


def _is_kept(ca: CA, authority: AuthorityRow, latest: CrlRow) -> bool:
    """Tell whether the file is the CRL recorded last; a backup put back may hold an older one."""
    kept = read_if_there(ca.files_of_row(authority).crl)
    content = None if kept is None else next((block.decode() for block in blocks(kept)), None)
    return content is not None and sha256(content).hexdigest() == latest.sha256


# The CRLs beside certificates: which there are, and what they say of one.

_STEM, _END = os.path.splitext(CRL)


def crl_paths(directory: str) -> list[str]:
    """Return the CRL files of a directory, by their names: one for each CA."""
    names = names_in(directory) if is_directory(directory) else []
    return [f"{directory}/{name}" for name in names if name.startswith(_STEM) and name.endswith(_END)]


def owes_crl(authority: Certificate, now: datetime) -> bool:
    """Tell whether an authority has to have a CRL: it is valid still, and may sign one."""
    return not has_expired(authority, now) and may_sign_crls(authority)


def crl_says(site: Site, certificate: Certificate, directory: str) -> str:
    """Return in words why the certificate is not revoked.

    Mail servers take a certificate whose CA has no CRL, and none at all of a CA whose CRL has expired.
    """
    ours = CA(site)
    own = ours.chain if ours.is_there else ()
    issuer = next((ca for ca in (*bundled(directory), *own) if is_issued_by(certificate, ca)), None)
    found = issuer and verify_unlisted(certificate, issuer, _crls(directory), site.clock(), cure_crl)
    if found:
        return not_revoked([found.next_update])
    if issuer and not may_sign_crls(issuer):
        return f"{title(issuer)} may sign no CRLs"
    if issuer in own:
        path = f"{directory}/{CRL}"
        what = "is not a CRL of this CA" if exists(path) else "is missing"
        raise DataError(path, f"{what}, so revocations have no effect")
    return f"no CRL of {title(issuer) if issuer else 'its CA'} here"


def crl_fault(
    content: bytes, path: str, issuer: Certificate, latest: CrlRow | None, now: datetime
) -> str | None:
    """Return why a file is not the CRL that an authority should have now, or None.

    Args:
        content: of the file.
        path: for messages.
        issuer: the authority.
        latest: what the inventory recorded last of this authority.
        now: aware.
    """
    crl = read_crl(content, path, issuer)
    if fault := crl.fault(now):
        return fault
    if latest is None or (crl.number or 0) > latest.number:
        return None
    if (crl.number or 0) < latest.number:
        return f"is number {crl.number}, but number {latest.number} was signed"
    same = any(sha256(block.decode() or b"").hexdigest() == latest.sha256 for block in blocks(content))
    return None if same else f"is another list than the one that was recorded as number {latest.number}"


def _crls(directory: str) -> Iterator[tuple[str, Crl]]:
    for path in crl_paths(directory):
        yield path, read_crl(read_private(path), path, None)
