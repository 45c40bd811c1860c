"""From the word of a person to one certificate: in the inventory, installed, or in a file."""

from dataclasses import dataclass

from ..config import Site
from ..errors import MissingInputError, NameRefusedError
from ..files import exists, read_public
from ..inventory import Certificate as Row
from ..inventory import Inventory
from ..pki.describe import fingerprint
from ..pki.pem import parse_certificate, parse_certificates
from ..pki.values import Certificate
from .layout import Pair, pair_of
from .reading import has_inventory, reading
from .which import ambiguous, meant, names_host

_CERTIFICATE_END = "-cert.pem"


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate that was looked up.

    Attributes:
        certificate: itself.
        others: what else is in its file.
        row: what the inventory knows of it; None if nothing.
        pair: where it is or was installed, as far as is known.
        path: the file it was read from; None if that was the inventory.
    """

    certificate: Certificate
    others: tuple[Certificate, ...] = ()
    row: Row | None = None
    pair: Pair | None = None
    path: str | None = None


def find(site: Site, which: str, path: str) -> Found:
    """Return the certificate that a word means.

    A word with a slash is a file. Any other is a host, a serial number, a fingerprint or the beginning of one
    in the inventory; else a host with an installed certificate; else a file.

    Args:
        site: where.
        which: as typed.
        path: the word as an absolute path.

    Raises:
        MissingInputError: none of these.
        AmbiguousError: several certificates; the reason lists them.
        SmtpcredsError: a file that can't be read.
    """
    if "/" in which:
        return read_file(site, path)
    if row := _recorded(site, which):
        return _of_row(site, row)
    pair = installed_pair(site, which)
    if pair:
        return read_file(site, pair.certificate)
    if exists(path):
        return read_file(site, path)
    reason = "is no host, serial number or fingerprint of a certificate here, and no file"
    raise MissingInputError(which, reason, "smtpcreds cert list --all")


def read_file(site: Site, path: str) -> Found:
    """Return the first certificate of a file, and what is known of it; raises as :func:`find`."""
    first, *others = parse_certificates(read_public(path), path).certificates
    row = None
    if has_inventory(site):
        with reading(site) as inventory:
            row = next(iter(inventory.find(fingerprint(first))), None)
    pair = Pair(path.removesuffix(_CERTIFICATE_END)) if path.endswith(_CERTIFICATE_END) else _place(site, row)
    return Found(first, tuple(others), row, pair, path)


def installed_pair(site: Site, host: str) -> Pair | None:
    """Return the place of the host in the mail server's directory, if a certificate is there."""
    try:
        pair = pair_of(site, site.qualify(host, wildcard=True))
    except NameRefusedError:
        return None
    return pair if exists(pair.certificate) else None


def choose(site: Site, inventory: Inventory, which: str) -> Row | None:
    """Return the row that a word means, of several of one host the newest that is issued.

    Raises:
        AmbiguousError: a prefix that fits several certificates.
    """
    rows = meant(site, inventory, which)
    if len(rows) > 1 and not names_host(site, which, rows):
        raise ambiguous(which, rows, "give more digits")
    return rows[0] if rows else None


def _recorded(site: Site, which: str) -> Row | None:
    if not has_inventory(site):
        return None
    with reading(site) as inventory:
        return choose(site, inventory, which)


def _of_row(site: Site, row: Row) -> Found:
    with reading(site) as inventory:
        der = inventory.der(row.authority, row.serial)
    return Found(parse_certificate(der, row.host), row=row, pair=_place(site, row))


def _place(site: Site, row: Row | None) -> Pair | None:
    return Pair(site.root.locate(row.directory)) if row and row.is_on(site.machine) else None
