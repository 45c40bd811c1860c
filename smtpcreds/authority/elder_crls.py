"""CRLs of elders: signed on until they are retired, because an expired one stops all their certificates."""

from datetime import datetime

from ..config import Site
from ..errors import SmtpcredsError
from ..files import read_private
from ..pki.crl import read_crl
from .ca import Passphrase, open_issuer
from .elders import Elder, elders
from .ledger import at_work, enrol
from .revocations import renew_crl


def refresh_elders(site: Site, passphrase: Passphrase) -> None:
    """Sign the CRLs of elders of which a third of the life is over.

    Args:
        site: where.
        passphrase: opens the keys of elders too; asked only when a CRL is due.
    """
    due = [elder for elder in elders(site) if is_due(elder, site.clock())]
    if not due:
        return
    with at_work(site) as inventory:
        for elder in due:
            try:
                issuer = open_issuer(site, passphrase, elder.files)
                renew_crl(site, inventory, enrol(site, inventory, elder.certificate), issuer)
            except SmtpcredsError as error:
                site.warn(f"{error}; the CRL of this old authority was not signed anew")


def is_due(elder: Elder, now: datetime) -> bool:
    """Tell whether an elder needs a new CRL; one that has expired itself needs none."""
    if elder.certificate.not_valid_after_utc <= now:
        return False
    if not elder.has_crl:
        return True
    crl = read_crl(read_private(elder.files.crl), elder.files.crl, None)
    end = crl.next_update or crl.this_update
    return now >= crl.this_update + (end - crl.this_update) / 3
