"""Which files of a mail program are ours: the inventory remembers a digest of everything that was written.

A digest is an event, recorded before the file appears, so that a killed run leaves no file that nobody knows.
It goes to the inventory only, never to syslog: that of a weak secret can be guessed.
"""

import os
from hashlib import sha256

from ..config import Site
from ..inventory import Event, Inventory

WHAT = "mta write"


def digest(content: bytes) -> str:
    """Return the SHA-256 of what a file says, lower-case hex."""
    return sha256(content).hexdigest()


def remember(site: Site, inventory: Inventory, path: str, content: bytes) -> None:
    """Record that a file is about to get this content."""
    who = os.environ.get("SUDO_USER") or str(os.getuid())
    inventory.event(Event(site.clock(), who, WHAT, _subject(site, path), digest(content)))


def digests(site: Site, inventory: Inventory | None, path: str) -> set[str]:
    """Return the digests of all that was ever written to the path; none where there is no inventory."""
    if inventory is None:
        return set()
    return {event.detail for event in inventory.events(subject=_subject(site, path)) if event.what == WHAT}


def _subject(site: Site, path: str) -> str:
    """Return the path as it is recorded; several hosts may share an inventory."""
    recorded = site.root.record(path)
    return f"{site.machine} {recorded}" if site.machine else recorded
