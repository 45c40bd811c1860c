"""What Linux has and other kernels have not; everything else asks here, and goes on without.

FreeBSD's Python has no ``os.listxattr`` and its like, and no ``os.memfd_create``; its libc no syncfs(2). Its
ACLs are no extended attributes, so a file that is replaced there keeps owner and mode alone.
"""

import errno
import os
from collections.abc import Iterable

HAS_ATTRIBUTES = hasattr(os, "listxattr")
HAS_MEMORY_FILES = hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")


def attribute_names(file: int | str) -> list[str]:
    """Return the names of a file's extended attributes; none where the file system or kernel has none."""
    if not HAS_ATTRIBUTES:
        return []
    try:
        return os.listxattr(file)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def attribute(file: int | str, name: str) -> bytes:
    """Return one extended attribute.

    Raises:
        OSError: there is none.
    """
    if not HAS_ATTRIBUTES:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    return os.getxattr(file, name)


def is_mount_point(path: str) -> bool:
    """Tell whether something is mounted at a path: on Linux also a directory of the same file system."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            places = {line.split()[4] for line in file}
    except OSError:
        return os.path.ismount(path)
    name = os.fsencode(os.path.realpath(path))
    return b"".join(b"\\%03o" % octet if octet in b" \t\n\\" else bytes((octet,)) for octet in name) in places


def can_sync_file_systems() -> bool:
    """Tell whether :func:`sync_file_systems` is of use."""
    import ctypes

    return hasattr(ctypes.CDLL(None), "syncfs")


def sync_file_systems(handles: Iterable[int]) -> None:
    """Make all that was written to the file systems of these open directories durable.

    One syncfs(2) takes as long as a few fsync(2). It reports failed writes since Linux 5.8.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    devices: set[int] = set()
    for handle in handles:
        device = os.fstat(handle).st_dev
        if device not in devices and libc.syncfs(handle):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        devices.add(device)
