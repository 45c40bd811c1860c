"""What ``cert renew --due`` does besides where the configuration says so: other secrets, another authority.

Nothing is ended that a client host is known to need: :func:`without_successor`, :func:`in_need_of_old`; no
account by a person either, unless by a date or with force: :func:`verify_unused`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from .accounts.database import AccountDatabase, recorded_place
from .accounts.rotation import Request, begin, retire, retire_due
from .ca.authority import CA
from .ca.issue import Issued, Refused
from .ca.old import of_unknown_use, old_authorities, old_hosts
from .ca.reload import Hook, owe, tell
from .ca.renew import Renewals, Upkeep, old_rows, renew
from .ca.rollover import retire as retire_authorities
from .ca.rollover import roll_over, successor
from .ca.root import RootKey
from .config import Site
from .deploy.delivery import PULL, Handover, NextBundles, gets_bundles, handovers, stays
from .errors import DeniedError, SmtpcredsError
from .inventory.inventory import Inventory
from .inventory.pulls import Pull
from .inventory.rotations import Rotation, RotationState
from .inventory.rows import HANDOVER, State
from .passwords import generate
from .pki.dates import Period, has_ended, successor_due
from .pki.names import title
from .pki.values import Certificate
from .transaction import Transaction


def keep_up(work: Transaction, *, hook: Hook | None = None, told: bool = False) -> Upkeep:
    """Do what ``sasl.rotate_every``, ``ca.rollover`` and ``ca.retire`` ask for.

    Args:
        work: where.
        hook: tells the mail server of other certificates and authorities.
        told: this run told it already. A Sendmail that is told again while it starts anew ends, so a
            run takes one step of an authority, and the next run the next.
    """
    outcomes: list[Rotation | SmtpcredsError] = []
    if work.site.settings.sasl.rotate_every:
        outcomes += retire_due(work)
        outcomes += [_tried(work, row) for row in unused(work.site, work.inventory)]
        outcomes += [_begun(work, name) for name in list(_to_rotate(work))]
    rows = [row for row in outcomes if not isinstance(row, SmtpcredsError)]
    failed = [error for error in outcomes if isinstance(error, SmtpcredsError)]
    begun = tuple(row for row in rows if row.state is RotationState.OPEN)
    ended = tuple(row for row in rows if row.state is RotationState.RETIRED)
    kept = Upkeep(begun, ended, failed=tuple(failed), postponed=told)
    for step in () if told else (_succeeded, _renewed, _retired_authorities):
        try:
            after = step(work, hook, kept)
        except SmtpcredsError as error:
            return replace(kept, failed=(*kept.failed, error))
        if after is not kept:
            return after
    return kept


def _tried(work: Transaction, row: Rotation) -> Rotation | SmtpcredsError:
    try:
        return retire(work, Request(row.account, None, row.sasldb))
    except SmtpcredsError as error:
        return error


def _begun(work: Transaction, name: str) -> Rotation | SmtpcredsError:
    accounts = AccountDatabase(work.site)
    wanted = Request(accounts.parse(name), None, recorded_place(work.site, accounts.database))
    try:
        return begin(work, wanted, partial(generate))  # a question of its own, so a secret of its own
    except SmtpcredsError as error:
        return error


def _to_rotate(work: Transaction) -> Iterator[str]:
    """Yield the accounts of hosts that fetch their bundles that are due; a person copies those of others."""
    site, inventory = work.site, work.inventory
    accounts = AccountDatabase(site)
    place = recorded_place(site, accounts.database)
    half_way = {
        str(name) for row in inventory.rotations.unfinished() for name in (row.account, row.successor)
    }
    held = {pull.account for pull in _pulls(site, inventory).values()} - half_way - {""}
    every = timedelta(days=int(site.settings.sasl.rotate_every.removesuffix("d")))
    for name in sorted(held):
        since = _since(inventory, place, name)
        if since is not None and work.now - since >= every and accounts.parse(name) in accounts:
            yield name


def _since(inventory: Inventory, place: str, name: str) -> datetime | None:
    """Return when the secret came into use: made by a replacement, else first handed to a client host."""
    for row in inventory.rotations.history():
        if row.sasldb == place and str(row.successor) == name and row.state is not RotationState.ABANDONED:
            return row.started
    given = inventory.events(what=HANDOVER)
    return min((event.at for event in given if event.detail.startswith(f"account {name},")), default=None)


# The life of an authority: a successor, certificates of it here once all client hosts trust it, and its end.


def _succeeded(work: Transaction, hook: Hook | None, kept: Upkeep) -> Upkeep:
    """Make a new authority where the present one is due, one at a time; the root too if that ends as soon."""
    path = work.ca.chain
    ends = (former.certificate.not_valid_after_utc for former in work.ca.superseded_cas)
    is_under_way = any(not has_ended(end, work.now) for end in ends)
    is_wanted = work.site.settings.ca.rollover == "when-due" and not is_under_way
    if not is_wanted or not _is_ending(work, path):
        return kept
    owe(work, hook)
    done = roll_over(work, successor(work), RootKey(new=_is_ending(work, path[1:])))
    tell(work, hook)
    return replace(kept, successor=title(done.certificate))


def _is_ending(work: Transaction, path: Sequence[Certificate]) -> bool:
    if not path:
        return False
    end = min(ca.not_valid_after_utc for ca in path)
    lifetime = timedelta(days=work.site.settings.cert.days)
    return successor_due(Period(path[0].not_valid_before_utc, end), lifetime, work.now) is not None


def _renewed(work: Transaction, hook: Hook | None, kept: Upkeep) -> Upkeep:
    """Renew what the old authority has signed here, once no client host is known to trust that one alone."""
    is_wanted = work.site.settings.ca.retire == "when-unused" and work.ca.superseded_cas
    if not is_wanted or not old_rows(work.site, work.inventory, work.ca) or _without_new(work):
        return kept
    done = renew(work, Renewals(old_authority=True), hook=hook)
    hosts = tuple(item.order.host for item in done.outcomes if isinstance(item, Issued))
    refused = tuple(item.error for item in done.outcomes if isinstance(item, Refused))
    return replace(kept, renewed=hosts, failed=(*kept.failed, *refused))


def _without_new(work: Transaction) -> bool:
    site, inventory, ca = work.site, work.inventory, work.ca
    old = old_authorities(inventory, ca)
    rows = inventory.listing(latest=True, expires_after=work.now)
    by_hand = any(row.authority in old and not row.directory for row in rows)
    return by_hand or bool(_of_old(site, inventory, ca))


def _retired_authorities(work: Transaction, hook: Hook | None, kept: Upkeep) -> Upkeep:
    is_wanted = work.site.settings.ca.retire == "when-unused" and work.ca.superseded_cas
    if not is_wanted or in_need_of_old(work.site, work.inventory, work.ca):
        return kept
    if of_unknown_use(work.inventory, work.ca, work.now):
        return kept
    owe(work, hook)
    done = retire_authorities(work, RootKey())
    tell(work, hook)
    return replace(kept, authorities=done.names)


# Who still needs what is to go: hosts that fetch their bundles, and those that were given theirs by hand.


def unused(site: Site, inventory: Inventory) -> list[Rotation]:
    """Return the open replacements whose old account no client host has; those with a date wait for it.

    One of whose successor nobody has come is not among them: who uses such an account is not known.
    """
    place = recorded_place(site, site.sasldb)
    return [
        row
        for row in inventory.rotations.unfinished()
        if row.state is RotationState.OPEN
        and row.sasldb == place
        and row.retire_after is None
        and str(row.successor) in _in_use(inventory)
        and not without_successor(site, inventory, row)
    ]


def _in_use(inventory: Inventory) -> set[str]:
    by_hand = handovers(inventory.deliveries()).values()
    return {pull.account for pull in inventory.pulls.all()} | {given.account for given in by_hand}


def without_successor(site: Site, inventory: Inventory, rotation: Rotation) -> list[str]:
    """Return the hosts that are not known to have the successor's secret.

    A host that was shut out is waited for no more.
    """
    new = str(rotation.successor)
    lacking = {
        *with_old(site, inventory, rotation),
        *(one.host for one in _pulls(site, inventory).values() if one.account == new and one.held is None),
        *(host for host in rotation.clients if _is_waited_for(inventory, host, rotation)),
    }
    return sorted(lacking)


def with_old(site: Site, inventory: Inventory, rotation: Rotation) -> list[str]:
    """Return the hosts whose last bundle has the old account; bundles are of the configured database."""
    if rotation.sasldb != recorded_place(site, site.sasldb):
        return []
    given: list[Pull | Handover] = [*_pulls(site, inventory).values(), *_by_hand(inventory).values()]
    return sorted({one.host for one in given if one.account == str(rotation.account)})


def verify_unused(work: Transaction, rotation: Rotation) -> None:
    """Refuse to end an account that the last bundle of a client host has.

    Raises:
        DeniedError: names the hosts.
    """
    if hosts := with_old(work.site, work.inventory, rotation):
        more = f" and {len(hosts) - _SHOWN} more" if len(hosts) > _SHOWN else ""
        reason = f"is still the account of {', '.join(hosts[:_SHOWN])}{more}, by the last bundle"
        way = to_successor(work.site, work.inventory, hosts[0], rotation)
        raise DeniedError(str(rotation.account), reason, f"{way}; or --force, which ends their mail")


def to_successor(site: Site, inventory: Inventory, host: str, rotation: Rotation) -> str:
    """Return how a host whose bundles have the old account comes to the successor's secret."""
    given = _by_hand(inventory).get(host)
    return NextBundles(site, ()).command(given, rotation.successor) if given else PULL


