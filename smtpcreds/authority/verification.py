"""Does what is installed work: each thing that a mail server or its peers would stumble over, by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..files import check_directory, exists, read_private
from ..inventory import State
from ..model import Link
from ..names import covers
from ..pki.chains import verify_chain
from ..pki.constraints import names_of
from ..pki.describe import purposes_of
from ..pki.dn import title
from ..pki.keyfile import decode_key
from ..pki.keys import matches
from ..pki.profiles import Profile, parse_profile
from ..pki.values import Certificate
from .crl_check import crl_says
from .install import bundled, trust
from .layout import BUNDLE, CRL, Pair
from .lookup import Found, installed_pair, read_file


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: its name, whether it is right, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked.

    Attributes:
        found: the certificate, with its file and what the inventory knows.
        pair: where its key is; None where only a certificate is checked.
        host: that it must be for; None where nobody said.
        profile: the roles that it must have; None where nobody said.
    """

    site: Site = field(repr=False)
    found: Found
    pair: Pair | None
    host: str | None
    profile: Profile | None

    @property
    def certificate(self) -> Certificate:
        """The certificate that is checked."""
        return self.found.certificate

    @property
    def directory(self) -> str:
        """Where bundle and CRL are looked for."""
        return self.pair.directory if self.pair else self.site.certificates


def subject(
    site: Site, which: str, path: str, *, host: str | None = None, profile: str | None = None
) -> Subject:
    """Return what a person wants checked: the installed pair of a host, or a file.

    A file that is named like the certificate of a pair is checked with its key.

    Args:
        site: where.
        which: host or file, as typed.
        path: the word as an absolute path.
        host: the name that it must be for; None is the host typed, else what the inventory says.
        profile: name of the roles; None is what the inventory says, else what the certificate allows.

    Raises:
        MissingInputError: no such pair, and no such file.
    """
    installed = None if "/" in which else installed_pair(site, which)
    if installed is None and not exists(path):
        reason = f"has no certificate in {site.certificates}, and there is no such file"
        raise MissingInputError(which, reason, f"smtpcreds cert issue {which}")
    found = read_file(site, installed.certificate if installed else path)
    pair = found.pair if found.pair and found.pair.certificate == found.path else None
    roles = profile or (found.row.profile if found.row else None)
    name = host or (which if installed else None)
    wanted = site.qualify(name, wildcard=True) if name else found.row.host if found.row else None
    return Subject(site, found, pair, wanted, parse_profile(roles) if roles else None)


def verify(subject: Subject) -> list[Check]:
    """Run every check that applies; none of them raises."""
    checks: list[tuple[str, Callable[[], str]]] = []
    if subject.pair:
        checks += [("files", partial(_files, subject.pair))]
        checks += [("key", partial(_key, subject.pair, subject.certificate))]
    checks += [(name, partial(check, subject)) for name, check in _CHECKS]
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except SmtpcredsError as error:
        return Check(name, False, f"{error}{f' ({error.hint})' if error.hint else ''}")


def _files(pair: Pair) -> str:
    check_directory(pair.directory)
    beside = (f"{pair.directory}/{name}" for name in (BUNDLE, CRL))
    for path in (pair.key, pair.certificate, *filter(exists, beside)):
        read_private(path)
    return f"{pair.directory} and its files are closed to others"


def _key(pair: Pair, certificate: Certificate) -> str:
    if not matches(certificate, decode_key(read_private(pair.key), None, pair.key)):
        raise DataError(pair.key, f"is not the key of {pair.certificate}")
    return f"{pair.key} belongs to the certificate"


def _dates(subject: Subject) -> str:
    certificate, now = subject.certificate, subject.site.clock()
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        raise DataError(title(certificate), f"is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if now > end:
        raise DataError(title(certificate), f"expired on {end:%Y-%m-%d %H:%M} UTC")
    return f"valid to {end:%Y-%m-%d}, {(end - now).days} days"


def _names(subject: Subject) -> str:
    """RFC 9525: the CN does not count."""
    names = names_of(subject.certificate)
    held = ", ".join((*names.dns_names, *map(str, names.addresses))) or "no name"
    host = subject.host
    if host and not any(host == name or covers(name, host) for name in names.dns_names):
        raise DataError(title(subject.certificate), f"is not for {host}; it holds {held}")
    return held


def _roles(subject: Subject) -> str:
    allowed = purposes_of(subject.certificate)
    missing = [p.value for p in (subject.profile.purposes if subject.profile else ()) if p not in allowed]
    if missing or not allowed:
        roles = " and ".join(f"TLS {role}s" for role in missing) or "TLS"
        raise DataError(title(subject.certificate), f"is not for {roles} (extendedKeyUsage)")
    return " and ".join(purpose.value for purpose in allowed)


def _chain(subject: Subject) -> str:
    """The dates of the certificate itself are another check."""
    certificate = subject.certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    at = min(max(subject.site.clock(), begin), end)
    purposes = subject.profile.purposes if subject.profile else ()
    path = verify_chain(certificate, subject.found.others, bundled(subject.directory), at, purposes)
    return " < ".join(map(title, path[1:])) or "trusted itself"


def _links(subject: Subject) -> str:
    missing = [link for link in trust(subject.directory, ()) if isinstance(link, Link)]
    if missing:
        path = missing[0].path
        raise DataError(path, f"does not lead to {BUNDLE}", f"ln -sfn {BUNDLE} {path}")
    return f"hash links lead to {BUNDLE}"


def _revocation(subject: Subject) -> str:
    row = subject.found.row
    if row and row.state is State.REVOKED:
        raise DataError(title(subject.certificate), f"is revoked in the inventory ({row.reason})")
    return crl_says(subject.site, subject.certificate, subject.directory)


_CHECKS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("dates", _dates),
    ("names", _names),
    ("roles", _roles),
    ("chain", _chain),
    ("links", _links),
    ("revocation", _revocation),
)
