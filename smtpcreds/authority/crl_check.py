"""What the CRLs beside a certificate say of it."""

import os
from collections.abc import Iterator

from ..config import Site
from ..errors import DataError
from ..files import is_directory, names_in, read_private
from ..pki.chains import is_issued_by
from ..pki.crl import Crl, read_crl, verify_crl
from ..pki.dn import title
from ..pki.values import Certificate
from .ca import certificates, has_authority
from .install import bundled
from .layout import CRL

_STEM, _END = os.path.splitext(CRL)


def crl_says(site: Site, certificate: Certificate, directory: str) -> str:
    """Return in words why the certificate is not revoked.

    Mail servers take a certificate whose CA has no CRL, and none at all of a CA whose CRL has expired.

    Raises:
        DataError: it is revoked, the CRL is not current, or our own CA has none there.
        SmtpcredsError: a CRL that can't be read.
    """
    own = certificates(site) if has_authority(site) else ()
    known = (*bundled(directory), *own)
    issuer = next((ca for ca in known if is_issued_by(certificate, ca)), None)
    found = next((item for item in _crls(directory) if issuer and _is_of(item[1], issuer)), None)
    if found is None:
        if issuer in own:
            raise DataError(f"{directory}/{CRL}", "is no CRL of our CA, so nobody learns of revocations")
        return f"no CRL of {title(issuer) if issuer else 'its CA'} here"
    path, crl = found
    if not crl.is_current(site.clock()):
        until = f"{crl.next_update:%Y-%m-%d %H:%M} UTC" if crl.next_update else "no time"
        reason = f"is not current (until {until}), so mail servers refuse every certificate of this CA"
        raise DataError(path, reason, "smtpcreds ca crl")
    if entry := crl.find(certificate.serial_number):
        raise DataError(title(certificate), f"was revoked on {entry.at:%Y-%m-%d} ({entry.reason.value})")
    return "not revoked" + (f"; CRL valid to {crl.next_update:%Y-%m-%d}" if crl.next_update else "")


def _crls(directory: str) -> Iterator[tuple[str, Crl]]:
    names = sorted(names_in(directory)) if is_directory(directory) else []
    for name in names:
        if name.startswith(_STEM) and name.endswith(_END):
            path = f"{directory}/{name}"
            yield path, read_crl(read_private(path), path, None)


def _is_of(crl: Crl, issuer: Certificate) -> bool:
    try:
        verify_crl(crl, issuer, CRL)
    except DataError:
        return False
    return True
