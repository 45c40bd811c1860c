"""Everything as it stands: authority, inventory, accounts. Nothing is changed, and no lock is taken."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from ..accounts.database import AccountDatabase, database_of, recorded_place
from ..accounts.entries import ALL
from ..audit.certificates import CERT004
from ..audit.crls import CERT014
from ..audit.host import Host
from ..audit.run import CODES, faults
from ..ca.altered import findings as altered
from ..ca.authority import CA
from ..ca.layout import (
    BY_TAR,
    CURE_CRL,
    CURE_EARLY,
    cure_crl,
    cure_unnamed_hub,
    fetched_from,
    has_inventory,
    has_lost,
    is_client_host,
    reading,
)
from ..ca.listing import REMEMBERED, certificate_path
from ..ca.lookup import Generation, overview
from ..ca.old import RENEW_UNKNOWN
from ..ca.renew import is_there, next_of_rollover
from ..config import Site
from ..dane import Stage, rollovers
from ..deploy.holders import clients
from ..files import read_public
from ..inventory.inventory import Inventory
from ..inventory.rotations import Rotation, RotationState
from ..inventory.rows import AuthorityState, State
from ..inventory.rows import CertificateRow as Row
from ..lazy import dataclass
from ..model import Finding, Severity
from ..pki.dates import Period, crl_fault, due_at, has_ended, is_due, successor_due
from ..pki.profiles import RELAY, SERVER
from ..pki.revocation import CurrentCrl
from ..shell import quote
from ..upkeep import in_need_of_old, to_successor, with_old, without_successor
from .clients import CURE as CLIENT_CURE
from .clients import ClientHost, client_hosts, silent

# What the screen shows: frozen values, complete without clock or disk. Names in them may be hostile.


@dataclass(frozen=True)
class Authority:
    """An authority that is trusted.

    Attributes:
        fingerprint: SHA-256 of its certificate, lower-case hex.
        signs: it is the one that signs certificates; otherwise it was replaced and is not retired yet.
        counts: its certificates by where they stand, see ``Inventory.tally``.
    """

    name: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    signs: bool
    crl: CurrentCrl | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Cure(StrEnum):
    """Who can renew a certificate, and how."""

    RENEW = "smtpcreds cert renew --due"
    SIGN = "where the key is kept, make a request; then: smtpcreds cert sign CSR"
    REQUEST = "smtpcreds cert request HOST"
    BUNDLE = (
        "on the hub: smtpcreds bundle HOST --new-key --force"
        "; then here: smtpcreds setup --client BUNDLE --force"
    )
    PULL = "/etc/smtpcreds/pull.sh"
    ELSEWHERE = "on its own host: smtpcreds cert renew --due"
    ROLLOVER = "smtpcreds ca rollover"
    FETCH = CLIENT_CURE


@dataclass(frozen=True)
class Certificate:
    """A certificate that no newer one replaced.

    Attributes:
        place: of the pair, as the inventory has it; empty where its host keeps it. With host and machine it
            is unique.
        path: of the certificate, if that is on this host.
        machine: host that installed it; empty unless several share the inventory.
        cure: what is to be done when it is due.
        revoked: it is revoked and still in place.
    """

    host: str
    profile: str
    serial: str
    not_before: datetime
    not_after: datetime
    place: str = ""
    path: str | None = None
    machine: str = ""
    cure: Cure = Cure.RENEW
    revoked: bool = False

    def due_at(self) -> datetime:
        """Return when two thirds of its life are over."""
        return due_at(self.not_before, self.not_after)


@dataclass(frozen=True)
class Account:
    """A relay account, ``user@realm``, the hosts that are known to use it, and what it can log in by."""

    name: str
    clients: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relaying:
    """Who may send mail through the hub, and by what.

    Attributes:
        host: a client host; empty where an account is used by nobody who is known.
        account: ``user@realm``; empty where the host has a certificate alone.
        certificate: that the host can show; None where it has none.
        mechanisms: by which the relay can serve the account.
    """

    host: str
    account: str = ""
    certificate: Certificate | None = None
    mechanisms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Accounts:
    """The account database.

    Attributes:
        database: path or URL.
        total: how many it holds.
        shown: the first of them.
    """

    database: str
    total: int = 0
    shown: tuple[Account, ...] = ()


class Kind(StrEnum):
    """What changes, or is due."""

    AUTHORITY = "authority"
    CRL = "crl"
    CERTIFICATE = "certificate"
    ACCOUNT = "account"
    TLSA = "tlsa"
    INTERRUPTED = "interrupted"
    AUDIT = "audit"
    CLIENT = "client"


@dataclass(frozen=True)
class Change:
    """A replacement that is half-way.

    Attributes:
        old: what is replaced.
        new: what takes its place.
        since: when it began.
        until: when its next step is due; None where nobody said.
        note: how it stands.
        next: the command of the next step.
    """

    kind: Kind
    old: str
    new: str
    since: datetime
    until: datetime | None
    note: str
    next: str


@dataclass(frozen=True)
class Status:
    """Everything.

    Attributes:
        at: when it was looked at.
        hub: the relay's name.
        host: this one's.
        authorities: the one that signs first; empty where there is none.
        certificates: those that end next, first; at most :data:`smtpcreds.status.gather.LOOK`.
        has_more: there are more certificates than these.
        due: what an administrator should do now; the codes are of :class:`Kind`.
        lifetime: what a certificate issued now would be given.
        has_lost: this is the hub, and its authority is gone.
        clients: hosts that fetch their bundles, and those of ``certificates`` that were given theirs.
        pulls: when each client host last pulled; None where nothing records that.
    """

    at: datetime
    hub: str
    host: str
    authorities: tuple[Authority, ...]
    certificates: tuple[Certificate, ...]
    has_more: bool
    accounts: Accounts
    changes: tuple[Change, ...]
    due: tuple[Finding, ...]
    lifetime: timedelta
    clients: tuple[ClientHost, ...] = ()
    pulls: Mapping[str, datetime] | None = None
    has_lost: bool = False

    @property
    def relaying(self) -> list[Relaying]:
        """Who may relay: client hosts by name, then accounts that no known host uses."""
        certs = {
            row.host: row for row in self.certificates if row.host != self.hub and row.profile != SERVER.name
        }
        shown = self.accounts.shown
        held = [
            Relaying(host, one.name, certs.get(host), one.mechanisms) for one in shown for host in one.clients
        ]
        alone = certs.keys() - {row.host for row in held}
        rest = [Relaying("", one.name, None, one.mechanisms) for one in shown if not one.clients]
        return [*sorted((*held, *(Relaying(host, "", certs[host]) for host in alone)), key=_by_host), *rest]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing here yet."""
        return not (self.authorities or self.certificates or self.accounts.total)

    def days_left(self, end: datetime) -> int:
        """Return whole days until then; negative when it is over."""
        return (end - self.at).days

    def has_ended(self, end: datetime) -> bool:
        """Tell whether something has expired."""
        return has_ended(end, self.at)

    def is_bad(self, row: Certificate) -> bool:
        """Tell whether nobody accepts a certificate any more."""
        return row.revoked or self.has_ended(row.not_after)

    @property
    def is_broken(self) -> bool:
        """Tell whether something is due that stops mail already, or exposes a secret."""
        return any(item.severity is Severity.ERROR for item in self.due)

    def is_due(self, kind: Kind, subject: str) -> bool:
        """Tell whether work of this kind is due on this subject."""
        return any((item.code, item.subject) == (kind, subject) for item in self.due)