_SHOWN = 3
"""Hosts of a refusal."""


def _is_waited_for(inventory: Inventory, host: str, rotation: Rotation) -> bool:
    """Tell whether a host that was named has neither fetched the successor's secret nor left."""
    given = handovers(inventory.deliveries_to([host])).get(host)
    has_it = given is not None and given.account == str(rotation.successor)
    return not has_it and stays(inventory, host, rotation.started)


def in_need_of_old(site: Site, inventory: Inventory, ca: CA) -> list[str]:
    """Return the hosts that are not known to have a certificate of the authority that signs now."""
    return list(dict.fromkeys((*old_hosts(site, inventory), *_of_old(site, inventory, ca))))


def _of_old(site: Site, inventory: Inventory, ca: CA) -> list[str]:
    """Return the client hosts among them that were given anything."""
    old = old_authorities(inventory, ca)
    fetching = {host: pull for host, pull in _pulls(site, inventory).items() if pull.serial}
    unsaid = (host for host, pull in fetching.items() if pull.held is None)
    serials = {host: pull.serial for host, pull in fetching.items()}
    serials |= {host: given.serial for host, given in _by_hand(inventory).items()}
    late = (host for host, serial in serials.items() if _is_of(inventory, host, serial, old, site.clock()))
    return [*unsaid, *late]


def _is_of(inventory: Inventory, host: str, serial: str, authorities: set[int], now: datetime) -> bool:
    rows = inventory.listing(host=host, expires_after=now)
    return any(row.serial == serial and row.authority in authorities for row in rows)


def _pulls(site: Site, inventory: Inventory) -> dict[str, Pull]:
    """Return by name the hosts that fetch their bundles and get any."""
    pulls = inventory.pulls.all()
    return {pull.host: pull for pull in pulls if gets_bundles(site, inventory, pull.host)}


def _by_hand(inventory: Inventory) -> dict[str, Handover]:
    """Return what the others were given that still have a certificate."""
    fetching = inventory.pulls.hosts()
    given = handovers(inventory.deliveries())
    return {
        host: one
        for host, one in given.items()
        if host not in fetching and next(inventory.listing(host=host, state=State.ISSUED, limit=1), None)
    }
