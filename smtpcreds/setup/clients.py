"""Where the files for client hosts lie below the state directory."""

from ..config import Site
from ..errors import NameRefusedError
from ..model import Account

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
