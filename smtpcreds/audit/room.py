"""Whether a mail server takes an ordinary message: there is room, and it is none too large."""

import os

from .host import Host

MESSAGE = 4096
"""Octets that a message of a few lines has with its headers, as far as it comes to the hub."""
HEADERS = 1024
"""Octets of the headers of such a message."""
HEADER = 200
"""Octets of a Received: line."""
HOPS = 3
"""Received: lines of a message that a client host's own programs handed on."""
TOO_FAR = "what comes from users or client hosts has more Received: lines"
_WHAT = {
    MESSAGE: "a message of a few lines has",
    HEADERS: "the headers of a message have",
    HEADER: "a Received: line has",
}


def too_small(most: int, usual: int) -> str:
    """Return what is wrong with a limit, in words; nothing where it is none, 0, or large enough.

    Args:
        most: octets.
        usual: ``MESSAGE``, ``HEADERS`` or ``HEADER``.
    """
    return f"{_WHAT[usual]} more octets" if 0 < most < usual else ""


def left(host: Host, path: str) -> os.statvfs_result | None:
    """Return what the file system of a queue has left; None where nobody can tell."""
    try:
        return os.statvfs(host.path(path))
    except OSError:
        return None


def too_full(queue: str, free: int, least: int, unit: str) -> str:
    """Return what is wrong with a queue that has less room than it must have, in words."""
    return f"{queue} has {free} {unit} left, so it takes no message" if free < least else ""
