"""What a server's certificate is checked against: our CA certificates and CRLs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

from ..ca.authority import CA
from ..ca.crl import crl_paths
from ..ca.layout import BUNDLE, cure_missing, is_client_host
from ..config import Site
from ..errors import MissingInputError
from ..files import exists, read_public
from ..lazy import dataclass
from ..pki.chains import Certificates, ChainError, verify_chain, way_up
from ..pki.crl import Crl, not_revoked, read_crl, verify_unlisted
from ..pki.encoding import encode_der, parse_certificates
from ..pki.names import Address, title
from ..pki.pair_rules import held_names, name_fault, period_of, role_fault
from ..pki.profiles import Purpose
from ..pki.values import Certificate
from ..shell import quote
from .step import Note

_ROLES = (Purpose.SERVER,)
SOON = 14
"""Days; who has fewer left is told."""


@dataclass(frozen=True)
class Trust:
    """What is believed.

    Attributes:
        authorities: CA certificates; the self-signed ones are trusted.
        crls: with the files that they were read from.
        name: that a server's certificate must be for.
        now: aware.
    """

    authorities: tuple[Certificate, ...]
    crls: tuple[tuple[str, Crl], ...]
    name: str | Address
    now: datetime

    def anchors(self) -> list[bytes]:
        """Return the CA certificates for OpenSSL."""
        return [encode_der(authority) for authority in self.authorities]

    def check(self, presented: Sequence[Certificate]) -> None:
        """Raise what the first of :data:`CHECKS` raises."""
        for _, run in CHECKS:
            run(self, presented)


def gather(site: Site, name: str | Address, bundle: str | None, crl: str | None) -> Trust:
    """Read the CA certificates and CRLs: the files given, else those beside this host's certificates."""
    found = [crl] if crl else crl_paths(site.certificates)
    lists = tuple((path, read_crl(read_public(path), path, None)) for path in found)
    return Trust(_authorities(site, name, bundle), lists, name, site.clock())


def _bringing(site: Site, name: str | Address, path: str) -> str:
    """Return what brings the CA certificate here, which is no secret."""
    if is_client_host(site):
        return cure_missing(site, path, site.qualify(site.own_name))
    server = site.hub if site.settings.hub else str(name)
    server = f"[{server}]" if ":" in server else server
    return f"scp {quote(f'root@{server}:{site.settings.cert.directory}/{BUNDLE}')} .; then with --ca {BUNDLE}"


def _authorities(site: Site, name: str | Address, bundle: str | None) -> tuple[Certificate, ...]:
    path = bundle or f"{site.certificates}/{BUNDLE}"
    if not bundle and not exists(path):
        if (ca := CA(site)).is_there:
            return ca.chain
        hint = f"{_bringing(site, name, path)}; or name another: --ca FILE"
        raise MissingInputError(path, "is not there, so no certificate can be verified", hint)
    return parse_certificates(read_public(path), path).certificates


def _chain(trust: Trust, presented: Sequence[Certificate]) -> str:
    """Dates, name and purpose of the certificate itself are other checks."""
    return way_up(_path(trust, presented))


def _path(trust: Trust, presented: Sequence[Certificate]) -> Certificates:
    leaf, *others = presented
    return verify_chain(leaf, others, trust.authorities, trust.now, _ROLES, above_only=True)


def _name(trust: Trust, presented: Sequence[Certificate]) -> str:
    _refuse(presented[0], name_fault(presented[0], (trust.name,)))
    return held_names(presented[0])


def _purpose(_: Trust, presented: Sequence[Certificate]) -> str:
    _refuse(presented[0], role_fault(presented[0], _ROLES))
    return "may serve in TLS (extendedKeyUsage)"


def _dates(trust: Trust, presented: Sequence[Certificate]) -> str:
    period = period_of(presented[0])
    _refuse(presented[0], period.fault(trust.now))
    text = f"{period.rest(trust.now)} left"
    is_soon = period.end is not None and (period.end - trust.now).days <= SOON
    return Note(text) if is_soon else text


def _revocation(trust: Trust, presented: Sequence[Certificate]) -> str:
    """Ask the CRL of every CA above; a certificate names an OCSP responder at most, and none is asked."""
    try:
        path = _path(trust, presented)
    except ChainError:
        return Note("not checked, because the chain is not valid")
    said = [verify_unlisted(child, issuer, trust.crls, trust.now) for child, issuer in pairwise(path)]
    if not said or said[0] is None:
        return Note(f"no CRL of {title(path[-1] if len(path) < 2 else path[1])} here{_ocsp(presented[0])}")
    return not_revoked(crl.next_update for crl in said if crl) + _ocsp(presented[0])


def _ocsp(certificate: Certificate) -> str:
    from ..pki.describe import ocsp_responders

    named = ocsp_responders(certificate)
    return f"; names the OCSP responder {named[0]}, which is not asked" if named else ""


def _refuse(certificate: Certificate, fault: str | None) -> None:
    if fault:
        raise ChainError(title(certificate), fault)


Check = Callable[[Trust, Sequence[Certificate]], str]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("chain", _chain),
    ("name", _name),
    ("purpose", _purpose),
    ("dates", _dates),
    ("revocation", _revocation),
)
"""What is looked at, by name; each returns what it found, or raises."""


def check_own(trust: Trust, path: str) -> str:
    """Look at the client certificate as a server does: its dates, and whether a CRL here lists it."""
    with open(path, "rb") as file:  # that of a bundle is in memory
        presented = parse_certificates(file.read(), path).certificates
    _dates(trust, presented)
    return _revocation(trust, presented)
