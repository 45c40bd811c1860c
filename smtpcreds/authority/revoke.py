"""Revoking: which certificates, and the CRL that says so, in one deed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..inventory import Certificate, Inventory, State
from ..model import Plan, Step
from ..pki.crl import may_sign_crls
from ..pki.describe import fingerprint
from ..pki.revocation import Reason
from ..pki.values import Issuer
from .ca import Passphrase, certificates, once, open_issuer, require
from .elders import elders
from .former import certificate_in_place, read_former
from .layout import CaFiles, Pair, ca_files
from .ledger import at_work, enrolled, record, row_of
from .office import Office
from .publish import Published, publish
from .reading import reading
from .reload import Hook
from .which import ambiguous, meant, of_one_host


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was revoked.

    Attributes:
        certificates: the rows as they were before.
        crls: that list them, one of each authority concerned.
        in_place: pairs that still hold one of them.
    """

    certificates: tuple[Certificate, ...]
    crls: tuple[Published, ...]
    in_place: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be revoked.

    Attributes:
        which: host name, or the beginning of a serial number or fingerprint.
        reason: for the CRL. A leaked key takes every certificate of the host with it that has this key.
        every: all that ``which`` fits, if they are of one host.
    """

    which: str
    reason: Reason
    every: bool = False


def plan_revoke(
    site: Site, wish: Wish, passphrase: Passphrase, *, hook: Hook | None = None
) -> Plan[Revocation]:
    """Plan a revocation with its CRL.

    Args:
        site: whose authority revokes.
        wish: what, and why.
        passphrase: asked once if the CA key is encrypted.
        hook: tells the mail server when the CRL is in place; a failure takes nothing back.

    Raises:
        MissingInputError: there is no authority, or no such certificate.
        AmbiguousError: more than one fits; the reason lists them.
        DataError: it is revoked already, expired, or of another authority.
    """
    require(site)
    with reading(site) as inventory:
        rows = _chosen(site, inventory, wish)
        concerned = _concerned(site, inventory, rows)
    steps = [Step("revoke", f"{row.serial} of {row.host}", note=wish.reason.value) for row in rows]
    steps += [
        Step("sign", files.crl, 0o600, "a CRL that lists it, and its copies") for files in concerned.values()
    ]
    if hook:
        steps.append(Step("run", str(hook)))

    def apply() -> Revocation:
        opened = _Opened(site, once(passphrase))
        for files in concerned.values():  # a person is asked before the lock is held
            opened.issuer(files)
        return _revoke(site, wish, opened, hook)

    return Plan(tuple(steps), apply)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Authorities whose keys were opened, each once."""

    site: Site
    passphrase: Passphrase
    issuers: dict[str, Issuer] = field(default_factory=dict)

    def issuer(self, files: CaFiles) -> Issuer:
        if files.key not in self.issuers:
            self.issuers[files.key] = open_issuer(self.site, self.passphrase, files)
        return self.issuers[files.key]


def _revoke(site: Site, wish: Wish, opened: _Opened, hook: Hook | None) -> Revocation:
    with at_work(site) as inventory:
        rows = _chosen(site, inventory, wish)
        issuers = map(opened.issuer, _concerned(site, inventory, rows).values())
        offices = [Office(site, inventory, enrolled(site, inventory, issuer), issuer) for issuer in issuers]
        numbers = _record(site, inventory, rows, wish.reason, [office.authority.id for office in offices])
        try:
            crls = [publish(office, number=number) for office, number in zip(offices, numbers, strict=True)]
        except SmtpcredsError:
            site.warn("the revocation is recorded, but the CRL is not in place yet: smtpcreds ca crl")
            raise
        done = Revocation(tuple(rows), tuple(crls), _in_place(site, rows))
    if hook:
        hook.run()
    return done


