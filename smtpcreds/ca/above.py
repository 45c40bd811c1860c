"""CRLs of the CAs above ours that others sign: taken from files, and handed on beside certificates."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ..errors import UNUSABLE, DataError
from ..files import exists, is_file, read_if_there, read_public
from ..model import Artifact, Finding
from ..pki.crl import Crl, is_crl_of, may_sign_crls, read_crl, to_pem
from ..pki.dates import Period
from ..pki.encoding import blocks
from ..pki.names import title
from ..pki.values import Certificate
from ..transaction import Transaction
from .authority import CA, crls_above
from .layout import CURE_CRL

CURE_ABOVE = "smtpcreds ca crl --take FILE"
CURE_REVOKED = "smtpcreds ca rollover --new-root"


def cure_above(ca: CA, above: Certificate, period: Period, now: datetime) -> str:
    """Return the way to a current CRL of a CA above ours; where it is its root's own clock, with its key.

    Args:
        ca: ours.
        above: whose CRL.
        period: of the CRL that is there.
        now: aware.
    """
    if now >= period.begin or above != ca.chain[1]:
        return CURE_ABOVE
    again = f"{CURE_CRL} --force"
    return again if is_file(ca.files.root_key) else f"{again} --root-key FILE, or {CURE_ABOVE}"


def taken(work: Transaction, paths: Sequence[str]) -> list[Artifact]:
    """Return the files for CRLs of CAs above ours; each is valid, and no older than the one that is here.

    Args:
        work: whose authority.
        paths: of files in PEM or DER, with one CRL or more.
    """
    found = [_file(work, der, path) for path in paths for der in _lists(path)]
    newest = {one.path: one for one in sorted(found, key=_number)}
    return list(newest.values())


def _number(crl: Artifact) -> int:
    return read_crl(crl.content, crl.path, None).number or 0


def _lists(path: str) -> Iterator[bytes]:
    content = read_public(path)
    found = [der for block in blocks(content) if (der := block.decode())]
    yield from found or [content]


def _file(work: Transaction, der: bytes, path: str) -> Artifact:
    crl = read_crl(der, path, None)
    above = dict(crls_above(work.ca.files, work.ca.chain))
    issuer = next((ca for ca in above if is_crl_of(crl, ca)), None)
    if issuer is None:
        names = ", ".join(map(title, above)) or "none"
        raise DataError(path, f"is the CRL of {crl.issuer}, and the CAs above ours are: {names}")
    if fault := crl.fault(work.now):
        raise DataError(path, fault)
    kept = read_if_there(above[issuer])
    if kept and (read_crl(kept, above[issuer], None).number or 0) > (crl.number or 0):
        raise DataError(path, f"is older than the CRL of {title(issuer)} that is here")
    return Artifact(above[issuer], to_pem(der), note=f"CRL of {title(issuer)}")


def lacking(ca: CA) -> list[Certificate]:
    """Return the CAs above the one above ours whose CRL is not here, so that full CRL checks fail."""
    above = list(crls_above(ca.files, ca.chain))[1:]
    return [certificate for certificate, path in above if may_sign_crls(certificate) and not exists(path)]


def revoked(ca: CA) -> Iterator[Finding]:
    """Yield the CAs of our chain that those above them have revoked: nothing below verifies any more."""
    for issued, (issuer, path) in zip(ca.chain, crls_above(ca.files, ca.chain), strict=False):
        crl = _kept(path)
        if crl and (entry := crl.find(issued.serial_number)):
            yield Finding(title(issued), f"{entry}, says the CRL of {title(issuer)}", CURE_REVOKED)


def _kept(path: str) -> Crl | None:
    """Return the CRL in a file of the state directory; None where there is none that can be read."""
    try:
        content = read_if_there(path)
        return read_crl(content, path, None) if content else None
    except UNUSABLE:
        return None


def warn_of_faults(work: Transaction) -> None:
    """Tell who refuses what is below."""
    for certificate in lacking(work.ca):
        work.warn(f"{title(certificate)}: {LACKS}; {CURE_ABOVE}")
    for found in revoked(work.ca):
        work.warn(f"{found.subject}: {found.message}; {found.cure}")
    for certificate, path in crls_above(work.ca.files, work.ca.chain):
        crl = _kept(path)
        if crl and (remark := crl.fault(work.now) or crl.period.remark(work.now)):
            cure = cure_above(work.ca, certificate, crl.period, work.now)
            work.warn(f"CRL of {title(certificate)}: {remark}; {cure}")


LACKS = "has no CRL here, so curl and Exim with OpenSSL refuse every certificate below it"
