"""TLSA records of hosts, and a new key without a moment in which none of them fits (RFC 7671 section 8.1)."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from .ca.authority import CA
from .ca.directory import bundled, check, pair_at, prepare, rows_here
from .ca.issue import Issued, Refused
from .ca.layout import Pair, beginning, has_inventory, pair_of, reading
from .ca.lookup import Found, find
from .ca.pair import key_id, usable_key
from .ca.reload import Hook, is_owed, tell
from .ca.renew import Renewals, Renewed, reissued, renew
from .config import Site
from .dns import Resolver
from .errors import AmbiguousError, DataError, MissingInputError, TooEarlyError, UsageError
from .files import actor, exists, remove, write_all
from .inventory.inventory import Inventory
from .inventory.rows import CertificateRow, Event, State
from .lazy import dataclass, pattern
from .model import Artifact
from .pki.chains import climb
from .pki.keys import KEY_TYPES, KeyType, encode_key, generate, key_label, parse_key_type, public_id
from .pki.profiles import HOST_PROFILES
from .pki.tlsa import DANE_EE, Tlsa, end_entity, owner_name, trust_anchor, zone_line
from .pki.values import Certificate
from .shell import quote
from .transaction import Transaction

# What the inventory remembers of key rollovers: one event for each beginning and each end.
#
# All have one subject, so that those that are half-way are found among a million other events.

SUBJECT = "tlsa"
BEGIN, END = "tlsa begin", "tlsa end"
_BEGUN = pattern(r"(\S+) ([0-9a-f]{64}) after ([0-9a-f]{64}), TTL ([0-9]{1,10})")


@dataclass(frozen=True)
class Begun:
    """A next key whose record is to be published.

    Attributes:
        old: SHA-256 of the SubjectPublicKeyInfo of the key in use then, lower-case hex.
        new: likewise of the next key.
        ttl: of the records.
        at: when its record was first printed.
    """

    host: str
    new: str
    old: str
    ttl: timedelta
    at: datetime


def remember(inventory: Inventory, begun: Begun) -> None:
    """Record the beginning of a rollover."""
    detail = f"{begun.host} {begun.new} after {begun.old}, TTL {begun.ttl // timedelta(seconds=1)}"
    inventory.event(Event(begun.at, actor(), BEGIN, SUBJECT, detail))


def forget(site: Site, inventory: Inventory, host: str) -> None:
    """Record the end of a host's rollover."""
    inventory.event(Event(site.clock(), actor(), END, SUBJECT, host))


def remembered(inventory: Inventory) -> dict[str, Begun]:
    """Return the rollovers that have begun and not ended, by host."""
    newest: dict[str, Begun | None] = {}
    for event in inventory.events(subject=SUBJECT):
        begun = _begun(event)
        newest.setdefault(begun.host if begun else event.detail, begun)
    return {host: begun for host, begun in newest.items() if begun}


def _begun(event: Event) -> Begun | None:
    match = _BEGUN.fullmatch(event.detail) if event.what == BEGIN else None
    return Begun(match[1], match[2], match[3], timedelta(seconds=int(match[4])), event.at) if match else None


# How far a rollover is: computed from what was remembered, and from the keys that there are.

WAITS = 2
"""TTLs: one for the old records in caches, one for secondary name servers (RFC 7671 section 8.1)."""


class Stage(StrEnum):
    """Where a rollover stands."""

    PUBLISHING = "publishing"
    """The next key waits; the records of both are to be published."""
    SWITCHED = "switched"
    """The next key is in use; the old record is still to be published."""
    LOST = "lost"
    """The next key is gone, or another one is in use."""


@dataclass(frozen=True)
class HostPair:
    """The pair of a host on this machine, and its newest certificate."""

    row: CertificateRow
    pair: Pair

    @property
    def host(self) -> str:
        """Its full name."""
        return self.row.host


@dataclass(frozen=True)
class Rollover:
    """A rollover that has not ended.

    Attributes:
        begun: what was remembered.
        since: when the stage began.
    """

    begun: Begun
    stage: Stage
    since: datetime

    @property
    def ready_at(self) -> datetime:
        """When the next step may be taken."""
        return self.since + WAITS * self.begun.ttl

    @property
    def other(self) -> str:
        """The key that is not in use, whose record is to be published too."""
        return self.begun.new if self.stage is Stage.PUBLISHING else self.begun.old


