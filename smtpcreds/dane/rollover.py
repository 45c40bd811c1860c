"""The steps of a rollover: a next key, the switch to it, the end of the old record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..authority.install import check, prepare
from ..authority.issue import Issued, Refused
from ..authority.layout import Pair
from ..authority.placing import key_id, usable_key
from ..authority.reload import Hook, is_owed, tell
from ..authority.renew import Renewed, reissued, renew
from ..authority.renewals import Renewals
from ..config import Site
from ..dns import Resolver
from ..errors import DataError, MissingInputError, TooEarlyError, UsageError
from ..files import exists, remove, write_all
from ..inventory import Certificate, Inventory
from ..model import Artifact
from ..pki.keyfile import encode_key
from ..pki.keys import KEY_TYPES, KeyType, generate, key_label, parse_key_type, public_id
from ..pki.tlsa import DANE_EE, Tlsa, owner_name
from ..transaction import Transaction
from .memory import Begun, forget, remember
from .state import Place, Rollover, Stage, place_of, rollover_of

MAX_TTL = timedelta(weeks=4)
"""A typing error beyond."""


@dataclass(frozen=True, slots=True)
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
    """Make the next key of a host, beside the one in use; one that waits already is taken again.

    Raises:
        MissingInputError, AmbiguousError: as :func:`.state.place_of`.
        DataError: the last rollover has not ended, or the key that waits can't be used.
    """
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


def _standing(inventory: Inventory, place: Place, wanted: NextKey) -> Begun | None:
    """Return a rollover that has begun with this TTL; None where one is to begin.

    Raises:
        DataError: one is half-way in its second half.
    """
    half = rollover_of(inventory, place)
    if half and half.stage is Stage.SWITCHED:
        reason = "uses its next key already, and the record of the old one has not been retired"
        raise DataError(place.host, reason, f"smtpcreds tlsa retire {place.host}")
    if half is None or half.stage is Stage.ASTRAY or wanted.force or half.begun.ttl != wanted.ttl:
        return None
    return half.begun


def _waiting(place: Place, wanted: NextKey) -> str | None:
    """Return the public id of the key that waits and is taken again; one in use was left by a killed run."""
    path = place.pair.next_key
    if wanted.force or not exists(path) or key_id(path) == place.row.key_id:
        return None
    key = usable_key(path)
    if key is None:
        raise DataError(path, "is no key that can be used", "--force to make another")
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

    Raises:
        MissingInputError: there is no next key.
        DataError: the host uses it already, or the certificate is another CA's.
        TooEarlyError: twice the TTL has not passed, or the resolver does not give the record.
        UnavailableError: the resolver does not answer.
    """
    inventory = work.require_inventory()
    place = place_of(work.site, inventory, host)
    if (row := _completed(work, place, hook)) is not None:
        tell(work, hook)
        return reissued(work, row)
    half = _half_way(inventory, place, Stage.PUBLISHING)
    _refuse_early(half, work.now, "switch")
    if resolver:
        for port in ports:
            _refuse_unseen(work.site, half, port, resolver)
    return _only(renew(work, Renewals((half.begun.host,), next_key=True), hook=hook))


def _completed(work: Transaction, place: Place, hook: Hook | None) -> Certificate | None:
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
    """End a rollover: the old key's record is published no more. Returns the host.

    Raises:
        MissingInputError: nothing is half-way.
        DataError: the host still uses the old key.
        TooEarlyError: twice the TTL has not passed since the switch, unless ``at_once``.
    """
    inventory = work.require_inventory()
    place = place_of(work.site, inventory, host)
    half = _half_way(inventory, place, Stage.SWITCHED)
    if not at_once:
        _refuse_early(half, work.now, "retire")
    if key_id(place.pair.next_key) == place.row.key_id:
        remove(place.pair.next_key)
    with inventory.transaction():
        forget(work.site, inventory, place.host)
        work.record("tlsa retire", place.host, f"3 1 1 {half.begun.old}")
    return half.begun.host


def _half_way(inventory: Inventory, place: Place, stage: Stage) -> Rollover:
    """Return the rollover of a host if it is at this stage."""
    half = rollover_of(inventory, place)
    host = place.host
    if half is None:
        raise MissingInputError(host, "has no next key", f"smtpcreds tlsa next {host}")
    if half.stage is stage:
        return half
    reason, step = _ELSEWHERE[half.stage]
    raise DataError(host, reason, f"smtpcreds tlsa {step} {host}")


_ELSEWHERE = {
    Stage.PUBLISHING: ("still uses the old key", "switch"),
    Stage.SWITCHED: ("uses its next key already", "retire"),
    Stage.ASTRAY: ("has lost its next key, or uses another one", "next"),
}
"""Of each stage why it is the wrong one, and the step to take there."""


def _refuse_early(half: Rollover, now: datetime, step: str) -> None:
    if now >= half.ready_at:
        return
    what = "the next key was made" if half.stage is Stage.PUBLISHING else "the switch"
    ttl, ready = _seconds(half.begun.ttl), f"{half.ready_at:%Y-%m-%d %H:%M} UTC"
    reason = f"too early: twice the TTL of {ttl} since {what} is over on {ready}"
    raise TooEarlyError(half.begun.host, reason, f"then: smtpcreds tlsa {step} {half.begun.host}")


def _refuse_unseen(site: Site, half: Rollover, port: int, resolver: Resolver) -> None:
    name, new = owner_name(half.begun.host, port), Tlsa(DANE_EE, bytes.fromhex(half.begun.new))
    answer = resolver.tlsa(name)
    if new.fields not in answer.records:
        reason = f"{resolver} does not give {new}"
        raise TooEarlyError(name, reason, f"publish what this prints: smtpcreds tlsa show {half.begun.host}")
    if not answer.is_trusted:
        site.warn(
            f"{name}: {resolver} did not verify it by DNSSEC, without which senders ignore TLSA records"
        )


def _seconds(ttl: timedelta) -> str:
    return f"{ttl // timedelta(seconds=1)} s"
