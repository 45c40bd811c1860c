"""Revoking: which certificates, and the CRL that says so, in one deed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..inventory.rows import CertificateRow, State
from ..pki.crl import may_sign_crls
from ..pki.dates import has_ended
from ..pki.describe import fingerprint
from ..pki.revocation import Reason
from ..pki.values import Certificate as Parsed
from ..transaction import Transaction
from .layout import CaFiles, Pair
from .listing import ambiguous, meant, of_one_host
from .pair import certificate_in_place, read_previous_pair
from .publish import Published, publish
from .reload import Hook, owe, tell
from .state import row_of


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was revoked.

    Attributes:
        certificates: the rows as they were before.
        crls: that list them, one of each authority concerned.
        in_place: pairs that still hold one of them.
    """

    certificates: tuple[CertificateRow, ...]
    crls: tuple[Published, ...]
    in_place: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """What is to be revoked.

    Attributes:
        which: host name, or the beginning of a serial number or fingerprint.
        reason: for the CRL. A leaked key takes every certificate of the host with it that has this key.
        every: all that ``which`` fits, if they are of one host.
    """

    which: str
    reason: Reason
    every: bool = False


def revoke(work: Transaction, wish: RevocationRequest, *, hook: Hook | None = None) -> Revocation:
    """Revoke certificates, and publish the CRLs that say so.

    Args:
        work: whose authority revokes.
        wish: what, and why.
        hook: tells the mail server when the CRL is in place; a failure takes nothing back.
    """
    work.ca.chain  # noqa: B018  # raises where there is no authority
    work.require_inventory()
    return revoke_rows(work, _chosen(work, wish), wish.reason, hook=hook)


def revoke_rows(
    work: Transaction, rows: Sequence[CertificateRow], reason: Reason, *, hook: Hook | None = None
) -> Revocation:
    """Revoke these certificates, each of them in use or given up; see :func:`revoke`."""
    issuers = [work.issuer(files) for files in _concerned(work, work.ca.chain[0], rows).values()]
    for row in rows:
        work.note("revoke", f"{row.serial} of {row.host}", reason.value)
    owe(work, hook)
    numbers = _record(work, rows, reason, [work.row(issuer.certificate).id for issuer in issuers])
    try:
        crls = [publish(work, issuer, number=n) for issuer, n in zip(issuers, numbers, strict=True)]
    except SmtpcredsError:
        work.warn("the revocation is recorded, but the CRL is not in place yet: smtpcreds ca crl")
        raise
    tell(work, hook)
    return Revocation(tuple(rows), tuple(crls), _in_place(work.site, rows))


def _concerned(work: Transaction, signing: Parsed, rows: Sequence[CertificateRow]) -> dict[int, CaFiles]:
    """Return the files of the authorities that signed these, by the number of the authority's row."""
    ours = [
        (work.ca.files, signing),
        *((superseded_ca.files, superseded_ca.certificate) for superseded_ca in work.ca.superseded_cas),
    ]
    known = {own.id: (files, ca) for files, ca in ours if (own := row_of(work.inventory, ca))}
    for row in rows:
        if row.authority not in known:
            raise DataError(row.host, f"{row.serial} is of an authority that is retired, or not ours")
        if not may_sign_crls(known[row.authority][1]):
            reason = "its authority may not sign CRLs (keyUsage), so nobody would learn of a revocation"
            raise DataError(row.host, reason, "smtpcreds ca rollover, then renew, then retire the old one")
    return {row.authority: known[row.authority][0] for row in rows}


def _record(
    work: Transaction, rows: Sequence[CertificateRow], reason: Reason, authorities: Sequence[int]
) -> list[int]:
    """Record the revocations and take the numbers of their CRLs, in one transaction."""
    with work.inventory.transaction():
        for row in rows:
            work.inventory.revoke(row.authority, row.serial, work.now, reason.value)
            work.record("cert revoke", row.host, f"serial {row.serial}, {reason.value}")
        return [work.inventory.next_crl_number(authority) for authority in authorities]


def _chosen(work: Transaction, wish: RevocationRequest) -> list[CertificateRow]:
    found = meant(work.site, work.inventory, wish.which)
    if not found:
        reason = "fits no certificate of the inventory"
        raise MissingInputError(wish.which or '""', reason, "smtpcreds cert list")
    live = _live(found, work.now)
    if not live:
        raise _nothing_left(found[0])
    rows = live
    if wish.reason is Reason.KEY_COMPROMISE and _has_one_key(live):
        of_host = list(work.inventory.listing(host=live[0].host))
        rows = [row for row in of_host if row in live or _shares_key(row, live[0], work.now)]
    elif len(live) > 1 and not (wish.every and of_one_host(live)):
        hint = "name one by its serial number" + (", or all of them: --all" if of_one_host(live) else "")
        raise ambiguous(wish.which, live, hint)
    return rows


def _live(found: Sequence[CertificateRow], now: datetime) -> list[CertificateRow]:
    """Return what is in use; else what was signed and given up, which somebody may have seen."""
    unexpired = [row for row in found if not has_ended(row.not_after, now)]
    issued = [row for row in unexpired if row.state is State.ISSUED]
    return issued or [row for row in unexpired if _was_given_up(row)]


def _was_given_up(row: CertificateRow) -> bool:
    return row.state is State.DISCARDED and row.fingerprint is not None


def _has_one_key(rows: Sequence[CertificateRow]) -> bool:
    return of_one_host(rows) and len({row.key_id for row in rows}) == 1


def _shares_key(row: CertificateRow, other: CertificateRow, now: datetime) -> bool:
    usable = row.state is State.ISSUED or _was_given_up(row)
    is_live = usable and not has_ended(row.not_after, now)
    return is_live and row.key_id is not None and row.key_id == other.key_id


def _nothing_left(row: CertificateRow) -> DataError:
    if row.revoked_at:
        return DataError(row.host, f"{row.serial} is revoked since {row.revoked_at:%Y-%m-%d} ({row.reason})")
    if row.state is State.DISCARDED:
        return DataError(row.host, f"{row.serial} was never signed")
    return DataError(row.host, f"{row.serial} expired on {row.not_after:%Y-%m-%d}, so nobody accepts it")


def _in_place(site: Site, rows: Sequence[CertificateRow]) -> tuple[Pair, ...]:
    of_place = {
        Pair(site.root.locate(row.directory)): row.fingerprint for row in rows if row.is_on(site.machine)
    }
    return tuple(pair for pair, digest in of_place.items() if _holds(pair, {row.fingerprint for row in rows}))


def _holds(pair: Pair, fingerprints: set[str | None]) -> bool:
    try:
        found = certificate_in_place(read_previous_pair(pair))
    except SmtpcredsError:
        return False
    return found is not None and fingerprint(found) in fingerprints
