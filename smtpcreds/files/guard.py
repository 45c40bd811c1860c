"""What may be trusted on disk: owners, modes and kinds, checked on open descriptors.

Sendmail refuses a key whose directory, or any directory above it, others can write. The same rule is applied
here before anything secret is read or written, and it holds for the real path, not for a link to it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import (
    DataError,
    DeniedError,
    ExistsError,
    MissingInputError,
    SmtpcredsError,
    UnsafePathError,
    WriteError,
)

# Who owns a file, in words.


def owner(found: os.stat_result) -> str:
    """Return ``user:group`` of a file, numbers where there is no name."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        user = str(found.st_uid)
    try:
        return f"{user}:{grp.getgrgid(found.st_gid).gr_name}"
    except KeyError:
        return f"{user}:{found.st_gid}"


# From errno to the error classes that carry an exit status.

AS_ROOT = "run it as root, or try it out elsewhere with --root DIR"
_EVEN_ROOT = "root is refused too: does 'lsattr -d' of it or its directory show i or a, or is it a mount?"
_BOUND = "a bind mount of the single file can't be replaced; mount its directory instead"

_CLASSES: dict[int, tuple[type[SmtpcredsError], str | None]] = {
    errno.EACCES: (DeniedError, AS_ROOT),
    errno.EPERM: (DeniedError, AS_ROOT),
    errno.EROFS: (DeniedError, None),
    errno.ENOENT: (MissingInputError, None),
    errno.ENOTDIR: (UnsafePathError, None),
    errno.EISDIR: (UnsafePathError, None),
    errno.ELOOP: (UnsafePathError, None),
    errno.ENAMETOOLONG: (UnsafePathError, None),
    errno.EEXIST: (ExistsError, None),
    errno.ENOSPC: (WriteError, "make room and run it again"),
    errno.EBUSY: (WriteError, _BOUND),
}


def explain(error: OSError, path: str, outcome: str = "") -> SmtpcredsError:
    """Return the error of ours for a failed system call on the path; WriteError when in doubt."""
    leaf, hint = _CLASSES.get(error.errno or 0, (WriteError, None))
    if hint is AS_ROOT and os.geteuid() == 0:
        hint = _EVEN_ROOT
    reason = os.strerror(error.errno) if error.errno else str(error)
    return leaf(path, reason + outcome, hint)


@contextmanager
def explained(path: str, outcome: str = "") -> Iterator[None]:
    """Turn an OSError of the block into the error of ours that names the path.

    Args:
        path: what the block works on.
        outcome: what the user should know about the state of things, with its leading punctuation.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, path, outcome) from error


_NOTHING = {errno.ENOENT, errno.ENOTDIR}


def status_at(path: str, *, follow: bool = False) -> os.stat_result | None:
    """Return the status of what has a name; None where nothing has it.

    A directory that this user may not search is an error: nobody knows what is in it.

    Args:
        path: of anything.
        follow: what a symbolic link leads to; None also for one that leads nowhere.
    """
    try:
        return os.stat(path, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NOTHING or (follow and error.errno == errno.ELOOP):
            return None
        raise explain(error, path) from error


def is_directory(path: str) -> bool:
    """Tell whether a path leads to a directory; see :func:`status_at`."""
    found = status_at(path, follow=True)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_file(path: str) -> bool:
    """Tell whether a path leads to a regular file; see :func:`status_at`."""
    found = status_at(path, follow=True)
    return found is not None and stat.S_ISREG(found.st_mode)


GROUP_OR_OTHER_WRITE = 0o022
ANY_FOREIGN_ACCESS = 0o077
MAIL_OWNERS = frozenset({"smmta"})
"""Debian gives /etc/mail, and makemap gives maps, to this user: who owns sendmail.cf is trusted anyway."""
LINK_IN_THE_WAY = "is a symbolic link and is not followed; remove it, or name its target"
MAX_READ = 64 * 1024 * 1024
"""Octets; a certificate bundle of every public CA is a quarter of a megabyte."""


def check_directory(path: str) -> None:
    """Accept a directory of ours, and everything above it, that nobody else can change.

    A sticky directory above it (/tmp) is accepted; others can't rename what we own there.
    """
    with explained(path):
        found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePathError(path, f"is a symbolic link to {os.readlink(path)}; name the directory itself")
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafePathError(path, "is not a directory")
    if found.st_uid != os.geteuid():
        raise _foreign(path, found.st_uid)
    if found.st_mode & GROUP_OR_OTHER_WRITE:
        raise UnsafePathError(path, f"is writable by {_writers(found.st_mode)}", f"chmod go-w {_typed(path)}")
    check_parents(path)


def check_parents(path: str) -> None:
    """Accept a path when no directory above it can be changed by another user."""
    parent = os.path.dirname(os.path.realpath(path))
    while True:
        _check_parent(parent, path)
        above = os.path.dirname(parent)
        if above == parent:
            return
        parent = above


def check_target(path: str) -> os.stat_result | None:
    """Return the status of the file that a write would replace, or None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePathError(path, LINK_IN_THE_WAY)
    if not stat.S_ISREG(found.st_mode):
        raise UnsafePathError(path, "is not a regular file")
    if not _is_trusted(found.st_uid):
        raise _foreign(path, found.st_uid)
    return found


