"""What an administrator reads of the authority: everything but secrets, without the passphrase."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..files import exists, read_private
from ..inventory import AuthorityState, Inventory
from ..pki.crl import read_crl
from ..pki.describe import Description, describe
from ..pki.keyfile import is_encrypted
from ..pki.pem import parse_certificate
from ..pki.values import Certificate
from .ca import CA
from .layout import CaFiles
from .ledger import row_of
from .reading import has_inventory, reading


@dataclass(frozen=True, slots=True)
class CrlStanding:
    """The CRL that lies with an authority."""

    number: int | None
    this_update: datetime
    next_update: datetime | None
    revoked: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One authority.

    Attributes:
        found: its certificate in words.
        above: the CAs above it in words, nearest first.
        key: path of its key.
        encrypted: whether that needs a passphrase; None where there is no key.
        root_key: path of the key of the root above it; None where that is offline, or there is none above.
        crl: None where there is none.
        counts: certificates by where they stand, see :meth:`smtpcreds.inventory.Inventory.tally`.
    """

    found: Description
    above: tuple[Description, ...]
    key: str
    encrypted: bool | None
    root_key: str | None
    crl: CrlStanding | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Overview:
    """The authority that signs, those that it replaced, and certificates of those that are retired."""

    signing: Generation
    elders: tuple[Generation, ...]
    retired: tuple[Description, ...]


def overview(site: Site) -> Overview:
    """Look at the authority.

    Raises:
        MissingInputError: there is none.
        DamagedFileError, UnsafePathError: one of its files can't be trusted.
    """
    ca = CA(site)
    known = [(ca.files, ca.chain), *((elder.files, elder.path) for elder in ca.elders)]
    if not has_inventory(site):
        return _overview(site, known, None)
    with reading(site) as inventory:
        return _overview(site, known, inventory)


def _overview(
    site: Site, known: Iterable[tuple[CaFiles, tuple[Certificate, ...]]], inventory: Inventory | None
) -> Overview:
    signing, *elders = (_generation(*one, _counts(site, inventory, one[1][0])) for one in known)
    return Overview(signing, tuple(elders), tuple(_retired(inventory)) if inventory else ())


def _generation(files: CaFiles, path: tuple[Certificate, ...], counts: Mapping[str, int]) -> Generation:
    found, *above = map(describe, path)
    return Generation(
        found,
        tuple(above),
        files.key,
        is_encrypted(read_private(files.key)) if exists(files.key) else None,
        files.root_key if exists(files.root_key) else None,
        _crl(files.crl),
        counts,
    )


def _retired(inventory: Inventory) -> Iterator[Description]:
    for row in inventory.authorities():
        if row.state is AuthorityState.RETIRED:
            yield describe(parse_certificate(row.der, row.name))


def _counts(site: Site, inventory: Inventory | None, certificate: Certificate) -> dict[str, int]:
    row = row_of(inventory, certificate) if inventory else None
    return inventory.tally(row.id, site.clock()) if inventory and row else {}


def _crl(path: str) -> CrlStanding | None:
    if not exists(path):
        return None
    crl = read_crl(read_private(path), path, None)
    return CrlStanding(crl.number, crl.this_update, crl.next_update, crl.count)
