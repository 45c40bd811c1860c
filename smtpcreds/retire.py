"""A host leaves: revoked, its pair and accounts removed, nothing of it waited for any more.

Each step leaves what the same command goes on with after a kill; the event at the end says that all is done.
"""

from collections.abc import Iterator, Sequence

from .accounts.auth_info import withdraw
from .accounts.database import AccountDatabase, recorded_place
from .ca.crl import owed, revoking_authorities
from .ca.directory import pair_at, rows_here
from .ca.layout import Pair, pair_of
from .ca.pair import certificate_in_place, read_previous_pair
from .ca.publish import Published, copy, keep_fresh, refresh_superseded_crls, stale_copies
from .ca.reload import Hook, is_owed, owe, tell
from .ca.revoke import revoke_rows
from .config import Site
from .dane import forget, remembered
from .deploy.delivery import RETIRED, retired_at, users
from .deploy.options import told_to_relay
from .errors import DataError, DeniedError, ExistsError, MissingInputError, NoSuchAccountError, number_of
from .files import exists, remove
from .inventory.inventory import Inventory
from .inventory.rows import CertificateRow, State
from .lazy import dataclass
from .model import Account
from .mta.programs import PROGRAMS
from .pki.describe import fingerprint
from .pki.revocation import Reason
from .shell import quote
from .transaction import Transaction


@dataclass(frozen=True)
class RetireRequest:
    """Who leaves.

    Attributes:
        host: as typed.
        reason: for the CRL.
        accounts: that go with it, whoever else uses them.
        own_accounts: all that it was given and no other host was go too.
        force: although it is the hub itself.
    """

    host: str
    reason: Reason = Reason.CESSATION_OF_OPERATION
    accounts: tuple[str, ...] = ()
    own_accounts: bool = False
    force: bool = False


@dataclass(frozen=True)
class Retired:
    """What was done.

    Attributes:
        revoked: the rows as they were before.
        crls: that list them.
        files: that were removed.
        accounts: that were deleted.
        kept: accounts that the host was given and that are still there, each with the other hosts that were.
    """

    host: str
    revoked: tuple[CertificateRow, ...]
    crls: tuple[Published, ...]
    files: tuple[str, ...]
    accounts: tuple[str, ...]
    kept: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Leaving:
    """All that there is of a host, looked over before the first change."""

    host: str
    rows: Sequence[CertificateRow]
    live: Sequence[CertificateRow]
    files: Sequence[str]
    accounts: Sequence[Account]
    kept: dict[str, tuple[str, ...]]

    @property
    def is_nothing(self) -> bool:
        in_use = any(row.state is State.ISSUED for row in self.rows)
        return not (self.live or self.files or self.accounts or in_use)


def retire(work: Transaction, wanted: RetireRequest, *, hook: Hook | None = None) -> Retired:
    """End a host: revoke what it could still show, remove what is here of it, and forget the rest.

    Args:
        work: whose authority revokes.
        wanted: who leaves, and with which accounts.
        hook: tells the mail server when all is done; a failure takes nothing back.
    """
    inventory = work.require_inventory()
    leaving = _look(work, wanted)
    if leaving.is_nothing and _is_retired(work, leaving, hook):
        copy(stale_copies(work))
        tell(work, hook)
        return Retired(leaving.host, (), (), (), (), leaving.kept)
    _warn(work, leaving)
    work.confirm(f"retire {leaving.host}")
    owe(work, hook)
    crls = _revoke(work, leaving, wanted.reason)
    for path in leaving.files:
        remove(path)
    for account in leaving.accounts:
        _delete(work, account)
    with inventory.transaction():
        inventory.forget(leaving.host, "host retired")
        if leaving.host in remembered(inventory):
            forget(work.site, inventory, leaving.host)
        work.record(RETIRED, leaving.host, _detail(leaving))
    tell(work, hook)
    names = tuple(map(str, leaving.accounts))
    return Retired(leaving.host, tuple(leaving.live), crls, tuple(leaving.files), names, leaving.kept)


def _look(work: Transaction, wanted: RetireRequest) -> _Leaving:
    site, inventory = work.site, work.inventory
    host = site.qualify(wanted.host, wildcard=True)
    if host == site.hub and not wanted.force:
        reason = "is this hub itself, and without a certificate no host can relay through it"
        raise DeniedError(host, reason, "--force, if it is to end")
    rows = list(inventory.listing(host=host))
    ours = revoking_authorities(inventory)
    live = [row for row in rows if row.authority in ours and _is_usable(work, row)]
    files = [path for pair in _pairs(site, host, rows) for path in _files(pair, rows)]
    given = _given(site, inventory, host)
    is_repeated = bool(rows) and (not live or retired_at(inventory, host) is not None)
    chosen = _chosen(work, wanted, given, is_repeated=is_repeated)
    kept = _kept(site, given, chosen)
    return _Leaving(host, rows, live, files, chosen, kept)


def _is_retired(work: Transaction, leaving: _Leaving, hook: Hook | None) -> bool:
    """Tell whether CRLs lack beside certificates, or the mail server was not told; refuse if all is done."""
    at = retired_at(work.inventory, leaving.host)
    if at is not None and (is_owed(work, hook) or stale_copies(work)):
        return True
    if at is not None:
        raise DataError(leaving.host, f"was retired on {at:%Y-%m-%d}; nothing of it is left")
    if not leaving.rows:
        reason = "is not in the inventory, and has no pair here"
        raise MissingInputError(leaving.host, reason, "smtpcreds cert list --all")
    return False


