"""Names of users and groups to numbers, where files are written."""

import os

from ..errors import UnavailableError
from ..files import read_public
from ..model import Owner, Root


def owner_of(root: Root, user: str, group: str) -> Owner | None:
    """Return the numbers; None where the running user can't give files away.

    Another root's own /etc/passwd and /etc/group are believed, if it has them.

    Raises:
        UnavailableError: there is no such user or group.
    """
    if os.geteuid() != 0:
        return None
    return Owner(_number(root, "passwd", user), _number(root, "group", group))


def groups_of(root: Root, user: str) -> set[int]:
    """Return the groups that a user is a member of, beyond its own, by number."""
    path = root.path("/etc/group")
    text = read_public(path).decode(errors="replace") if os.path.exists(path) else ""
    rows = ([*line.split(":"), "", "", ""] for line in text.splitlines())
    return {int(row[2]) for row in rows if row[2].isdecimal() and user in row[3].split(",")}


def _number(root: Root, database: str, name: str) -> int:
    if name == "root":
        return 0
    path = root.path(f"/etc/{database}")
    if root.is_host or not os.path.exists(path):
        return _of_host(database, name)
    for line in read_public(path).decode(errors="replace").splitlines():
        found, _, number, *_ = [*line.split(":"), "", ""]
        if found == name and number.isdecimal():
            return int(number)
    raise _unknown(path, name)


def _of_host(database: str, name: str) -> int:
    import grp
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if database == "passwd" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise _unknown(f"/etc/{database}", name) from None


def _unknown(path: str, name: str) -> UnavailableError:
    return UnavailableError(path, f"knows no {name}", "install the mail program first; its package makes it")
