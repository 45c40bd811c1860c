"""Where the authority and its certificates lie, and how long they may live."""

from dataclasses import dataclass
from datetime import timedelta

from ..config import MAX_DAYS, Site
from ..errors import UsageError

KEY = "ca-key.pem"
CERTIFICATE = "ca-cert.pem"
ROOT_KEY = "root-key.pem"
PARENTS = "parents.pem"
CRL = "crl.pem"
BUNDLE = "cacert.pem"
ELDER = "old-"
RETIRED = "retired-"
"""Directories below the authority's own: of those it replaced, trusted still or no more."""


@dataclass(frozen=True, slots=True)
class CaFiles:
    """The files of the authority; the directory appears with all of them at once."""

    directory: str

    @property
    def key(self) -> str:
        """The private key that signs."""
        return f"{self.directory}/{KEY}"

    @property
    def certificate(self) -> str:
        """The certificate of that key."""
        return f"{self.directory}/{CERTIFICATE}"

    @property
    def parents(self) -> str:
        """The certificates above it, nearest first; absent for a root."""
        return f"{self.directory}/{PARENTS}"

    @property
    def root_key(self) -> str:
        """The root's private key, until it is taken offline; absent where the root itself signs."""
        return f"{self.directory}/{ROOT_KEY}"

    @property
    def crl(self) -> str:
        """The newest CRL."""
        return f"{self.directory}/{CRL}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Key and certificate of one host.

    Attributes:
        stem: path without ``-key.pem``, as it is on this disk.
    """

    stem: str

    @property
    def directory(self) -> str:
        """Where both lie."""
        return self.stem.rpartition("/")[0]

    @property
    def key(self) -> str:
        """The private key, written first."""
        return f"{self.stem}-key.pem"

    @property
    def certificate(self) -> str:
        """The certificate, written last; where it is, its key is."""
        return f"{self.stem}-cert.pem"

    @property
    def former_key(self) -> str:
        """The key before the last renewal."""
        return f"{self.key}.previous"

    @property
    def former_certificate(self) -> str:
        """The certificate before the last renewal."""
        return f"{self.certificate}.previous"

    @property
    def request(self) -> str:
        """The request to another CA."""
        return f"{self.stem}.csr"

    @property
    def next_key(self) -> str:
        """A key that waits for its certificate while the pair is in use."""
        return f"{self.key}.new"


def ca_files(site: Site) -> CaFiles:
    """Return the files of the site's authority."""
    return CaFiles(site.ca_directory)


def pair_of(site: Site, host: str, directory: str | None = None) -> Pair:
    """Return the pair of a host: ``dmzmail-key.pem`` inside the domain, the full name outside it."""
    name = host.removesuffix(f".{site.domain}") if site.domain else host
    short = name if name and "." not in name else host
    return Pair(f"{directory or site.certificates}/{short}")


def lifetime_of(days: int) -> timedelta:
    """Return the lifetime.

    Raises:
        UsageError: less than a day, or longer than X.509 can write.
    """
    if not 1 <= days <= MAX_DAYS:
        raise UsageError("--days", f"takes 1 to {MAX_DAYS} days, not {days}")
    return timedelta(days=days)
