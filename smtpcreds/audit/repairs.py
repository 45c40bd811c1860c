"""What ``--fix`` may do: modes, owners, ACLs, hash links, maps. Each looks again, at the open file."""

import os
import stat
from collections.abc import Callable

from ..errors import UnsafePathError
from ..files import disk, explained, read_public, remove, write_all
from ..model import Artifact, Change, Link, Owner
from ..sasldb import bdb
from ..sasldb.replace import open_regular, wake_readers
from .finding import Repair

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
ACLS = ("system.posix_acl_access", "system.posix_acl_default")


def close(path: str, excess: int) -> Repair:
    """Take permissions away; never adds any."""

    def apply(descriptor: int) -> None:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & excess:
            os.fchmod(descriptor, mode & ~excess)

    mode = stat.S_IMODE(os.lstat(path).st_mode) & ~excess
    return _on(path, Change("chmod", path, mode), apply)


def give(path: str, owner: Owner) -> Repair | None:
    """Give a file away; None where the running user can't."""
    if os.geteuid() != 0:
        return None

    def apply(descriptor: int) -> None:
        os.fchown(descriptor, owner.uid, owner.gid)

    return _on(path, Change("chown", path, note=f"to {owner.uid}:{owner.gid}"), apply)


def drop_acl(path: str) -> Repair:
    """Remove ACLs, and with them what their mask gave to the group."""

    def apply(descriptor: int) -> None:
        for name in set(ACLS) & set(os.listxattr(descriptor)):
            os.removexattr(descriptor, name)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode & 0o700)

    return _on(path, Change("remove the ACL of", path), apply)


def relink(link: Link) -> Repair:
    """Make a hash link."""
    return Repair(link.path, lambda: write_all([link]))


def unlink(path: str) -> Repair:
    """Remove a symbolic link; anything else is left."""

    def apply() -> None:
        if os.path.islink(path):
            remove(path)

    return Repair(path, apply)


def rebuild(path: str, source: str, records: Callable[[bytes], dict[bytes, bytes]]) -> Repair:
    """Write a map from its source, as makemap would; daemons that have it open notice.

    Args:
        path: of the map.
        source: its text.
        records: reads that text.
    """

    def apply() -> None:
        content = bdb.encode(records(read_public(source)), subject=path)
        old = open_regular(path)
        try:
            status = os.fstat(old) if old is not None else os.stat(source)
            mode = stat.S_IMODE(status.st_mode) & 0o640
            owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
            write_all([Artifact(path, content, mode, owner)])
            if old is not None:
                wake_readers(old, path)
        finally:
            if old is not None:
                os.close(old)

    return Repair(path, apply)


def _on(path: str, step: Change, change: Callable[[int], None]) -> Repair:
    """Change a file or directory through a descriptor of it.

    A second name may lie in a directory where somebody else put it, to have a foreign file changed.
    """

    def apply() -> None:
        disk().note(*step)
        if disk().is_preview:
            return
        with explained(path):
            descriptor = os.open(path, _OPEN)
            try:
                status = os.fstat(descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    raise UnsafePathError(path, f"has {status.st_nlink} hard links and was left alone")
                change(descriptor)
            finally:
                os.close(descriptor)

    return Repair(path, apply)