def check_private(path: str) -> None:
    """Accept a file that is not there, or one that only root or the running user can reach by any name.

    The file is not opened.
    """
    with explained(path):
        found = check_target(path)
    if found is None:
        return
    if found.st_nlink > 1:
        raise UnsafePathError(path, f"has {found.st_nlink} hard links", "find and remove the others")
    _check_private(path, found)


def read_private(path: str, most: int = MAX_READ) -> bytes:
    """Return a file's content, at most ``most`` octets, if only root or the running user can use it.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is longer.
    """
    check_parents(path)
    if os.path.islink(path):
        raise UnsafePathError(path, "is a symbolic link and is not followed; name its target")
    return _read(path, most, private=True)


def read_public(path: str) -> bytes:
    """Return the content of a regular file, at most 64 MiB, whoever may read it."""
    return _read(path, MAX_READ, private=False)


def _read(path: str, most: int, *, private: bool) -> bytes:
    follow = os.O_NOFOLLOW if private else 0
    with (
        explained(path),
        open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow), "rb") as file,
    ):
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError(path, "is not a regular file")
        if private:
            _check_private(path, found)
        content = file.read(most + 1)
    if len(content) > most:
        raise DataError(path, f"is over {most} octets")
    return content


def _check_private(path: str, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise _foreign(path, found.st_uid)
    if found.st_mode & ANY_FOREIGN_ACCESS:
        mode = stat.S_IMODE(found.st_mode)
        raise UnsafePathError(path, f"has mode {mode:04o}; others may use it", f"chmod 0600 {_typed(path)}")


def _check_parent(parent: str, path: str) -> None:
    with explained(parent):
        found = os.stat(parent)
    if not _is_trusted(found.st_uid):
        raise UnsafePathError(path, f"lies below {parent}, which belongs to {_user(found.st_uid)}")
    if found.st_mode & GROUP_OR_OTHER_WRITE and not found.st_mode & stat.S_ISVTX:
        reason = f"lies below {parent}, which is writable by {_writers(found.st_mode)}"
        raise UnsafePathError(path, reason, f"chmod go-w {_typed(parent)}")


def _is_trusted(uid: int) -> bool:
    return uid in {0, os.geteuid()} or _name(uid) in MAIL_OWNERS


def _writers(mode: int) -> str:
    return "everybody" if mode & stat.S_IWOTH else "its group"


def _foreign(path: str, uid: int) -> SmtpcredsError:
    if uid == 0:
        return DeniedError(path, "belongs to root", AS_ROOT)
    me = _user(os.geteuid()).rpartition(" ")[2]
    return UnsafePathError(path, f"belongs to {_user(uid)}", f"chown {me} {_typed(path)}")


def _typed(path: str) -> str:
    from shlex import quote

    return quote(path)


def _user(uid: int) -> str:
    name = _name(uid)
    return f"user {name}" if name else f"uid {uid}"


def _name(uid: int) -> str | None:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