def _by_host(row: Relaying) -> tuple[str, str]:
    return row.host, row.account


# Relay accounts, the hosts that use them, and replacements that are half-way.

SHOWN = 1000


def accounts(site: Site, inventory: Inventory | None, hosts: Iterable[str]) -> Accounts:
    """Return the accounts of the configured database; one that does not exist yet is empty.

    Args:
        site: where.
        inventory: says who was given which account.
        hosts: that may have been given a bundle.
    """
    account_database = AccountDatabase(site)
    found = account_database.listing()
    names = found.names
    place = recorded_place(site, account_database.database)
    known = clients(inventory, place, dict.fromkeys(hosts)) if inventory else {}
    shown = (
        Account(
            name,
            tuple(known.get(name, ())),
            found.others[name].mechanisms if name in found.others else ALL,
        )
        for name in islice(names, SHOWN)
    )
    return Accounts(account_database.database, len(names), tuple(shown))


def account_changes(site: Site, inventory: Inventory | None) -> Iterator[Change]:
    """Yield the replacements that are half-way; an interrupted one is to be settled at once."""
    for row in inventory.rotations.unfinished() if inventory else ():
        found = AccountDatabase(site, database_of(site, row.sasldb))
        note, step = _standing(row, found)
        is_open = row.state is RotationState.OPEN
        left = without_successor(site, inventory, row) if inventory and is_open else []
        old = with_old(site, inventory, row) if inventory and left else []
        end = f"smtpcreds sasl rotate {'' if step == '--due' else f'{found.shown(row.account)} '}{step}"
        yield Change(
            kind=Kind.ACCOUNT,
            old=str(row.account),
            new=str(row.successor),
            since=row.started,
            until=row.retire_after if is_open and step in {_RETIRE, "--due"} else row.started,
            note=f"{note}; the new one is not yet on {_some(left)}" if left else note,
            next=to_successor(site, inventory, old[0], row) if inventory and old else end,
        )


