"""Who still has a secret that no longer works: files that were written here, and hosts by their bundles."""

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from ..accounts.auth_info import auth_info_for_clients, is_readable, secret_in
from ..accounts.database import AccountDatabase, database_of, recorded_place
from ..accounts.rotation import latest
from ..ca.layout import ca_files, has_inventory, reading
from ..config import Site
from ..errors import (
    DamagedFileError,
    MissingInputError,
    NameRefusedError,
    NoSuchAccountError,
    SmtpcredsError,
    UnsafePathError,
)
from ..files import exists, is_directory, names_in, read_private
from ..inventory.inventory import Inventory
from ..inventory.rotations import RotationState
from ..inventory.rows import CertificateRow
from ..lazy import dataclass
from ..model import Account, parse_account
from ..mta.auth_info import DEFAULT_PATH, is_sample, parse
from ..shell import quote
from ..transaction import Transaction
from .delivery import NEW_SECRET, Handover, NextBundles, handovers, kept_for, was_revoked


@dataclass(frozen=True)
class Outdated:
    """One that has a secret of an account that no longer opens it.

    Attributes:
        holder: path of a default-auth-info, or name of a client host.
        reason: why the secret no longer works.
        cure: what gives the holder one that does.
    """

    holder: str
    reason: str
    cure: str


# Files: of the state directory, those that a replacement named, and this host's own.


def outdated_files(site: Site, inventory: Inventory | None) -> Iterator[Outdated]:
    """Yield each default-auth-info made here whose secret does not open its account."""
    opened: dict[str, AccountDatabase] = {}
    for path, (account, database) in _written(site, inventory).items():
        accounts = opened.setdefault(database, AccountDatabase(site, database))
        with suppress(MissingInputError, NoSuchAccountError):  # the file or its account is gone
            if found := _of_file(accounts, account, path):
                yield found


def _written(site: Site, inventory: Inventory | None) -> dict[str, tuple[Account, str]]:
    """Return account and database by path; the newest replacement says what a place is for."""
    rows = [row for row in inventory.rotations.history() if _counts(row.state)] if inventory else []
    databases = {row.successor: database_of(site, row.sasldb) for row in reversed(rows)}
    own = _own(site)
    found = {path: (account, site.sasldb) for path, account in own.items()}
    for row in reversed(rows):
        found |= {
            place: (row.successor, databases[row.successor]) for place in row.places if place[:1] == "/"
        }
    for account in _with_file(site):
        found[auth_info_for_clients(site, account)] = account, databases.get(account, site.sasldb)
    return found


def _counts(state: RotationState) -> bool:
    return state not in {RotationState.ABANDONED, RotationState.ABANDONING, RotationState.BEGUN}


def _with_file(site: Site) -> Iterator[Account]:
    directory = f"{site.state}/clients"
    for name in names_in(directory) if is_directory(directory) else ():
        with suppress(NameRefusedError):
            yield parse_account(name, site.realm)


def _own(site: Site) -> dict[str, Account]:
    """Return this host's default-auth-info, if it is of an account in the relay's realm on the hub itself."""
    path = site.path(DEFAULT_PATH)
    with suppress(DamagedFileError, NameRefusedError, UnsafePathError):  # other checks speak of it
        if (
            exists(path)
            and exists(ca_files(site).certificate)
            and not is_sample(content := read_private(path))
        ):
            found = parse(content, path)
            account = parse_account(found.authcid, found.realm or site.realm)
            return {path: account} if account.realm == site.realm else {}
    return {}


def _of_file(accounts: AccountDatabase, account: Account, path: str) -> Outdated | None:
    from ..accounts.verify import opens_any

    secret = secret_in(accounts, account, path)
    if secret is None:
        return None
    name = accounts.shown(account)
    if account not in accounts:
        other = f"smtpcreds sasl auth-info NAME --to {quote(path)} --force"
        reason = f"has the secret of {account}, which is not in {accounts.database}"
        cure = f"rm {quote(path)}, or give it another account: {other}"
        return Outdated(path, reason, _or_bring_back(accounts, cure))
    held = accounts.properties(account)
    if opens_any(held, account, secret):
        return None
    ways = (f"auth-info {name} --to", f"passwd {name} --auth-info")
    verb = ways[0] if is_readable(accounts, account) else ways[1]
    cure = f"smtpcreds sasl {verb} {quote(path)} --force"
    return Outdated(path, f"has a former secret of {account}, which no longer works", cure)


def _or_bring_back(accounts: AccountDatabase, cure: str) -> str:
    """Return the cure; where there is no account at all, the database may be yet to come from its export."""
    return cure if accounts.records() else f"after a restore: smtpcreds sasl import FILE; else: {cure}"


def _in(place: str) -> str:
    return f"in {place}"


# Client hosts: what they were given, and what has become of those accounts since.


def record_new_secrets(work: Transaction, accounts: AccountDatabase, changed: Iterable[Account]) -> None:
    """Record a new secret, or the end, of each account that client hosts were given."""
    if not has_inventory(work.site):
        return
    try:
        with reading(work.site) as inventory:
            given = {one.account for one in handovers(inventory.deliveries()).values()}
        place = recorded_place(work.site, accounts.database)
        if names := sorted(given & set(map(str, changed))):
            work.record_all(NEW_SECRET, [(name, _in(place)) for name in names])
    except SmtpcredsError as error:  # the secret is changed all the same
        work.warn(f"which client hosts have the old secret is not recorded: {error}")


def outdated_hosts(site: Site, inventory: Inventory) -> Iterator[Outdated]:
    """Yield the hosts whose last bundle has an account that is gone, or a secret that it had before.

    One that was revoked is to have none that works.
    """
    accounts = AccountDatabase(site)
    place = recorded_place(site, accounts.database)
    fetching = inventory.pulls.hosts()
    bundles = NextBundles(site, fetching)
    for given, changed in sorted(_last_bundles(inventory, place), key=lambda one: one[0].host):
        account = accounts.existing(given.account)
        is_current = changed is None and account in accounts
        if is_current or was_revoked(_rows(site, inventory, given.host, fetching)):
            continue
        since = (
            f"was changed on {changed:%Y-%m-%d}" if account in accounts else f"is not in {accounts.database}"
        )
        reason = f"has the secret that {account} had on {given.at:%Y-%m-%d}; it {since}"
        cure = bundles.command(given, latest(inventory, place, account))
        if given.host not in fetching:
            cure += "; then install it on that host"
        yield Outdated(given.host, reason, _or_bring_back(accounts, cure))


def _rows(site: Site, inventory: Inventory, host: str, fetching: Container[str]) -> Iterable[CertificateRow]:
    return kept_for(site, inventory, host) if host in fetching else inventory.listing(host=host)


def _last_bundles(inventory: Inventory, place: str) -> Iterator[tuple[Handover, datetime | None]]:
    """Yield what each host was given last, and when the secret in it was changed since."""
    changed: dict[str, datetime] = {}
    hosts: set[str] = set()
    for event in inventory.deliveries():
        if event.what == NEW_SECRET:
            if event.detail == _in(place):
                changed.setdefault(event.subject, event.at)
        elif event.subject not in hosts:
            hosts.add(event.subject)
            given = handovers([event]).get(event.subject)
            if given and given.account:
                yield given, changed.get(given.account)
