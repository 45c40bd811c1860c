"""Replacing a relay account without an outage: a successor, both at work for a while, then the old one goes.

An account has one secret, so a new one can't be tried beside the old; a new account can.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ..ca.layout import has_inventory, reading
from ..config import Site
from ..errors import (
    DataError,
    ExistsError,
    MissingInputError,
    NoSuchAccountError,
    PasswordRefusedError,
    SmtpcredsError,
    UsageError,
)
from ..files import (
    ensure_directory,
    exists,
    read_if_there,
    remove,
    sweep,
    sweep_target,
)
from ..inventory.inventory import Inventory
from ..inventory.rotations import Rotation, RotationState
from ..lazy import dataclass, pattern
from ..model import Account, Credential
from ..mta.auth_info import parse, render
from ..passwords import generate
from ..secret import Secret
from ..shell import quote
from ..transaction import Transaction
from .auth_info import (
    auth_info_for_clients,
    delete_with_file,
    is_readable,
    readable_credential,
    withdraw,
    write_auth_info,
)
from .database import AccountDatabase, Change, database_of, recorded_place
from .stored import Delivery, Form

# Which steps make sense; each rule is a pure question to what is recorded and to the accounts.

_NUMBERED = pattern(r"(.+)-([0-9]{1,9})")


@dataclass(frozen=True)
class Request:
    """What somebody wants replaced.

    Attributes:
        successor: None for the next number that is free.
        sasldb: the database as it is recorded.
        clients: hosts that need the new secret.
        retire_after: when the old account is to go.
    """

    account: Account
    successor: Account | None
    sasldb: str
    clients: tuple[str, ...] = ()
    retire_after: datetime | None = None


def check_begin(unfinished: Sequence[Rotation], accounts: AccountDatabase, request: Request) -> Account:
    """Return the successor that may be made."""
    account = request.account
    for row in _of(unfinished, request.sasldb):
        if row.account == account:
            reason = f"is being replaced by {row.successor} since {row.started:%Y-%m-%d}"
            raise ExistsError(str(account), reason, _ways_on(accounts, row))
        if row.successor == account:
            reason = f"is the successor of {row.account}, which still works"
            raise DataError(str(account), reason, _may_retire(accounts, row))
    if account not in accounts:
        raise NoSuchAccountError(
            str(account), "no such account, so there is nothing to replace", "smtpcreds sasl list"
        )
    elsewhere = {row.successor: row for row in unfinished if row.sasldb != request.sasldb}
    successor = request.successor or successor_of(account, lambda a: a in elsewhere or a in accounts)
    if other := elsewhere.get(successor):
        reason = f"is a successor in {other.sasldb} too, and both would have one file for client hosts"
        raise ExistsError(str(successor), reason, "name another one: --successor NAME")
    accounts.check_new(successor)
    return successor


def successor_of(account: Account, is_taken: Callable[[Account], bool]) -> Account:
    """Return the account of the next free number: ``maildroid-2`` for ``maildroid``, then ``maildroid-3``."""
    match = _NUMBERED.fullmatch(account.authcid)
    stem, number = (match[1], int(match[2]) + 1) if match else (account.authcid, 2)
    while is_taken(successor := Account(f"{stem}-{number}", account.realm)):
        number += 1
    return successor


def open_rotation(unfinished: Sequence[Rotation], accounts: AccountDatabase, request: Request) -> Rotation:
    """Return the open replacement of an account."""
    account = request.account
    for row in _of(unfinished, request.sasldb):
        if row.account == account and row.state is RotationState.OPEN:
            return row
        if row.successor == account:
            reason = f"is the successor of {row.account}; name that one"
            raise MissingInputError(str(account), reason, _ways_on(accounts, row))
    if account not in accounts:
        reason = "is not being replaced, and there is no such account"
        raise NoSuchAccountError(str(account), reason, "smtpcreds sasl list")
    hint = f"smtpcreds sasl rotate {accounts.shown(account)}"
    raise MissingInputError(str(account), "is not being replaced", hint)


def check_retire(accounts: AccountDatabase, row: Rotation) -> None:
    """Refuse to retire an account whose successor is gone."""
    if row.successor not in accounts:
        reason = (
            f"the successor of {row.account} is gone, so retiring that would leave clients without account"
        )
        raise NoSuchAccountError(str(row.successor), reason, _may_abandon(accounts, row))


def check_abandon(accounts: AccountDatabase, row: Rotation) -> None:
    """Refuse to abandon the successor of an account that is gone."""
    if row.account not in accounts and row.successor in accounts:
        reason = f"is gone, so abandoning {row.successor} would leave clients without account"
        raise NoSuchAccountError(str(row.account), reason, _may_retire(accounts, row))


def due(unfinished: Sequence[Rotation], now: datetime) -> list[Rotation]:
    """Return the open ones whose date has come."""
    return [
        row
        for row in unfinished
        if row.state is RotationState.OPEN and row.retire_after is not None and row.retire_after <= now
    ]


def _of(rows: Sequence[Rotation], sasldb: str) -> list[Rotation]:
    return [row for row in rows if row.sasldb == sasldb]


def _may_retire(accounts: AccountDatabase, row: Rotation) -> str:
    return f"smtpcreds sasl rotate {accounts.shown(row.account)} --retire"


def _may_abandon(accounts: AccountDatabase, row: Rotation) -> str:
    return f"smtpcreds sasl rotate {accounts.shown(row.account)} --abandon"


def _ways_on(accounts: AccountDatabase, row: Rotation) -> str:
    return f"{_may_retire(accounts, row)}, or --abandon"


# Dates as people type them behind ``--after``.

_DAYS = pattern(r"([0-9]{1,5})d")


def parse_after(text: str, now: datetime) -> datetime:
    """Read ``30d``, ``2026-12-01`` (midnight UTC) or an RFC 3339 time."""
    match = _DAYS.fullmatch(text)
    try:
        when = now + timedelta(days=int(match[1])) if match else datetime.fromisoformat(text)
        aware = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            "--after", f"{text!a} is neither days, as in 30d, nor a date, as in 2026-12-01"
        ) from None
    if aware < now:
        raise UsageError("--after", f"{text} is over", "give a later date, as in --after 30d")
    return aware


# The file for client hosts of a successor, below the state directory, and what a killed run delivered.


def to_new_file(accounts: AccountDatabase, account: Account) -> Delivery:
    """Return the delivery of a new account's secret to its file; one that is there is stale."""
    path = auth_info_for_clients(accounts.site, account)
    render(Credential(account, Secret("any"), accounts.site.realm))
    return Delivery(lambda secret: write(accounts, Credential(account, secret, accounts.site.realm)), path)


