"""``smtpcreds cert``, as far as our authority signs nothing: what there is, and what other CAs sign."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ..config import Site
from ..secret import Secret
from ..transaction import Transaction
from .arguments import FilePath, absolute, absolute_if_any

if TYPE_CHECKING:
    from ..ca.answers import Installed
    from ..ca.lookup import View
    from ..ca.requests import PlacedCsr
    from ..ca.verify import Check
    from ..inventory.rows import CertificateRow


class CertificateReader:
    """The certificates that there are; ``site.certificates``."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def listing(
        self, *, within: timedelta | None = None, host: str | None = None, everything: bool = False
    ) -> "list[CertificateRow]":
        """Return the certificates in use, those that end next first.

        Args:
            within: only those that end in this span, or have ended.
            host: only those of this host.
            everything: also those that are revoked, unfinished, replaced or long over.

        Raises:
            MissingInputError: nothing was ever issued here.
        """
        from ..ca.layout import reading
        from ..ca.listing import Selection, listed

        name = self._site.qualify(host, wildcard=True) if host is not None else None
        with reading(self._site) as inventory:
            return list(listed(self._site, inventory, Selection(within, name, everything)))

    def show(self, which: str) -> "list[View]":
        """Return what a certificate says and how it stands, and likewise of each other one in its file.

        Args:
            which: a host, the beginning of one serial number or fingerprint, or a file.

        Raises:
            MissingInputError: none of these.
        """
        from ..ca.lookup import find, views

        return views(self._site, find(self._site, which, absolute(which)))

    def verify(self, which: str, *, host: str | None = None, profile: str | None = None) -> "list[Check]":
        """Check that a pair works: key, dates, names, roles, chain, hash links, revocation, modes.

        Args:
            which: a host, or a file with its certificate.
            host: that the file must be for.
            profile: ``server`` or ``client``: the role in which it must serve.
        """
        from ..ca.verify import subject, verify

        return verify(subject(self._site, which, absolute(which), host=host, profile=profile))


class Certificates(CertificateReader):
    """Certificates that come from another authority, or go somewhere; ``work.certificates``."""

    def __init__(self, work: Transaction) -> None:
        super().__init__(work.site)
        self._work = work

    def request(
        self,
        host: str,
        *,
        names: Sequence[str] = (),
        key_type: str | None = None,
        directory: FilePath | None = None,
        new_key: bool = False,
        force: bool = False,
    ) -> "PlacedCsr":
        """Make a key for a host, unless there is one, and the request that another authority signs.

        Args:
            host: short or full name.
            names: more host names and IP addresses.
            key_type: p256, p384, rsa2048, rsa3072, rsa4096 or ed25519.
            directory: instead of the configured one.
            new_key: although there is a key.
            force: a new key replaces one that waits for its certificate.
        """
        from ..ca.issue import CertificateOptions, order
        from ..ca.requests import CsrOptions, request
        from ..pki.keys import parse_key_type

        place = absolute_if_any(directory)
        options = CertificateOptions(alternatives=tuple(names), key_type=key_type, directory=place)
        kind = parse_key_type(key_type) if key_type else None
        wish = CsrOptions(order(self._site, host, options), kind, new_key or force, force)
        return request(self._work, wish)

    def install(
        self,
        answer: FilePath,
        *,
        host: str | None = None,
        more: Sequence[FilePath] = (),
        key: FilePath | None = None,
        profile: str = "relay",
        directory: FilePath | None = None,
    ) -> "Installed":
        """Install the certificate that another authority made, once it fits key, host, roles and a root.

        Args:
            answer: file that holds it, perhaps with those above it.
            host: whose it is; default: found by the key.
            more: files with more CA certificates; their roots are trusted from now on.
            key: its private key, where another program made it.
            profile: ``relay`` (both TLS roles), ``server`` or ``client``.
            directory: where the key is, instead of the configured directory.
        """
        from ..ca.answers import Sources, install_answer
        from ..pki.profiles import parse_profile

        place, files = absolute_if_any(directory), tuple(map(absolute, more))
        role, brought = parse_profile(profile), absolute_if_any(key)
        return install_answer(self._work, Sources(absolute(answer), role, host, place, files, brought))

    def export(
        self,
        which: str,
        form: str = "pem",
        *,
        with_key: bool = False,
        password: Secret | None = None,
        target: FilePath | None = None,
        force: bool = False,
    ) -> bytes:
        """Return a certificate in another form, a secret if there is a key in it.

        Args:
            which: as for :meth:`show`.
            form: ``pem``, ``der``, ``p12`` (PKCS #12) or ``p12-compat``, weakly encrypted for old programs.
            with_key: the private key, too; PKCS #12 always has it.
            password: protects the key; PKCS #12 needs one.
            target: also write this file, mode 0600.
            force: replace that file.
        """
        from ..ca.export import FORMS, export
        from ..ca.lookup import find
        from ..errors import UsageError

        if form not in FORMS:
            raise UsageError(form, f"is not one of {', '.join(FORMS)}")
        found, place = find(self._site, which, absolute(which)), absolute_if_any(target)
        return export(
            self._work,
            found,
            FORMS[form],
            lambda: password,
            with_key=with_key,
            target=place,
            force=force,
        )
