"""Whether a mail program without privileges can read a file that belongs to others.

Only modes are looked at. An access control list may say more, and then shows up in the group's mode bits.
"""

import os
import stat
from collections.abc import Iterable, Iterator

from ..config import Site
from ..model import Owner, Root
from ..mta.port import Reader
from .finding import Finding
from .owners import groups_of, owner_of

_READ, _SEARCH = 4, 1


def unreadable(site: Site, readers: Iterable[Reader]) -> Iterator[Finding]:
    """Yield a finding for each file that its reader can't open; a file that is not there can't be judged.

    Raises:
        UnavailableError: the reader's user does not exist.
    """
    for reader in readers:
        path = site.path(reader.path)
        who = owner_of(site.root, reader.user, reader.user) if os.path.exists(path) else None
        barrier = _barrier(site.root, path, who, reader.user) if who else None
        if barrier:
            hint = f"chgrp {reader.user} {path} && chmod 0640 {path}; or another [sasl] database"
            yield Finding(barrier, f"is closed to {reader.user}, who must read {path}", hint)


def _barrier(root: Root, path: str, who: Owner, name: str) -> str | None:
    """Return the file or the directory above it that stops the user."""
    groups = {who.gid, *groups_of(root, name)}
    above = path
    while (parent := os.path.dirname(above)) not in (above, root.prefix.rstrip("/")):
        if not _may(parent, who, groups, _SEARCH):
            return parent
        above = parent
    return None if _may(path, who, groups, _READ) else path


def _may(path: str, who: Owner, groups: set[int], right: int) -> bool:
    found = os.stat(path)
    if found.st_uid == who.uid:
        return bool(stat.S_IMODE(found.st_mode) >> 6 & right)
    if found.st_gid in groups:
        return bool(stat.S_IMODE(found.st_mode) >> 3 & right)
    return bool(stat.S_IMODE(found.st_mode) & right)
