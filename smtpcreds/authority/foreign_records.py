"""What another program's authority has issued and revoked, as rows of the inventory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import SmtpcredsError
from ..files import read_public
from ..inventory import Certificate as Row
from ..inventory import State, serial_text
from ..pki import foreign_index
from ..pki.chains import is_issued_by
from ..pki.crl import Crl, read_crl
from ..pki.describe import authority_of, describe, fingerprint
from ..pki.foreign_layouts import Found
from ..pki.keys import public_id
from ..pki.pem import encode_der, parse_certificates
from ..pki.profiles import HOST_PROFILES, INTERMEDIATE
from ..pki.revocation import Revoked
from ..pki.values import Certificate

OTHER = "other"
"""Profile of a certificate that is for neither role in mail, or was never seen."""

_MAX_SERIAL = 1 << 159
_BY_ROLES = {tuple(p.value for p in profile.purposes): name for name, profile in HOST_PROFILES.items()}


@dataclass(frozen=True, slots=True)
class Records:
    """Rows with their DER where the certificate was found, and the last CRL number that was used."""

    rows: tuple[tuple[Row, bytes | None], ...]
    crl_number: int

    @property
    def revoked(self) -> int:
        """How many of them are revoked."""
        return sum(row.state is State.REVOKED for row, _ in self.rows)


def read_records(site: Site, found: Found, ca: Certificate) -> Records:
    """Return what can be found; a file that can't be read, or is of another CA, gets a warning.

    Args:
        site: gives the time, and takes warnings.
        found: the files.
        ca: whose certificates are wanted.

    Raises:
        DamagedFileError: the ledger contradicts itself, so what is revoked would be a guess.
    """
    issued = _issued(site, found, ca)
    ledger = _ledger(found, ca)
    crl = _crl(site, found, ca)
    revoked = {entry.serial: entry for entry in crl.entries()} if crl else {}
    revoked |= {entry.serial: entry for entry in foreign_index.revocations(ledger.values())}
    serials = dict.fromkeys((*ledger, *issued, *revoked))
    rows = tuple(
        _row(_Known(serial, issued.get(serial), ledger.get(serial), revoked.get(serial)), ca, site.clock())
        for serial in _usable(site, serials)
    )
    return Records(rows, max(_counter(found) - 1, crl.number or 0 if crl else 0, 0))


@dataclass(frozen=True, slots=True)
class _Known:
    """All that is known of one serial number."""

    serial: int
    certificate: Certificate | None
    ledger: foreign_index.Row | None
    revoked: Revoked | None


def _issued(site: Site, found: Found, ca: Certificate) -> dict[int, Certificate]:
    certificates: dict[int, Certificate] = {}
    for path in found.issued:
        certificate = _leaf(site, path)
        if certificate is None or certificate == ca or not is_issued_by(certificate, ca):
            continue
        kept = certificates.setdefault(certificate.serial_number, certificate)
        if kept != certificate:
            site.warn(f"{path}: shares its serial number with another certificate; only that one is recorded")
    return certificates


def _leaf(site: Site, path: str) -> Certificate | None:
    try:
        return parse_certificates(read_public(path), path).certificates[0]
    except SmtpcredsError as error:
        site.warn(f"{error}; it is not recorded")
        return None


def _ledger(found: Found, ca: Certificate) -> Mapping[int, foreign_index.Row]:
    if not found.ledger:
        return {}
    rows = foreign_index.read_index(read_public(found.ledger), found.ledger)
    own = ca.serial_number if ca.subject == ca.issuer else None
    return {row.serial: row for row in rows if row.serial != own}


def _crl(site: Site, found: Found, ca: Certificate) -> Crl | None:
    if not found.crl:
        return None
    try:
        return read_crl(read_public(found.crl), found.crl, ca)
    except SmtpcredsError as error:
        site.warn(f"{error}; it is left out")
        return None


def _counter(found: Found) -> int:
    if not found.crl_counter:
        return 0
    return foreign_index.read_counter(read_public(found.crl_counter), found.crl_counter)


def _usable(site: Site, serials: Mapping[int, None]) -> Iterator[int]:
    for serial in serials:
        if 0 < serial < _MAX_SERIAL:
            yield serial
        else:
            site.warn(f"serial {serial:x}: is outside of what a CRL can list; it is not recorded")


def _row(known: _Known, ca: Certificate, now: datetime) -> tuple[Row, bytes | None]:
    revoked, certificate = known.revoked, known.certificate
    host, profile, names, start, end = _facts(known, ca)
    row = Row(
        authority=0,
        serial=serial_text(known.serial),
        host=host,
        profile=profile,
        names=names,
        not_before=start,
        not_after=end,
        created=now,
        directory="",
        state=State.REVOKED if revoked else State.ISSUED,
        fingerprint=fingerprint(certificate) if certificate else None,
        key_id=public_id(certificate) if certificate else None,
        revoked_at=revoked.at if revoked else None,
        reason=revoked.reason.value if revoked else None,
    )
    return row, encode_der(certificate) if certificate else None


def _facts(known: _Known, ca: Certificate) -> tuple[str, str, tuple[str, ...], datetime, datetime]:
    """Return host, profile, names and times; of a certificate that was not found, what the ledger says."""
    if known.certificate:
        found = describe(known.certificate)
        names = (*found.dns_names, *found.addresses)
        host = found.dns_names[0] if found.dns_names else found.title
        return (
            _plain(host),
            _profile(known.certificate, found.roles),
            names,
            found.not_before,
            found.not_after,
        )
    name = known.ledger.common_name if known.ledger else None
    end = known.ledger.expires if known.ledger else ca.not_valid_after_utc
    host = _plain(name or f"serial {serial_text(known.serial)}")
    return host, OTHER, (), min(ca.not_valid_before_utc, end), end


def _profile(certificate: Certificate, roles: tuple[str, ...]) -> str:
    return INTERMEDIATE.name if authority_of(certificate)[0] else _BY_ROLES.get(roles, OTHER)


def _plain(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name.lower())