def write(accounts: AccountDatabase, credential: Credential) -> None:
    """Write the file of an account."""
    path = auth_info_for_clients(accounts.site, credential.account)
    ensure_directory(os.path.dirname(path))
    sweep(os.path.dirname(path))
    write_auth_info(credential, path, force=True)


def hand_out(accounts: AccountDatabase, account: Account) -> None:
    """Make sure that the account's file has its secret.

    Raises:
        PasswordRefusedError: it has not, and the database can't give the secret.
    """
    try:
        write(accounts, readable_credential(accounts, account))
    except PasswordRefusedError:
        path = auth_info_for_clients(accounts.site, account)
        reason = f"is stored without clear text, and {path} has not its secret"
        command = f"smtpcreds sasl passwd {accounts.shown(account)} --auth-info {quote(path)} --force"
        raise PasswordRefusedError(str(account), reason, f"give it another one: {command}") from None


def is_spare(accounts: AccountDatabase, account: Account) -> bool:
    """Tell whether there is a file, and the database keeps no clear text beside it."""
    is_there = exists(auth_info_for_clients(accounts.site, account))
    return is_there and not (account in accounts and is_readable(accounts, account))


def take_back(
    accounts: AccountDatabase, account: Account, places: Iterable[str], *, is_own: bool
) -> list[str]:
    """Delete what a killed run delivered of an account that it did not make; return the places that are left.

    A default-auth-info says whose it is; a secret alone does not. Nothing is deleted by the word of an
    inventory that is not this host's own.
    """
    withdraw(accounts, account)
    return [
        place
        for place in places
        if not (is_own and os.path.isabs(place) and _is_taken_back(accounts, account, place))
    ]


