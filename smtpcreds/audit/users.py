"""Who may read what: users and groups of the audited root, and the modes of a file and of all above it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import SmtpcredsError
from ..files import read_public
from ..model import Root


@dataclass(frozen=True, slots=True)
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


def user_of(root: Root, name: str) -> User | None:
    """Return a user of the root, by its own /etc/passwd and /etc/group where it has them; None if unknown."""
    entry = next((line for line in _lines(root, "passwd") if line[0] == name and len(line) > 3), None)
    if entry is None or not (entry[2] + entry[3]).isdecimal():
        return None
    groups = (line for line in _lines(root, "group") if len(line) > 3 and name in line[3].split(","))
    further = {int(line[2]) for line in groups if line[2].isdecimal()}
    return User(name, int(entry[2]), frozenset({int(entry[3]), *further}))


def group_of(root: Root, name: str) -> int | None:
    """Return the number of a group, or None."""
    found = (line[2] for line in _lines(root, "group") if line[0] == name and len(line) > 2)
    return next((int(number) for number in found if number.isdecimal()), None)


def obstacle(user: User, path: str, top: str) -> str | None:
    """Return why the user can't read the file, or None; directories are asked from ``top`` downwards."""
    for directory in above(path, top):
        if not user.may(os.stat(directory), 1):
            return f"{user.name} can't enter {directory}"
    status = os.stat(path)
    if user.may(status, 4):
        return None
    return f"mode {stat.S_IMODE(status.st_mode):04o} does not let {user.name} read it"


def above(path: str, top: str) -> Iterator[str]:
    """Yield every directory above a path that is as deep as ``top`` or deeper, the nearest first."""
    directory = os.path.dirname(path)
    while True:
        yield directory
        if directory in {top, "/"} or len(directory) <= len(top):
            return
        directory = os.path.dirname(directory)


def _lines(root: Root, database: str) -> Iterator[list[str]]:
    path = root.path(f"/etc/{database}")
    try:
        text = read_public(path if os.path.exists(path) else f"/etc/{database}")
    except SmtpcredsError:
        return
    yield from (line.split(":") for line in text.decode(errors="surrogateescape").splitlines() if line)
