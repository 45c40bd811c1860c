"""The steps themselves: intention first, deed, event, outcome; and what a killed run left.

Each begins with :func:`settle`; where that has done the very thing, it is done.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from ..accounts import AccountBook
from ..accounts.delivery import Delivery
from ..accounts.forms import Form
from ..accounts.origin import database_of
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..errors import NoSuchAccountError, PasswordRefusedError, SmtpcredsError
from ..inventory import Rotation, RotationState
from ..model import Account
from ..passwords import generate
from ..postgres import is_url
from ..secret import Secret
from ..transaction import Transaction
from . import client_file
from .rules import Request, check_abandon, check_begin, check_retire, due, open_rotation

_VERB = "sasl rotate"


def request(
    site: Site,
    account: Account,
    database: str | None,
    successor: str | None = None,
    clients: tuple[str, ...] = (),
    retire_after: datetime | None = None,
) -> Request:
    """Say what is to be replaced, in the forms that the inventory keeps.

    Raises:
        NameRefusedError: the successor is in another realm, or a client is no host name.
    """
    book = AccountBook(site, database)
    named = book.parse(successor, account.realm) if successor else None
    hosts = tuple(site.qualify(host) for host in dict.fromkeys(clients))
    place = book.database if is_url(book.database) else site.root.record(book.database)
    return Request(account, named, place, hosts, retire_after)


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
    places: Callable[[AccountBook, Account], Sequence[Delivery]] = lambda *_: (),
    is_chosen: bool = False,
) -> Rotation:
    """Deliver the successor's secret and make it.

    Args:
        work: where.
        wanted: what is to be replaced; :func:`.rules.check_begin` says what is refused.
        secret: the question for the successor's secret.
        form: how that is stored; None for the form of the old account.
        places: where somebody wants the secret of the successor; nowhere for the file for client hosts.
        is_chosen: the secret is not a random one, so that of a killed run will not do.

    Raises:
        SmtpcredsError: a secret, a place for it or the database failed; then the rotation is given up.
    """
    for row in settle(work):
        if _is_of(row, wanted) and row.state is RotationState.OPEN and not is_chosen:
            return row
    book = _book(work, wanted.sasldb)
    successor = check_begin(_rows(work), book, wanted)
    chosen = form or book.form(wanted.account)
    asked = places(book, successor)
    deliveries = asked or (client_file.to_client_file(book, successor),)
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
        book.add(successor, secret, form=chosen, deliveries=deliveries)
    except SmtpcredsError:
        with suppress(SmtpcredsError):
            if successor not in (found := _book(work, wanted.sasldb)):
                client_file.withdraw(found, successor)
                _end(work, row, RotationState.ABANDONED)
        raise
    return _open(work, row)


def postpone(work: Transaction, wanted: Request, retire_after: datetime) -> Rotation:
    """Say when the old account is to go."""
    row = _wanted(work, wanted, RotationState.RETIRED)
    if row.state is RotationState.RETIRED:
        return row
    work.record(_VERB, str(row.account), f"to be retired after {retire_after:%Y-%m-%dT%H:%M:%SZ}")
    work.inventory.rotations.postpone(row.id, retire_after)
    return replace(row, retire_after=retire_after)


def retire(work: Transaction, wanted: Request) -> Rotation:
    """Delete the old account; see :func:`.rules.check_retire` for what is refused."""
    row = _wanted(work, wanted, RotationState.RETIRED)
    return row if row.state is RotationState.RETIRED else _retire(work, row)


def abandon(work: Transaction, wanted: Request) -> Rotation:
    """Delete the successor, and keep the account as it is."""
    row = _wanted(work, wanted, RotationState.ABANDONED)
    if row.state is RotationState.ABANDONED:
        return row
    check_abandon(_book(work, row.sasldb), row)
    work.inventory.rotations.advance(row.id, RotationState.ABANDONING, work.now)
    return _abandon(work, row)


def retire_due(work: Transaction) -> list[Rotation | SmtpcredsError]:
    """Retire every account whose date has come; one that can't go does not hold up the others."""
    settled = settle(work)
    return [*settled, *(_outcome(work, row) for row in due(_rows(work), work.now))]


def settle(work: Transaction) -> list[Rotation]:
    """Complete or give up what a killed run left, say so, and return what was settled.

    What can't be settled now is left for later.
    """
    settled = []
    for row in _rows(work):
        try:
            if step := _SETTLE.get(row.state):
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


def _book(work: Transaction, sasldb: str) -> AccountBook:
    return work.accounts(database_of(work.site, sasldb))


def _settle_begun(work: Transaction, row: Rotation) -> tuple[Rotation, str]:
    """The secret is delivered before the account is made, so one that was made has it delivered."""
    book = _book(work, row.sasldb)
    if row.successor not in book:
        words = "an interrupted run had made no successor, so that was given up"
        left = ", ".join(client_file.take_back(book, row.successor, row.places))
        more = f"; if {left} has a secret, it opens nothing" if left else ""
        return _end(work, row, RotationState.ABANDONED), words + more
    places = ", ".join(row.places)
    if not places:
        try:
            client_file.hand_out(book, row.successor)
        except PasswordRefusedError as error:
            work.warn(f"{error}; {error.hint}")
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
    done = (row for row in settle(work) if _is_of(row, wanted) and row.state is end)
    return next(done, None) or open_rotation(_rows(work), _book(work, wanted.sasldb), wanted)


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


def _retire(work: Transaction, row: Rotation) -> Rotation:
    check_retire(_book(work, row.sasldb), row)
    work.inventory.rotations.advance(row.id, RotationState.RETIRING, work.now)
    return _finish(work, row)


def _finish(work: Transaction, row: Rotation) -> Rotation:
    book = _book(work, row.sasldb)
    _remove(book, row.account)
    if client_file.is_spare(book, row.successor):
        client_file.withdraw(book, row.successor)
    return _end(work, row, RotationState.RETIRED)


def _abandon(work: Transaction, row: Rotation) -> Rotation:
    _remove(_book(work, row.sasldb), row.successor)
    return _end(work, row, RotationState.ABANDONED)


def _remove(book: AccountBook, account: Account) -> None:
    with suppress(NoSuchAccountError):
        book.delete(account)
    client_file.withdraw(book, account)


def _end(work: Transaction, row: Rotation, state: RotationState) -> Rotation:
    gone = row.account if state is RotationState.RETIRED else row.successor
    work.record(_VERB, str(row.account), f"{state} {gone}")
    work.inventory.rotations.advance(row.id, state, work.now)
    return replace(row, state=state, ended=work.now)