def _is_taken_back(accounts: AccountDatabase, account: Account, path: str) -> bool:
    login = Credential(account, Secret("any"), accounts.site.realm).login
    try:
        sweep_target(path)
        content = read_if_there(path)
        return content is None or (parse(content, path).authcid == login and remove(path))
    except SmtpcredsError:
        return False


# The steps themselves: intention first, deed, event, outcome; and what a killed run left.
#
# Each begins with :func:`recover`; where that has done the very thing, it is done.

_VERB = "sasl rotate"


def request(
    site: Site,
    account: Account,
    database: str | None,
    successor: str | None = None,
    clients: tuple[str, ...] = (),
    retire_after: datetime | None = None,
) -> Request:
    """Say what is to be replaced, in the forms that the inventory keeps."""
    accounts = AccountDatabase(site, database)
    named = accounts.parse(successor, account.realm) if successor else None
    hosts = tuple(site.qualify(host) for host in dict.fromkeys(clients))
    return Request(account, named, recorded_place(site, accounts.database), hosts, retire_after)


def unfinished(site: Site) -> list[Rotation]:
    """Return what is half-way; nothing where there is no inventory."""
    if not has_inventory(site):
        return []
    with reading(site) as inventory:
        return inventory.rotations.unfinished()


def begin(
    work: Transaction,
    wanted: Request,
    secret: Callable[[], Secret] = generate,
    *,
    form: Form | None = None,
    places: Callable[[AccountDatabase, Account], Sequence[Delivery]] = lambda *_: (),
    is_chosen: bool = False,
) -> Rotation:
    """Deliver the successor's secret and make it.

    Args:
        work: where.
        wanted: what is to be replaced; :func:`check_begin` says what is refused.
        secret: the question for the successor's secret.
        form: how that is stored; None for the form of the old account.
        places: where somebody wants the secret of the successor; nowhere for the file for client hosts.
        is_chosen: the secret is not a random one, so that of a killed run will not do.
    """
    for row in recover(work, wanted.sasldb):
        if _is_of(row, wanted) and row.state is RotationState.OPEN and not is_chosen:
            return row
    accounts = _accounts(work, wanted.sasldb)
    successor = check_begin(_rows(work), accounts, wanted)
    chosen = form or accounts.form(wanted.account)
    asked = places(accounts, successor)
    deliveries = asked or (to_new_file(accounts, successor),)
    work.ask(secret)
    intended = Rotation(
        account=wanted.account,
        successor=successor,
        sasldb=wanted.sasldb,
        clients=wanted.clients,
        started=work.now,
        retire_after=wanted.retire_after,
        places=tuple(delivery.place for delivery in asked),
    )
    row = work.inventory.rotations.begin(intended)
    try:
        accounts.add(successor, secret, form=chosen, deliveries=deliveries)
    except SmtpcredsError:
        with suppress(SmtpcredsError):
            if successor not in (found := _accounts(work, wanted.sasldb)):
                withdraw(found, successor)
                _end(work, row, RotationState.ABANDONED)
        raise
    return _open(work, row)


def delete(work: Transaction, accounts: AccountDatabase, account: Account) -> Change:
    """Delete an account and its file for client hosts; a rotation that it is part of ends with it.

    Raises:
        NoSuchAccountError: it is not there; or the other account of the rotation is gone, so nothing would
            be left for the clients.
    """
    row = under_way(work.site, accounts, account)
    if row is None:
        return delete_with_file(accounts, account)
    accounts.properties(account)
    wanted = Request(row.account, None, row.sasldb)
    (retire if row.account == account else abandon)(work, wanted)
    return Change(account, accounts.database)


