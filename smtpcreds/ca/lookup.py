"""Looking up one certificate, in the inventory, installed or in a file; and the authority itself."""

from collections.abc import Iterable, Iterator, Mapping

from ..config import Site
from ..errors import UNUSABLE, MissingInputError, NameRefusedError, SmtpcredsError
from ..files import exists, is_directory, read_private, read_public
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityState, State
from ..inventory.rows import CertificateRow as Row
from ..lazy import dataclass
from ..pki.chains import ChainError, verify_chain
from ..pki.crl import read_crl
from ..pki.dates import has_ended
from ..pki.describe import Description, describe, fingerprint
from ..pki.encoding import parse_certificate, parse_certificates
from ..pki.keys import is_encrypted, remote_uri
from ..pki.names import title
from ..pki.revocation import CurrentCrl
from ..pki.values import Certificate
from .authority import CA
from .directory import bundled, pair_at, rows_here
from .layout import CaFiles, Pair, beginning, has_inventory, is_bare, pair_of, reading
from .listing import ambiguous, meant, names_host, near_host
from .state import row_of

# From the word of a person to one certificate: in the inventory, installed, or in a file.

_CERTIFICATE_END = "-cert.pem"


@dataclass(frozen=True)
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
    """
    if "/" in which:
        return read_file(site, path)
    if row := _recorded(site, which):
        return _of_row(site, row)
    pair = installed_pair(site, which)
    if pair:
        return read_file(site, pair.certificate)
    if exists(path) and not is_directory(path):  # such as the one that --to HOST made
        return read_file(site, path)
    reason = "is not a host, serial number or fingerprint of a certificate here, and no file"
    near = _near(site, which)
    hint = f"did you mean {near}?" if near else "smtpcreds cert list --all"
    if is_bare(site):
        hint = beginning(site)
    raise MissingInputError(which, reason, hint)


def _near(site: Site, word: str) -> str | None:
    if not has_inventory(site):
        return None
    with reading(site) as inventory:
        return near_host(inventory, word)


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
    """Return the row that a word means, of several of one host the newest that is issued."""
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
    return pair_at(site, row) if row and rows_here(site, [row]) else None


# What can be said of one certificate: itself, the way up from it, where it stands and where it lies.


@dataclass(frozen=True)
class View:
    """A certificate as an administrator sees it.

    Attributes:
        description: what it says.
        days_left: whole days; negative when it has ended.
        chain: names of the CAs from its issuer to a trusted root; empty where none is reached.
        fault: why none is reached.
        state: of the inventory, ``expired``, or ``unknown`` to it.
        row: of the inventory.
        installed: the file that holds it now.
    """

    description: Description
    days_left: int
    chain: tuple[str, ...]
    fault: str | None
    state: str
    row: Row | None
    installed: str | None


def views(site: Site, found: Found) -> list[View]:
    """Return a view of the certificate, and of each other one that its file holds."""
    anchors = trust_anchors(site, CA(site), found.pair)
    held = (found.certificate, *found.others)
    first = _view(site, found.certificate, held, anchors, found.row, _installed(found))
    return [first, *(_view(site, other, held, anchors, None, found.path) for other in found.others)]


def trust_anchors(site: Site, ca: CA, pair: Pair | None) -> tuple[Certificate, ...]:
    """Return what is trusted where the pair lies: our own CA, if there is one, and the bundle."""
    own = ca.chain if ca.is_there else ()
    try:
        bundle = bundled(pair.directory if pair else site.certificates)
    except SmtpcredsError as error:
        site.warn(str(error))
        bundle = ()
    return tuple(dict.fromkeys((*own, *bundle)))


def _view(
    site: Site,
    certificate: Certificate,
    held: tuple[Certificate, ...],
    anchors: tuple[Certificate, ...],
    row: Row | None,
    installed: str | None,
) -> View:
    now = site.clock()
    chain: tuple[str, ...] = ()
    fault = None
    try:
        chain = tuple(map(title, verify_chain(certificate, held, anchors, now)[1:]))
    except ChainError as error:
        fault = error.reason
    found = describe(certificate)
    state = str(row.state) if row else "unknown"
    over = has_ended(found.not_after, now) and state in {State.ISSUED, "unknown"}
    return View(
        found, (found.not_after - now).days, chain, fault, "expired" if over else state, row, installed
    )


def _installed(found: Found) -> str | None:
    """Return the file that holds the certificate, if it can be read and still does."""
    path = found.path or (found.pair and found.pair.certificate)
    if not path or not exists(path):
        return None
    try:
        held = parse_certificates(read_public(path), path).certificates
    except UNUSABLE:
        return None
    return path if found.certificate in held else None


# What an administrator reads of the authority: everything but secrets, without the passphrase.


@dataclass(frozen=True)
class Generation:
    """One authority.

    Attributes:
        found: its certificate in words.
        above: the CAs above it in words, nearest first.
        key: path of its key.
        encrypted: whether that needs a passphrase; None where there is no key, or it is in a token.
        token: the URI of the key, where that is in a token.
        root_key: path of the key of the root above it; None where that is offline, or there is none above.
        crl: None where there is none.
        root_crl: that of the CA above; None where there is none.
        counts: certificates by where they stand, see :meth:`smtpcreds.inventory.inventory.Inventory.tally`.
    """

    found: Description
    above: tuple[Description, ...]
    key: str
    encrypted: bool | None
    token: str | None
    root_key: str | None
    crl: CurrentCrl | None
    root_crl: CurrentCrl | None
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Overview:
    """The authority that signs, those that it replaced, and certificates of those that are retired."""

    signing: Generation
    superseded_cas: tuple[Generation, ...]
    retired: tuple[Description, ...]


def overview(site: Site) -> Overview:
    """Look at the authority."""
    ca = CA(site)
    known = [
        (ca.files, ca.chain),
        *((superseded_ca.files, superseded_ca.path) for superseded_ca in ca.superseded_cas),
    ]
    if not has_inventory(site):
        return _overview(site, known, None)
    with reading(site) as inventory:
        return _overview(site, known, inventory)


def _overview(
    site: Site, known: Iterable[tuple[CaFiles, tuple[Certificate, ...]]], inventory: Inventory | None
) -> Overview:
    signing, *superseded_cas = (_generation(*one, _counts(site, inventory, one[1][0])) for one in known)
    return Overview(signing, tuple(superseded_cas), tuple(_retired(inventory)) if inventory else ())


def _generation(files: CaFiles, path: tuple[Certificate, ...], counts: Mapping[str, int]) -> Generation:
    found, *above = map(describe, path)
    key = read_private(files.key) if exists(files.key) else None
    token = None if key is None else remote_uri(key, files.key)
    return Generation(
        found,
        tuple(above),
        files.key,
        None if key is None or token else is_encrypted(key),
        token,
        files.root_key if exists(files.root_key) else None,
        _crl(files.crl),
        _crl(files.root_crl),
        counts,
    )


def _retired(inventory: Inventory) -> Iterator[Description]:
    for row in inventory.authorities():
        if row.state is AuthorityState.RETIRED:
            yield describe(parse_certificate(row.der, row.name))


def _counts(site: Site, inventory: Inventory | None, certificate: Certificate) -> dict[str, int]:
    row = row_of(inventory, certificate) if inventory else None
    return inventory.tally(row.id, site.clock()) if inventory and row else {}


def _crl(path: str) -> CurrentCrl | None:
    if not exists(path):
        return None
    crl = read_crl(read_private(path), path, None)
    return CurrentCrl(crl.number, crl.this_update, crl.next_update, crl.count)
