"""What a killed run left: completed where the new key is in place, given up where the former pair still is.

Keys are written before certificates, so the key decides. Where a renewal keeps the key, the certificate does:
as long as the former one is in place, nothing has changed. Answers of other CAs are completed.
"""

from collections.abc import Callable
from typing import TypeVar

from ..config import Site
from ..errors import SmtpcredsError
from ..files import read_private, sweep, write_all
from ..inventory import AuthorityState, Certificate, Inventory
from ..pki.chains import climb
from ..pki.describe import fingerprint
from ..pki.keys import public_id
from ..pki.pem import parse_certificate, parse_certificates
from ..pki.values import Certificate as Parsed
from .ca import exists
from .elders import trusted
from .install import trust
from .layout import Pair
from .placing import key_id, put_in_place
from .revocations import owed

T = TypeVar("T")


def recover(site: Site, inventory: Inventory) -> None:
    """Settle every pending certificate, and tell of a CRL that is still to be signed."""
    for row in inventory.pending():
        _settle(site, inventory, row)
    for authority in inventory.authorities():
        if authority.state is AuthorityState.CURRENT and owed(inventory, authority):
            site.warn(
                f"{authority.name}: an interrupted run did not finish its CRL; "
                "the next command that signs does, or: smtpcreds ca crl"
            )


def _settle(site: Site, inventory: Inventory, row: Certificate) -> None:
    if row.fingerprint is None:
        _give_up(site, inventory, row, "interrupted before it was signed")
    elif not row.directory:
        inventory.issued(row.authority, [row.serial])
    else:
        _settle_pair(site, inventory, row, Pair(site.root.locate(row.directory)))


def _settle_pair(site: Site, inventory: Inventory, row: Certificate, pair: Pair) -> None:
    sweep(pair.directory)
    found = _standing(pair)
    if row.key_id not in (key_id(pair.key), key_id(pair.next_key)):
        _give_up(site, inventory, row, "interrupted before its key was in place")
    elif found and fingerprint(found) == row.fingerprint:
        _complete(site, inventory, row)
    elif found and public_id(found) == row.key_id and not _is_foreign(inventory, row):
        _give_up(site, inventory, row, "interrupted before it replaced the former one")
    else:
        _install(site, inventory, row, pair)
        _complete(site, inventory, row)


def _install(site: Site, inventory: Inventory, row: Certificate, pair: Pair) -> None:
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    own = trusted(site) if exists(site) else ()
    others = (parse_certificate(ca.der, ca.name) for ca in inventory.authorities())
    above = climb(certificate, (*own, *others))[1:]
    put_in_place(pair, certificate, above)
    write_all(trust(pair.directory, (*own, *above)))


def _is_foreign(inventory: Inventory, row: Certificate) -> bool:
    foreign = (ca.id for ca in inventory.authorities() if ca.state is AuthorityState.FOREIGN)
    return row.authority in foreign


def _complete(site: Site, inventory: Inventory, row: Certificate) -> None:
    inventory.issued(row.authority, [row.serial])
    site.warn(
        f"{row.host}: an interrupted run left its certificate unfinished; it is in place now, "
        "and the mail server has to read it: reload it"
    )


def _give_up(site: Site, inventory: Inventory, row: Certificate, why: str) -> None:
    inventory.discard(row.authority, row.serial, why)
    site.warn(f"{row.host}: an earlier run was {why}; its certificate was given up")


def _standing(pair: Pair) -> Parsed | None:
    parsed = _read(lambda: parse_certificates(read_private(pair.certificate), pair.certificate))
    return parsed.certificates[0] if parsed else None


def _read(read: Callable[[], T]) -> T | None:
    """Return what can be read, or None where nothing is there or it is damaged."""
    try:
        return read()
    except SmtpcredsError:
        return None
