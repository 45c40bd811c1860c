"""Which hub is wanted, and where its secrets come from."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..accounts import AccountBook
from ..authority.ca import Passphrase
from ..config import Site
from ..deploy.clients import auth_info_for_clients
from ..errors import NameRefusedError, UsageError
from ..files import exists
from ..model import Account
from ..names import is_qualified, parse_host
from ..secret import Secret


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that is to stand.

    Attributes:
        site: with the hub and its domain in the settings.
        host: full name.
        account: of the client hosts.
    """

    site: Site
    host: str
    account: Account

    @property
    def auth_info(self) -> str:
        """The file for client hosts, kept under the state directory."""
        return auth_info_for_clients(self.site, self.account)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The questions of a set-up, each asked only if its part is missing.

    Attributes:
        new_passphrase: for the key of a new authority; it gives the same answer when it is asked again.
        passphrase: of the authority's key, be it new or not.
        password: of a new account; it gives the same answer when it is asked again.
    """

    new_passphrase: Callable[[], Secret | None]
    passphrase: Passphrase
    password: Callable[[], Secret]


def hub(site: Site, host: str, account: str | None = None) -> Hub:
    """Name the hub and its account.

    Raises:
        NameRefusedError: the host has no domain, or a bad name; the account's name can't name a directory.
        UsageError: the configuration names another hub.
    """
    name = site.qualify(host)
    if not is_qualified(name):
        raise NameRefusedError(host, "is no full name", f"smtpcreds setup {name}.DOMAIN")
    settings = site.settings
    if settings.hub and site.hub != name:
        reason = f"is not the hub of {site.settings_path}, which says {site.hub}"
        raise UsageError(name, reason, "change hub there, or set this one up under a --root of its own")
    if site.hub != name and exists(site.settings_path):
        site.warn(
            f'{site.settings_path}: names no hub, so other commands take {site.hub}; add hub = "{name}"'
        )
    domain = settings.domain or name.partition(".")[2]
    here = replace(site, settings=settings._replace(hub=name, domain=parse_host(domain)))
    client = AccountBook(here).parse(account or settings.sasl.account)
    auth_info_for_clients(here, client)
    return Hub(here, name, client)
