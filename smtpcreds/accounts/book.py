"""The accounts of one relay: add, list, change, delete, read back."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from shlex import quote

from ..config import Site
from ..errors import ExistsError, NameRefusedError, NoSuchAccountError, PasswordRefusedError
from ..files import ensure_directory
from ..model import Account, Credential, Plan, Step, parse_account
from ..sasldb.opening import open_store
from ..sasldb.records import USER_PASSWORD, by_account, properties, replacement
from ..secret import Secret
from .logins import refuse_login_name
from .mechanisms import served
from .origin import new_format, origin

Records = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One account of the database and what it can do; no secret."""

    account: Account
    properties: tuple[str, ...]
    mechanisms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to which account in which file."""

    account: Account
    database: str


class AccountBook:
    """The database of one relay.

    Args:
        site: names the realm of bare names and the default database.
        database: another file than the configured one.
    """

    def __init__(self, site: Site, database: str | None = None) -> None:
        self.site = site
        self.database = os.path.abspath(database) if database else site.sasldb

    def parse(self, text: str, realm: str | None = None) -> Account:
        """Read ``user`` or ``user@realm``; a bare name gets the realm given, else the relay's own.

        Raises:
            NameRefusedError: also when the name carries one realm and ``realm`` is another.
        """
        account = parse_account(text, realm or self.site.realm)
        if realm and account.realm != realm:
            raise NameRefusedError(text, f"names the realm {account.realm}, and --realm says {realm}")
        return account

    def shown(self, account: Account) -> str:
        """Return what to type for the account in a shell: the bare name where that means it."""
        return quote(account.authcid if account.realm == self.site.realm else str(account))

    def plan_add(
        self, account: Account, secret: Callable[[], Secret], *, allow_login_name: bool = False
    ) -> Plan[Change]:
        """Plan a new account.

        Raises:
            NameRefusedError: the name is a login of this host (SPEC row 8).
            ExistsError: the account is there already.
        """
        if not allow_login_name:
            refuse_login_name(self.site.root, account.authcid)
        return self._plan("add", account, lambda records: self._refuse(records, account), secret)

    def plan_set_secret(self, account: Account, secret: Callable[[], Secret]) -> Plan[Change]:
        """Plan a new secret. Every other property goes too, since it would keep the old secret alive."""
        return self._plan("change", account, lambda records: self._require(records, account), secret)

    def plan_delete(self, account: Account) -> Plan[Change]:
        """Plan the removal of all properties of the account."""
        return self._plan("delete", account, lambda records: self._require(records, account), None)

    def entries(self) -> list[Entry]:
        """Return all accounts, sorted by realm and name."""
        found = by_account(self._load())
        order = sorted(found, key=lambda account: (account.realm, account.authcid))
        return [Entry(a, tuple(sorted(found[a])), served(found[a])) for a in order]

    def entry(self, account: Account) -> Entry:
        """Return one account."""
        held = self._require(self._load(), account)
        return Entry(account, tuple(sorted(held)), served(held))

    def credential(self, account: Account) -> Credential:
        """Return the account with its secret.

        Raises:
            NoSuchAccountError: it is not in the database.
            PasswordRefusedError: it is stored without clear text and can't be read back.
        """
        held = self._require(self._load(), account)
        if USER_PASSWORD not in held:
            raise PasswordRefusedError(
                str(account),
                "is stored without clear text; its secret can't be read back",
                f"smtpcreds sasl passwd {self.shown(account)}",
            )
        return Credential(account, Secret(held[USER_PASSWORD]), self.site.realm)

    def _load(self) -> Records:
        """Return all records; a database that was never made is empty."""
        return open_store(self.database).load() if os.path.lexists(self.database) else {}

    def _plan(
        self,
        action: str,
        account: Account,
        check: Callable[[Records], object],
        secret: Callable[[], Secret] | None,
    ) -> Plan[Change]:
        check(self._load())
        made, kind = origin(self.site), new_format(self.site)

        def apply() -> Change:
            values = {USER_PASSWORD: secret().reveal()} if secret else {}

            def edits(records: Records) -> dict[bytes, bytes | None]:
                check(records)
                return replacement(records, account, values)

            ensure_directory(os.path.dirname(self.database), 0o755, tighten=False)
            new = None if os.path.lexists(self.database) else kind
            open_store(self.database, new=new, origin=made).apply(edits)
            return Change(account, self.database)

        return Plan((Step(action, str(account), note=self.database),), apply)

    def _refuse(self, records: Records, account: Account) -> None:
        if properties(records, account):
            hint = f"smtpcreds sasl passwd {self.shown(account)}"
            raise ExistsError(str(account), "the account exists; its secret was left alone", hint)

    def _require(self, records: Records, account: Account) -> dict[str, bytes]:
        held = properties(records, account)
        if held:
            return held
        reason = f"no such account in {self.database}"
        raise NoSuchAccountError(str(account), reason, _elsewhere(records, account))


def _elsewhere(records: Records, account: Account) -> str:
    realms = sorted(a.realm for a in by_account(records) if a.authcid == account.authcid)
    if realms:
        return f"there is {account.authcid}@{realms[0]}; give the realm"
    return "smtpcreds sasl list"
