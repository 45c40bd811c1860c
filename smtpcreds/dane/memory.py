"""What the inventory remembers of key rollovers: one event for each beginning and each end.

All have one subject, so that those that are half-way are found among a million other events.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..config import Site
from ..inventory import Event, Inventory

SUBJECT = "tlsa"
BEGIN, END = "tlsa begin", "tlsa end"
_BEGUN = re.compile(r"(\S+) ([0-9a-f]{64}) after ([0-9a-f]{64}), TTL ([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class Begun:
    """A next key whose record is to be published.

    Attributes:
        old: SHA-256 of the SubjectPublicKeyInfo of the key in use then, lower-case hex.
        new: likewise of the next key.
        ttl: of the records.
        at: when its record was first printed.
    """

    host: str
    new: str
    old: str
    ttl: timedelta
    at: datetime


def remember(inventory: Inventory, begun: Begun) -> None:
    """Record the beginning of a rollover."""
    detail = f"{begun.host} {begun.new} after {begun.old}, TTL {begun.ttl // timedelta(seconds=1)}"
    inventory.event(Event(begun.at, _who(), BEGIN, SUBJECT, detail))


def forget(site: Site, inventory: Inventory, host: str) -> None:
    """Record the end of a host's rollover."""
    inventory.event(Event(site.clock(), _who(), END, SUBJECT, host))


def remembered(inventory: Inventory) -> dict[str, Begun]:
    """Return the rollovers that have begun and not ended, by host."""
    newest: dict[str, Begun | None] = {}
    for event in inventory.events(subject=SUBJECT):
        begun = _begun(event)
        newest.setdefault(begun.host if begun else event.detail, begun)
    return {host: begun for host, begun in newest.items() if begun}


def _begun(event: Event) -> Begun | None:
    match = _BEGUN.fullmatch(event.detail) if event.what == BEGIN else None
    return Begun(match[1], match[2], match[3], timedelta(seconds=int(match[4])), event.at) if match else None


def _who() -> str:
    return os.environ.get("SUDO_USER") or str(os.getuid())
