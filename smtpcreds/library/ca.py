"""``smtpcreds ca``, and what the authority does under ``smtpcreds cert``."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import Site
from ..errors import UsageError
from ..secret import Secret
from ..transaction import Transaction
from .arguments import FilePath, absolute, absolute_if_any, hook_of, token_key

if TYPE_CHECKING:
    from ..bundle.backup import Backup
    from ..ca.adopt import Adopted
    from ..ca.create import Created
    from ..ca.export import Exported
    from ..ca.issue import Issued
    from ..ca.lookup import Overview
    from ..ca.publish import Published
    from ..ca.renew import Renewed, Upkeep
    from ..ca.requests import SignedCsr
    from ..ca.revoke import Revocation
    from ..ca.rollover import Retirement, Rolled
    from ..ca.root import RootKey
    from ..retire import Retired


class AuthorityReader:
    """What can be known of the authority without its key; ``site.ca``."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self) -> "Overview":
        """Return what the authority is, those that it replaced, and how many certificates each has.

        Raises:
            MissingInputError: there is none.
        """
        from ..ca.lookup import overview

        return overview(self._site)

    def export(self) -> bytes:
        """Return every CA certificate that clients need to trust, as PEM."""
        from ..ca.authority import CA
        from ..ca.export import bundle

        return bundle(CA(self._site))

    def crl_is_current(self) -> bool:
        """Tell whether each CRL is the newest and has more than a third of its life left."""
        from ..ca.publish import is_current

        return is_current(self._site)


