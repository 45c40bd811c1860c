"""A hub from nothing: configuration, CA, certificate, account, default-auth-info. What is there stays."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..accounts import AccountBook
from ..authority.ca import Passphrase, certificates, exists
from ..authority.create import new_authority, plan_create
from ..authority.issue import Refused, plan_issue
from ..authority.layout import ca_files
from ..authority.orders import Wishes, order
from ..authority.standing import valid_pair
from ..config import Site
from ..deploy import plan_auth_info
from ..errors import NameRefusedError, NoSuchAccountError, UsageError
from ..files import ensure_directory, write_all
from ..model import Account, Artifact, Plan, Step
from ..names import is_qualified, parse_host
from ..secret import Secret


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a hub: what it is, where it lies, and whether this run made it."""

    what: str
    path: str
    made: bool


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
        return f"{self.site.state}/clients/{self.account.authcid}/default-auth-info"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The questions of a set-up, each asked only if its part is missing."""

    new_passphrase: Callable[[], Secret | None]
    passphrase: Passphrase
    password: Callable[[], Secret]


def hub(site: Site, host: str, account: str | None = None) -> Hub:
    """Name the hub and its account.

    Raises:
        NameRefusedError: the host has no domain, or a bad name.
        UsageError: the configuration names another hub.
    """
    name = site.qualify(host)
    if not is_qualified(name):
        raise NameRefusedError(host, "is no full name", "smtpcreds setup HOST.DOMAIN")
    settings = site.settings
    if settings.hub and site.hub != name:
        raise UsageError(name, f"is not the hub of {site.settings_path}, which says {site.hub}")
    domain = settings.domain or name.partition(".")[2]
    here = replace(site, settings=replace(settings, hub=name, domain=parse_host(domain)))
    return Hub(here, name, AccountBook(here).parse(account or settings.sasl.account))


def plan_hub(wanted: Hub, secrets: Secrets, *, allow_login_name: bool = False) -> Plan[list[Part]]:
    """Plan what is missing; the plan of a finished hub is empty, and applying it changes nothing."""
    parts = (
        _configuration(wanted),
        _authority(wanted, secrets),
        _certificate(wanted, secrets),
        _account(wanted, secrets, allow_login_name=allow_login_name),
        _auth_info(wanted),
    )
    steps = tuple(step for part in parts for step in part.steps)
    return Plan(steps, lambda: [part.carry_out() for part in parts])


@dataclass(frozen=True, slots=True)
class _Part:
    what: str
    path: str
    steps: tuple[Step, ...]
    make: Callable[[], object]

    def carry_out(self) -> Part:
        if self.steps:
            self.make()
        return Part(self.what, self.path, bool(self.steps))


def _configuration(wanted: Hub) -> _Part:
    site = wanted.site
    path = site.settings_path
    text = f'domain = "{site.settings.domain}"\nhub = "{site.settings.hub}"\n'

    def make() -> None:
        ensure_directory(os.path.dirname(path), 0o755, tighten=False)
        write_all([Artifact(path, text.encode(), 0o644)])

    steps = (
        () if os.path.lexists(path) else (Step("write", path, 0o644, text.replace("\n", "; ").rstrip("; ")),)
    )
    return _Part("configuration", path, steps, make)


def _authority(wanted: Hub, secrets: Secrets) -> _Part:
    site = wanted.site
    path = ca_files(site).certificate
    if exists(site):
        certificates(site)
        return _Part("authority", path, (), lambda: None)
    plan = plan_create(site, new_authority(site), None)
    return _Part(
        "authority",
        path,
        plan.steps,
        lambda: plan_create(site, new_authority(site), secrets.new_passphrase()).apply(),
    )


def _certificate(wanted: Hub, secrets: Secrets) -> _Part:
    site = wanted.site
    needed = order(site, wanted.host, Wishes())
    if valid_pair(needed.pair, site.clock()):
        return _Part("certificate", needed.pair.certificate, (), lambda: None)

    def make() -> None:
        for outcome in plan_issue(site, [needed], secrets.passphrase).apply():
            if isinstance(outcome, Refused):
                raise outcome.error

    steps = (Step("write", needed.pair.key, 0o600), Step("write", needed.pair.certificate, 0o600))
    return _Part("certificate", needed.pair.certificate, steps, make)


def _account(wanted: Hub, secrets: Secrets, *, allow_login_name: bool) -> _Part:
    book = AccountBook(wanted.site)
    what = f"account {wanted.account}"
    try:
        book.entry(wanted.account)
    except NoSuchAccountError:
        plan = book.plan_add(wanted.account, secrets.password, allow_login_name=allow_login_name)
        return _Part(what, book.database, plan.steps, plan.apply)
    return _Part(what, book.database, (), lambda: None)


def _auth_info(wanted: Hub) -> _Part:
    path = wanted.auth_info

    def make() -> None:
        ensure_directory(os.path.dirname(path))
        plan_auth_info(AccountBook(wanted.site).credential(wanted.account), path).apply()

    steps = () if os.path.lexists(path) else (Step("write", path, 0o600),)
    return _Part("default-auth-info", path, steps, make)
