"""Revoking: which certificates, and the CRL that says so, in one deed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..config import Site
from ..errors import UNUSABLE, DataError, MissingInputError, SmtpcredsError, UsageError
from ..files import exists, read_public
from ..inventory.rows import CertificateRow, State
from ..lazy import dataclass
from ..pki.chains import is_issued_by
from ..pki.crl import may_sign_crls
from ..pki.dates import has_ended
from ..pki.describe import fingerprint
from ..pki.encoding import parse_certificates
from ..pki.names import title
from ..pki.revocation import Reason
from ..pki.values import Certificate as Parsed
from ..transaction import Transaction
from .crl import owed
from .directory import pair_at, rows_here
from .layout import CaFiles, Pair
from .listing import DIGITS, ambiguous, meant, names_host, near_host, of_one_host
from .old import RENEW_OLD, RETIRE_OLD
from .pair import certificate_in_place, read_previous_pair
from .publish import Published, copy, publish, stale_copies
from .reload import Hook, is_owed, owe, tell
from .state import REVOKED, row_of


@dataclass(frozen=True)
class Revocation:
    """What was revoked.

    Attributes:
        certificates: the rows as they were before.
        crls: that list them, one of each authority concerned.
        in_place: pairs that still hold one of them, each with the newest of its certificates.
    """

    certificates: tuple[CertificateRow, ...]
    crls: tuple[Published, ...]
    in_place: Mapping[Pair, CertificateRow]


@dataclass(frozen=True)
class RevocationRequest:
    """What is to be revoked.

    Attributes:
        which: host name, which means every valid certificate of the host; or a file with one certificate; or
            the beginning of a serial number or fingerprint. Empty where a serial number is enough.
        reason: for the CRL. A leaked key takes every certificate of the host with it that has this key.
        serial: the beginning of one serial number, of the host if there is one.
        unknown: take the serial number, whole, though the inventory does not know it.
        path: ``which`` as an absolute path.
    """

    which: str
    reason: Reason
    serial: str = ""
    unknown: bool = False
    path: str = ""


Authorities = Mapping[int, tuple[CaFiles, Parsed]]
"""Those whose keys are here, by their number in the inventory; the one that signs first."""


@dataclass(frozen=True)
class _Chosen:
    """What is revoked; ``new`` rows enter the inventory first, with the certificate where it is known.

    Where there are no rows, an interrupted run has recorded the ``unfinished`` ones, and got no further.
    """

    rows: Sequence[CertificateRow]
    new: Sequence[tuple[CertificateRow, bytes | None]] = ()
    unfinished: Sequence[CertificateRow] = ()


def revoke(work: Transaction, wish: RevocationRequest, *, hook: Hook | None = None) -> Revocation:
    """Revoke certificates, and publish the CRLs that say so.

    Args:
        work: whose authority revokes.
        wish: what, and why.
        hook: tells the mail server when the CRL is in place; a failure takes nothing back.
    """
    work.ca.chain  # noqa: B018  # raises where there is no authority
    work.require_inventory()
    authorities = _authorities(work)
    chosen = _chosen(work, wish, authorities, hook)
    if not chosen.rows:
        return _complete(work, chosen.unfinished, authorities, hook)
    if not wish.unknown:
        _confirm(work, chosen.rows)
    return _revoke(work, chosen, authorities, wish.reason, hook)


def revoke_rows(
    work: Transaction, rows: Sequence[CertificateRow], reason: Reason, *, hook: Hook | None = None
) -> Revocation:
    """Revoke these certificates, each of them in use or given up; see :func:`revoke`."""
    authorities = _authorities(work)
    if fault := next(filter(None, (_fault(row, authorities) for row in rows)), None):
        raise fault
    return _revoke(work, _Chosen(rows), authorities, reason, hook)


def _revoke(
    work: Transaction, chosen: _Chosen, authorities: Authorities, reason: Reason, hook: Hook | None
) -> Revocation:
    rows = chosen.rows
    issuers = [work.issuer(authorities[number][0]) for number in dict.fromkeys(row.authority for row in rows)]
    for row in rows:
        work.note("revoke", f"{row.serial} of {row.host}", reason.value)
    owe(work, hook)
    numbers = _record(work, chosen, reason, [work.row(issuer.certificate).id for issuer in issuers])
    try:
        crls = [publish(work, issuer, number=n) for issuer, n in zip(issuers, numbers, strict=True)]
    except SmtpcredsError:
        work.warn("the revocation is recorded, but the CRL is not in place yet: smtpcreds ca crl")
        raise
    tell(work, hook)
    return Revocation(tuple(rows), tuple(crls), _in_place(work.site, rows))


def _complete(
    work: Transaction, rows: Sequence[CertificateRow], authorities: Authorities, hook: Hook | None
) -> Revocation:
    """Do what was left by a run that had recorded these revocations."""
    owe(work, hook)
    crls = [publish(work, work.issuer(authorities[number][0])) for number in _owing(work, rows, authorities)]
    copy(stale_copies(work))
    tell(work, hook)
    return Revocation(tuple(rows), tuple(crls), _in_place(work.site, rows))


def _owing(work: Transaction, rows: Sequence[CertificateRow], authorities: Authorities) -> list[int]:
    """Return the authorities of the rows whose newest CRL is not in place."""
    concerned = authorities.keys() & {row.authority for row in rows}
    return [
        row.id for row in work.inventory.authorities() if row.id in concerned and owed(work.inventory, row)
    ]


def _authorities(work: Transaction) -> Authorities:
    ours = [
        (work.ca.files, work.ca.chain[0]),
        *((superseded.files, superseded.certificate) for superseded in work.ca.superseded_cas),
    ]
    return {row.id: (files, ca) for files, ca in ours if (row := row_of(work.inventory, ca))}


def _fault(row: CertificateRow, authorities: Authorities) -> DataError | None:
    if row.authority not in authorities:
        return DataError(row.host, f"{row.serial} is of an authority that is retired, or of another one")
    if not may_sign_crls(authorities[row.authority][1]):
        reason = "its authority may not sign CRLs (keyUsage), so a revocation would have no effect"
        return DataError(row.host, reason, f"smtpcreds ca rollover; then {RENEW_OLD}; then {RETIRE_OLD}")
    return None


def _confirm(work: Transaction, rows: Sequence[CertificateRow]) -> None:
    """Ask before a host is left without a certificate, or the hub without one of its own."""
    for host in dict.fromkeys(row.host for row in rows):
        going = {row.serial: row for row in rows if row.host == host}
        left = [row for row in work.inventory.find(host) if row.host == host and row.serial not in going]
        if host == work.site.hub or not _issued(left, work.now):
            what = "this hub's own" if host == work.site.hub else "the last that it has"
            ends = (f"{row.serial[:DIGITS]} (to {row.not_after:%Y-%m-%d})" for row in going.values())
            work.confirm(f"revoke {', '.join(ends)} of {host}, {what}")


def _record(work: Transaction, chosen: _Chosen, reason: Reason, authorities: Sequence[int]) -> list[int]:
    """Record the revocations and take the numbers of their CRLs, in one transaction."""
    with work.inventory.transaction():
        work.inventory.adopt(chosen.new)
        for row in chosen.rows:
            work.inventory.revoke(row.authority, row.serial, work.now, reason.value)
            work.record(REVOKED, row.host, f"serial {row.serial}, {reason.value}")
        return [work.inventory.next_crl_number(authority) for authority in authorities]


def _chosen(
    work: Transaction, wish: RevocationRequest, authorities: Authorities, hook: Hook | None
) -> _Chosen:
    if wish.serial:
        found = _of_serial(work, wish)
        if not found and wish.unknown:
            return _unknown(work, wish.serial, authorities)
    elif _is_file(work, wish):
        found, stranger = _of_file(work, wish.path, authorities)
        if stranger:
            return stranger
    else:
        found = meant(work.site, work.inventory, wish.which)
    if not found:
        raise _nothing(work, wish)
    live = _live(found, work.now)
    if not live:
        done = [row for row in found if row.revoked_at and row.authority in authorities]
        if done and (_owing(work, done, authorities) or stale_copies(work) or is_owed(work, hook)):
            return _Chosen((), unfinished=done)
        raise _nothing_left(found[0])
    return _Chosen(_usable(work, _narrowed(work, wish, live), authorities))


def _narrowed(work: Transaction, wish: RevocationRequest, live: list[CertificateRow]) -> list[CertificateRow]:
    """Return every certificate of a host that was named, or the one that anything else fits."""
    if wish.which and not wish.serial and names_host(work.site, wish.which, live):
        return live
    if len({row.key_id for row in live}) == 1 and of_one_host(live) and wish.reason is Reason.KEY_COMPROMISE:
        of_host = list(work.inventory.listing(host=live[0].host))
        return [row for row in of_host if row in live or _shares_key(row, live[0], work.now)]
    if len(live) > 1:
        raise ambiguous(wish.serial or wish.which, live, "give more digits of one serial number")
    return live


def _usable(work: Transaction, rows: list[CertificateRow], authorities: Authorities) -> list[CertificateRow]:
    """Return those that can be revoked; what can't be is told, and alone is refused."""
    faults = {row.serial: fault for row in rows if (fault := _fault(row, authorities))}
    if len(faults) == len(rows):
        raise next(iter(faults.values()))
    for fault in faults.values():
        work.warn(f"{fault}; it was left")
    return [row for row in rows if row.serial not in faults]


