"""What a killed run left: completed where the key is in place, given up where it is not."""

import os

from ..config import Site
from ..errors import SmtpcredsError
from ..files import read_private, write_all
from ..inventory import Certificate, Inventory
from ..model import Artifact
from ..pki.chains import is_issued_by
from ..pki.keyfile import decode_key
from ..pki.keys import public_id
from ..pki.pem import parse_certificate
from .ca import certificates
from .install import certificate_file
from .layout import Pair


def recover(site: Site, inventory: Inventory) -> None:
    """Settle every pending certificate. Keys are written before certificates, so the key decides."""
    for row in inventory.pending():
        _settle(site, inventory, row)


def _settle(site: Site, inventory: Inventory, row: Certificate) -> None:
    if row.fingerprint is None:
        _give_up(site, inventory, row, "interrupted before it was signed")
    elif not row.directory:
        inventory.issued(row.authority, [row.serial])
    elif _key_id(pair := Pair(site.root.locate(row.directory))) == row.key_id:
        certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
        chain = certificates(site)
        above = chain if is_issued_by(certificate, chain[0]) else ()
        write_all([Artifact(pair.certificate, certificate_file(certificate, above))])
        inventory.issued(row.authority, [row.serial])
        site.warn(
            f"{row.host}: an earlier run was interrupted before its certificate was in place; now it is"
        )
    else:
        _give_up(site, inventory, row, "interrupted before its key was in place")


def _give_up(site: Site, inventory: Inventory, row: Certificate, why: str) -> None:
    inventory.discard(row.authority, row.serial, why)
    site.warn(f"{row.host}: an earlier run was {why}; its certificate was given up")


def _key_id(pair: Pair) -> str | None:
    if not os.path.lexists(pair.key):
        return None
    try:
        return public_id(decode_key(read_private(pair.key), None, pair.key))
    except SmtpcredsError:
        return None
