"""What a client host logs in with, and what the accounts of a hub hold."""

from collections.abc import Iterable, Mapping

from ..accounts import AccountBook
from ..config import Site
from ..errors import NoSuchAccountError
from ..files import check_parents, check_target, exists, read_public
from ..model import Account, Credential
from ..mta.port import Held, Program
from ..sasldb.records import by_account
from ..secret import Secret
from .clients import readable_credential
from .wishes import Wishes


def held(site: Site) -> tuple[Held, ...]:
    """Return all accounts of the database, by name."""
    found = by_account(AccountBook(site).records())
    return tuple(
        Held(account, {name: Secret(value) for name, value in found[account].items()})
        for account in sorted(found)
    )


def credential(site: Site, program: Program, wishes: Wishes) -> Credential:
    """Return the account with its secret: given, of the database, or what this host logs in with."""
    book = AccountBook(site)
    account = book.parse(wishes.account or site.settings.sasl.account)
    if wishes.secret:
        return _verified(book, account, wishes.secret())
    return held_credential(site, (program,), account)


def held_credential(site: Site, programs: Iterable[Program], account: Account) -> Credential:
    """Return the account with its secret: of the database, or what one of the programs logs in with here.

    Raises:
        NoSuchAccountError: neither is here.
        PasswordRefusedError: as :func:`.clients.readable_credential`.
    """
    book = AccountBook(site)
    try:
        return readable_credential(book, account)
    except NoSuchAccountError as error:
        installed = (_installed_secret(site, program, account) for program in programs)
        secret = next(filter(None, installed), None)
        if secret is None:
            reason = f"has no secret here: {error.reason}, and none is installed"
            hint = f"smtpcreds sasl add {book.shown(account)} on the hub; elsewhere give --password SOURCE"
            raise NoSuchAccountError(str(account), reason, hint) from None
        return Credential(account, secret, site.realm)


def _verified(book: AccountBook, account: Account, secret: Secret) -> Credential:
    """Return the account with a secret that was given; where the account is known, it has to fit."""
    from ..accounts import verify

    try:
        book.properties(account)
    except NoSuchAccountError:
        return Credential(account, secret, book.site.realm)
    return verify.credential(book, account, secret)


def _installed_secret(site: Site, program: Program, account: Account) -> Secret | None:
    """Return the secret that this host has for the account in the program's own files."""
    paths = {name: site.path(name) for name in program.SECRET_FILES}
    files = {name: _read(path) for name, path in paths.items() if exists(path)}
    return secret_for(program, account, files)


def secret_for(program: Program, account: Account, files: Mapping[str, bytes]) -> Secret | None:
    """Return the secret that the program's files have for the account, or None.

    Args:
        program: whose files.
        account: it stands there by its bare or its full name.
        files: content by the path on the host.

    Raises:
        DamagedFileError: one can't be read.
    """
    names = {account.authcid, str(account)}
    for name in program.SECRET_FILES:
        found = program.parse(name, files[name]) if name in files else {}
        secret = found.get("secret")
        if found.get("authcid") in names and isinstance(secret, Secret):
            return secret
    return None


def _read(path: str) -> bytes:
    """Return what a file of ours says; the program's own group may read some of them."""
    check_parents(path)
    check_target(path)
    return read_public(path)