def under_way(site: Site, accounts: AccountDatabase, account: Account) -> Rotation | None:
    """Return the replacement under way of which an account is the old or the new one."""
    place = recorded_place(site, accounts.database)
    return next(
        (row for row in _of(unfinished(site), place) if account in {row.account, row.successor}), None
    )


def latest(inventory: Inventory, database: str, account: Account) -> Account:
    """Return the account that took the place of this one, by all replacements so far."""
    for row in reversed(inventory.rotations.history()):
        in_use = row.state in {RotationState.OPEN, RotationState.RETIRING, RotationState.RETIRED}
        if row.sasldb == database and row.account == account and in_use:
            account = row.successor
    return account


def postpone(work: Transaction, wanted: Request, retire_after: datetime) -> Rotation:
    """Say when the old account is to go."""
    row = _wanted(work, wanted, RotationState.RETIRED)
    if row.state is RotationState.RETIRED:
        return row
    work.record(_VERB, str(row.account), f"to be retired after {retire_after:%Y-%m-%dT%H:%M:%SZ}")
    work.inventory.rotations.postpone(row.id, retire_after)
    return replace(row, retire_after=retire_after)


def retire(work: Transaction, wanted: Request, verify: Callable[[Rotation], None] | None = None) -> Rotation:
    """Delete the old account; see :func:`check_retire` for what is refused.

    Args:
        work: where.
        wanted: which account.
        verify: raises where it may not go yet.
    """
    row = _wanted(work, wanted, RotationState.RETIRED)
    return row if row.state is RotationState.RETIRED else _retire(work, row, verify)


def abandon(work: Transaction, wanted: Request) -> Rotation:
    """Delete the successor, and keep the account as it is."""
    row = _wanted(work, wanted, RotationState.ABANDONED)
    if row.state is RotationState.ABANDONED:
        return row
    check_abandon(_accounts(work, row.sasldb), row)
    work.inventory.rotations.advance(row.id, RotationState.ABANDONING, work.now)
    return _abandon(work, row)


def retire_due(work: Transaction) -> list[Rotation | SmtpcredsError]:
    """Retire every account whose date has come; one that can't go does not hold up the others."""
    settled = recover(work)
    waiting = [row for row in due(_rows(work), work.now) if _is_obeyed(work, row)]
    return [*settled, *(_outcome(work, row) for row in waiting)]


def recover(work: Transaction, database: str = "") -> list[Rotation]:
    """Complete or give up what a killed run left, say so, and return what was settled.

    What can't be settled now is left for later.

    Args:
        work: where.
        database: as it is recorded; a person named it.
    """
    settled = []
    for row in _rows(work):
        try:
            if (step := _SETTLE.get(row.state)) and _is_obeyed(work, row, database):
                done, words = step(work, row)
                work.warn(f"{row.account}: {words}")
                settled.append(done)
        except SmtpcredsError as error:
            work.warn(f"{row.account}: an interrupted rotation can't be completed yet: {error}")
    return settled


def _rows(work: Transaction) -> list[Rotation]:
    """Return what is half-way; a refusal makes no inventory where there is none."""
    if work.known_inventory is None and not has_inventory(work.site):
        return []
    return work.inventory.rotations.unfinished()


def _is_obeyed(work: Transaction, row: Rotation, database: str = "") -> bool:
    """Tell whether accounts may be changed there: an inventory's server may name any database."""
    site = work.site
    if not site.machine or row.sasldb in {recorded_place(site, site.sasldb), database}:
        return True
    place = quote(database_of(site, row.sasldb))
    again = f"smtpcreds sasl rotate {quote(str(row.account))} --retire --database {place}"
    reason = f"the inventory's server has it in {place}, which is not this host's database"
    work.warn(f"{row.account}: {reason}; if that is right: {again}")
    return False