def _nothing(work: Transaction, wish: RevocationRequest) -> MissingInputError:
    near = near_host(work.inventory, wish.which)
    hint = f"did you mean {near}?" if near else "smtpcreds cert list"
    if wish.serial:
        hint = "give the whole number with --unknown, if this authority signed it all the same"
    return MissingInputError(wish.serial or wish.which or '""', "no certificate matches", hint)


# What the inventory does not know, after a loss or a restored backup, but this authority signed.


def _is_file(work: Transaction, wish: RevocationRequest) -> bool:
    if not wish.path:
        return False
    return "/" in wish.which or (exists(wish.path) and not meant(work.site, work.inventory, wish.which))


def _of_file(
    work: Transaction, path: str, authorities: Authorities
) -> tuple[list[CertificateRow], _Chosen | None]:
    """Return what the inventory knows of the first certificate of a file, or that it is to learn it."""
    from .adopt import row_of_imported

    certificate = parse_certificates(read_public(path), path).certificates[0]
    _refuse_own(work, certificate.serial_number, path)
    found = work.inventory.find(fingerprint(certificate))
    if found:
        return found, None
    for number, (_, ca) in authorities.items():
        if is_issued_by(certificate, ca):
            row, der = row_of_imported(certificate.serial_number, ca, work.now, certificate)
            return [], _as_new(work, [(replace(row, authority=number), der)], authorities)
    raise DataError(path, "was not signed by an authority whose key is here, so its CRL is signed elsewhere")