def place_of(site: Site, inventory: Inventory, text: str) -> HostPair:
    """Return where the key of a host is.

    Raises:
        NameRefusedError: a bad name.
        MissingInputError: no certificate of the host is installed here.
        AmbiguousError: several are, and none in the mail server's directory.
    """
    host = site.qualify(text)
    rows = [row for row in inventory.listing(host=host, latest=True) if _is_ours(site, row)]
    places = [HostPair(row, pair_at(site, row)) for row in rows_here(site, rows)]
    if not places:
        reason = "has no certificate with its key on this host"
        is_new = next(iter(inventory.authorities()), None) is None
        way = beginning(site) if is_new else f"smtpcreds cert issue {quote(host)}"
        raise MissingInputError(host, reason, way)
    own = [place for place in places if place.pair == pair_of(site, host)]
    if len(places) > 1 and not own:
        listed = ", ".join(place.pair.key for place in places)
        raise AmbiguousError(host, f"has several keys: {listed}", "revoke those that are not in use")
    return (own or places)[0]


def rollover_of(inventory: Inventory, place: HostPair) -> Rollover | None:
    """Return the rollover of a host, or None where there is none."""
    begun = remembered(inventory).get(place.host)
    return _rollover(inventory, place, begun) if begun else None


def rollovers(site: Site, inventory: Inventory) -> list[Rollover]:
    """Return all that have not ended and are of hosts whose keys are here."""
    found = []
    for host, begun in remembered(inventory).items():
        try:
            place = place_of(site, inventory, host)
        except (MissingInputError, AmbiguousError, DataError):
            continue
        found.append(_rollover(inventory, place, begun))
    return found


def _is_ours(site: Site, row: CertificateRow) -> bool:
    return row.profile in HOST_PROFILES and row.is_on(site.machine) and row.key_id is not None


def _rollover(inventory: Inventory, place: HostPair, begun: Begun) -> Rollover:
    if place.row.key_id == begun.new:
        rows = inventory.listing(host=place.host, state=State.ISSUED)
        since = min((row.created for row in rows if row.key_id == begun.new), default=begun.at)
        return Rollover(begun, Stage.SWITCHED, max(since, begun.at))
    if place.row.key_id == begun.old and key_id(place.pair.next_key) == begun.new:
        return Rollover(begun, Stage.PUBLISHING, begun.at)
    return Rollover(begun, Stage.LOST, begun.at)


# The records of a host that are to be published now.

PORT = 25
CHAIN = "2 1 1 counts only if the server sends its CA's certificate (Sendmail: the CA in confCACERT)"


@dataclass(frozen=True)
class Zone:
    """What belongs into the zone of a host.

    Attributes:
        host: its full name.
        records: the host's own key first; that of the other key while a rollover is half-way; its CA's.
        rollover: what is half-way.
        ttl: of the records; None leaves it to the zone.
    """

    host: str
    records: tuple[Tlsa, ...]
    rollover: Rollover | None
    ttl: timedelta | None

    def lines(self, ports: Sequence[int]) -> list[str]:
        """Return lines of a zone file, comments among them."""
        seconds = None if self.ttl is None else self.ttl // timedelta(seconds=1)
        lines = [zone_line(record, self.host, port, seconds) for port in ports for record in self.records]
        anchors = any(record.usage != DANE_EE for record in self.records)
        return [*lines, *([f"; {CHAIN}"] if anchors else [])]


def zone(site: Site, which: str, path: str, ttl: timedelta | None = None) -> Zone:
    """Return the records of a host's certificate and of the CA that signed it.

    Args:
        site: where.
        which: a host, or what else :func:`smtpcreds.ca.lookup.find` takes.
        path: the word as an absolute path.
        ttl: of the records; that of a rollover unless given.
    """
    found = find(site, which, path)
    host = found.row.host if found.row else site.qualify(which)
    half = _half_way(site, host)
    own = end_entity(found.certificate)
    other = [Tlsa(DANE_EE, bytes.fromhex(half.other))] if half and half.stage is not Stage.LOST else []
    anchors = [trust_anchor(ca) for ca in _issuers(site, found)]
    if half and ttl is None:
        ttl = half.begun.ttl
    return Zone(host, tuple(dict.fromkeys([own, *other, *anchors])), half, ttl)


def _half_way(site: Site, host: str) -> Rollover | None:
    if not has_inventory(site):
        return None
    with reading(site) as inventory:
        try:
            return rollover_of(inventory, place_of(site, inventory, host))
        except MissingInputError:  # its key is kept elsewhere, where the rollover is known
            return None


def _issuers(site: Site, found: Found) -> Iterator[Certificate]:
    """Yield the CA that signed, and ours where that one was replaced: it signs the next certificate."""
    ca = CA(site)
    ours = ca.trusted if ca.is_there else ()
    directory = os.path.dirname(found.path) if found.path else found.pair.directory if found.pair else ""
    beside = bundled(directory) if directory else ()
    above = climb(found.certificate, (*found.others, *ours, *beside))[1:2]
    yield from above
    if any(one in ours for one in above):
        yield ca.certificate


