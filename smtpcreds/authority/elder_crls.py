"""CRLs of elders: signed on until they are retired, because an expired one stops all their certificates."""

from datetime import timedelta

from ..config import Site
from ..errors import SmtpcredsError
from ..inventory import Inventory
from ..pki.crl import may_sign_crls
from .ca import Passphrase, open_issuer
from .elders import Elder, elders
from .ledger import at_work, enrol, row_of
from .office import Office
from .publish import Published, publish
from .revocations import crl_is_due


def refresh_elders(
    site: Site, passphrase: Passphrase, *, every: bool = False, lifetime: timedelta | None = None
) -> list[Published]:
    """Sign the CRLs of elders that are due; return them.

    An elder whose key can't be used gets a warning: the authority that signs goes on without it.

    Args:
        site: where.
        passphrase: opens the keys of elders too; asked only when a CRL is to be signed.
        every: also those that are not due.
        lifetime: None is that of the configuration.
    """
    if not elders(site):
        return []
    done = []
    with at_work(site) as inventory:
        for elder in elders(site):
            if _lives(site, elder) and (every or elder_is_due(site, inventory, elder)):
                try:
                    issuer = open_issuer(site, passphrase, elder.files)
                    office = Office(site, inventory, enrol(site, inventory, elder.certificate), issuer)
                    done.append(publish(office, lifetime=lifetime))
                except SmtpcredsError as error:
                    site.warn(f"{error}; the CRL of this old authority was not signed anew")
    return done


def elders_are_due(site: Site, inventory: Inventory) -> bool:
    """Tell whether any elder needs a new CRL."""
    return any(_lives(site, elder) and elder_is_due(site, inventory, elder) for elder in elders(site))


def elder_is_due(site: Site, inventory: Inventory, elder: Elder) -> bool:
    """Tell whether an elder needs a new CRL."""
    row = row_of(inventory, elder.certificate)
    return row is None or crl_is_due(site, inventory, row)


def _lives(site: Site, elder: Elder) -> bool:
    """Tell whether an elder can need a CRL: it has not expired, and may sign one."""
    return elder.certificate.not_valid_after_utc > site.clock() and may_sign_crls(elder.certificate)
