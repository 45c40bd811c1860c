"""default-auth-info for client hosts, written closed and owned as sendmail demands."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ..config import Site
from ..errors import DamagedFileError, ExistsError, NameRefusedError, PasswordRefusedError, SmtpcredsError
from ..files import (
    check_parents,
    check_target,
    ensure_directory,
    exists,
    is_directory,
    read_private,
    read_public,
    remove,
    remove_empty,
    status_at,
    sweep,
    sweep_target,
    write_all,
)
from ..files.guard import ANY_FOREIGN_ACCESS
from ..model import Account, Artifact, Credential, Owner
from ..mta import auth_info
from ..mta.auth_info import parse
from ..postgres import is_url
from ..sasldb.records import USER_PASSWORD
from ..secret import Placeholder, Secret
from .database import AccountDatabase, Change
from .stored import Delivery

# Files for client hosts below the state directory: what is handed out, and the hub's own copy of it.

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


def is_readable(accounts: AccountDatabase, account: Account) -> bool:
    """Tell whether the database has the account's secret in clear text."""
    return USER_PASSWORD in accounts.properties(account)


def readable_credential(accounts: AccountDatabase, account: Account) -> Credential:
    """Return the account with its secret: of the database, else of its file for client hosts.

    Raises:
        NoSuchAccountError: it is not in the database.
        PasswordRefusedError: it is stored without clear text, and the file has not its secret.
    """
    try:
        return accounts.credential(account)
    except PasswordRefusedError as error:
        found = _delivered(accounts, account)
        if found is None:
            hint = f"say where it is kept with --password SOURCE, or {error.hint}"
            raise PasswordRefusedError(error.subject, error.reason, hint) from None
        return found


def kept_credential(accounts: AccountDatabase, account: Account, secret: Secret) -> Credential:
    """Return the account with a secret that was kept elsewhere; in a preview that asks nobody, the one here.

    Raises:
        NoSuchAccountError: it is not in the database.
    """
    from .verify import credential

    if not isinstance(secret, Placeholder):
        return credential(accounts, account, secret)
    try:
        return readable_credential(accounts, account)
    except PasswordRefusedError:
        return Credential(account, secret, accounts.site.realm)


def is_delivered(accounts: AccountDatabase, account: Account) -> bool:
    """Tell whether the account's file for client hosts is there and opens it."""
    return _delivered(accounts, account) is not None


def _delivered(accounts: AccountDatabase, account: Account) -> Credential | None:
    from .verify import opens_any

    try:
        path = auth_info_for_clients(accounts.site, account)
    except NameRefusedError:
        return None
    if not exists(path):
        return None
    secret = _secret(path)
    if secret and opens_any(accounts.properties(account), account, secret):
        return Credential(account, secret, accounts.site.realm)
    return None


def _secret(path: str) -> Secret | None:
    content = read_private(path)
    try:
        return parse(content, path).secret
    except DamagedFileError:
        return None


# The file follows the account: a new secret goes into it, and it ends with the account.


def to_client_file(accounts: AccountDatabase, account: Account) -> list[Delivery]:
    """Return the delivery of an account's next secret to its file for client hosts; none where there is none.

    What the file says of mechanisms stays. Where the database is not changed after all, the file comes back.
    """
    path = own_file(accounts, account)
    if path is None:
        return []
    content = read_private(path)
    mechanisms = parse(content, path).mechanisms

    def write(secret: Secret) -> None:
        write_auth_info(Credential(account, secret, accounts.site.realm), path, mechanisms, force=True)

    undo = partial(write_all, [_closed(path, content, account)])
    return [Delivery(write, path, path, undo, can_follow=True)]


def own_file(accounts: AccountDatabase, account: Account) -> str | None:
    """Return the account's file for client hosts, if it is there, says so, and is of this database.

    Of another database than the configured one it is where its secret opens the account.
    """
    try:
        path = auth_info_for_clients(accounts.site, account)
    except NameRefusedError:
        return None
    if not exists(path):
        return None
    is_its = secret_in(accounts, account, path) is not None
    is_ours = accounts.database == accounts.site.sasldb
    return path if is_its and (is_ours or is_delivered(accounts, account)) else None


def secret_in(accounts: AccountDatabase, account: Account, path: str) -> Secret | None:
    """Return the secret in a file; None where it is not one of this account."""
    try:
        found = parse(read_private(path), path)
    except DamagedFileError:
        return None
    login = Credential(account, found.secret, accounts.site.realm).login
    return found.secret if found.authcid == login and found.realm in {"", account.realm} else None


