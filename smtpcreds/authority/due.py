"""When something is due: past two thirds of its life, as ACME clients renew (RFC 9773 appendix A).

Light enough for the verbs that only look.
"""

from datetime import datetime

from ..config import Site
from ..inventory import AuthorityState, Inventory


def is_due(begin: datetime, end: datetime, now: datetime) -> bool:
    """Tell whether two thirds of the time from begin to end have passed."""
    return now - begin >= (end - begin) * 2 / 3


def warn_of_crls(site: Site, inventory: Inventory) -> None:
    """Warn of every CRL of a signing authority that expired, or has less than a third of its life left."""
    for authority in inventory.authorities():
        latest = inventory.latest_crl(authority.id)
        if authority.state is AuthorityState.CURRENT and latest:
            _warn_of(site, authority.name, latest.this_update, latest.next_update)


def _warn_of(site: Site, name: str, begin: datetime, end: datetime) -> None:
    now = site.clock()
    if end <= now:
        site.warn(
            f"{name}: the CRL expired on {end:%Y-%m-%d}, so mail servers that read it refuse every "
            "certificate of this CA; sign a new one: smtpcreds ca crl"
        )
    elif is_due(begin, end, now):
        site.warn(f"{name}: the CRL expires on {end:%Y-%m-%d}; sign a new one: smtpcreds ca crl")
