"""Which steps make sense; each rule is a pure question to what is recorded and to the accounts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..accounts import AccountBook
from ..errors import DataError, ExistsError, MissingInputError, NoSuchAccountError
from ..inventory import Rotation, RotationState
from ..model import Account

_NUMBERED = re.compile(r"(.+)-([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
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


def check_begin(unfinished: Sequence[Rotation], book: AccountBook, request: Request) -> Account:
    """Return the successor that may be made.

    Raises:
        NoSuchAccountError: there is nothing to replace.
        ExistsError: the account is being replaced already, or something is where the successor is to be.
        DataError: the account is itself a successor whose predecessor still works.
        NameRefusedError: a login of this host.
    """
    account = request.account
    for row in _of(unfinished, request.sasldb):
        if row.account == account:
            reason = f"is being replaced by {row.successor} since {row.started:%Y-%m-%d}"
            raise ExistsError(str(account), reason, _ways_on(book, row))
        if row.successor == account:
            reason = f"is the successor of {row.account}, which still works"
            raise DataError(str(account), reason, _retire(book, row))
    if account not in book:
        raise NoSuchAccountError(
            str(account), "no such account, so there is nothing to replace", "smtpcreds sasl list"
        )
    elsewhere = {row.successor: row for row in unfinished if row.sasldb != request.sasldb}
    successor = request.successor or successor_of(account, lambda a: a in elsewhere or a in book)
    if other := elsewhere.get(successor):
        reason = f"is a successor in {other.sasldb} too, and both would have one file for client hosts"
        raise ExistsError(str(successor), reason, "name another one: --successor NAME")
    book.check_new(successor)
    return successor


def successor_of(account: Account, is_taken: Callable[[Account], bool]) -> Account:
    """Return the account of the next free number: ``maildroid-2`` for ``maildroid``, then ``maildroid-3``."""
    match = _NUMBERED.fullmatch(account.authcid)
    stem, number = (match[1], int(match[2]) + 1) if match else (account.authcid, 2)
    while is_taken(successor := Account(f"{stem}-{number}", account.realm)):
        number += 1
    return successor


def open_rotation(unfinished: Sequence[Rotation], book: AccountBook, request: Request) -> Rotation:
    """Return the open replacement of an account.

    Raises:
        MissingInputError: there is none.
        NoSuchAccountError: nor is there such an account.
    """
    account = request.account
    for row in _of(unfinished, request.sasldb):
        if row.account == account and row.state is RotationState.OPEN:
            return row
        if row.successor == account:
            reason = f"is the successor of {row.account}; name that one"
            raise MissingInputError(str(account), reason, _ways_on(book, row))
    if account not in book:
        reason = "is not being replaced, and there is no such account"
        raise NoSuchAccountError(str(account), reason, "smtpcreds sasl list")
    hint = f"smtpcreds sasl rotate {book.shown(account)}"
    raise MissingInputError(str(account), "is not being replaced", hint)


def check_retire(book: AccountBook, row: Rotation) -> None:
    """Refuse to retire an account whose successor is gone.

    Raises:
        NoSuchAccountError: clients would have no account at all.
    """
    if row.successor not in book:
        reason = (
            f"the successor of {row.account} is gone, so retiring that would leave clients without account"
        )
        raise NoSuchAccountError(str(row.successor), reason, _abandon(book, row))


def check_abandon(book: AccountBook, row: Rotation) -> None:
    """Refuse to abandon the successor of an account that is gone.

    Raises:
        NoSuchAccountError: clients would have no account at all.
    """
    if row.account not in book and row.successor in book:
        reason = f"is gone, so abandoning {row.successor} would leave clients without account"
        raise NoSuchAccountError(str(row.account), reason, _retire(book, row))


def due(unfinished: Sequence[Rotation], now: datetime) -> list[Rotation]:
    """Return the open ones whose date has come."""
    return [
        row
        for row in unfinished
        if row.state is RotationState.OPEN and row.retire_after is not None and row.retire_after <= now
    ]


def _of(rows: Sequence[Rotation], sasldb: str) -> list[Rotation]:
    return [row for row in rows if row.sasldb == sasldb]


def _retire(book: AccountBook, row: Rotation) -> str:
    return f"smtpcreds sasl rotate {book.shown(row.account)} --retire"


def _abandon(book: AccountBook, row: Rotation) -> str:
    return f"smtpcreds sasl rotate {book.shown(row.account)} --abandon"


def _ways_on(book: AccountBook, row: Rotation) -> str:
    return f"{_retire(book, row)}, or --abandon"
