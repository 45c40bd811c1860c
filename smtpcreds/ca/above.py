"""CRLs of the CAs above ours that others sign: taken from files, and handed on beside certificates."""

from collections.abc import Iterator, Sequence

from ..errors import DataError
from ..files import exists, read_if_there, read_public
from ..model import Artifact
from ..pki.crl import is_crl_of, may_sign_crls, read_crl, to_pem
from ..pki.encoding import blocks
from ..pki.names import title
from ..pki.values import Certificate
from ..transaction import Transaction
from .authority import CA, crls_above

CURE_ABOVE = "smtpcreds ca crl --take FILE"


def taken(work: Transaction, paths: Sequence[str]) -> list[Artifact]:
    """Return the files for CRLs of CAs above ours; each is valid, and no older than the one that is here.

    Args:
        work: whose authority.
        paths: of files in PEM or DER, with one CRL or more.
    """
    return [_file(work, der, path) for path in paths for der in _lists(path)]


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


def warn_of_lacking(work: Transaction) -> None:
    """Tell who refuses what is below."""
    for certificate in lacking(work.ca):
        work.warn(f"{title(certificate)}: {LACKS}; {CURE_ABOVE}")


LACKS = "has no CRL here, so curl and Exim with OpenSSL refuse every certificate below it"
