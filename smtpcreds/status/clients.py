"""Client hosts: when each came for its bundle last, what it holds, and when that ends."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from ..config import Site
from ..deploy.delivery import Handover, handovers, kept_for, was_revoked
from ..inventory.inventory import Inventory
from ..inventory.pulls import Pull
from ..inventory.rows import CertificateRow as Row
from ..lazy import dataclass
from ..pki.dates import has_ended

PATIENCE = timedelta(days=3)
"""A host that comes each night may miss two."""
CURE = "on that host: /etc/smtpcreds/pull.sh; if it is gone for good: smtpcreds cert retire HOST"


@dataclass(frozen=True)
class ClientHost:
    """One client host.

    Attributes:
        fetches: it comes for its bundles; otherwise it holds what it was given by hand.
        since: when it was authorized, or given its bundle.
        last_pull: when it came last; None if it never did.
        confirmed: it said that it has in place what it was handed last.
        account: that it was handed.
        serial: of its certificate.
        ends: when certificate or CRL end, the earlier one; None where that is not known.
        revoked: its newest certificate was revoked, so it gets nothing more.
    """

    host: str
    fetches: bool
    since: datetime
    last_pull: datetime | None
    confirmed: bool
    account: str
    serial: str
    ends: datetime | None
    revoked: bool = False

    def is_silent(self, now: datetime) -> bool:
        """Tell whether it should have come since."""
        return self.fetches and not self.revoked and now - (self.last_pull or self.since) > PATIENCE

    def is_late(self, now: datetime) -> bool:
        """Tell whether what it holds has ended."""
        return self.ends is not None and not self.revoked and has_ended(self.ends, now)

    def standing(self) -> str:
        """Return in words how it stands."""
        end = f"; what it holds ends on {self.ends:%Y-%m-%d}" if self.ends else ""
        if not self.fetches:
            return f"set up by hand on {self.since:%Y-%m-%d}{end}"
        if self.revoked:
            return "was revoked, and gets nothing"
        if self.last_pull is None:
            return f"may fetch its bundles since {self.since:%Y-%m-%d} and never came"
        return f"came last on {self.last_pull:%Y-%m-%d}{end}"


def client_hosts(site: Site, inventory: Inventory, rows: Iterable[Row]) -> tuple[ClientHost, ...]:
    """Return those that fetch their bundles, and of the others those of the given certificates.

    Args:
        site: whose hub they come to.
        inventory: says who came and who was given what.
        rows: certificates whose keys their hosts keep.
    """
    fetching = {pull.host: _fetching(site, inventory, pull) for pull in inventory.pulls.all()}
    others = [row for row in rows if row.host not in fetching]
    last = handovers(inventory.deliveries_to({row.host for row in others}))
    return (*fetching.values(), *(_by_hand(last[row.host], row) for row in others if row.host in last))


def _fetching(site: Site, inventory: Inventory, pull: Pull) -> ClientHost:
    confirmed = pull.held is not None
    who = (pull.host, True, pull.since, pull.asked, confirmed)
    revoked = was_revoked(kept_for(site, inventory, pull.host))
    return ClientHost(*who, pull.account, pull.serial, pull.ends, revoked)


def _by_hand(given: Handover, row: Row) -> ClientHost:
    end = row.not_after if row.serial == given.serial else None
    return ClientHost(row.host, False, given.at, None, False, given.account, given.serial, end)


def silent(hosts: Iterable[ClientHost], now: datetime) -> Iterator[ClientHost]:
    """Yield those that have stopped coming, or never came."""
    return (one for one in hosts if one.is_silent(now))