class Authority(AuthorityReader):
    """The authority that signs; ``work.ca``.

    Where a key is encrypted, the passphrase is that of :meth:`smtpcreds.Site.transaction`. ``reload`` is a
    command that tells the mail server of new files; it is run without a shell, if anything changed.
    """

    def __init__(self, work: Transaction) -> None:
        super().__init__(work.site)
        self._work = work

    def create(
        self,
        *,
        name: str | None = None,
        organization: str | None = None,
        key_type: str | None = None,
        days: int | None = None,
        passphrase: Secret | None = None,
        permitted_domains: Sequence[str] = (),
        unconstrained: bool = False,
        addresses: bool = False,
        intermediate: bool = False,
        token: str | None = None,
        existing_key: bool = False,
        pin: Secret | None = None,
        force: bool = False,
    ) -> "Created":
        """Make the authority.

        Args:
            name: common name; default: the configured one, else the domain and "Mail CA".
            organization: of its subject; default: the configured one.
            key_type: p256, p384, rsa2048, rsa3072, rsa4096 or ed25519.
            days: lifetime.
            passphrase: encrypts its key files, or is the PIN of the token; None leaves them plain.
            permitted_domains: all that it may certify (RFC 5280 section 4.2.1.10); default: that of the site.
            unconstrained: it may certify any name.
            addresses: it may certify IP addresses, too.
            intermediate: let a root certify it, whose key can be taken offline.
            token: a PKCS #11 URI (RFC 7512), where the key is to be made; not with ``intermediate``.
            existing_key: take the key that is in the token already.
            pin: of the token, where the key of a root above it is in a file with the passphrase.
            force: make it although one has published here that is not here any more.

        Raises:
            ExistsError: there is one, or something in its place; or one has published here.
        """
        from ..ca.create import create, new_authority

        wanted = new_authority(
            self._site,
            name=name,
            organization=organization,
            key_type=key_type,
            days=days,
            permitted_domains=tuple(permitted_domains),
            unconstrained=unconstrained,
            addresses=addresses,
            intermediate=intermediate,
            token=token_key(token, exists=existing_key),
            force=force,
        )
        return create(self._work, wanted, lambda: passphrase, lambda: pin or passphrase)

    def adopt(
        self,
        directory: FilePath | None = None,
        *,
        key: FilePath | None = None,
        certificate: FilePath | None = None,
        chain: FilePath | None = None,
        token: str | None = None,
        new_passphrase: Secret | None = None,
    ) -> "Adopted":
        """Take over an authority that another program made, with what it signed and revoked.

        Args:
            directory: of easy-rsa, openssl ca, step, mkcert, minica or certstrap; it is not changed.
            key: private key, instead of that of the directory.
            certificate: of the authority, likewise.
            chain: the certificates above it.
            token: a PKCS #11 URI (RFC 7512) of the key; goes with ``certificate`` alone.
            new_passphrase: encrypts the key from now on; default: that of the transaction, which opens it.

        Raises:
            ExistsError: there is an authority here already.
        """
        from ..ca.adopt import Named, adopt, survey
        from ..pkcs11 import KeyUri

        paths = map(absolute_if_any, (directory, key, certificate, chain))
        found = survey(Named(*paths, is_in_token=token is not None))
        new = (lambda: new_passphrase) if new_passphrase else None
        return adopt(self._work, found, lambda _: new, str(KeyUri.parse(token)) if token else None)

    def crl(
        self,
        *,
        days: int | None = None,
        copy: FilePath | None = None,
        der: bool = False,
        force: bool = False,
        root_key: FilePath | None = None,
        root_passphrase: Secret | None = None,
        take: Sequence[FilePath] = (),
        reload: str | None = None,
    ) -> "Published":
        """Sign a fresh list of revoked certificates, and install it beside the certificates.

        Args:
            days: lifetime.
            copy: one more file to write, mode 0644; ``der`` makes that one DER instead of PEM.
            der: see ``copy``.
            force: although the last one is of the future, because the clock was ahead.
            root_key: of the CA above, whose list is signed anew, too.
            root_passphrase: of that key; default: that of the transaction.
            take: CRLs of the CAs above, which others sign, to be handed on.
            reload: tells the mail server.
        """
        from ..ca.publish import CrlWish, refresh_crl

        above = tuple(path for each in take if (path := absolute_if_any(each)))
        wish, root = CrlWish(days, absolute_if_any(copy), der, force, above), _root(root_key, root_passphrase)
        return refresh_crl(self._work, wish, root=root, hook=hook_of(reload))

    def export_key(
        self,
        path: FilePath,
        *,
        root: bool = False,
        new_passphrase: Secret | None = None,
        remove: bool = False,
    ) -> "Exported":
        """Copy a private key to a new file, mode 0600, once it is proven to be the certificate's.

        Args:
            path: must not exist.
            root: the root's key above an intermediate, not the one that signs.
            new_passphrase: encrypts the copy; None copies the key as it is.
            remove: take the root's key off this host once the copy is proven.

        Raises:
            ExistsError: there is such a file.
        """
        from ..ca.export import KeyCopy, export_key

        new = (lambda: new_passphrase) if new_passphrase else None
        return export_key(self._work, KeyCopy(root, absolute(path), new, remove))

    def backup(
        self,
        path: FilePath,
        *,
        passphrase: Secret | None = None,
        recipients: Sequence[str] = (),
        force: bool = False,
    ) -> "Backup":
        """Save authority, inventory, certificates and configuration in one archive, mode 0600.

        Args:
            path: of the archive.
            passphrase: encrypts it as age does.
            recipients: keys of age or SSH that it is encrypted for instead.
            force: replace the file.

        Raises:
            UsageError: neither a passphrase nor a recipient.
        """
        from ..bundle.backup import back_up
        from .setup import bundle_delivery

        if not passphrase and not recipients:
            raise UsageError("passphrase", "is needed, or recipients: a backup holds the authority's key")
        return back_up(
            self._work, bundle_delivery(absolute(path), passphrase, tuple(recipients), force=force)
        )

    def change_passphrase(self, new: Secret | None) -> tuple[str, ...]:
        """Encrypt every key of the authority anew and return their paths; None leaves them plain."""
        from ..ca.create import change_passphrase

        return change_passphrase(self._work, lambda: new)

    def roll_over(
        self,
        *,
        name: str | None = None,
        organization: str | None = None,
        key_type: str | None = None,
        days: int | None = None,
        permitted_domains: Sequence[str] = (),
        unconstrained: bool = False,
        addresses: bool = False,
        intermediate: bool = False,
        new_root: bool = False,
        root_key: FilePath | None = None,
        root_passphrase: Secret | None = None,
        token: str | None = None,
        existing_key: bool = False,
        force: bool = False,
    ) -> "Rolled":
        """Replace the authority by a new one; both are trusted until :meth:`retire_old`.

        The default is in each respect what the present authority is like.

        Args:
            name: as for :meth:`create`; default: the present one and G2, G3.
            organization: of its subject.
            key_type: as for :meth:`create`.
            days: lifetime.
            permitted_domains: all that it may certify.
            unconstrained: it may certify any name.
            addresses: it may certify IP addresses, too.
            intermediate: make a root and an issuing CA where there was one CA.
            token: a PKCS #11 URI (RFC 7512), where the key is to be made.
            existing_key: take the key that is in the token already.
            new_root: a new root too, not only an issuing CA below the old one.
            root_key: of the root, where it is kept offline.
            root_passphrase: of that key; default: that of the transaction.
            force: although the last rollover has not ended.

        Raises:
            DeniedError: the last rollover has not ended.
        """
        from ..ca.rollover import roll_over, successor

        wanted = successor(
            self._work,
            name=name,
            organization=organization,
            key_type=key_type,
            days=days,
            permitted=tuple(permitted_domains),
            unconstrained=unconstrained,
            addresses=addresses,
            intermediate=intermediate,
            token=token_key(token, exists=existing_key),
        )
        root = _root(root_key, root_passphrase, new=new_root)
        return roll_over(self._work, wanted, root, again=force)

    def retire_old(
        self,
        *,
        root_key: FilePath | None = None,
        root_passphrase: Secret | None = None,
        force: bool = False,
    ) -> "Retirement":
        """Trust the authorities no more that were replaced.

        Args:
            root_key: of the root that revokes an issuing CA, where it is kept offline.
            root_passphrase: of that key; default: that of the transaction.
            force: although hosts still use certificates of theirs.

        Raises:
            DeniedError: hosts still use certificates of theirs.
        """
        from ..ca.rollover import retire

        return retire(self._work, _root(root_key, root_passphrase), force=force)

    def issue(
        self,
        *hosts: str,
        profile: str = "relay",
        names: Sequence[str] = (),
        days: int | None = None,
        key_type: str | None = None,
        directory: FilePath | None = None,
        listing: FilePath | None = None,
        force: bool = False,
    ) -> "list[Issued]":
        """Issue a certificate with a new key for each host, and install both.

        Args:
            hosts: a short name gets the domain of the site.
            profile: ``relay`` (both TLS roles), ``server`` or ``client``.
            names: more host names and IP addresses of each.
            days: lifetime.
            key_type: as for :meth:`create`.
            directory: instead of the configured one.
            listing: file of more hosts, a line ``host,names,profile,days``.
            force: replace valid pairs.

        Raises:
            MissingInputError: there is no authority.
            SmtpcredsError: why a host gets none; those before it have theirs.
        """
        from ..ca.issue import CertificateOptions, Refused, issue, orders

        options = CertificateOptions(profile, tuple(names), days, key_type, absolute_if_any(directory))
        requests = orders(self._site, hosts, absolute_if_any(listing), options)
        issued = []
        for outcome in issue(self._work, requests, force=force):
            if isinstance(outcome, Refused):
                raise outcome.error
            issued.append(outcome)
        return issued

    def renew(
        self,
        *hosts: str,
        new_key: bool = False,
        key_type: str | None = None,
        days: int | None = None,
        add_names: Sequence[str] = (),
        drop_names: Sequence[str] = (),
        reload: str | None = None,
    ) -> "Renewed":
        """Renew certificates: same names, same profile, and unless ``new_key`` the same key.

        Args:
            hosts: short or full names.
            new_key: make new keys; the old pairs stay beside them as ``*.previous``.
            key_type: of a new key; default: that of the previous one.
            days: lifetime; default: that of the previous one.
            add_names: host names and IP addresses that it gets; with one host only.
            drop_names: those that it loses.
            reload: tells the mail server.

        Raises:
            MissingInputError: there is no authority, or no such host.
        """
        from ..ca.renew import Renewals, renew

        wanted = Renewals(
            hosts,
            new_key=new_key,
            key_type=key_type,
            days=days,
            more=tuple(add_names),
            fewer=tuple(drop_names),
        )
        return renew(self._work, wanted, hook=hook_of(reload))

    def renew_due(self, *, reload: str | None = None) -> "Renewed":
        """Renew all that is past two thirds of its life, and the CRL; the outcomes say what could not be."""
        from ..ca.renew import Renewals, renew

        return renew(self._work, Renewals(due=True), hook=hook_of(reload))

    def keep_up(self, *, reload: str | None = None) -> "Upkeep":
        """Replace account secrets and retire what no host needs, where the configuration says so.

        ``cert renew --due`` does it after :meth:`renew_due`.
        """
        from ..upkeep import keep_up

        return keep_up(self._work, hook=hook_of(reload))

    def renew_old(self, *, reload: str | None = None) -> "Renewed":
        """Renew all that an authority before this one has signed, as after :meth:`roll_over`."""
        from ..ca.renew import Renewals, renew

        return renew(self._work, Renewals(old_authority=True), hook=hook_of(reload))

    def revoke(
        self,
        which: str,
        reason: str = "unspecified",
        *,
        serial: str = "",
        unknown: bool = False,
        reload: str | None = None,
    ) -> "Revocation":
        """Revoke certificates, and publish a CRL that says so.

        Args:
            which: a host, all of whose certificates are meant; a file with a certificate; or the beginning of
                one serial number or fingerprint. Empty where ``serial`` is enough.
            reason: as in RFC 5280 section 5.3.1, such as ``keyCompromise``.
            serial: only the certificate whose number, in hex, begins so.
            unknown: ``serial`` is whole, and revoked although no record knows it.
            reload: tells the mail server.

        Raises:
            AmbiguousError: more than one fits.
            MissingInputError, DataError: none does.
        """
        from ..ca.revoke import RevocationRequest, revoke
        from ..pki.revocation import parse_reason

        path = os.path.abspath(which) if which else ""
        request = RevocationRequest(which, parse_reason(reason), serial, unknown, path)
        return revoke(self._work, request, hook=hook_of(reload))

    def retire(
        self,
        host: str,
        *accounts: str,
        reason: str = "cessationOfOperation",
        own_accounts: bool = False,
        force: bool = False,
        reload: str | None = None,
    ) -> "Retired":
        """End a host: revoke its certificates, remove its pair, delete these accounts, and forget the rest.

        Args:
            host: short or full name.
            accounts: to delete, whoever else uses them.
            reason: as for :meth:`revoke`.
            own_accounts: delete those that only this host was given.
            force: although it is the hub itself.
            reload: tells the mail server.

        Raises:
            DeniedError: it is the hub itself.
            MissingInputError: nothing is known of it.
            NoSuchAccountError: one of the accounts is not there.
        """
        from ..pki.revocation import parse_reason
        from ..retire import RetireRequest, retire

        request = RetireRequest(host, parse_reason(reason), accounts, own_accounts, force)
        return retire(self._work, request, hook=hook_of(reload))

    def sign(
        self,
        csr: FilePath,
        *,
        profile: str = "client",
        names: Sequence[str] = (),
        days: int | None = None,
        target: FilePath | None = None,
        force: bool = False,
    ) -> "SignedCsr":
        """Sign the request of a host that keeps its own key.

        Args:
            csr: file with the request, PEM or DER.
            profile: as for :meth:`issue`.
            names: certify only these of the names that it asks for; wildcards and addresses have to be named.
            days: lifetime.
            target: file for the certificate, mode 0600; the result has it as ``pem``, too.
            force: replace that file.
        """
        from ..ca.requests import read_petition, sign_request
        from ..pki.profiles import parse_profile

        role, only = parse_profile(profile), tuple(names)
        place = absolute_if_any(target)
        asked = read_petition(self._site, absolute(csr), role, days=days, only=only, target=place)
        return sign_request(self._work, asked, force=force)


def _root(path: FilePath | None, passphrase: Secret | None, *, new: bool = False) -> "RootKey":
    from ..ca.root import RootKey

    return RootKey(absolute_if_any(path), (lambda: passphrase) if passphrase else None, new)