# The steps of a rollover: a next key, the switch to it, the end of the old record.

MAX_TTL = timedelta(weeks=4)
"""A typing error beyond."""


@dataclass(frozen=True)
class NextKey:
    """What ``tlsa next`` is asked for.

    Attributes:
        host: as typed.
        ttl: of the records in the zone.
        key_type: name of the type; None takes that of the key in use.
        force: let a new key take the place of one that waits.
    """

    host: str
    ttl: timedelta
    key_type: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.ttl <= MAX_TTL:
            raise UsageError("--ttl", f"takes 1 to {MAX_TTL // timedelta(seconds=1)} seconds")
        if self.key_type:
            parse_key_type(self.key_type)


def next_key(work: Transaction, wanted: NextKey) -> Begun:
    """Make the next key of a host, beside the one in use; one that waits already is taken again."""
    site, inventory = work.site, work.require_inventory()
    place = place_of(site, inventory, wanted.host)
    if standing := _standing(inventory, place, wanted):
        return standing
    check(place.pair.directory)
    new = _waiting(place, wanted)
    if new is None:
        key = generate(_key_type(place.pair, wanted))
        new = public_id(key)
        prepare(site, place.pair.directory)
        write_all([Artifact(place.pair.next_key, encode_key(key))])
    begun = Begun(place.host, new, place.row.key_id or "", wanted.ttl, work.now)
    with inventory.transaction():
        remember(inventory, begun)
        work.record("tlsa next", place.host, f"3 1 1 {new}")
    return begun


def _standing(inventory: Inventory, place: HostPair, wanted: NextKey) -> Begun | None:
    """Return a rollover that has begun with this TTL; None where one is to begin."""
    half = rollover_of(inventory, place)
    if half and half.stage is Stage.SWITCHED:
        reason = "uses its next key already, and the record of the old one has not been retired"
        raise DataError(place.host, reason, f"smtpcreds tlsa retire {quote(place.host)}")
    if half is None or half.stage is Stage.LOST or wanted.force or half.begun.ttl != wanted.ttl:
        return None
    return half.begun


def _waiting(place: HostPair, wanted: NextKey) -> str | None:
    """Return the public id of the key that waits and is taken again; one in use was left by a killed run."""
    path = place.pair.next_key
    if wanted.force or not exists(path) or key_id(path) == place.row.key_id:
        return None
    key = usable_key(path)
    if key is None:
        raise DataError(path, "is not a key that can be used", "--force to make another")
    if wanted.key_type and key_label(key) != parse_key_type(wanted.key_type).label:
        raise DataError(path, f"is a {key_label(key)} key that waits already", "--force to make another")
    return public_id(key)


def _key_type(pair: Pair, wanted: NextKey) -> KeyType:
    if wanted.key_type:
        return parse_key_type(wanted.key_type)
    key = usable_key(pair.key)
    default = parse_key_type("p256")
    return next((kind for kind in KEY_TYPES.values() if key and kind.label == key_label(key)), default)


def switch(
    work: Transaction,
    host: str,
    *,
    hook: Hook | None = None,
    resolver: Resolver | None = None,
    ports: Sequence[int] = (),
) -> Issued:
    """Renew the certificate of a host with its next key; one that a killed run began is completed.

    Args:
        work: whose authority signs.
        host: as typed.
        hook: tells the mail server.
        resolver: is asked whether the next key's record is published.
        ports: for which it has to be.
    """
    inventory = work.require_inventory()
    place = place_of(work.site, inventory, host)
    if (row := _completed(work, place, hook)) is not None:
        tell(work, hook)
        return reissued(work, row)
    half = _rollover_half_way(inventory, place, Stage.PUBLISHING)
    _refuse_early(half, work.now, "switch")
    if resolver:
        for port in ports:
            _refuse_unseen(work.site, half, port, resolver)
    return _only(renew(work, Renewals((half.begun.host,), next_key=True), hook=hook))


def _completed(work: Transaction, place: HostPair, hook: Hook | None) -> CertificateRow | None:
    """Return the certificate with the next key, where a killed run came that far, and told nobody."""
    half = rollover_of(work.inventory, place)
    if half is None or half.stage is not Stage.SWITCHED:
        return None
    here = (place.row.authority, place.row.serial)
    is_recovered = any((row.authority, row.serial) == here for row in work.recovered)
    return place.row if is_recovered or is_owed(work, hook) else None


