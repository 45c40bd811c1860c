"""Accounts of client hosts with their files below the state directory, as a rotation works with them."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..accounts import AccountBook
from ..accounts.delivery import Delivery
from ..accounts.forms import Form
from ..config import Site
from ..deploy import plan_auth_info
from ..deploy.clients import auth_info_for_clients, is_readable, readable_credential
from ..errors import NameRefusedError, NoSuchAccountError, PasswordRefusedError
from ..files import ensure_directory, exists, is_directory, names_in, remove, remove_directory, sweep
from ..model import Account, Credential, Step
from ..mta.auth_info import render
from ..passwords import generate
from ..rotate import Addition
from ..secret import Secret


@dataclass(frozen=True, slots=True)
class Making:
    """How a successor is made.

    Attributes:
        secret: the question for its secret.
        form: how that is stored; None for the form of the old account.
        places: the deliveries that somebody wants for the successor; none for the file for client hosts.
        is_chosen: the secret is not a random one, so no other will do.
    """

    secret: Callable[[], Secret] = generate
    form: Form | None = None
    places: Callable[[AccountBook, Account], Sequence[Delivery]] = lambda *_: ()
    is_chosen: bool = False


class ClientAccounts:
    """See :class:`smtpcreds.rotate.Accounts`."""

    def __init__(self, site: Site, database: str, making: Making) -> None:
        self._site, self._book, self._making = site, AccountBook(site, database), making

    def shown(self, account: Account) -> str:
        """See :meth:`smtpcreds.rotate.Accounts.shown`."""
        return self._book.shown(account)

    def exists(self, account: Account) -> bool:
        """See :meth:`smtpcreds.rotate.Accounts.exists`."""
        try:
            return bool(self._book.properties(account))
        except NoSuchAccountError:
            return False

    def addition(self, account: Account, former: Account) -> Addition:
        """See :meth:`smtpcreds.rotate.Accounts.addition`."""
        form = self._making.form or self._book.form(former)
        asked = self._making.places(self._book, account)
        made = asked or (self._to_clients(account),)
        plan = self._book.plan_add(account, self._making.secret, form=form, deliveries=made)
        return Addition(account, tuple(delivery.place for delivery in asked), plan)

    def hand_out(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.hand_out`."""
        try:
            self._write(readable_credential(self._book, account))
        except PasswordRefusedError:
            path = auth_info_for_clients(self._site, account)
            reason = f"is stored without clear text, and {path} has not its secret"
            command = f"smtpcreds sasl passwd {self.shown(account)} --auth-info {path} --force"
            raise PasswordRefusedError(str(account), reason, f"give it another one: {command}") from None

    def is_file_spare(self, account: Account) -> bool:
        """See :meth:`smtpcreds.rotate.Accounts.is_file_spare`."""
        path = auth_info_for_clients(self._site, account)
        return exists(path) and not (self.exists(account) and is_readable(self._book, account))

    def withdraw(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.withdraw`."""
        with suppress(NameRefusedError):  # such an account never had a file
            path = auth_info_for_clients(self._site, account)
            if is_directory(os.path.dirname(path)):
                sweep(os.path.dirname(path))
                remove(path)
                if not names_in(os.path.dirname(path)):
                    remove_directory(os.path.dirname(path))

    def remove(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.remove`."""
        with suppress(NoSuchAccountError):
            self._book.plan_delete(account).apply()
        self.withdraw(account)

    def _to_clients(self, account: Account) -> Delivery:
        """Return the delivery to the file for client hosts; of an account to be made, one there is stale."""
        path = auth_info_for_clients(self._site, account)
        render(Credential(account, Secret("any"), self._site.realm))

        def deliver(secret: Secret) -> None:
            self._write(Credential(account, secret, self._site.realm))

        step = Step("write", path, 0o600, f"credentials of {account}")
        return Delivery(step, deliver, is_auth_info=True)

    def _write(self, credential: Credential) -> None:
        path = auth_info_for_clients(self._site, credential.account)
        ensure_directory(os.path.dirname(path))
        sweep(os.path.dirname(path))
        plan_auth_info(credential, path, force=True).apply()
