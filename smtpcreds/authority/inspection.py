"""What can be said of one certificate: itself, the way up from it, where it stands and where it lies."""

from dataclasses import dataclass

from ..config import Site
from ..errors import SmtpcredsError
from ..files import exists, read_public
from ..inventory import Certificate as Row
from ..inventory import State
from ..pki.chains import ChainError, verify_chain
from ..pki.describe import Description, describe
from ..pki.dn import title
from ..pki.pem import parse_certificates
from ..pki.values import Certificate
from .ca import CA
from .install import bundled
from .layout import Pair
from .lookup import Found


@dataclass(frozen=True, slots=True)
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
    over = now > found.not_after and state in {State.ISSUED, "unknown"}
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
    except SmtpcredsError:
        return None
    return path if found.certificate in held else None