def _is_usable(work: Transaction, row: CertificateRow) -> bool:
    """Tell whether somebody may still show it: also one that was given up after it was signed."""
    is_out = row.state in {State.ISSUED, State.DISCARDED} and row.fingerprint is not None
    return is_out and row.not_after > work.now


# Revoking; or finishing the CRL of a run that was killed after it had recorded the revocations.


def _revoke(work: Transaction, leaving: _Leaving, reason: Reason) -> tuple[Published, ...]:
    if leaving.live:
        return revoke_rows(work, leaving.live, reason).crls
    authorities = revoking_authorities(work.inventory) & {row.authority for row in leaving.rows}
    if not any(owed(work.inventory, row) for row in work.inventory.authorities() if row.id in authorities):
        copy(stale_copies(work))
        return ()
    issuer = work.issuer()
    older, fresh = refresh_superseded_crls(work), keep_fresh(work, issuer)
    return (*older, *([fresh] if fresh else []))


def _warn(work: Transaction, leaving: _Leaving) -> None:
    """Tell of what this run can't end."""
    authorities = {row.id: row for row in work.inventory.authorities()}
    for row in leaving.rows:
        if row.state is State.ISSUED and row not in leaving.live and row.not_after > work.now:
            end, name = f"{row.not_after:%Y-%m-%d}", authorities[row.authority].name
            work.warn(f"{row.host}: {row.serial} to {end} can't be revoked here; {name} signed it")
    others = {row.machine for row in leaving.rows if row.directory and not row.is_on(work.site.machine)}
    for machine in sorted(others):
        work.warn(
            f"{leaving.host}: a pair is on {machine}; there: smtpcreds cert retire {quote(leaving.host)}"
        )
    if leaving.host in map(work.site.qualify, work.site.settings.mta.relay_hosts):
        work.warn(f"{work.site.settings_path}: mta.relay_hosts names {leaving.host}; take it out")
    for line in told_to_relay(work.site, leaving.host, *PROGRAMS.values()):
        work.warn(line)


# Files: the certificate goes before its key, so that a certificate on disk always has one.


def _pairs(site: Site, host: str, rows: Sequence[CertificateRow]) -> list[Pair]:
    installed = (pair_at(site, row) for row in rows_here(site, rows))
    return list(dict.fromkeys((pair_of(site, host), *installed)))


def _files(pair: Pair, rows: Sequence[CertificateRow]) -> Iterator[str]:
    if exists(pair.certificate) and not _is_of(pair, rows):
        reason = "is not a certificate of this host in the inventory; nothing was changed"
        raise ExistsError(pair.certificate, reason, f"look at it, and move it away with {pair.key}")
    certificates = (pair.previous_certificate, pair.certificate, pair.request)
    keys = (pair.previous_key, pair.next_key, pair.key)
    yield from filter(exists, (*certificates, *keys))


def _is_of(pair: Pair, rows: Sequence[CertificateRow]) -> bool:
    found = certificate_in_place(read_previous_pair(pair))
    return found is not None and fingerprint(found) in {row.fingerprint for row in rows}


# Accounts: those that are named, or that only this host was given.


def _given(site: Site, inventory: Inventory, host: str) -> dict[str, set[str]]:
    """Return the accounts that the host was given, each with the other hosts that were given it."""
    known = users(inventory, recorded_place(site, site.sasldb))
    return {account: hosts - {host} for account, hosts in known.items() if account and host in hosts}


def _chosen(
    work: Transaction, wanted: RetireRequest, given: dict[str, set[str]], *, is_repeated: bool
) -> list[Account]:
    """Return the accounts that go.

    Args:
        work: where.
        wanted: which are named.
        given: from :func:`_given`.
        is_repeated: a run before this one may have deleted them.
    """
    if not (wanted.accounts or wanted.own_accounts):
        return []
    accounts = work.accounts()
    chosen = {accounts.existing(name): None for name in wanted.accounts}
    missing = [account for account in chosen if account not in accounts]
    if missing and not is_repeated:
        reason = f"no such account in {accounts.database}"
        raise NoSuchAccountError(str(missing[0]), reason, "smtpcreds sasl list")
    own = (accounts.existing(name) for name, others in given.items() if wanted.own_accounts and not others)
    found = [account for account in dict.fromkeys((*chosen, *own)) if account in accounts]
    for account in found:
        _refuse_half_way(work, accounts, account)
    return found


def _refuse_half_way(work: Transaction, accounts: AccountDatabase, account: Account) -> None:
    recorded = recorded_place(work.site, work.site.sasldb)
    for row in work.inventory.rotations.unfinished():
        if row.sasldb == recorded and account in (row.account, row.successor):
            old = accounts.shown(row.account)
            hint = f"end that first: smtpcreds sasl rotate {old} --retire"
            raise DataError(str(account), f"is being replaced: from {row.account} to {row.successor}", hint)


def _kept(site: Site, given: dict[str, set[str]], chosen: Sequence[Account]) -> dict[str, tuple[str, ...]]:
    left = given.keys() - set(map(str, chosen))
    there = left.intersection(AccountDatabase(site).listing().names) if left else ()
    return {name: tuple(sorted(given[name])) for name in sorted(there)}


def _delete(work: Transaction, account: Account) -> None:
    accounts = work.accounts()
    withdraw(accounts, account)
    accounts.delete(account)


def _detail(leaving: _Leaving) -> str:
    accounts = "".join(f", account {account}" for account in leaving.accounts)
    return f"{len(leaving.live)} revoked, {number_of(len(leaving.files), 'file')} removed{accounts}"
