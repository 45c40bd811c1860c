"""saslauthd on this host: whether it listens where a mail server asks it, and how it comes to."""

import os

from ..config import Site
from ..errors import UNUSABLE
from ..files import read_public
from ..files.sockets import is_deaf
from ..mta.saslauthd import directory_told

ABSENT = "is missing; saslauthd does not run or has it elsewhere, so no login account works"
DEAF = "is no socket at which saslauthd listens, so no login account works"


def fault(path: str) -> str | None:
    """Return why nobody answers at a socket, or None."""
    if not os.path.exists(path):
        return ABSENT
    return DEAF if is_deaf(path) else None


def starting(site: Site, directory: str) -> str:
    """Return the command by which saslauthd makes its socket in a directory, whatever its settings say."""
    settings = site.system.saslauthd_settings
    try:
        text = read_public(site.path(settings)).decode(errors="replace") if settings else ""
    except UNUSABLE:
        text = ""
    return site.system.to_start_saslauthd(directory, directory_told(text))
