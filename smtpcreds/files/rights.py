"""Who may read what, by the modes of a file and of every directory above it.

An access control list may say more; its mask then shows in the bits of the group.
"""

import os
from collections.abc import Iterator

from ..lazy import dataclass
from ..shell import quote

_READ, _ENTER = 4, 1


@dataclass(frozen=True)
class User:
    """A user by numbers, with all groups."""

    name: str
    uid: int
    gids: frozenset[int]

    def may(self, status: os.stat_result, wanted: int) -> bool:
        """Tell whether the mode gives the rights; ``wanted`` of the bits 4 (read), 2 (write), 1 (enter)."""
        if self.uid == 0:
            return True
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.gids else 0
        return status.st_mode >> shift & wanted == wanted


def barrier(user: User, path: str, top: str) -> str | None:
    """Return what keeps the user from reading a file: a directory above it, the nearest first, or itself."""
    for directory in above(path, top):
        if not user.may(os.stat(directory), _ENTER):
            return directory
    return None if user.may(os.stat(path), _READ) else path


def way_in(user: User, closed: str, path: str, group: str) -> str:
    """Return the command that lets a user read a file, without taking it from who reads it now.

    Args:
        user: of a mail server, with a group of the same name.
        closed: what :func:`barrier` found.
        path: the file.
        group: the name of the group of what is closed; empty where it has none.
    """
    status = os.stat(closed)
    right = "r" if closed == path else "x"
    if group and status.st_gid != 0 and status.st_mode & (0o040 if right == "r" else 0o010):
        return f"usermod -a -G {quote(group)} {user.name}"
    return f"chgrp {user.name} {quote(closed)} && chmod g+{right} {quote(closed)}"


def above(path: str, top: str) -> Iterator[str]:
    """Yield every directory above a path that is as deep as ``top`` or deeper, the nearest first."""
    directory = os.path.dirname(path)
    while True:
        yield directory
        parent = os.path.dirname(directory)  # of "//", which POSIX lets stand, that is the same again
        if directory == top or parent == directory or len(directory) <= len(top):
            return
        directory = parent