def _accounts(work: Transaction, sasldb: str) -> AccountDatabase:
    return work.accounts(database_of(work.site, sasldb))


def _settle_begun(work: Transaction, row: Rotation) -> tuple[Rotation, str]:
    """The secret is delivered before the account is made, so one that was made has it delivered."""
    accounts = _accounts(work, row.sasldb)
    if row.successor not in accounts:
        words = "an interrupted run had made no successor, so it was abandoned"
        left = ", ".join(take_back(accounts, row.successor, row.places, is_own=not work.site.machine))
        more = f"; if {left} has a secret, it does not work" if left else ""
        return _end(work, row, RotationState.ABANDONED), words + more
    places = ", ".join(row.places)
    if not places:
        try:
            hand_out(accounts, row.successor)
        except PasswordRefusedError as error:
            work.warn(error.advice)
    words = f"an interrupted run left its successor {row.successor} unfinished; it is in place now"
    return _open(work, row), words + (f", its secret in {places}" if places else "")


def _settle_retiring(work: Transaction, row: Rotation) -> tuple[Rotation, str]:
    return _finish(work, row), "an interrupted run was retiring it; it is deleted now"


def _settle_abandoning(work: Transaction, row: Rotation) -> tuple[Rotation, str]:
    words = f"an interrupted run was removing its successor {row.successor}; it is deleted now"
    return _abandon(work, row), words


_SETTLE = {
    RotationState.BEGUN: _settle_begun,
    RotationState.RETIRING: _settle_retiring,
    RotationState.ABANDONING: _settle_abandoning,
}


def _wanted(work: Transaction, wanted: Request, end: RotationState) -> Rotation:
    """Return the open rotation that is meant; or the one that was settled now, if it came to this end."""
    settled = recover(work, wanted.sasldb)
    done = (row for row in settled if _is_of(row, wanted) and row.state is end)
    return next(done, None) or open_rotation(_rows(work), _accounts(work, wanted.sasldb), wanted)


def _is_of(row: Rotation, wanted: Request) -> bool:
    return (row.account, row.sasldb) == (wanted.account, wanted.sasldb)


def _open(work: Transaction, row: Rotation) -> Rotation:
    work.record(_VERB, str(row.account), f"successor {row.successor}")
    work.inventory.rotations.advance(row.id, RotationState.OPEN, work.now)
    return replace(row, state=RotationState.OPEN)


def _outcome(work: Transaction, row: Rotation) -> Rotation | SmtpcredsError:
    try:
        return _retire(work, row)
    except SmtpcredsError as error:
        return error


def _retire(work: Transaction, row: Rotation, verify: Callable[[Rotation], None] | None = None) -> Rotation:
    check_retire(_accounts(work, row.sasldb), row)
    if verify:
        verify(row)
    work.inventory.rotations.advance(row.id, RotationState.RETIRING, work.now)
    return _finish(work, row)


def _finish(work: Transaction, row: Rotation) -> Rotation:
    accounts = _accounts(work, row.sasldb)
    _remove(accounts, row.account)
    if is_spare(accounts, row.successor):
        withdraw(accounts, row.successor)
    return _end(work, row, RotationState.RETIRED)


def _abandon(work: Transaction, row: Rotation) -> Rotation:
    _remove(_accounts(work, row.sasldb), row.successor)
    return _end(work, row, RotationState.ABANDONED)


def _remove(accounts: AccountDatabase, account: Account) -> None:
    with suppress(NoSuchAccountError):
        accounts.delete(account)
    withdraw(accounts, account)


def _end(work: Transaction, row: Rotation, state: RotationState) -> Rotation:
    gone = row.account if state is RotationState.RETIRED else row.successor
    work.record(_VERB, str(row.account), f"{state} {gone}")
    work.inventory.rotations.advance(row.id, state, work.now)
    return replace(row, state=state, ended=work.now)
