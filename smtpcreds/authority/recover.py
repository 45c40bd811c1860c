"""What a killed run left: completed where the new key is in place, given up where the former pair still is.

Keys are written before certificates, so the key decides. Where a renewal keeps the key, the certificate does:
as long as the former one is in place, nothing has changed. Answers of other CAs are completed.
"""

from ..config import Site
from ..files import sweep, write_all
from ..inventory import AuthorityState, Certificate, Inventory
from ..pki.chains import climb
from ..pki.describe import fingerprint
from ..pki.keys import public_id
from ..pki.pem import parse_certificate
from .ca import CA
from .former import certificate_in_place, read_former
from .install import trust
from .layout import Pair
from .placing import key_id, put_in_place
from .revocations import owed


def recover(site: Site, inventory: Inventory, ca: CA) -> list[Certificate]:
    """Settle what is pending, and tell of a CRL that is still to be signed; return what was completed.

    Files that another host of a shared inventory began to write are left to that host.
    """
    ours = [row for row in inventory.authorities() if row.state is not AuthorityState.FOREIGN]
    completed = []
    for row in inventory.pending():
        if row.is_on(site.machine) or row.fingerprint is None or not row.directory:
            if _settle(site, inventory, ca, row, is_ours=any(row.authority == own.id for own in ours)):
                completed.append(row)
        else:
            site.warn(
                f"{row.host}: an interrupted run on {row.machine} began certificate {row.serial}; "
                "the next command that signs there settles it"
            )
    for authority in ours:
        if authority.state is AuthorityState.CURRENT and owed(inventory, authority):
            site.warn(
                f"{authority.name}: an interrupted run did not finish its CRL; "
                "the next command that signs does, or: smtpcreds ca crl"
            )
    return completed


def _settle(site: Site, inventory: Inventory, ca: CA, row: Certificate, *, is_ours: bool) -> bool:
    pair = Pair(site.root.locate(row.directory))
    if row.directory:
        sweep(pair.directory)
    if row.fingerprint is None:
        _give_up(site, inventory, row, "interrupted before it was signed")
    elif not row.directory:
        inventory.issued(row.authority, [row.serial])
    elif is_ours and _former_stands(pair, row):
        _give_up(site, inventory, row, "interrupted before it replaced the former one")
    elif _complete(inventory, ca, row, pair):
        inventory.issued(row.authority, [row.serial])
        site.warn(
            f"{row.host}: an interrupted run left its certificate unfinished; it is in place now, "
            "and the mail server has to read it: reload it"
        )
        return True
    else:
        _give_up(site, inventory, row, "interrupted before its key was in place")
    return False


def _former_stands(pair: Pair, row: Certificate) -> bool:
    """Tell whether a whole pair with the key of the renewed certificate, but not that one, is in place."""
    if key_id(pair.key) != row.key_id:
        return False
    found = certificate_in_place(read_former(pair))
    return found is not None and public_id(found) == row.key_id and fingerprint(found) != row.fingerprint


def _complete(inventory: Inventory, ca: CA, row: Certificate, pair: Pair) -> bool:
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    own = ca.trusted if ca.is_there else ()
    others = (parse_certificate(other.der, other.name) for other in inventory.authorities())
    above = climb(certificate, (*own, *others))[1:]
    if not put_in_place(pair, certificate, above):
        return False
    write_all(trust(pair.directory, (*own, *above)))
    return True


def _give_up(site: Site, inventory: Inventory, row: Certificate, why: str) -> None:
    inventory.discard(row.authority, row.serial, why)
    site.warn(
        f"{row.host}: an interrupted run began a certificate and ended {why.removeprefix('interrupted ')}; "
        "it was given up"
    )