def _only(done: Renewed) -> Issued:
    for outcome in done.outcomes:
        if isinstance(outcome, Refused):
            raise outcome.error
        return outcome
    raise MissingInputError("next key", "is gone", "smtpcreds tlsa next HOST")


def retire(work: Transaction, host: str, *, at_once: bool = False) -> str:
    """End a rollover: the old key's record is published no more. Returns the host."""
    inventory = work.require_inventory()
    place = place_of(work.site, inventory, host)
    half = _rollover_half_way(inventory, place, Stage.SWITCHED)
    if not at_once:
        _refuse_early(half, work.now, "retire")
    if key_id(place.pair.next_key) == place.row.key_id:
        remove(place.pair.next_key)
    with inventory.transaction():
        forget(work.site, inventory, place.host)
        work.record("tlsa retire", place.host, f"3 1 1 {half.begun.old}")
    return half.begun.host


def _rollover_half_way(inventory: Inventory, place: HostPair, stage: Stage) -> Rollover:
    """Return the rollover of a host if it is at this stage."""
    half = rollover_of(inventory, place)
    host = place.host
    if half is None:
        raise MissingInputError(host, "has no next key", f"smtpcreds tlsa next {quote(host)}")
    if half.stage is stage:
        return half
    reason, step = _ELSEWHERE[half.stage]
    raise DataError(host, reason, f"smtpcreds tlsa {step} {quote(host)}")


_ELSEWHERE = {
    Stage.PUBLISHING: ("still uses the old key", "switch"),
    Stage.SWITCHED: ("uses its next key already", "retire"),
    Stage.LOST: ("has lost its next key, or uses another one", "next"),
}
"""Of each stage why it is the wrong one, and the step to take there."""


def _refuse_early(half: Rollover, now: datetime, step: str) -> None:
    if now >= half.ready_at:
        return
    what = "the next key was made" if half.stage is Stage.PUBLISHING else "the switch"
    ttl, ready = _seconds(half.begun.ttl), f"{half.ready_at:%Y-%m-%d %H:%M} UTC"
    reason = f"too early: twice the TTL of {ttl} since {what} is over on {ready}"
    raise TooEarlyError(half.begun.host, reason, f"then: smtpcreds tlsa {step} {quote(half.begun.host)}")


def _refuse_unseen(site: Site, half: Rollover, port: int, resolver: Resolver) -> None:
    name, new = owner_name(half.begun.host, port), Tlsa(DANE_EE, bytes.fromhex(half.begun.new))
    answer = resolver.tlsa(name)
    if new.fields not in answer.records:
        reason = f"{resolver} does not give {new}"
        raise TooEarlyError(
            name, reason, f"publish what this prints: smtpcreds tlsa show {quote(half.begun.host)}"
        )
    if not answer.is_trusted:
        site.warn(
            f"{name}: {resolver} did not verify it by DNSSEC, without which senders ignore TLSA records"
        )


def _seconds(ttl: timedelta) -> str:
    return f"{ttl // timedelta(seconds=1)} s"


# MTA-STS and TLS reporting in words: what to publish, and what a private authority can't do for them.

MAX_AGE = 604_800
"""Seconds that senders keep the policy; a week (RFC 8461 section 3.2)."""


def texts(domain: str, host: str, at: datetime) -> list[str]:
    """Return the records and the policy of a domain whose mail one host takes.

    Args:
        domain: of the mail addresses.
        host: that the MX record names.
        at: makes the policy's id, which has to change with it.
    """
    return [
        "Servers on the Internet that deliver to port 25 check it in one of two ways:",
        "",
        "DANE (RFC 7672) works with a private CA, and needs a zone signed by DNSSEC:",
        f"  smtpcreds tlsa show {quote(host)}",
        "",
        "MTA-STS (RFC 8461) needs a certificate of a public CA on port 25 of every MX. With one of our own",
        "CA, senders that enforce the policy below deliver nothing. To install a public one:",
        f"  smtpcreds cert request {quote(host)}",
        "  smtpcreds cert install FILE --server",
        "Then a record, and the policy as a file of a web server, whose certificate is a public CA's too:",
        f'  _mta-sts.{domain}. IN TXT "v=STSv1; id={at:%Y%m%d%H%M%S}"',
        f"  https://mta-sts.{domain}/.well-known/mta-sts.txt, with lines that end in CR LF:",
        "    version: STSv1",
        "    mode: testing",
        f"    mx: {host}",
        f"    max_age: {MAX_AGE}",
        "Once reports are clean: mode: enforce, and another id.",
        "",
        "TLSRPT (RFC 8460) has senders report what failed, of both:",
        f'  _smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{domain}"',
    ]
