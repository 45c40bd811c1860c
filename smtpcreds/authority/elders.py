"""Authorities that a newer one replaced: on disk beside it, trusted until they are retired.

The directories say what is trusted; the inventory's rows follow them (:func:`.ledger.at_work`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..config import Site
from ..files import exists, names_in
from ..inventory import Authority
from ..pki.pem import parse_certificate
from ..pki.values import Certificate, key_identifier
from .ca import certificates, has_authority, path_of
from .layout import CERTIFICATE, ELDER, RETIRED, CaFiles, ca_files


@dataclass(frozen=True, slots=True)
class Elder:
    """One authority that was replaced: its files, and its certificate with those above it."""

    files: CaFiles
    path: tuple[Certificate, ...]

    @property
    def certificate(self) -> Certificate:
        """The certificate whose key signed before."""
        return self.path[0]

    @property
    def has_crl(self) -> bool:
        """Tell whether its CRL is at hand; a new one can be signed where it is not."""
        return exists(self.files.crl)

    @property
    def crl_name(self) -> str:
        """Name of its CRL in certificate directories; Sendmail reads only one CRL of a file."""
        return f"crl-{short_id(self.certificate)}.pem"


def elders(site: Site) -> tuple[Elder, ...]:
    """Return the replaced authorities that are still trusted, the newest first."""
    return tuple(sorted(_elders(site, ELDER), key=_beginning, reverse=True))


def retired(site: Site) -> tuple[Elder, ...]:
    """Return those whose files are kept although nobody is to trust them, the newest first."""
    return tuple(sorted(_elders(site, RETIRED), key=_beginning, reverse=True))


def trusted(site: Site) -> tuple[Certificate, ...]:
    """Return every CA certificate that clients need: of the authority that signs, then of its elders.

    Raises:
        MissingInputError: there is no authority.
    """
    older = (certificate for elder in elders(site) for certificate in elder.path)
    return tuple(dict.fromkeys((*certificates(site), *older)))


def distrusted(site: Site) -> frozenset[Certificate]:
    """Return the CA certificates of retired authorities that no other one needs."""
    gone = {certificate for elder in retired(site) for certificate in elder.path}
    return frozenset(gone.difference(trusted(site)))


def files_of(site: Site, certificate: Certificate) -> CaFiles:
    """Return the files of an authority by its certificate: an elder's, else those of the one that signs."""
    found = (elder.files for elder in elders(site) if elder.certificate == certificate)
    return next(found, ca_files(site))


def files_of_row(site: Site, authority: Authority) -> CaFiles:
    """Return the files of an authority by its row in the inventory."""
    return files_of(site, parse_certificate(authority.der, authority.name))


def short_id(certificate: Certificate) -> str:
    """Return eight hex digits of the key identifier, by which files of elders are named."""
    return key_identifier(certificate).hex()[:8]


def _elders(site: Site, prefix: str) -> Iterator[Elder]:
    if not has_authority(site):
        return
    for name in names_in(site.ca_directory):
        files = CaFiles(f"{site.ca_directory}/{name}")
        if name.startswith(prefix) and exists(f"{files.directory}/{CERTIFICATE}"):
            yield Elder(files, path_of(files))


def _beginning(elder: Elder) -> float:
    return elder.certificate.not_valid_before_utc.timestamp()