_RETIRE = "--retire"


def _standing(row: Rotation, found: AccountDatabase) -> tuple[str, str]:
    """Return how a replacement stands, and the option of its next step; an account may be gone."""
    if row.state is not RotationState.OPEN:
        return f"an interrupted run left it {row.state}", "--due"
    if row.successor not in found:
        return f"{row.successor} is gone", "--abandon"
    if row.account not in found:
        return f"{row.account} is gone, {row.successor} works", _RETIRE
    return "both accounts work", "--due" if row.retire_after else _RETIRE


# What is due, computed from the rest.

_ROLLOVER = "smtpcreds ca rollover"
_EARLY = ", so nothing that it signs is; the clock was ahead when it was made"
NAMED = 4
"""Hosts that one line names."""

SETTLED = timedelta(hours=1)
"""A run takes less; what it began earlier and did not finish was interrupted."""


def due_work(
    now: datetime,
    authorities: Iterable[Authority],
    certificates: Iterable[Certificate],
    changes: Iterable[Change],
    lifetime: timedelta,
) -> tuple[Finding, ...]:
    """Return everything that an administrator should do now, the most urgent kind first."""
    trusted = list(authorities)
    return (
        *_not_begun(now, trusted),
        *_crls(now, trusted),
        *_due_certificates(now, list(certificates)),
        *_due_authorities(now, trusted, lifetime),
        *_changes(now, changes),
    )


def interrupted(now: datetime, pending: Iterable[Row]) -> tuple[Finding, ...]:
    """Return what killed runs left; a run that is at work has pending certificates too."""
    left = sorted({row.host for row in pending if now - row.created > SETTLED})
    if not left:
        return ()
    reason = "begun by a run that was interrupted"
    return (_due(Kind.INTERRUPTED, _some(left), reason, CURE_CRL, len(left)),)


def audited(found: Iterable[Finding], due: Iterable[Finding], late: Iterable[str]) -> Iterator[Finding]:
    """Yield what the audit calls an error, one for each code; what is due by itself is not said twice.

    Args:
        found: by the audit.
        due: what is known to be due.
        late: the files of the certificates among that.
    """
    known = set(late)
    has_late_crl = any(
        item.cure == CURE_EARLY or (item.code == Kind.CRL and item.severity is Severity.ERROR) for item in due
    )
    said = {(item.subject, item.message) for item in due}
    by_code: dict[str, list[Finding]] = {}
    for one in found:
        is_said = (one.subject, one.message) in said or (one.code == CERT004.name and one.subject in known)
        if not is_said and not (one.code == CERT014.name and has_late_crl):
            by_code.setdefault(one.code, []).append(one)
    yield from (_of_code(code, same) for code, same in by_code.items())


def _of_code(code: str, same: list[Finding]) -> Finding:
    first = same[0]
    reason = f"{first.message if len(same) == 1 else CODES[code].title} ({code})"
    cure = first.cure if len(same) == 1 else f"smtpcreds audit --only {code}"
    return Finding(
        _some(list(dict.fromkeys(one.subject for one in same))),
        reason,
        cure,
        Kind.AUDIT,
        first.severity,
        count=len(same),
    )


def _crls(now: datetime, authorities: Iterable[Authority]) -> Iterator[Finding]:
    for authority in authorities:
        crl = authority.crl
        if (
            crl is None
            or has_ended(authority.not_after, now)
            or (authority.signs and now < authority.not_before)
        ):
            continue
        fault = crl_fault(crl.period, now)
        if said := fault or crl.period.remark(now):
            yield _due(
                Kind.CRL,
                authority.name,
                f"the CRL {said}",
                cure_crl(crl.period, now),
                is_late=fault is not None,
            )


def _not_begun(now: datetime, authorities: Iterable[Authority]) -> Iterator[Finding]:
    for authority in authorities:
        fault = Period(authority.not_before, authority.not_after).fault(now)
        if authority.signs and now < authority.not_before:
            yield _due(Kind.AUTHORITY, authority.name, f"{fault}{_EARLY}", CURE_EARLY, is_late=True)


