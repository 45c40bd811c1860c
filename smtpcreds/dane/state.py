"""How far a rollover is: computed from what was remembered, and from the keys that there are."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..authority.layout import Pair, pair_of
from ..authority.placing import key_id
from ..config import Site
from ..errors import AmbiguousError, DataError, MissingInputError
from ..inventory import Certificate, Inventory, State
from ..pki.profiles import HOST_PROFILES
from .memory import Begun, remembered

WAITS = 2
"""TTLs: one for the old records in caches, one for secondary name servers (RFC 7671 section 8.1)."""


class Stage(StrEnum):
    """Where a rollover stands."""

    PUBLISHING = "publishing"
    """The next key waits; the records of both are to be published."""
    SWITCHED = "switched"
    """The next key is in use; the old record is still to be published."""
    ASTRAY = "astray"
    """The next key is gone, or another one is in use."""


@dataclass(frozen=True, slots=True)
class Place:
    """The pair of a host on this machine, and its newest certificate."""

    row: Certificate
    pair: Pair

    @property
    def host(self) -> str:
        """Its full name."""
        return self.row.host


@dataclass(frozen=True, slots=True)
class Rollover:
    """A rollover that has not ended.

    Attributes:
        begun: what was remembered.
        since: when the stage began.
    """

    begun: Begun
    stage: Stage
    since: datetime

    @property
    def ready_at(self) -> datetime:
        """When the next step may be taken."""
        return self.since + WAITS * self.begun.ttl

    @property
    def other(self) -> str:
        """The key that is not in use, whose record is to be published too."""
        return self.begun.new if self.stage is Stage.PUBLISHING else self.begun.old


def place_of(site: Site, inventory: Inventory, text: str) -> Place:
    """Return where the key of a host is.

    Raises:
        NameRefusedError: a bad name.
        MissingInputError: no certificate of the host is installed here.
        AmbiguousError: several are, and none in the mail server's directory.
    """
    host = site.qualify(text)
    rows = [row for row in inventory.listing(host=host, latest=True) if _is_ours(site, row)]
    places = [Place(row, Pair(site.root.locate(row.directory))) for row in rows]
    if not places:
        reason = "has no certificate with its key on this host"
        raise MissingInputError(host, reason, f"smtpcreds cert issue {host}")
    own = [place for place in places if place.pair == pair_of(site, host)]
    if len(places) > 1 and not own:
        listed = ", ".join(place.pair.key for place in places)
        raise AmbiguousError(host, f"has several keys: {listed}", "revoke those that are not in use")
    return (own or places)[0]


def rollover_of(inventory: Inventory, place: Place) -> Rollover | None:
    """Return the rollover of a host, or None where there is none."""
    begun = remembered(inventory).get(place.host)
    return _rollover(inventory, place, begun) if begun else None


def rollovers(site: Site, inventory: Inventory) -> list[Rollover]:
    """Return all that have not ended and are of hosts whose keys are here."""
    found = []
    for host, begun in remembered(inventory).items():
        try:
            place = place_of(site, inventory, host)
        except (MissingInputError, AmbiguousError, DataError):
            continue
        found.append(_rollover(inventory, place, begun))
    return found


def _is_ours(site: Site, row: Certificate) -> bool:
    return row.profile in HOST_PROFILES and row.is_on(site.machine) and row.key_id is not None


def _rollover(inventory: Inventory, place: Place, begun: Begun) -> Rollover:
    if place.row.key_id == begun.new:
        rows = inventory.listing(host=place.host, state=State.ISSUED)
        since = min((row.created for row in rows if row.key_id == begun.new), default=begun.at)
        return Rollover(begun, Stage.SWITCHED, max(since, begun.at))
    if place.row.key_id == begun.old and key_id(place.pair.next_key) == begun.new:
        return Rollover(begun, Stage.PUBLISHING, begun.at)
    return Rollover(begun, Stage.ASTRAY, begun.at)
