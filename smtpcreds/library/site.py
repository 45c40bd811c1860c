"""A site, and its transactions."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from .. import config, transaction
from ..errors import MissingInputError
from ..files import read_trusted
from ..model import Change, Root
from ..secret import Secret
from .accounts import AccountDatabase, AccountReader
from .arguments import FilePath, absolute, absolute_if_any
from .ca import Authority, AuthorityReader
from .certificates import CertificateReader, Certificates
from .mta import MailProgramReader, MailPrograms
from .setup import read_backup, read_bundle, set_up_client, set_up_hub
from .tlsa import Tlsa, TlsaReader

if TYPE_CHECKING:
    from ..bundle import install
    from ..bundle.backup import Backup, Restored
    from ..bundle.make import Bundled
    from ..bundle.pull import Authorized
    from ..ca.convert import Conversion
    from ..deploy.options import RenderOptions
    from ..hub import Ready
    from ..inventory.chain import Head
    from ..inventory.rows import Event
    from ..model import Finding
    from ..probe.step import Step
    from ..status.gather import Status


def _quiet(_: str) -> None:
    """Take no notice."""


def _now() -> datetime:
    return datetime.now(UTC)


class Site:
    """One installation: a host, or a directory that stands for one.

    >>> site = Site.load(root="/nonexistent")
    >>> with site.transaction(preview=True) as work:
    ...     authority = work.ca.create(name="Example Mail CA")
    >>> work.changes[-1].action
    'record in'

    Attributes:
        ca: the authority, as far as it can be known without its key.
        certificates: those that there are.
        accounts: of the configured database.
        mta: files of mail programs, and how they stand.
        tlsa: records for zones.
    """

    def __init__(self, site: config.Site) -> None:
        self._site = site
        self.ca = AuthorityReader(site)
        self.certificates = CertificateReader(site)
        self.accounts = AccountReader(site)
        self.mta = MailProgramReader(site)
        self.tlsa = TlsaReader(site)

    @classmethod
    def load(
        cls,
        root: FilePath = "/",
        *,
        config_file: FilePath | None = None,
        clock: Callable[[], datetime] = _now,
        warn: Callable[[str], None] = _quiet,
    ) -> Self:
        """Read the configuration; without one every setting has its default.

        Args:
            root: what every default path lies under.
            config_file: default: ``/etc/smtpcreds/smtpcreds.toml`` below the root.
            clock: gives the present, aware, in UTC.
            warn: takes one line that an administrator should read.

        Raises:
            MissingInputError: there is no such ``config_file``.
            ConfigError: it can't be understood.
        """
        below = Root("" if (directory := absolute(root)) == "/" else directory)
        path = absolute_if_any(config_file) or below.path(config.DEFAULT_PATH)
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
            passphrase: of the authority's keys, or the PIN of the token that holds them.

        Raises:
            LockHeldError: another run works here.
        """
        with transaction.transaction(self._site, preview=preview, passphrase=lambda: passphrase) as work:
            yield Transaction(work)

    def database(self, place: str) -> AccountReader:
        """Return the accounts of another database: a path or a ``postgresql://`` URL."""
        return AccountReader(self._site, place)

    def set_up(
        self,
        host: str,
        *,
        account: str | None = None,
        secret: Secret | None = None,
        passphrase: Secret | None = None,
        mta: str | None = None,
        allow_login_name: bool = False,
        allow_weak: bool = False,
        force: bool = False,
        preview: bool = False,
    ) -> "Ready":
        """Make what a hub lacks, in a transaction of its own: authority, certificate, account, files.

        Args:
            host: the hub.
            account: of the client hosts; default: the configured one, ``maildroid``.
            secret: of a new account; None makes a strong one.
            passphrase: of the authority's keys, be they there or made now; None leaves new ones plain.
            mta: a mail program of a hub, whose files are written, too.
            allow_login_name: accept an account with the name of a login of this host.
            allow_weak: accept a secret that is soon guessed.
            force: replace files of the mail program that are not ours, or were edited.
            preview: change nothing; the result says what would be made.
        """
        return set_up_hub(
            self._site,
            host,
            account,
            secret,
            passphrase,
            mta,
            allow_login_name=allow_login_name,
            allow_weak=allow_weak,
            force=force,
            preview=preview,
        )

    def set_up_client(
        self,
        bundle: FilePath,
        *,
        passphrase: Secret | None = None,
        mta: str | None = None,
        force: bool = False,
        preview: bool = False,
    ) -> "install.Ready":
        """Make this host a client host from a bundle, in a transaction of its own.

        Args:
            bundle: the archive of :meth:`Transaction.bundle`; it is verified before anything is written.
            passphrase: opens it.
            mta: the mail program that it has to be for.
            force: replace another certificate, and files of the mail program that are not ours.
            preview: change nothing; the result says what would be made.
        """
        opened = read_bundle(self._site, absolute(bundle), passphrase)
        return set_up_client(self._site, opened, mta, force=force, preview=preview)

    def check_backup(self, path: FilePath, *, passphrase: Secret | None = None) -> "Backup":
        """Prove that a backup of ``work.ca.backup`` could be restored; nothing is changed.

        Args:
            path: of the archive.
            passphrase: opens it.
        """
        return read_backup(self._site, absolute(path), passphrase).backup

    def restore(
        self,
        path: FilePath,
        *,
        passphrase: Secret | None = None,
        force: bool = False,
        preview: bool = False,
    ) -> "Restored":
        """Put a backup back in place, in a transaction of its own; load the site anew afterwards.

        Args:
            path: of the archive; it is verified before anything is written.
            passphrase: opens it.
            force: move a state directory aside, and replace a configuration.
            preview: change nothing; the result says what would be done.

        Raises:
            ExistsError: there is a state directory, or another configuration.
        """
        from ..bundle.backup import restore

        opened = read_backup(self._site, absolute(path), passphrase)
        with transaction.transaction(opened.site, preview=preview, state=False) as work:
            return restore(work, opened, force=force)

    def status(self) -> "Status":
        """Return how everything stands: authorities, certificates, accounts, and what is due."""
        from ..status.gather import gather

        return gather(self._site)

    def audit(self, *, only: Collection[str] = (), ignore: Collection[str] = ()) -> "list[Finding]":
        """Return what exposes a credential or keeps it from working.

        Args:
            only: codes of smtpcreds-audit(7), or families of them; default: all.
            ignore: likewise, those that are left out.
        """
        from ..audit.run import audit, choice

        return audit(self._site, choice(only, ignore))

    def fix(self, *, only: Collection[str] = (), ignore: Collection[str] = ()) -> int:
        """Repair what is safe of the findings, in a transaction of its own; return how many were repaired."""
        from ..audit.run import choice, fix

        with transaction.transaction(self._site, state=False) as work:
            return fix(work, choice(only, ignore))

    def probe(
        self,
        url: str,
        *,
        account: str | None = None,
        secret: Secret | None = None,
        client: str | None = None,
        name: str | None = None,
        ca: FilePath | None = None,
        crl: FilePath | None = None,
        tlsa: Sequence[str] = (),
        mechanisms: Sequence[str] = (),
        negative: bool | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        timeout: float = 30.0,
    ) -> "list[Step]":
        """Try a server over a real connection, step by step; a step that fails is in the result.

        Args:
            url: ``smtp://HOST[:PORT]`` or ``smtp+tls://`` for STARTTLS, ``smtps://``; also ``NAME@HOST``.
            account: log in as this one.
            secret: of it; default: that of the database, or what this host logs in with.
            client: present the installed certificate of this host.
            name: that the server's certificate must be for; default: the host of the URL.
            ca: file of CAs to trust; default: ``cacert.pem`` of this host.
            crl: file of their CRL; default: those of this host.
            tlsa: records ``U S M HEX``, of which one must fit.
            mechanisms: to try; default: all that are offered.
            negative: also try what must be refused; default: with a login or a certificate.
            sender: of a message; default: postmaster of this host.
            recipient: of a message, which is delivered where this is given.
            timeout: seconds of patience with each step.

        Raises:
            UsageError, NameRefusedError: the URL or a name can't be understood.
            MissingInputError: there is no CA to trust.
        """
        from ..probe.run import probe
        from .probe import request_of

        asked = request_of(
            self._site,
            url,
            account=account,
            secret=secret,
            client=client,
            name=name,
            trusted=(absolute_if_any(ca), absolute_if_any(crl)),
            tlsa=tlsa,
            mechanisms=mechanisms,
            negative=negative,
            addresses=(sender, recipient),
            timeout=timeout,
        )
        return probe(asked, lambda _: None)

    def check_inventory(self, head: str = "") -> "list[Finding]":
        """Return where inventory and disk disagree, and where the chain of events is broken.

        Args:
            head: the hash of an earlier :meth:`head`, which must still be there.

        Raises:
            MissingInputError: there is no inventory.
        """
        from ..ca.verify import findings

        return findings(self._site, head)[0]

    def head(self) -> "Head":
        """Return the end of the chain of events: how many there are, and the hash of the last.

        Raises:
            MissingInputError: there is no inventory.
        """
        from ..ca.layout import reading

        with reading(self._site) as inventory:
            return inventory.chain().head

    def events(
        self, *, since: timedelta | None = None, subject: str | None = None, limit: int | None = None
    ) -> "list[Event]":
        """Return who did what and when, the newest first.

        Args:
            since: only those of this last span.
            subject: only what was done to this host or authority.
            limit: at most so many.

        Raises:
            MissingInputError: there is no inventory.
        """
        from ..ca.layout import reading

        start = self._site.clock() - since if since else None
        with reading(self._site) as inventory:
            return list(inventory.events(subject=subject, since=start, limit=limit))


