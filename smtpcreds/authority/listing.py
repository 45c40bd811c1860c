"""The list of certificates, from the inventory alone; nothing heavy is imported."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..config import Site
from ..inventory import Certificate, Inventory
from .layout import Pair

REMEMBERED = timedelta(days=90)
"""So long after its end an unreplaced certificate is still listed with those that end soon."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which certificates to list.

    Attributes:
        within: only those that end in this span of time, or ended up to :data:`REMEMBERED` ago.
        host: only those of this host, in A-labels.
        everything: also those that are revoked, given up, unfinished, replaced by newer ones, or long over.
    """

    within: timedelta | None = None
    host: str | None = None
    everything: bool = False


def listed(
    site: Site, inventory: Inventory, selection: Selection, limit: int | None = None
) -> Generator[Certificate, None, None]:
    """Yield the chosen certificates, those that end next first; at most ``limit``."""
    now = site.clock()
    yield from inventory.listing(
        expires_after=None if selection.everything and not selection.within else now - REMEMBERED,
        expires_before=None if selection.within is None else later(now, selection.within),
        host=selection.host,
        latest=not selection.everything,
        limit=limit,
    )


def certificate_path(site: Site, row: Certificate) -> str | None:
    """Return the file that a certificate was installed in, or None where its host keeps it."""
    return Pair(site.root.locate(row.directory)).certificate if row.is_on(site.machine) else None


def later(now: datetime, span: timedelta) -> datetime:
    """Return the time after a span, at most the last one that there is."""
    last = datetime.max.replace(tzinfo=now.tzinfo)
    return now + span if span < last - now else last


def days_left(certificate: Certificate, now: datetime) -> int:
    """Return the whole days until the certificate ends; negative when it has ended."""
    return (certificate.not_after - now).days
