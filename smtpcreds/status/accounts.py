"""Relay accounts, the hosts that use them, and replacements that are half-way."""

from collections.abc import Iterable, Iterator
from itertools import islice

from ..accounts import AccountBook
from ..accounts.origin import database_of
from ..config import Site
from ..deploy.handed_out import handovers
from ..inventory import Inventory, Rotation, RotationState
from ..postgres import is_url
from .values import Account, Accounts, Change, Kind

SHOWN = 1000


def accounts(site: Site, inventory: Inventory | None, hosts: Iterable[str]) -> Accounts:
    """Return the accounts of the configured database; one that does not exist yet is empty.

    Args:
        site: where.
        inventory: says who was given which account.
        hosts: that may have been given a bundle.
    """
    book = AccountBook(site)
    names = book.listing().names
    recorded = book.database if is_url(book.database) else site.root.record(book.database)
    clients: dict[str, list[str]] = {}
    if inventory:
        clients = _clients(inventory.rotations.history(), recorded)
        for host in dict.fromkeys(hosts):
            _add_handover(clients, inventory, host)
    shown = (Account(name, tuple(clients.get(name, ()))) for name in islice(names, SHOWN))
    return Accounts(book.database, len(names), tuple(shown))


def account_changes(site: Site, inventory: Inventory | None) -> Iterator[Change]:
    """Yield the replacements that are half-way; an interrupted one is to be settled at once."""
    for row in inventory.rotations.unfinished() if inventory else ():
        is_open = row.state is RotationState.OPEN
        account = AccountBook(site, database_of(site, row.sasldb)).shown(row.account)
        step = "--due" if row.retire_after or not is_open else f"{account} --retire"
        until = row.retire_after if is_open else row.started
        yield Change(
            kind=Kind.ACCOUNT,
            old=str(row.account),
            new=str(row.successor),
            since=row.started,
            until=until,
            note="both accounts work" if is_open else f"an interrupted run left it {row.state}",
            next=f"smtpcreds sasl rotate {step}",
        )


def _clients(history: Iterable[Rotation], database: str) -> dict[str, list[str]]:
    """Return the hosts that were named for each account, by :attr:`Account.name`.

    They are known from replacements: who needs the successor's secret had the one before it.
    """
    found: dict[str, list[str]] = {}
    for row in history:
        if row.sasldb == database and row.state is not RotationState.ABANDONED:
            for account in (row.successor, row.account):
                found.setdefault(str(account), list(row.clients))
    return found


def _add_handover(clients: dict[str, list[str]], inventory: Inventory, host: str) -> None:
    """Add a host to the account that its last bundle had."""
    given = handovers(inventory.events(subject=host)).get(host)
    if given and host not in (known := clients.setdefault(given.account, [])):
        known.append(host)