def _concerned(site: Site, inventory: Inventory, rows: Sequence[Certificate]) -> dict[int, CaFiles]:
    """Return the files of the authorities that signed these, by the number of the authority's row.

    Raises:
        DataError: one is of an authority that is retired, not ours, or may not sign CRLs.
    """
    ours = [(ca_files(site), certificates(site)[0]), *((e.files, e.certificate) for e in elders(site))]
    known = {ca.id: (files, own) for files, own in ours if (ca := row_of(inventory, own))}
    for row in rows:
        if row.authority not in known:
            raise DataError(row.host, f"{row.serial} is of an authority that is retired, or not ours")
        if not may_sign_crls(known[row.authority][1]):
            reason = "its authority may not sign CRLs (keyUsage), so nobody would learn of a revocation"
            raise DataError(row.host, reason, "smtpcreds ca rollover, then renew, then retire the old one")
    return {row.authority: known[row.authority][0] for row in rows}


def _record(
    site: Site, inventory: Inventory, rows: Sequence[Certificate], reason: Reason, authorities: Sequence[int]
) -> list[int]:
    """Record the revocations and take the numbers of their CRLs, in one transaction."""
    with inventory.transaction():
        for row in rows:
            inventory.revoke(row.authority, row.serial, site.clock(), reason.value)
            record(site, inventory, "cert revoke", row.host, f"serial {row.serial}, {reason.value}")
        return [inventory.next_crl_number(authority) for authority in authorities]


def _chosen(site: Site, inventory: Inventory, wish: Wish) -> list[Certificate]:
    found = meant(site, inventory, wish.which)
    if not found:
        reason = "fits no certificate of the inventory"
        raise MissingInputError(wish.which or '""', reason, "smtpcreds cert list")
    live = _live(found, site.clock())
    if not live:
        raise _nothing_left(found[0])
    rows = live
    if wish.reason is Reason.KEY_COMPROMISE and _has_one_key(live):
        of_host = list(inventory.listing(host=live[0].host))
        rows = [row for row in of_host if row in live or _shares_key(row, live[0], site.clock())]
    elif len(live) > 1 and not (wish.every and of_one_host(live)):
        hint = "name one by its serial number" + (", or all of them: --all" if of_one_host(live) else "")
        raise ambiguous(wish.which, live, hint)
    return rows


def _live(found: Sequence[Certificate], now: datetime) -> list[Certificate]:
    """Return what is in use; else what was signed and given up, which somebody may have seen."""
    unexpired = [row for row in found if row.not_after > now]
    issued = [row for row in unexpired if row.state is State.ISSUED]
    return issued or [row for row in unexpired if _was_given_up(row)]


def _was_given_up(row: Certificate) -> bool:
    return row.state is State.DISCARDED and row.fingerprint is not None


def _has_one_key(rows: Sequence[Certificate]) -> bool:
    return of_one_host(rows) and len({row.key_id for row in rows}) == 1


def _shares_key(row: Certificate, other: Certificate, now: datetime) -> bool:
    usable = row.state is State.ISSUED or _was_given_up(row)
    return usable and row.not_after > now and row.key_id is not None and row.key_id == other.key_id


def _nothing_left(row: Certificate) -> DataError:
    if row.revoked_at:
        return DataError(row.host, f"{row.serial} is revoked since {row.revoked_at:%Y-%m-%d} ({row.reason})")
    if row.state is State.DISCARDED:
        return DataError(row.host, f"{row.serial} was never signed")
    return DataError(row.host, f"{row.serial} expired on {row.not_after:%Y-%m-%d}, so nobody accepts it")


def _in_place(site: Site, rows: Sequence[Certificate]) -> tuple[Pair, ...]:
    of_place = {
        Pair(site.root.locate(row.directory)): row.fingerprint for row in rows if row.is_on(site.machine)
    }
    return tuple(pair for pair, digest in of_place.items() if _holds(pair, {row.fingerprint for row in rows}))


def _holds(pair: Pair, fingerprints: set[str | None]) -> bool:
    try:
        found = certificate_in_place(read_former(pair))
    except SmtpcredsError:
        return False
    return found is not None and fingerprint(found) in fingerprints