class Transaction:
    """One run that changes something; made by :meth:`Site.transaction`.

    Attributes:
        ca: the authority that signs.
        certificates: those of other authorities, and copies.
        accounts: of the configured database.
        mta: files of mail programs.
        tlsa: the steps to a new key.
    """

    def __init__(self, work: transaction.Transaction) -> None:
        self._work = work
        self.ca = Authority(work)
        self.certificates = Certificates(work)
        self.accounts = AccountDatabase(work)
        self.mta = MailPrograms(work)
        self.tlsa = Tlsa(work)

    @property
    def changes(self) -> list[Change]:
        """What was done so far, or in a preview would be, in order."""
        return self._work.changes

    def database(self, place: str) -> AccountDatabase:
        """Return the accounts of another database: a path or a ``postgresql://`` URL."""
        return AccountDatabase(self._work, place)

    def bundle(
        self,
        host: str,
        path: FilePath,
        *,
        mta: str = "sendmail",
        options: "RenderOptions | None" = None,
        csr: FilePath | None = None,
        new_key: bool = False,
        with_key: bool = True,
        days: int | None = None,
        passphrase: Secret | None = None,
        recipients: Sequence[str] = (),
        force: bool = False,
    ) -> "Bundled":
        """Put all that a client host needs into one archive: CA, certificate and key, account, README.

        Args:
            host: the client host.
            path: of the archive, mode 0600.
            mta: its mail program.
            options: of that program's files.
            csr: file with the request of the host, which keeps its own key.
            new_key: issue another certificate with a new key.
            with_key: False puts in the certificate that the host has, alone.
            days: lifetime of a new certificate.
            passphrase: encrypts the archive as age does.
            recipients: keys of age or SSH that it is encrypted for instead.
            force: replace the file.

        Raises:
            ExistsError: there is such a file; or the host has a certificate, and only it has the key.
        """
        from ..bundle.make import make_bundle
        from .setup import bundle_delivery, bundle_request

        wanted = bundle_request(
            self._work.site,
            host,
            mta,
            options,
            absolute_if_any(csr),
            new_key=new_key,
            with_key=with_key,
            days=days,
        )
        return make_bundle(
            self._work,
            wanted,
            bundle_delivery(absolute(path), passphrase, tuple(recipients), force=force),
        )

    def authorize(
        self,
        host: str,
        key: str,
        program: str,
        *,
        to: FilePath | None = None,
        login: str = "smtpcreds",
        mta: str = "sendmail",
        options: "RenderOptions | None" = None,
        own_account: bool = False,
    ) -> "Authorized":
        """Let a client host fetch its bundles over ssh.

        Args:
            host: the client host.
            key: its public key of ssh, one line.
            program: what sshd starts, without the verb, as ``sudo -n /opt/smtpcreds/bin/smtpcreds``.
            to: the authorized_keys that gets the line; None leaves that to the caller.
            login: the account on this hub that the host comes to.
            mta: its mail program.
            options: of that program's files.
            own_account: make an account of its own.
        """
        from ..bundle.pull import authorize, key_line, parse_key
        from .setup import bundle_request

        asked = bundle_request(
            self._work.site, host, mta, options, None, new_key=False, with_key=True, days=None
        )
        wanted = replace(asked, login=login, own_account=own_account)
        name = wanted.order.host
        line = key_line(f"{program} bundle {name} --serve", parse_key(key, name), name)
        return authorize(self._work, wanted, line, absolute_if_any(to))

    def serve(self, host: str, have: str = "") -> bytes:
        """Return the bundle of a host that was authorized, a tar archive, or nothing where it has that.

        Args:
            host: the client host.
            have: SHA-256 of the archive that it has, hex; empty for none.

        Raises:
            DeniedError: the host may not fetch bundles, or is shut out.
        """
        from ..bundle.pull import serve

        return serve(self._work, self._work.site.qualify(host), have)

    def convert_inventory(self, target: FilePath, *, force: bool = False) -> "Conversion":
        """Write the inventory to a new file or into an empty PostgreSQL database, and compare every row.

        Args:
            target: a path, or a ``postgresql://`` URL.
            force: copy a chain of events that is broken, too.

        Raises:
            ExistsError: there is something in it.
            DataError: the chain of events is broken.
        """
        from ..accounts.database import place_of
        from ..ca.convert import convert

        return convert(self._work, place_of(os.fspath(target)), force=force)