def delivered_before(accounts: AccountDatabase, account: Account, path: str) -> Secret | None:
    """Return the secret that a killed ``sasl add --auth-info`` delivered for an account that is not there.

    The database was not changed since the file was written: an account that was deleted never gets the
    secret again that it had.
    """
    if is_url(accounts.database) or not exists(path):
        return None
    written, changed = status_at(path), status_at(accounts.database, follow=True)
    if changed and written and written.st_mtime_ns < changed.st_mtime_ns:
        return None
    return secret_in(accounts, account, path)


def follow(accounts: AccountDatabase, account: Account) -> bool:
    """Give the account's file the secret that the database has; tell whether it had another.

    Raises:
        PasswordRefusedError: the secret can't be read back.
    """
    path = own_file(accounts, account)
    if path is None:
        return False
    mechanisms = parse(read_private(path), path).mechanisms
    return write_auth_info(accounts.credential(account), path, mechanisms, force=True)


def withdraw(accounts: AccountDatabase, account: Account) -> None:
    """Delete the account's file for client hosts, if there is one."""
    with suppress(NameRefusedError):  # such an account never had a file
        path = auth_info_for_clients(accounts.site, account)
        if is_directory(os.path.dirname(path)):
            sweep(os.path.dirname(path))
            remove(path)
            remove_empty(os.path.dirname(path))


def _remove_left(site: Site, account: Account) -> None:
    """Remove the directory that a run left empty which was killed before it could do so itself."""
    with suppress(NameRefusedError):
        remove_empty(os.path.dirname(auth_info_for_clients(site, account)))


def delete_with_file(accounts: AccountDatabase, account: Account) -> Change:
    """Delete an account, and before it its file for client hosts; a run that is killed can be repeated.

    Where the account stays after all, or may stay, the file comes back.
    """
    accounts.properties(account)
    path = own_file(accounts, account)
    content = read_private(path) if path else b""
    if path:
        withdraw(accounts, account)
    else:
        _remove_left(accounts.site, account)
    try:
        return accounts.delete(account)
    except SmtpcredsError:
        if path and not accounts.holds(account, {}):
            ensure_directory(os.path.dirname(path))
            write_all([_closed(path, content, account)])
        raise


# One file for a mail program: written unless it is there with this very content.


def write_file(artifact: Artifact, holds: str, *, force: bool = False) -> bool:
    """Write a file and return True; where it is there with this very content, do nothing.

    Args:
        artifact: the file.
        holds: what another content is ("other credentials"), for the message.
        force: replace another content.
    """
    path = artifact.path
    parent = os.path.dirname(path)
    if is_directory(parent):
        check_parents(path)
        sweep_target(path)
    read = read_public if artifact.mode & ANY_FOREIGN_ACCESS else read_private
    is_free = check_target(path) is None or _is_sample(path)
    if not is_free and read(path) == artifact.content:
        return False
    if not (force or is_free):
        refuse_existing(path, holds)
    if not is_directory(parent):
        ensure_directory(parent, 0o755)
    write_all([artifact])
    return True


def refuse_existing(path: str, holds: str) -> None:
    """Accept a path where no file would be replaced."""
    if exists(path):
        raise ExistsError(path, f"holds {holds} and was not changed", "pass --force to replace it")


def _is_sample(path: str) -> bool:
    """Tell whether the file is one that a distribution's package brings, and that is nobody's."""
    return exists(path) and auth_info.is_sample(read_public(path))


_HOLDS = "other credentials"


def write_auth_info(
    credential: Credential, path: str, mechanisms: Sequence[str] = (), *, force: bool = False
) -> bool:
    """Write the file for one client host: mode 0600, and owner root when root writes it.

    Returns:
        False where it was there with this very content.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
    """
    if isinstance(credential.secret, Placeholder) and exists(path) and not force:
        credential = replace(credential, secret=_secret(path) or credential.secret)
    artifact = _closed(path, auth_info.render(credential, mechanisms), credential.account)
    return write_file(artifact, _HOLDS, force=force)


def _closed(path: str, content: bytes, account: Account) -> Artifact:
    owner = Owner(0, 0) if os.geteuid() == 0 else None
    return Artifact(path, content, 0o600, owner, f"credentials of {account}")


def refuse_auth_info(path: str, *, force: bool = False) -> None:
    """Accept a path that nobody else can turn, where no file would be replaced unless ``force`` is given.

    The sample of a distribution's package may go.
    """
    if is_directory(os.path.dirname(path)):
        check_parents(path)
    if not (force or _is_sample(path)):
        refuse_existing(path, _HOLDS)
