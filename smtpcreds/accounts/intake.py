"""Accounts of a file, each checked by itself and against the others, before any database is looked at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import NameRefusedError, SmtpcredsError
from ..model import Account, parse_account
from ..passwords import chosen_fault
from ..sasldb.limits import rule_of
from ..sasldb.records import USER_PASSWORD, record
from ..secret import Secret
from .book import AccountBook
from .chosen import check_chosen_secret
from .logins import login_names, refuse_login_name
from .readers import Fault, Row


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of every account.

    Attributes:
        realm: of names without one; None is the relay's own.
        check_logins: try each password against the host's logins, about 20 ms for each login, and ask
            NSS for each name.
        allow_login_names: accept names that the system knows.
    """

    realm: str | None = None
    check_logins: bool = False
    allow_login_names: bool = False


class Candidate(NamedTuple):
    """An account that passed; ``records`` are its sorted keys and values as the database has them."""

    where: str
    account: Account
    records: tuple[tuple[bytes, bytes], ...]

    def __repr__(self) -> str:
        return f"<{self.account}, {self.where}>"


@dataclass(frozen=True, slots=True)
class Intake:
    """What a file gives: accounts that may come in, repetitions to the letter, and what is refused."""

    accepted: tuple[Candidate, ...]
    repeated: tuple[Fault, ...]
    refused: tuple[Fault, ...]


def take_in(
    book: AccountBook, rows: Iterable[Row | Fault], rules: Rules, advance: Callable[[], None]
) -> Intake:
    """Check every row; ``advance`` is called after each.

    An account that comes twice is refused the second time, unless both say the same.
    """
    check = _Check(book, rules)
    accepted: dict[Account, Candidate] = {}
    repeated: list[Fault] = []
    refused: list[Fault] = []
    for row in rows:
        found = row if isinstance(row, Fault) else check.candidate(row)
        if isinstance(found, Fault):
            refused.append(found)
        elif (first := accepted.setdefault(found.account, found)) is not found:
            is_same = first.records == found.records
            fault = Fault(found.where, f"{found.account} came in {first.where} already")
            (repeated if is_same else refused).append(fault)
        advance()
    return Intake(tuple(accepted.values()), tuple(repeated), tuple(refused))


class _Check:
    """The checks of one account."""

    def __init__(self, book: AccountBook, rules: Rules) -> None:
        self._root, self._rules = book.site.root, rules
        self._misfit_of = rule_of(book.kind())
        self._realm = rules.realm or book.site.realm
        self._logins = frozenset() if rules.allow_login_names else login_names(self._root)
        self._asks = rules.check_logins and not rules.allow_login_names

    def candidate(self, row: Row) -> Candidate | Fault:
        """Return the account, or why it may not come in."""
        where, _, _, values = row
        try:
            account = self._account(row)
        except SmtpcredsError as error:  # its subject, in a file of another format, may be a secret
            return Fault(where, error.reason)
        if not values:
            return Fault(where, f"{account} has no secret")
        try:
            if fault := self._secret_fault(values.get(USER_PASSWORD)):
                return Fault(where, f"{account}: {fault}")
            records = [record(account, name, value) for name, value in values.items()]
            for key, value in records:
                if misfit := self._misfit_of(key, value):
                    raise misfit
        except SmtpcredsError as error:
            return Fault(where, f"{account}: {error.reason}")
        records.sort()
        return Candidate(where, account, tuple(records))

    def _account(self, row: Row) -> Account:
        account = parse_account(row.name, row.realm or self._realm)
        if row.realm and account.realm != row.realm:
            raise NameRefusedError(row.name, "names one realm, and the realm beside it is another")
        if account.authcid in self._logins or self._asks:
            refuse_login_name(self._root, account.authcid)
        return account

    def _secret_fault(self, secret: bytes | None) -> str | None:
        if secret is not None and self._rules.check_logins:
            check_chosen_secret(self._root, Secret(secret))
        return None if secret is None else chosen_fault(secret)