def _refuse_own(work: Transaction, serial: int, what: str) -> None:
    """Refuse a certificate of the authority itself: in its own CRL it would end all that it ever signed."""
    if own := next((ca for ca in work.ca.trusted if ca.serial_number == serial), None):
        reason = f"is of {title(own)} itself, and no certificate of a host"
        raise DataError(
            what, reason, f"to stop trusting an authority: smtpcreds ca rollover; then {RETIRE_OLD}"
        )


def _unknown(work: Transaction, text: str, authorities: Authorities) -> _Chosen:
    """Return a number as certificates of every authority here, since nothing tells whose it is."""
    from .adopt import MAX_SERIAL, row_of_imported

    digits = text.replace(":", "")
    if not re.fullmatch("[0-9A-Fa-f]+", digits) or not 0 < int(digits, 16) < MAX_SERIAL:
        raise UsageError(text, "is not a serial number: hexadecimal, at most 159 bits")
    _refuse_own(work, int(digits, 16), text)
    able = {number: ca for number, (_, ca) in authorities.items() if may_sign_crls(ca)} or {
        number: ca for number, (_, ca) in authorities.items()
    }
    rows = (
        (replace(row, authority=number), der)
        for number, ca in able.items()
        for row, der in [row_of_imported(int(digits, 16), ca, work.now)]
    )
    return _as_new(work, list(rows), authorities)


def _as_new(
    work: Transaction, new: list[tuple[CertificateRow, bytes | None]], authorities: Authorities
) -> _Chosen:
    live = [row for row, _ in new if not has_ended(row.not_after, work.now)]
    if not live:
        raise _nothing_left(new[0][0])
    rows = _usable(work, live, authorities)
    return _Chosen(rows, [(row, der) for row, der in new if row in rows])


def _of_serial(work: Transaction, wish: RevocationRequest) -> list[CertificateRow]:
    digits = wish.serial.replace(":", "").lower()
    of_host = {row.host for row in meant(work.site, work.inventory, wish.which)} if wish.which else None
    fitting = (row for row in work.inventory.find(digits) if row.serial.startswith(digits))
    return [row for row in fitting if of_host is None or row.host in of_host]


def _live(found: Sequence[CertificateRow], now: datetime) -> list[CertificateRow]:
    """Return what is in use; else what was signed and given up, which somebody may have seen."""
    given_up = (row for row in found if _was_given_up(row) and not has_ended(row.not_after, now))
    return _issued(found, now) or list(given_up)


def _issued(rows: Sequence[CertificateRow], now: datetime) -> list[CertificateRow]:
    return [row for row in rows if row.state is State.ISSUED and not has_ended(row.not_after, now)]


def _was_given_up(row: CertificateRow) -> bool:
    return row.state is State.DISCARDED and row.fingerprint is not None


def _shares_key(row: CertificateRow, other: CertificateRow, now: datetime) -> bool:
    usable = row.state is State.ISSUED or _was_given_up(row)
    is_live = usable and not has_ended(row.not_after, now)
    return is_live and row.key_id is not None and row.key_id == other.key_id


def _nothing_left(row: CertificateRow) -> DataError:
    if row.revoked_at:
        return DataError(row.host, f"{row.serial} is revoked since {row.revoked_at:%Y-%m-%d} ({row.reason})")
    if row.state is State.DISCARDED:
        return DataError(row.host, f"{row.serial} was never signed")
    return DataError(
        row.host, f"{row.serial} expired on {row.not_after:%Y-%m-%d}, so it is not accepted anywhere"
    )


def _in_place(site: Site, rows: Sequence[CertificateRow]) -> dict[Pair, CertificateRow]:
    """Return the pairs that still hold one of them; what client hosts fetch is served to nobody now."""
    here = [row for row in rows_here(site, rows) if not row.directory.startswith(site.common)]
    of_place = {pair_at(site, row): row for row in here}
    revoked = {row.fingerprint for row in rows}
    return {pair: row for pair, row in of_place.items() if _holds(pair, revoked)}


def _holds(pair: Pair, fingerprints: set[str | None]) -> bool:
    try:
        found = certificate_in_place(read_previous_pair(pair))
    except UNUSABLE:
        return False
    return found is not None and fingerprint(found) in fingerprints
