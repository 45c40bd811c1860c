"""The records of a host that are to be published now."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..authority.ca import CA
from ..authority.install import bundled
from ..authority.lookup import Found, find
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..errors import SmtpcredsError
from ..pki.chains import climb
from ..pki.tlsa import DANE_EE, Tlsa, end_entity, trust_anchor, zone_line
from ..pki.values import Certificate
from .state import Rollover, Stage, place_of, rollover_of

PORT = 25
CHAIN = "2 1 1 counts only if the server sends its CA's certificate (Sendmail: the CA in confCACERT)"


@dataclass(frozen=True, slots=True)
class Zone:
    """What belongs into the zone of a host.

    Attributes:
        host: its full name.
        records: the host's own key first; that of the other key while a rollover is half-way; its CA's.
        rollover: what is half-way.
        ttl: of the records; None leaves it to the zone.
    """

    host: str
    records: tuple[Tlsa, ...]
    rollover: Rollover | None
    ttl: timedelta | None

    def lines(self, ports: Sequence[int]) -> list[str]:
        """Return lines of a zone file, comments among them."""
        seconds = None if self.ttl is None else self.ttl // timedelta(seconds=1)
        lines = [zone_line(record, self.host, port, seconds) for port in ports for record in self.records]
        anchors = any(record.usage != DANE_EE for record in self.records)
        return [*lines, *([f"; {CHAIN}"] if anchors else [])]


def zone(site: Site, which: str, path: str, ttl: timedelta | None = None) -> Zone:
    """Return the records of a host's certificate and of the CA that signed it.

    Args:
        site: where.
        which: a host, or what else :func:`smtpcreds.authority.lookup.find` takes.
        path: the word as an absolute path.
        ttl: of the records; that of a rollover unless given.

    Raises:
        MissingInputError: there is no such certificate.
        SmtpcredsError: a file can't be read.
    """
    found = find(site, which, path)
    host = found.row.host if found.row else site.qualify(which)
    half = _half_way(site, host)
    own = end_entity(found.certificate)
    other = [Tlsa(DANE_EE, bytes.fromhex(half.other))] if half and half.stage is not Stage.ASTRAY else []
    anchors = [trust_anchor(ca) for ca in _issuers(site, found)]
    if half and ttl is None:
        ttl = half.begun.ttl
    return Zone(host, tuple(dict.fromkeys([own, *other, *anchors])), half, ttl)


def _half_way(site: Site, host: str) -> Rollover | None:
    if not has_inventory(site):
        return None
    with reading(site) as inventory:
        try:
            return rollover_of(inventory, place_of(site, inventory, host))
        except SmtpcredsError:  # its key is kept elsewhere, where the rollover is known
            return None


def _issuers(site: Site, found: Found) -> Iterator[Certificate]:
    """Yield the CA that signed, and ours where that one was replaced: it signs the next certificate."""
    ca = CA(site)
    ours = ca.trusted if ca.is_there else ()
    directory = os.path.dirname(found.path) if found.path else found.pair.directory if found.pair else ""
    beside = bundled(directory) if directory else ()
    above = climb(found.certificate, (*found.others, *ours, *beside))[1:2]
    yield from above
    if any(one in ours for one in above):
        yield ca.certificate
