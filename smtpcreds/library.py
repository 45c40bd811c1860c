"""The verbs as methods: a site, its transactions, and on them the authority and the accounts."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from . import config, transaction
from .errors import MissingInputError
from .files import read_trusted
from .model import Account, Change, Root
from .secret import Secret

if TYPE_CHECKING:
    from .ca.issue import Issued
    from .ca.publish import Published
    from .ca.renew import Renewed
    from .ca.revoke import Revocation
    from .model import Finding
    from .retire import Retired


def _quiet(_: str) -> None:
    """Take no notice."""


class Site:
    """One installation: a host, or a directory that stands for one.

    >>> site = Site.load(root="/nonexistent")
    >>> with site.transaction(preview=True) as work:
    ...     work.ca.create(name="Example Mail CA")
    >>> work.changes[-1].action
    'record in'
    """

    def __init__(self, site: config.Site) -> None:
        self._site = site

    @classmethod
    def load(
        cls,
        root: str = "/",
        *,
        config_file: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        warn: Callable[[str], None] = _quiet,
    ) -> Self:
        """Read the configuration; without one every setting has its default.

        Args:
            root: what every default path lies under.
            config_file: absolute; default: ``/etc/smtpcreds/smtpcreds.toml`` below the root.
            clock: gives the present, aware, in UTC.
            warn: takes one line that an administrator should read.

        Raises:
            MissingInputError: there is no such ``config_file``.
            ConfigError: it can't be understood.
        """
        below = Root("" if root == "/" else root)
        path = config_file or below.path(config.DEFAULT_PATH)
        try:
            settings = config.parse_settings(read_trusted(path).decode(errors="replace"), path)
        except MissingInputError:
            if config_file:
                raise
            settings = config.Settings()
        return cls(config.Site(below, settings, clock, warn, path))

    @contextmanager
    def transaction(
        self, *, preview: bool = False, passphrase: Secret | None = None
    ) -> Iterator["Transaction"]:
        """Give what verbs work on; what a killed run left is completed or given up first.

        Args:
            preview: change nothing, and only record what would be done.
            passphrase: of the authority's keys.

        Raises:
            LockHeldError: another run works here.
        """
        with transaction.transaction(self._site, preview=preview, passphrase=lambda: passphrase) as work:
            yield Transaction(work)

    def audit(self) -> "list[Finding]":
        """Return what exposes a credential or keeps it from working."""
        from .audit.run import audit

        return audit(self._site)


class Transaction:
    """One run that changes something; made by :meth:`Site.transaction`."""

    def __init__(self, work: transaction.Transaction) -> None:
        self._work = work
        self.ca = Authority(work)
        self.accounts = Accounts(work)

    @property
    def changes(self) -> list[Change]:
        """What was done so far, or in a preview would be, in order."""
        return self._work.changes


class Authority:
    """The verbs of ``smtpcreds ca`` and ``smtpcreds cert``."""

    def __init__(self, work: transaction.Transaction) -> None:
        self._work = work

    def create(
        self,
        *,
        name: str | None = None,
        key_type: str | None = None,
        days: int | None = None,
        passphrase: Secret | None = None,
        intermediate: bool = False,
        token: str | None = None,
    ) -> None:
        """Make the authority.

        Args:
            name: common name; default: the configured one, else the domain and "Mail CA".
            key_type: p256, p384, rsa2048, rsa3072, rsa4096 or ed25519.
            days: lifetime.
            passphrase: encrypts its keys, or is the PIN of the token; None leaves them plain.
            intermediate: let a root certify it, whose key can be taken offline.
            token: a PKCS #11 URI (RFC 7512), where the key is to be made; not with ``intermediate``.

        Raises:
            ExistsError: there is one, or something in its place.
        """
        from .ca.create import create, new_authority
        from .ca.token import TokenKey
        from .pkcs11 import KeyUri

        key = TokenKey(KeyUri.parse(token)) if token else None
        wanted = new_authority(
            self._work.site, name=name, key_type=key_type, days=days, intermediate=intermediate, token=key
        )
        create(self._work, wanted, lambda: passphrase)

    def issue(
        self,
        *hosts: str,
        profile: str = "relay",
        names: Iterable[str] = (),
        days: int | None = None,
        directory: str | None = None,
        force: bool = False,
    ) -> "list[Issued]":
        """Issue a certificate with a new key for each host, and install both.

        Args:
            hosts: a short name gets the domain of the site.
            profile: ``relay`` (both TLS roles), ``server`` or ``client``.
            names: more host names and IP addresses of each.
            days: lifetime.
            directory: absolute, instead of the configured one.
            force: replace valid pairs.

        Raises:
            MissingInputError: there is no authority.
            SmtpcredsError: why a host gets none; those before it have theirs.
        """
        from .ca.issue import CertificateOptions, Refused, issue, orders

        render_options = CertificateOptions(profile, tuple(names), days, None, directory)
        issued = []
        for outcome in issue(self._work, orders(self._work.site, hosts, None, render_options), force=force):
            if isinstance(outcome, Refused):
                raise outcome.error
            issued.append(outcome)
        return issued

    def renew(self, *hosts: str, new_key: bool = False) -> "Renewed":
        """Renew certificates: same names, same profile, and unless ``new_key`` the same key.

        Raises:
            MissingInputError: there is no authority, or no such host.
        """
        from .ca.renew import Renewals, renew

        return renew(self._work, Renewals(hosts, new_key=new_key))

    def renew_due(self) -> "Renewed":
        """Renew all that is past two thirds of its life, and the CRL."""
        from .ca.renew import Renewals, renew

        return renew(self._work, Renewals(due=True))

    def revoke(self, which: str, reason: str = "unspecified") -> "Revocation":
        """Revoke a certificate, and publish a CRL that says so.

        Args:
            which: a host, all of whose certificates are meant, or the beginning of one serial number or
                fingerprint.
            reason: as in RFC 5280 section 5.3.1, such as ``keyCompromise``.

        Raises:
            AmbiguousError: more than one fits.
            MissingInputError, DataError: none does.
        """
        from .ca.revoke import RevocationRequest, revoke
        from .pki.revocation import parse_reason

        return revoke(self._work, RevocationRequest(which, parse_reason(reason)))

    def retire(self, host: str, *accounts: str) -> "Retired":
        """End a host: revoke its certificates, remove its pair, delete these accounts, and forget the rest.

        Raises:
            DeniedError: it is the hub itself.
            MissingInputError: nothing is known of it.
            NoSuchAccountError: one of the accounts is not there.
        """
        from .retire import RetireRequest, retire

        return retire(self._work, RetireRequest(host, accounts=accounts))

    def crl(self, *, days: int | None = None) -> "Published":
        """Sign a fresh list of revoked certificates, and install it beside the certificates."""
        from .ca.publish import CrlWish, refresh_crl

        return refresh_crl(self._work, CrlWish(days))


class Accounts:
    """The verbs of ``smtpcreds sasl``, on the site's own account database."""

    def __init__(self, work: transaction.Transaction) -> None:
        self._work = work

    def add(self, name: str, secret: Secret | None = None, *, allow_login_name: bool = False) -> Account:
        """Make a relay account.

        Args:
            name: ``user`` or ``user@realm``.
            secret: None makes a strong one.
            allow_login_name: accept the name of a login of this host.

        Raises:
            ExistsError: the account is there already.
            NameRefusedError: the name is a login of this host.
        """
        from .passwords import generate

        accounts = self._work.accounts()
        account = accounts.parse(name)
        accounts.add(account, lambda: secret or generate(), allow_login_name=allow_login_name)
        return account

    def set_secret(self, name: str, secret: Secret | None = None) -> Account:
        """Give an account another secret, at once; None makes a strong one.

        The account's file for client hosts, if there is one, follows.

        Raises:
            NoSuchAccountError: there is no such account.
        """
        from .accounts.auth_info import to_client_file
        from .passwords import generate

        accounts = self._work.accounts()
        account = accounts.existing(name)
        places = to_client_file(accounts, account)
        accounts.set_secret(account, lambda: secret or generate(), deliveries=places)
        return account

    def delete(self, name: str) -> None:
        """Remove an account with all its properties.

        Raises:
            NoSuchAccountError: there is no such account.
        """
        from .accounts.rotation import delete

        accounts = self._work.accounts()
        delete(self._work, accounts, accounts.existing(name))

    def names(self) -> list[str]:
        """Return all accounts as ``user@realm``, by realm and name."""
        return self._work.accounts().listing().names

    def auth_info(self, name: str) -> bytes:
        """Return the four lines of default-auth-info that let a client host relay: a secret.

        Raises:
            NoSuchAccountError: there is no such account.
            PasswordRefusedError: it is stored without clear text.
            InexpressibleError: the file can't hold the secret.
        """
        from .mta.auth_info import render

        accounts = self._work.accounts()
        return render(accounts.credential(accounts.existing(name)))
