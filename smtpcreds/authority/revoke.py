"""Revoking: which certificates, and the CRL that says so, in one deed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..inventory import Certificate, Inventory, State
from ..model import Plan, Step
from ..pki.describe import fingerprint
from ..pki.revocation import Reason
from ..pki.values import Issuer
from .ca import Passphrase, certificates, open_issuer
from .former import certificate_in_place, read_former
from .layout import Pair, ca_files
from .ledger import record, row_of
from .office import Office, at_the_office
from .publish import Published, publish
from .reading import reading
from .reload import Hook
from .which import ambiguous, meant, of_one_host


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was revoked.

    Attributes:
        certificates: the rows as they were before.
        crl: that lists them.
        in_place: pairs that still hold one of them.
    """

    certificates: tuple[Certificate, ...]
    crl: Published
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
    issuer = certificates(site)[0]
    with reading(site) as inventory:
        rows = _chosen(site, inventory, wish)
        ours = row_of(inventory, issuer)
        if stranger := next((row for row in rows if ours is None or row.authority != ours.id), None):
            raise DataError(stranger.host, f"{stranger.serial} is not from the authority that signs now")
    steps = [Step("revoke", f"{row.serial} of {row.host}", note=wish.reason.value) for row in rows]
    steps.append(Step("sign", ca_files(site).crl, 0o600, "a CRL that lists it, and its copies"))
    if hook:
        steps.append(Step("run", str(hook)))
    return Plan(tuple(steps), lambda: _revoke(site, wish, open_issuer(site, passphrase), hook))


def _revoke(site: Site, wish: Wish, issuer: Issuer, hook: Hook | None) -> Revocation:
    with at_the_office(site, issuer) as office:
        rows = _chosen(site, office.inventory, wish)
        number = _record(office, rows, wish.reason)
        try:
            crl = publish(office, number=number)
        except SmtpcredsError:
            site.warn("the revocation is recorded, but the CRL is not in place yet: smtpcreds ca crl")
            raise
        done = Revocation(tuple(rows), crl, _in_place(site, rows))
    if hook:
        hook.run()
    return done


def _record(office: Office, rows: Sequence[Certificate], reason: Reason) -> int:
    """Record the revocations and take the number of their CRL, in one transaction."""
    now = office.site.clock()
    with office.inventory.transaction():
        for row in rows:
            office.inventory.revoke(row.authority, row.serial, now, reason.value)
            detail = f"serial {row.serial}, {reason.value}"
            record(office.site, office.inventory, "cert revoke", row.host, detail)
        return office.inventory.next_crl_number(office.authority.id)


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
