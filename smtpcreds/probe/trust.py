"""What a server's certificate is checked against: our CA certificates and CRLs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ..ca.authority import certificates, has_authority
from ..ca.layout import BUNDLE, CRL
from ..config import Site
from ..errors import DataError, MissingInputError
from ..files import exists, read_public
from ..pki.chains import Certificates, ChainError, Path, fit_for_purpose, host_fits, in_time, verify_chain
from ..pki.crl import Crl, read_crl, verify_crl
from ..pki.encoding import encode_der, parse_certificates
from ..pki.names import Address, names_of, title
from ..pki.profiles import Purpose
from ..pki.values import Certificate
from .step import Note

_STEM, _END = os.path.splitext(CRL)
SOON = 14
"""Days; who has fewer left is told."""


@dataclass(frozen=True, slots=True)
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
    found = [crl] if crl else _crls(site.certificates)
    lists = tuple((path, read_crl(read_public(path), path, None)) for path in found)
    return Trust(_authorities(site, bundle), lists, name, site.clock())


def _authorities(site: Site, bundle: str | None) -> tuple[Certificate, ...]:
    path = bundle or f"{site.certificates}/{BUNDLE}"
    if not bundle and not exists(path):
        if has_authority(site):
            return certificates(site)
        hint = "copy it from the hub, or name another: --ca FILE"
        raise MissingInputError(path, "is not there, so no certificate can be verified", hint)
    return parse_certificates(read_public(path), path).certificates


def _crls(directory: str) -> list[str]:
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [f"{directory}/{name}" for name in names if name.startswith(_STEM) and name.endswith(_END)]


def _chain(trust: Trust, presented: Sequence[Certificate]) -> str:
    """Dates, name and purpose of the certificate itself are other checks."""
    return " < ".join(map(title, _path(trust, presented)[1:])) or "trusted itself"


def _path(trust: Trust, presented: Sequence[Certificate]) -> Certificates:
    leaf, *others = presented
    return verify_chain(leaf, others, trust.authorities, trust.now, undated=True)


def _name(trust: Trust, presented: Sequence[Certificate]) -> str:
    _refuse(presented[0], host_fits(Path((presented[0],), trust.now, (), trust.name)))
    names = names_of(presented[0])
    return ", ".join((*names.dns_names, *map(str, names.addresses)))


def _purpose(trust: Trust, presented: Sequence[Certificate]) -> str:
    _refuse(presented[0], fit_for_purpose(Path((presented[0],), trust.now, (Purpose.SERVER,))))
    return "may serve in TLS (extendedKeyUsage)"


def _dates(trust: Trust, presented: Sequence[Certificate]) -> str:
    _refuse(presented[0], in_time(Path((presented[0],), trust.now)))
    end = presented[0].not_valid_after_utc
    days = (end - trust.now).days
    text = f"valid to {end:%Y-%m-%d}, {days} days left"
    return text if days > SOON else Note(text)


def _revocation(trust: Trust, presented: Sequence[Certificate]) -> str:
    """Ask the CRL of every CA above; a certificate names an OCSP responder at most, and none is asked."""
    try:
        path = _path(trust, presented)
    except ChainError:
        return Note("not looked at, for the chain does not hold")
    said = [_listed(trust, child, issuer) for child, issuer in pairwise(path)]
    until = [crl.next_update for crl in said if crl and crl.next_update]
    if not said or said[0] is None:
        return Note(f"no CRL of {title(path[-1] if len(path) < 2 else path[1])} here{_ocsp(presented[0])}")
    return "not revoked" + (f"; CRL valid to {min(until):%Y-%m-%d}" if until else "") + _ocsp(presented[0])


def _listed(trust: Trust, child: Certificate, issuer: Certificate) -> Crl | None:
    """Return the CRL that does not list the certificate; None where there is none of its issuer."""
    path, crl = next((item for item in trust.crls if _is_of(item[1], issuer)), ("", None))
    if crl is None:
        return None
    if not crl.is_current(trust.now):
        until = f"{crl.next_update:%Y-%m-%d %H:%M} UTC" if crl.next_update else "no time"
        raise DataError(path, f"CRL has expired (until {until})")
    if entry := crl.find(child.serial_number):
        raise DataError(title(child), f"was revoked on {entry.at:%Y-%m-%d} ({entry.reason.value})")
    return crl


def _is_of(crl: Crl, issuer: Certificate) -> bool:
    try:
        verify_crl(crl, issuer, CRL)
    except DataError:
        return False
    return True


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
