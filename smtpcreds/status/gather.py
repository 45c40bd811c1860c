"""Looking at everything: authority, inventory, accounts. Nothing is changed, and no lock is taken."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

from ..authority.ca import has_authority
from ..authority.layout import Pair
from ..authority.listing import Selection, certificate_path, listed
from ..authority.overview import Generation, overview
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..dane import Stage, rollovers
from ..inventory import AuthorityState, Inventory
from ..inventory import Certificate as Row
from .accounts import account_changes, accounts
from .due import due_work, interrupted
from .values import Authority, Certificate, Change, Crl, Cure, Kind, Status

KEY = 8
"""Hex digits of a key."""

LOOK = 1000
"""Certificates that are read, those that end next; there may be a million."""


def gather(site: Site) -> Status:
    """Look at the site.

    Raises:
        DamagedFileError, UnsafePathError: a file of the authority or the account database can't be trusted.
        ConfigError: the inventory needs another version of the program.
    """
    with ExitStack() as stack:
        inventory = stack.enter_context(reading(site)) if has_inventory(site) else None
        return _status(site, inventory)


def _status(site: Site, inventory: Inventory | None) -> Status:
    now, lifetime = site.clock(), timedelta(days=site.settings.cert.days)
    authorities = _authorities(site)
    found = _certificates(site, inventory, authorities) if inventory else []
    certificates = tuple(found[:LOOK])
    changes = (*_rollovers(authorities), *account_changes(site, inventory), *_new_keys(site, inventory))
    begun = interrupted(now, inventory.pending() if inventory else ())
    return Status(
        at=now,
        hub=site.hub,
        authorities=authorities,
        certificates=certificates,
        has_more=len(found) > LOOK,
        accounts=accounts(site, inventory, [row.host for row in certificates]),
        changes=changes,
        due=(*begun, *due_work(now, authorities, certificates, changes, lifetime)),
        lifetime=lifetime,
    )


def _authorities(site: Site) -> tuple[Authority, ...]:
    if not has_authority(site):
        return ()
    seen = overview(site)
    return (_authority(seen.signing, signs=True), *(_authority(one, signs=False) for one in seen.elders))


def _authority(seen: Generation, *, signs: bool) -> Authority:
    found, crl = seen.found, seen.crl
    standing = Crl(crl.number, crl.this_update, crl.next_update, crl.revoked) if crl else None
    return Authority(
        found.title, found.fingerprint, found.not_before, found.not_after, signs, standing, seen.counts
    )


def _rollovers(authorities: Sequence[Authority]) -> Iterator[Change]:
    for elder in authorities[1:]:
        new = authorities[0]
        note, retire = "both are trusted", "smtpcreds ca rollover --retire-old"
        yield Change(Kind.AUTHORITY, elder.name, new.name, new.not_before, None, note, retire)


def _new_keys(site: Site, inventory: Inventory | None) -> Iterator[Change]:
    for half in rollovers(site, inventory) if inventory else ():
        host, begun = half.begun.host, half.begun
        note, step = _KEYS[half.stage]
        old, new = f"{host} 3 1 1 {begun.old[:KEY]}", f"3 1 1 {begun.new[:KEY]}"
        command = f"smtpcreds tlsa {step} {host}"
        yield Change(Kind.TLSA, old, new, begun.at, half.ready_at, note, command)


_KEYS = {
    Stage.PUBLISHING: ("both are to be published", "switch"),
    Stage.SWITCHED: ("the new key is in use, both are to be published", "retire"),
    Stage.ASTRAY: ("neither key waits as it should", "plan"),
}


def _certificates(site: Site, inventory: Inventory, authorities: Sequence[Authority]) -> list[Certificate]:
    """Return those in use that end next, and one more than :data:`LOOK` if there are more."""
    foreign = {ca.id for ca in inventory.authorities() if ca.state is AuthorityState.FOREIGN}
    end = authorities[0].not_after if authorities else None
    with closing(listed(site, inventory, Selection(), LOOK + 1)) as rows:
        return [_certificate(site, row, foreign, end) for row in rows if _is_missed(site, row)]


def _certificate(site: Site, row: Row, foreign: set[int], end: datetime | None) -> Certificate:
    return Certificate(
        row.host,
        row.profile,
        row.serial,
        row.not_before,
        row.not_after,
        row.directory,
        certificate_path(site, row),
        row.machine,
        _cure(site, row, foreign, end),
    )


def _cure(site: Site, row: Row, foreign: set[int], end: datetime | None) -> Cure:
    """Return what :func:`smtpcreds.authority.renewals.due_rows` would warn of, or renew."""
    if row.authority in foreign:
        return Cure.REQUEST
    if not row.directory:
        return Cure.SIGN
    if not row.is_on(site.machine):
        return Cure.ELSEWHERE
    return Cure.ROLLOVER if end is not None and row.not_after >= end else Cure.RENEW


def _is_missed(site: Site, row: Row) -> bool:
    """Tell whether anybody depends on it: not on one that expired and is gone."""
    if row.not_after > site.clock() or not row.is_on(site.machine):
        return True
    pair = Pair(site.root.locate(row.directory))
    return os.path.lexists(pair.key) or os.path.lexists(pair.certificate)
