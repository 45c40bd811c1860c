"""Put new content in a file's place so that every reader sees the old or the new one, whole.

The new file takes over owner, mode and extended attributes (ACLs among them) before it has the name.
"""

import errno
import os
import stat
from contextlib import suppress
from struct import Struct
from typing import NamedTuple, Self

from ..errors import UnsafePathError
from ..files import (
    directory_of,
    disk,
    explained,
    kernel,
    real_path,
    require_directory,
    sweep_target,
    temporaries,
)
from ..files.write import prefix_of, temporary_name
from ..model import Owner

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ACL = "system.posix_acl_access"
_ACL_HEAD, _ACL_ENTRY = 4, Struct("<HHI")
_BOUND_TO_CONTENT = frozenset({"security.ima", "security.evm"})
_UNCHANGED = "; nothing was changed"


class Signature(NamedTuple):
    """Which file, and which state of it; two equal ones mean that nobody wrote in between.

    Times are those of the kernel's clock tick (some milliseconds): of two writes within one tick that keep
    the size, the second can't be told from the first.
    """

    device: int
    inode: int
    mtime_ns: int
    size: int


class NewFile(NamedTuple):
    """Mode and owner of a file that does not exist yet; owner None means the running user."""

    mode: int = 0o600
    owner: Owner | None = None


PRIVATE = NewFile()


def resolve(path: str) -> str:
    """Follow symbolic links to the file that is meant, so that the link itself is never replaced."""
    if os.path.islink(path) and not os.path.exists(path):
        raise UnsafePathError(path, "is a symbolic link that leads nowhere", "remove it or make its target")
    target = os.path.realpath(path)
    require_directory(target)
    return target


def resolve_to_write(path: str) -> str:
    """Do what :func:`resolve` does, and refuse a way there that another user could turn."""
    target = resolve(path)
    return real_path(path) if os.path.isdir(os.path.dirname(target)) else target  # a preview made it


