"""Who has the secret of an account, as far as the program knows: from bundles and replacements."""

from collections.abc import Iterable, Iterator

from ..accounts.database import AccountDatabase, recorded_place
from ..ca.layout import has_inventory, reading
from ..config import Site
from ..errors import DamagedFileError, UnsafePathError
from ..files import exists, read_private
from ..inventory.inventory import Inventory
from ..inventory.rotations import Rotation, RotationState
from ..lazy import dataclass
from ..model import Account, Credential
from ..shell import quote
from .delivery import PULL, Handover, NextBundles, account_option, handovers, stays, users


@dataclass(frozen=True)
class Holders:
    """Those that an account's end or new secret concerns.

    Attributes:
        hosts: client hosts that were given it, by a bundle or a replacement.
        places: where its secret went when it replaced another account, and this host's own file.
        rotation: the replacement under way that it is part of.
    """

    hosts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    rotation: Rotation | None = None


def holders(site: Site, accounts: AccountDatabase, account: Account) -> Holders:
    """Return who has the secret of an account."""
    from ..accounts.rotation import under_way

    places = _own_files(site, accounts, account)
    if not has_inventory(site):
        return Holders((), places)
    with reading(site) as inventory:
        place = recorded_place(site, accounts.database)
        of_rotations = [row for row in inventory.rotations.history() if row.sasldb == place]
        hosts = clients(inventory, place).get(str(account), [])
        named = (row.places for row in of_rotations if row.successor == account)
        kept = next(named, ())
    return Holders(tuple(hosts), (*kept, *places), under_way(site, accounts, account))


def ways_to_clients(site: Site, account: Account, hosts: Iterable[str]) -> Iterator[str]:
    """Yield for each host, which is named, how it gets the account's secret: by a command, or by itself."""
    given: dict[str, Handover] = {}
    fetching: set[str] = set()
    if has_inventory(site):
        with reading(site) as inventory:
            given = handovers(inventory.deliveries())
            fetching = inventory.pulls.hosts()
    bundles = NextBundles(site, fetching)
    for host in hosts:
        new = f"smtpcreds bundle {quote(host)}{account_option(site, account)}"
        without = PULL if host in fetching else new
        way = bundles.command(given[host], account) if host in given else without
        yield f"for {host}: {f'its timer fetches it; at once, {PULL}' if way == PULL else way}"


def clients(inventory: Inventory, database: str, hosts: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Return the hosts that have each account, by ``user@realm``.

    Known from replacements, in which who needs the successor's secret had the one before it, and from the
    last bundle of each host.

    Args:
        inventory: says so.
        database: as it is recorded.
        hosts: whose bundles are looked at, each once; None for all.
    """
    if hosts is None:
        return {name: sorted(held) for name, held in users(inventory, database).items() if name}
    found: dict[str, list[str]] = {}
    for row in inventory.rotations.history():
        if row.sasldb == database and row.state is not RotationState.ABANDONED:
            named = [host for host in row.clients if stays(inventory, host, row.started)]
            for account in (row.successor, row.account):
                found.setdefault(str(account), list(named))
    hosts = list(hosts)
    last = handovers(inventory.deliveries_to(hosts))
    for given in (last[host] for host in hosts if host in last):
        if given.account and given.host not in (known := found.setdefault(given.account, [])):
            known.append(given.host)
    return found


def _own_files(site: Site, accounts: AccountDatabase, account: Account) -> tuple[str, ...]:
    """Return this host's default-auth-info, if it is of this account."""
    from ..mta.auth_info import DEFAULT_PATH, parse

    path = site.path(DEFAULT_PATH)
    try:
        found = parse(read_private(path), path) if exists(path) else None
    except (DamagedFileError, UnsafePathError):  # the audit says why
        return ()
    is_its = found and found.authcid == Credential(account, found.secret, accounts.site.realm).login
    return (path,) if is_its else ()


def accounts_of(site: Site, host: str) -> dict[Account, tuple[str, ...]]:
    """Return the accounts of a host that are still there, each with the other hosts that have it."""
    accounts = AccountDatabase(site)
    if not has_inventory(site):
        return {}
    with reading(site) as inventory:
        known = clients(inventory, recorded_place(site, accounts.database))
    there = set(accounts.listing().names)
    held = {name: hosts for name, hosts in known.items() if host in hosts and name in there}
    return {
        accounts.existing(name): tuple(other for other in hosts if other != host)
        for name, hosts in held.items()
    }
