"""Files for client hosts below the state directory: what is handed out, and the hub's own copy of it."""

from ..accounts import AccountBook
from ..config import Site
from ..errors import DamagedFileError, NameRefusedError, PasswordRefusedError
from ..files import exists, read_private
from ..model import Account, Credential
from ..mta.auth_info import parse
from ..sasldb.records import USER_PASSWORD
from ..secret import Secret

NAME_MAX = 255
"""Octets of a directory's name on every file system of Linux (limits.h)."""


def auth_info_for_clients(site: Site, account: Account) -> str:
    """Return the path of an account's default-auth-info.

    Raises:
        NameRefusedError: the account's name can't name a directory.
    """
    name = account.authcid if account.realm == site.realm else str(account)
    if "/" in name or name in {".", ".."} or len(name.encode(errors="surrogateescape")) > NAME_MAX:
        raise NameRefusedError(name, "can't name the directory of its default-auth-info")
    return f"{site.state}/clients/{name}/default-auth-info"


def is_readable(book: AccountBook, account: Account) -> bool:
    """Tell whether the database has the account's secret in clear text.

    Raises:
        NoSuchAccountError: it is not in the database.
    """
    return USER_PASSWORD in book.properties(account)


def readable_credential(book: AccountBook, account: Account) -> Credential:
    """Return the account with its secret: of the database, else of its file for client hosts.

    Raises:
        NoSuchAccountError: it is not in the database.
        PasswordRefusedError: it is stored without clear text, and the file has not its secret.
    """
    try:
        return book.credential(account)
    except PasswordRefusedError as error:
        found = _handed_out(book, account)
        if found is None:
            hint = f"name the place that keeps it by --password SOURCE, or {error.hint}"
            raise PasswordRefusedError(error.subject, error.reason, hint) from None
        return found


def is_handed_out(book: AccountBook, account: Account) -> bool:
    """Tell whether the account's file for client hosts is there and opens it.

    Raises:
        NoSuchAccountError: it is not in the database.
        UnsafePathError: others may use the file.
    """
    return _handed_out(book, account) is not None


def _handed_out(book: AccountBook, account: Account) -> Credential | None:
    from ..accounts.verify import opens_any

    try:
        path = auth_info_for_clients(book.site, account)
    except NameRefusedError:
        return None
    if not exists(path):
        return None
    secret = _secret(path)
    if secret and opens_any(book.properties(account), account, secret):
        return Credential(account, secret, book.site.realm)
    return None


def _secret(path: str) -> Secret | None:
    content = read_private(path)
    try:
        return parse(content, path).secret
    except DamagedFileError:
        return None
