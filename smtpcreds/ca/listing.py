"""Certificates from the inventory alone: all of them, or those that a word means.

Nothing heavy is imported.
"""

from collections.abc import Generator, Iterable
from datetime import datetime, timedelta

from ..config import Site
from ..errors import AmbiguousError, NameRefusedError, nearest
from ..inventory.inventory import Inventory
from ..inventory.rows import CertificateRow, State
from ..lazy import dataclass
from .layout import Pair

# The list of certificates, from the inventory alone; nothing heavy is imported.

REMEMBERED = timedelta(days=90)
"""So long after its end an unreplaced certificate is still listed with those that end soon."""


@dataclass(frozen=True)
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
) -> Generator[CertificateRow, None, None]:
    """Yield the chosen certificates, those that end next first; at most ``limit``."""
    now = site.clock()
    yield from inventory.listing(
        expires_after=None if selection.everything and not selection.within else now - REMEMBERED,
        expires_before=None if selection.within is None else later(now, selection.within),
        host=selection.host,
        latest=not selection.everything,
        limit=limit,
    )


def certificate_path(site: Site, row: CertificateRow) -> str | None:
    """Return the file that a certificate was installed in, or None where its host keeps it."""
    return Pair(site.root.locate(row.directory)).certificate if row.is_on(site.machine) else None


def later(now: datetime, span: timedelta) -> datetime:
    """Return the time after a span, at most the last one that there is."""
    last = datetime.max.replace(tzinfo=now.tzinfo)
    return now + span if span < last - now else last


def days_left(certificate: CertificateRow, now: datetime) -> int:
    """Return the whole days until the certificate ends; negative when it has ended."""
    return (certificate.not_after - now).days


# What a person means by a host name, or the beginning of a serial number or fingerprint.

SHOWN = 6
"""Candidates that a message lists."""
DIGITS = 12
"""Of a serial number, in a message; enough to name one of millions."""


def meant(site: Site, inventory: Inventory, which: str) -> list[CertificateRow]:
    """Return the certificates that the word may mean, in every state; issued ones first, the newest first.

    A short host name is completed with the domain. A complete host name, serial number or fingerprint
    outranks prefixes.
    """
    return _of_host(site, inventory, which) or inventory.find(which)


def ambiguous(which: str, rows: list[CertificateRow], hint: str) -> AmbiguousError:
    """Return the error that lists the candidates."""
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    listed = "; ".join(map(candidate, rows[:SHOWN]))
    return AmbiguousError(which, f"fits {len(rows)} certificates: {listed}{more}", hint)


def candidate(row: CertificateRow) -> str:
    """Return a certificate in the words of such a list."""
    dates = f"{row.not_before:%Y-%m-%d} to {row.not_after:%Y-%m-%d}"
    return f"{row.serial[:DIGITS]} {row.host}, {dates}, {row.state}"


def of_one_host(rows: Iterable[CertificateRow]) -> bool:
    """Tell whether all are of the same host."""
    return len({row.host for row in rows}) == 1


def names_host(site: Site, which: str, rows: Iterable[CertificateRow]) -> bool:
    """Tell whether the word is the name of the host of all of them, short or complete."""
    return {row.host for row in rows} <= {which, _host(site, which)}


def _of_host(site: Site, inventory: Inventory, which: str) -> list[CertificateRow]:
    host = _host(site, which)
    return [row for row in inventory.find(host) if row.host == host]


def _host(site: Site, which: str) -> str:
    try:
        return site.qualify(which, wildcard=True)
    except NameRefusedError:
        return which


_COMPARED = 5000
"""Certificates among which a host is looked for that was probably meant."""


def near_host(inventory: Inventory, word: str) -> str | None:
    """Return the host with a certificate that was probably meant by a word; None where none is like it."""
    hosts = {row.host for row in inventory.listing(state=State.ISSUED, limit=_COMPARED)}
    short = {host.partition(".")[0]: host for host in hosts}
    near = nearest(word, hosts if "." in word else short)
    return short.get(near, near) if near else None


def instead_of_unknown(inventory: Inventory, host: str) -> str | None:
    """Return the host that was probably meant by one that never had a certificate; None for one that had."""
    if next(inventory.listing(host=host, limit=1), None):
        return None
    return near_host(inventory, host)
