"""The file for client hosts of a successor, below the state directory, and what a killed run delivered."""

import os
from collections.abc import Iterable
from contextlib import suppress

from ..accounts import AccountBook
from ..accounts.delivery import Delivery
from ..deploy import write_auth_info
from ..deploy.clients import auth_info_for_clients, is_readable, readable_credential
from ..errors import NameRefusedError, PasswordRefusedError, SmtpcredsError
from ..files import (
    ensure_directory,
    exists,
    is_directory,
    names_in,
    read_if_there,
    remove,
    remove_directory,
    sweep,
    sweep_target,
)
from ..model import Account, Credential
from ..mta.auth_info import parse, render
from ..secret import Secret


def to_client_file(book: AccountBook, account: Account) -> Delivery:
    """Return the delivery of a new account's secret to its file; one that is there is stale.

    Raises:
        NameRefusedError, InexpressibleError: there can be no such file.
    """
    path = auth_info_for_clients(book.site, account)
    render(Credential(account, Secret("any"), book.site.realm))
    return Delivery(lambda secret: write(book, Credential(account, secret, book.site.realm)), path)


def write(book: AccountBook, credential: Credential) -> None:
    """Write the file of an account."""
    path = auth_info_for_clients(book.site, credential.account)
    ensure_directory(os.path.dirname(path))
    sweep(os.path.dirname(path))
    write_auth_info(credential, path, force=True)


def hand_out(book: AccountBook, account: Account) -> None:
    """Make sure that the account's file has its secret.

    Raises:
        PasswordRefusedError: it has not, and the database can't give the secret.
    """
    try:
        write(book, readable_credential(book, account))
    except PasswordRefusedError:
        path = auth_info_for_clients(book.site, account)
        reason = f"is stored without clear text, and {path} has not its secret"
        command = f"smtpcreds sasl passwd {book.shown(account)} --auth-info {path} --force"
        raise PasswordRefusedError(str(account), reason, f"give it another one: {command}") from None


def is_spare(book: AccountBook, account: Account) -> bool:
    """Tell whether there is a file, and the database keeps no clear text beside it."""
    is_there = exists(auth_info_for_clients(book.site, account))
    return is_there and not (account in book and is_readable(book, account))


def take_back(book: AccountBook, account: Account, places: Iterable[str]) -> list[str]:
    """Delete what a killed run delivered of an account that it did not make; return the places that are left.

    A default-auth-info says whose it is; a secret alone does not.
    """
    withdraw(book, account)
    return [place for place in places if not (os.path.isabs(place) and _is_taken_back(book, account, place))]


def _is_taken_back(book: AccountBook, account: Account, path: str) -> bool:
    login = Credential(account, Secret("any"), book.site.realm).login
    try:
        sweep_target(path)
        content = read_if_there(path)
        return content is None or (parse(content, path).authcid == login and remove(path))
    except SmtpcredsError:
        return False


def withdraw(book: AccountBook, account: Account) -> None:
    """Delete the account's file, if there is one."""
    with suppress(NameRefusedError):  # such an account never had a file
        path = auth_info_for_clients(book.site, account)
        if is_directory(os.path.dirname(path)):
            sweep(os.path.dirname(path))
            remove(path)
            if not names_in(os.path.dirname(path)):
                remove_directory(os.path.dirname(path))