def _due_certificates(now: datetime, rows: list[Certificate]) -> Iterator[Finding]:
    usable = (row for row in rows if not row.revoked)  # of the others the audit speaks
    late = [row for row in usable if is_due(row.not_before, row.not_after, now)]
    for cure in Cure:
        if same := [row for row in late if row.cure is cure]:
            ended = sum(has_ended(row.not_after, now) for row in same)
            reason = "past two thirds of life" + (f", {ended} of them expired" if ended else "")
            text = cure.replace("HOST", same[0].host) if len(same) == 1 else cure.value
            hosts = _some([row.host for row in same])
            yield _due(Kind.CERTIFICATE, hosts, reason, text, len(same), is_late=ended > 0)


def _due_authorities(
    now: datetime, authorities: Iterable[Authority], lifetime: timedelta
) -> Iterator[Finding]:
    for authority in authorities:
        period = Period(authority.not_before, authority.not_after)
        if authority.signs and (reason := successor_due(period, lifetime, now)):
            is_late = has_ended(authority.not_after, now)
            yield _due(Kind.AUTHORITY, authority.name, reason, _ROLLOVER, is_late=is_late)


def _changes(now: datetime, changes: Iterable[Change]) -> Iterator[Finding]:
    for change in changes:
        if change.until is not None and change.until <= now:
            reason = f"{change.note}; the next step was due on {change.until:%Y-%m-%d %H:%M} UTC"
            yield _due(change.kind, change.old, reason, change.next)


def _due(
    kind: Kind, subject: str, reason: str, cure: str, count: int = 1, *, is_late: bool = False
) -> Finding:
    """Return work that is due; what is late stops mail already."""
    severity = Severity.ERROR if is_late else Severity.WARNING
    return Finding(subject, reason, cure, kind, severity, count)


def _some(names: Sequence[str]) -> str:
    named = ", ".join(names[:NAMED])
    return named if len(names) <= NAMED else f"{named} and {len(names) - NAMED} more"


# Looking at everything: authority, inventory, accounts. Nothing is changed, and no lock is taken.

KEY = 8
"""Hex digits of a key."""

LOOK = 1000
"""Certificates that are read, those that end next; there may be a million."""


def gather(site: Site) -> Status:
    """Look at the site."""
    with ExitStack() as stack:
        inventory = stack.enter_context(reading(site)) if has_inventory(site) else None
        return _status(site, inventory)


def _status(site: Site, inventory: Inventory | None) -> Status:
    now, lifetime = site.clock(), timedelta(days=site.settings.cert.days)
    authorities = _authorities(site)
    host = Host(site)
    found = (inventory and _certificates(site, inventory, authorities)) or list(_unrecorded(site))
    certificates = (*_revoked(host), *found[:LOOK])
    changes = (
        *_rollovers(site, inventory, authorities),
        *account_changes(site, inventory),
        *_new_keys(site, inventory),
    )
    begun = interrupted(now, inventory.pending() if inventory else ())
    ca = CA(site)
    older = altered(site, inventory, ca) if inventory and ca.is_there else ()
    restored = (_due(Kind.AUTHORITY, item.subject, item.message, item.cure, is_late=True) for item in older)
    hosts = _clients(site, inventory) if inventory else ()
    due = (
        *begun,
        *restored,
        *due_work(now, authorities, certificates, changes, lifetime),
        *_silent(now, hosts),
        *_without_hub(site),
    )
    paths = [row.path for row in certificates if row.path]
    return Status(
        at=now,
        hub=site.hub,
        host=host.name,
        authorities=authorities,
        certificates=certificates,
        has_more=len(found) > LOOK,
        accounts=accounts(site, inventory, [row.host for row in certificates]),
        changes=changes,
        due=(*due, *audited(faults(host), due, paths)),
        lifetime=lifetime,
        clients=hosts,
        has_lost=has_lost(site),
        pulls={one.host: one.last_pull for one in hosts if one.last_pull} if hosts else None,
    )


def _clients(site: Site, inventory: Inventory) -> tuple[ClientHost, ...]:
    return client_hosts(site, inventory, list(inventory.listing(latest=True, directory="", limit=LOOK)))


def _silent(now: datetime, hosts: Iterable[ClientHost]) -> Iterator[Finding]:
    for one in silent(hosts, now):
        cure = CLIENT_CURE.replace("HOST", one.host)
        yield _due(Kind.CLIENT, one.host, one.standing(), cure, is_late=one.is_late(now))


def _without_hub(site: Site) -> Iterator[Finding]:
    """Yield that a host was filled by ``tar``, and not by ``setup --client``."""
    if cure := cure_unnamed_hub(site):
        yield _due(Kind.CLIENT, site.qualify(site.own_name), BY_TAR, cure)


