"""What a killed run left: completed where the key is in place, given up where it is not."""

from ..config import Site
from ..files import write_all
from ..inventory import Certificate, Inventory
from ..pki.chains import climb
from ..pki.pem import parse_certificate
from .ca import exists
from .elders import trusted
from .install import trust
from .layout import Pair
from .placing import put_in_place


def recover(site: Site, inventory: Inventory) -> None:
    """Settle every pending certificate. Keys are written before certificates, so the key decides."""
    for row in inventory.pending():
        _settle(site, inventory, row)


def _settle(site: Site, inventory: Inventory, row: Certificate) -> None:
    if row.fingerprint is None:
        _give_up(site, inventory, row, "interrupted before it was signed")
    elif not row.directory:
        inventory.issued(row.authority, [row.serial])
    elif _complete(site, inventory, row):
        inventory.issued(row.authority, [row.serial])
        site.warn(f"{row.host}: an interrupted run left its certificate unfinished; it is in place now")
    else:
        _give_up(site, inventory, row, "interrupted before its key was in place")


def _complete(site: Site, inventory: Inventory, row: Certificate) -> bool:
    pair = Pair(site.root.locate(row.directory))
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    own = trusted(site) if exists(site) else ()
    others = (parse_certificate(ca.der, ca.name) for ca in inventory.authorities())
    above = climb(certificate, (*own, *others))[1:]
    if not put_in_place(pair, certificate, above):
        return False
    write_all(trust(pair.directory, (*own, *above)))
    return True


def _give_up(site: Site, inventory: Inventory, row: Certificate, why: str) -> None:
    inventory.discard(row.authority, row.serial, why)
    site.warn(
        f"{row.host}: an interrupted run began a certificate; it was {why.removeprefix('interrupted ')}, "
        "so it was given up"
    )