def signature_of(status: os.stat_result) -> Signature:
    """Return the signature that belongs to a stat."""
    return Signature(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def open_regular(path: str) -> int | None:
    """Open a file for reading; None if there is none."""
    with explained(path):
        try:
            descriptor = os.open(
                path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in {errno.ENXIO, errno.EOPNOTSUPP}:  # a socket, of FreeBSD too; or no driver
                raise UnsafePathError(path, "is a socket or device, not a file") from None
            raise
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnsafePathError(path, f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, not a file")
        return descriptor


def read_whole(descriptor: int) -> tuple[bytes, Signature]:
    """Return the content of an open file and the signature it had before the first byte was read."""
    status = os.fstat(descriptor)
    content = b""
    while piece := os.pread(descriptor, max(status.st_size, 4096), len(content)):
        content += piece
    return content, signature_of(status)


class Replacement:
    """A temporary file beside the one it will replace; a context manager that leaves none behind.

    Use: ``prepare`` the content, then ``install`` it. A killed process leaves the temporary file, which is
    no more readable than the old one; :func:`sweep` removes it.
    """

    def __init__(self, path: str) -> None:
        self._path, self._base = path, os.path.basename(path)
        self._name = os.path.basename(temporary_name(path))
        self._directory = self._descriptor = -1

    def __enter__(self) -> Self:
        with directory_of(self._path) as (at, _), explained(os.path.dirname(self._path)):
            self._directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            with suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._directory)
        os.close(self._directory)

    @property
    def descriptor(self) -> int:
        """The open temporary file, once it is prepared."""
        return self._descriptor

    def prepare(self, content: bytes, old: int | None, origin: NewFile) -> None:
        """Write the content to disk under the temporary name.

        Args:
            content: the whole new file.
            old: descriptor of the file to take owner, mode and attributes from; None for a new one.
            origin: mode and owner of a new file.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with explained(self._path, _UNCHANGED):
            self._descriptor = os.open(self._name, flags, 0o600, dir_fd=self._directory)
            if old is None:
                _adorn(self._descriptor, origin)
            else:
                _imitate(self._descriptor, old)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)

    def let_readers_write(self) -> None:
        """Give whoever may read the prepared file the right to write to it, by mode or ACL."""
        with explained(self._path, _UNCHANGED):
            access = _attributes(self._descriptor).get(_ACL)
            if access:
                os.setxattr(self._descriptor, _ACL, _writable(access))
            else:
                mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
                os.fchmod(self._descriptor, writable_to_readers(mode))

    def install(self, old: int | None) -> bool:
        """Give the file its name and make that durable; False if meanwhile somebody else made a new file."""
        with explained(self._path, _UNCHANGED):
            try:
                self._rename(old)
            except FileExistsError:
                return False
        with explained(self._path, "; it was replaced, but a power cut may bring the old one back"):
            os.fsync(self._directory)
        return True

    def _rename(self, old: int | None) -> None:
        at = self._directory
        if old is None:  # link, unlike rename, never takes the place of a file that came up meanwhile
            os.link(self._name, self._base, src_dir_fd=at, dst_dir_fd=at)
            os.unlink(self._name, dir_fd=at)
        else:
            os.rename(self._name, self._base, src_dir_fd=at, dst_dir_fd=at)


def writable_to_readers(mode: int) -> int:
    """Return a mode with w beside each r."""
    return mode & 0o666 | (mode & 0o444) >> 1


def wake_readers(old: int, path: str) -> None:
    """Make long-lived readers of the replaced file notice.

    A running sendmail 8.17 compares the modification time of the map it has open, in whole seconds, with the
    time it remembers (map.c); so the nameless old file gets one later than the new one's.

    Args:
        old: descriptor of the replaced file.
        path: the new file.
    """
    if disk().is_preview:
        return
    with explained(path):
        later = int(os.stat(path).st_mtime) + 1
        os.utime(old, (later, later))


def sweep(path: str) -> None:
    """Remove temporary files and directories of killed runs; call it only while no other can be writing."""
    for one in _temporaries(path):
        _remove(one)


def tidy(path: str) -> None:
    """Remove what killed runs left beside a database, before anything is refused."""
    target = resolve(path)
    for name in (target, f"{target}-lock"):
        sweep_target(name)


def _temporaries(target: str) -> list[str]:
    """Return the temporary files and directories of a database, whoever writes them."""
    prefix = prefix_of(target)
    return [path for path in temporaries(os.path.dirname(target)) if path.startswith(prefix)]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except IsADirectoryError:
        import shutil

        shutil.rmtree(path)


def _adorn(descriptor: int, origin: NewFile) -> None:
    """Give a new file its owner and exact mode, without what a default ACL of the directory would add."""
    if _ACL in _attributes(descriptor):
        os.removexattr(descriptor, _ACL)
    if origin.owner:
        os.fchown(descriptor, origin.owner.uid, origin.owner.gid)
    os.fchmod(descriptor, origin.mode)


def _imitate(descriptor: int, old: int) -> None:
    """Take over owner, extended attributes and mode of the old file."""
    status, mine = os.fstat(old), os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    wanted, present = _attributes(old), _attributes(descriptor)
    if _ACL in present and _ACL not in wanted:
        os.removexattr(descriptor, _ACL)
    for name, value in wanted.items():
        if present.get(name) != value:
            os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _writable(access: bytes) -> bytes:
    """Return an ACL with w beside each r (linux/posix_acl_xattr.h: version, then tag, permissions, id)."""
    entries = _ACL_ENTRY.iter_unpack(access[_ACL_HEAD:])
    return access[:_ACL_HEAD] + b"".join(
        _ACL_ENTRY.pack(tag, rights | (rights & 4) >> 1, who) for tag, rights, who in entries
    )


def _attributes(descriptor: int) -> dict[str, bytes]:
    names = kernel.attribute_names(descriptor)
    return {name: kernel.attribute(descriptor, name) for name in names if name not in _BOUND_TO_CONTENT}