def _authorities(site: Site) -> tuple[Authority, ...]:
    if not CA(site).is_there:
        return ()
    seen = overview(site)
    return (
        _authority(seen.signing, signs=True),
        *(_authority(one, signs=False) for one in seen.superseded_cas),
    )


def _authority(seen: Generation, *, signs: bool) -> Authority:
    found = seen.found
    return Authority(
        found.title, found.fingerprint, found.not_before, found.not_after, signs, seen.crl, seen.counts
    )


def _rollovers(site: Site, inventory: Inventory | None, authorities: Sequence[Authority]) -> Iterator[Change]:
    if not authorities[1:]:
        return
    left = in_need_of_old(site, inventory, CA(site)) if inventory else []
    note = "both are trusted" + (f"; with certificates of the old one: {_some(left)}" if left else "")
    step = next_of_rollover(site, inventory, CA(site), left) if inventory else RENEW_UNKNOWN
    for superseded_ca in authorities[1:]:
        new = authorities[0]
        yield Change(Kind.AUTHORITY, superseded_ca.name, new.name, new.not_before, None, note, step)


def _new_keys(site: Site, inventory: Inventory | None) -> Iterator[Change]:
    for half in rollovers(site, inventory) if inventory else ():
        host, begun = half.begun.host, half.begun
        note, step = _KEYS[half.stage]
        old, new = f"{host} 3 1 1 {begun.old[:KEY]}", f"3 1 1 {begun.new[:KEY]}"
        command = f"smtpcreds tlsa {step} {quote(host)}"
        yield Change(Kind.TLSA, old, new, begun.at, half.ready_at, note, command)


_KEYS = {
    Stage.PUBLISHING: ("both are to be published", "switch"),
    Stage.SWITCHED: ("the new key is in use, both are to be published", "retire"),
    Stage.LOST: ("neither key waits as it should", "plan"),
}


def _certificates(site: Site, inventory: Inventory, authorities: Sequence[Authority]) -> list[Certificate]:
    """Return those in use that end next, and one more than :data:`LOOK` if there are more."""
    foreign = {ca.id for ca in inventory.authorities() if ca.state is AuthorityState.FOREIGN}
    end = authorities[0].not_after if authorities else None
    with closing(row for row in inventory.listing(latest=True) if _is_missed(site, row)) as rows:
        return [_certificate(site, row, foreign, end) for row in islice(rows, LOOK + 1)]


def _revoked(host: Host) -> Iterator[Certificate]:
    """Yield what is revoked and still in place; a newer one has not taken its place."""
    for installed in host.certificates:
        row = installed.row
        if row and row.state is State.REVOKED:
            place = installed.path
            yield Certificate(
                row.host,
                row.profile,
                row.serial,
                row.not_before,
                row.not_after,
                row.directory,
                place,
                row.machine,
                revoked=True,
            )


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
    """Return what :func:`smtpcreds.ca.renew.due_rows` would warn of, or renew."""
    if row.authority in foreign:
        return _of_client(site) if is_client_host(site) else Cure.REQUEST
    if not row.directory:
        return Cure.SIGN
    if row.directory.startswith(f"{site.root.record(site.hosts)}/"):
        return Cure.FETCH
    if not row.is_on(site.machine):
        return Cure.ELSEWHERE
    return Cure.ROLLOVER if end is not None and row.not_after >= end else Cure.RENEW


def _of_client(site: Site) -> Cure:
    return Cure.PULL if fetched_from(site) else Cure.BUNDLE


def _unrecorded(site: Site) -> Iterator[Certificate]:
    """Yield the certificates that no run recorded, as on a host filled by ``tar`` or a hub without state."""
    from ..inventory.rows import serial_text
    from ..pki.encoding import parse_certificates
    from ..pki.names import title

    lost, found = has_lost(site), []
    for name in sorted(os.listdir(site.certificates)) if is_client_host(site) or lost else ():
        path = f"{site.certificates}/{name}"
        if name.endswith("-cert.pem"):
            first = parse_certificates(read_public(path), path).certificates[0]
            found.append((first.not_valid_after_utc, path, first))
    for end, path, leaf in sorted(found, key=lambda one: one[:2]):
        serial, begin = serial_text(leaf.serial_number), leaf.not_valid_before_utc
        cure = Cure.RENEW if lost else _of_client(site)
        yield Certificate(title(leaf), RELAY.name, serial, begin, end, "", path, "", cure)


def _is_missed(site: Site, row: Row) -> bool:
    """Tell whether anybody depends on it: not on one that expired and is gone, or is long over elsewhere."""
    now = site.clock()
    if not has_ended(row.not_after, now):
        return True
    return is_there(site, row) if row.is_on(site.machine) else row.not_after > now - REMEMBERED
