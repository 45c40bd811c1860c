"""Two directories that change places in one step of the kernel, which ``rename`` alone can't do."""

import errno
import os

from ..errors import UnavailableError
from .explain import explained

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNABLE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What renameat2(2) answers where the kernel or the file system (NFS, ZFS before 2.2) has no exchange."""


def exchange(first: str, second: str) -> None:
    """Swap the names of two files or directories of one file system; nobody sees a moment without either.

    Raises:
        UnavailableError: the system can't do it; nothing was changed.
        SmtpcredsError: as :func:`smtpcreds.files.explain.explain` says of other failures.
    """
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise _unable(second)
    with explained(second):
        if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number in _UNABLE:
            raise _unable(second)
        raise OSError(number, os.strerror(number))


def _unable(path: str) -> UnavailableError:
    return UnavailableError(
        path,
        "can't be replaced in one step on this file system; nothing was changed",
        "keep the state directory on ext4, XFS, Btrfs or tmpfs",
    )
