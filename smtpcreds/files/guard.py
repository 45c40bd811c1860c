"""What may be trusted on disk: owners, modes and kinds, checked on open descriptors.

Sendmail refuses a key whose directory, or any directory above it, others can write. The same rule is applied
here before anything secret is read or written. A path is walked from ``/``, name by name, on descriptors:
what was checked is what is used, whatever names are turned meanwhile, and no symbolic link is followed that
another user made.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import (
    DataError,
    DeniedError,
    ExistsError,
    MissingInputError,
    SmtpcredsError,
    UnsafePathError,
    WriteError,
)
from ..systems import SYSTEMS

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
_AS_ITS_OWNER = "run it as that user, or keep it below directories of root"
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
    errno.EMLINK: (UnsafePathError, None),  # what FreeBSD says for ELOOP of a last name (open(2))
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


class explained:  # noqa: N801 - a context manager, named as contextlib names its own
    """Turn an OSError of the block into the error of ours that names the path.

    Args:
        path: what the block works on.
        outcome: what the user should know about the state of things, with its leading punctuation.
    """

    __slots__ = ("_outcome", "_path")

    def __init__(self, path: str, outcome: str = "") -> None:
        self._path, self._outcome = path, outcome

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise explain(error, self._path, self._outcome) from error


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
MAIL_OWNERS = frozenset(system.sendmail_owner for system in SYSTEMS.values()) - {"root"}
"""Debian gives /etc/mail, and makemap gives maps, to this user: who owns sendmail.cf is trusted anyway."""
PACKAGE_FILES = frozenset((f"{s.nullmailer_directory}/remotes", s.nullmailer_user) for s in SYSTEMS.values())
"""What packages give to the user of a daemon; a write replaces it by a file of root."""
LINK_IN_THE_WAY = "is a symbolic link and is not followed; remove it, or name its target"
MAX_READ = 256 * 1024 * 1024
"""Octets; all public CAs are a quarter of a megabyte, a CRL of a million entries 72 megabytes."""


# The way from / to a file, on descriptors.

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
"""As the kernel's limit (path_resolution(7))."""


@contextmanager
def directory_of(path: str, *, follow: bool = False, links_only: bool = False) -> Iterator[tuple[int, str]]:
    """Give a descriptor of the directory in which a path ends (``O_PATH``), and the last name.

    No user but root and the running one can change any directory from ``/`` down to it, or made any symbolic
    link on the way. A sticky directory (/tmp) is accepted; others can't rename what we own there.

    Args:
        path: of what may not exist yet; its directory must.
        follow: a symbolic link at the end leads on, if it is root's or the running user's.
        links_only: directories may be anybody's; to take permissions away, where that is the fault.

    Raises:
        UnsafePathError: somebody else could turn the way.
    """
    kept = None if follow or links_only else _kept.get()
    if kept is not None:
        yield kept.directory_of(path)
        return
    way = _Way(path, links_only=links_only)
    try:
        name = way.walk(follow=follow)
        yield way.at, name
    finally:
        os.close(way.at)


@contextmanager
def one_walk_for_neighbours() -> Iterator[None]:
    """While many files are only read: keep the directory of the last one open, for the next one in it.

    The descriptor is of the directory that was checked; only what becomes of the way meanwhile is not seen.
    """
    kept = _Kept()
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        kept.close()


class _Kept:
    """The last directory, by its path as given, and its descriptor; none below zero."""

    def __init__(self) -> None:
        self._place, self._at = "", -1

    def directory_of(self, path: str) -> tuple[int, str]:
        place, _, name = path.rpartition("/")
        if place != self._place or not place.startswith("/") or name in {"", ".", ".."}:
            self.close()
            way = _Way(path)
            self._place, self._at = place, way.at
            try:
                name = way.walk(follow=False)
            except BaseException:
                self._place = ""
                raise
            finally:
                self._at = way.at
        return self._at, name

    def close(self) -> None:
        if self._at >= 0:
            os.close(self._at)
        self._place, self._at = "", -1


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


def real_path(path: str, *, links_only: bool = False) -> str:
    """Return where a path leads, which may not exist yet; see :func:`directory_of`."""
    way = _Way(path, links_only=links_only)
    try:
        name = way.walk(follow=True)
        return os.path.normpath(os.path.join(way.place, name))
    finally:
        os.close(way.at)


class _Way:
    """A walk towards a path: a descriptor of the directory that it has come to, and its real path."""

    def __init__(self, path: str, *, links_only: bool = False) -> None:
        self._path, self._links_only = path, links_only
        self._rest = _names(os.path.join(os.getcwd(), path) if not path.startswith("/") else path)
        self._links = 0
        self.at, self.place = os.open("/", _STEP), "/"

    def walk(self, *, follow: bool) -> str:
        """Go as far as the last directory and return the name that is left."""
        self._check(os.fstat(self.at))
        while self._rest:
            name = self._rest.pop()
            if not self._rest and name != ".." and not (follow and _is_link(name, self.at)):
                return name
            self._step(name)
        return "."

    def _step(self, name: str) -> None:
        place = os.path.dirname(self.place) if name == ".." else f"{self.place.rstrip('/')}/{name}"
        with explained(self._path):
            found = os.open(name, _STEP, dir_fd=self.at)
        try:
            status = os.fstat(found)
            if stat.S_ISLNK(status.st_mode):
                self._turn(place, status, os.readlink("", dir_fd=found))
                return
            self.at, found, self.place = found, self.at, place
        finally:
            os.close(found)
        if not stat.S_ISDIR(status.st_mode):
            error = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            raise explain(error, self._path) from error
        self._check(status)

    def _turn(self, link: str, status: os.stat_result, target: str) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            with explained(self._path):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if status.st_uid not in {0, os.geteuid()}:
            on_the_way = "" if link == self._path else f"{link}, on the way there, "
            reason = f"{on_the_way}is a symbolic link of {user_name(status.st_uid)} and is not followed"
            raise UnsafePathError(self._path, reason)
        self._rest += _names(target)
        if target.startswith("/"):
            os.close(self.at)
            self.at, self.place = os.open("/", _STEP), "/"

    def _check(self, status: os.stat_result) -> None:
        if not (self._links_only or (status.st_uid == 0 and not status.st_mode & GROUP_OR_OTHER_WRITE)):
            _check_parent(status, self.place, self._path)


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def check_directory(path: str) -> None:
    """Accept a directory of ours, and everything above it, that nobody else can change.

    A sticky directory above it (/tmp) is accepted; others can't rename what we own there.
    """
    with directory_of(path) as (at, name):
        check_own_directory(path, at, name)


def check_own_directory(path: str, at: int, name: str) -> None:
    """Accept a name in an open directory as :func:`check_directory` does; ``path`` is for messages."""
    with explained(path):
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(name, dir_fd=at)
        raise UnsafePathError(path, f"is a symbolic link to {target}; name the directory itself")
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafePathError(path, "is not a directory")
    if found.st_uid != os.geteuid():
        raise _foreign(path, found.st_uid)
    if found.st_mode & GROUP_OR_OTHER_WRITE:
        raise UnsafePathError(
            path, f"is writable by {_writers(found.st_mode)}", f"chmod go-w {quoted_path(path)}"
        )


def check_parents(path: str) -> None:
    """Accept a path when nobody else can change a directory or turn a link on the way to it."""
    with directory_of(path):
        return


def check_target(path: str) -> os.stat_result | None:
    """Return the status of the file that a write would replace, or None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return accepted_target(path, found)


def accepted_target(path: str, found: os.stat_result) -> os.stat_result:
    """Return the status of a file, if a write may replace it."""
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePathError(path, LINK_IN_THE_WAY)
    if not stat.S_ISREG(found.st_mode):
        raise UnsafePathError(path, "is not a regular file")
    given = any(path.endswith(name) and _name(found.st_uid) == user for name, user in PACKAGE_FILES)
    if not (given or _is_trusted(found.st_uid)):
        raise _foreign(path, found.st_uid)
    return found


def check_unchanged(path: str) -> None:
    """Accept a file that is there, and that only root or the running user can change or put another for.

    Others may read it. A symbolic link of theirs is followed; see :func:`read_trusted`.
    """
    with directory_of(path, follow=True) as (at, name):
        with explained(path):
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
        _check_unchanged(path, found)


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
    return read_checked(path, _check_private, most)


def read_checked(
    path: str,
    check: Callable[[str, os.stat_result], object],
    most: int = MAX_READ,
    *,
    links_only: bool = False,
) -> bytes:
    """Return what is in the very file that was checked; no symbolic link is followed.

    Args:
        path: of a regular file, to which nobody else can turn the way.
        check: gets the path and the status of the open file, and raises where it is not good.
        most: octets.
        links_only: see :func:`directory_of`.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is longer.
    """
    with directory_of(path, links_only=links_only) as (at, name):
        with explained(path):
            if _is_link(name, at):
                raise UnsafePathError(path, "is a symbolic link and is not followed; name its target")
        return _read(path, most, check, at, name)


def read_trusted(path: str) -> bytes:
    """Return the content of a regular file that only root or the running user can change: a configuration.

    Others may read it. As ssh and sudo do, owner and mode are checked, and everything above it.

    Raises:
        MissingInputError: there is no such file.
    """
    with directory_of(path, follow=True) as (at, name):
        return _read(path, MAX_READ, _check_unchanged, at, name)


def read_public(path: str, most: int = MAX_READ) -> bytes:
    """Return the content of a regular file, at most ``most`` octets, whoever may read or change it."""
    return _read(path, most)


def _read(
    path: str,
    most: int,
    check: Callable[[str, os.stat_result], object] | None = None,
    at: int | None = None,
    name: str = "",
) -> bytes:
    follow = os.O_NOFOLLOW if check else 0
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow
    with explained(path), _opened(name or path, flags, at) as handle:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError(path, "is not a regular file")
        if check:
            check(path, found)
        size = found.st_size  # of a file with holes more than it takes; of one in /proc nothing
        content = _content(handle, size, most) if size <= most else b""
    if max(size, len(content)) > most:
        raise DataError(path, f"is over {most} octets")
    return content


@contextmanager
def _opened(name: str, flags: int, at: int | None) -> Iterator[int]:
    handle = os.open(name, flags, dir_fd=at)
    try:
        yield handle
    finally:
        os.close(handle)


_PIECE = 4096


def _content(handle: int, size: int, most: int) -> bytes:
    """Return what an open file holds, and of a longer one no more than one octet over ``most``.

    Room is asked for by its size: 64 MiB for each of a thousand small files take longer than the files.
    """
    pieces, left = [], most + 1
    while left and (piece := os.read(handle, min(left, max(size, _PIECE) + 1))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _is_link(name: str, at: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _check_unchanged(path: str, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        reason = f"belongs to {user_name(found.st_uid)}, who could change it"
        raise UnsafePathError(path, reason, f"look at it, then: {_foreign(path, found.st_uid).hint}")
    if found.st_mode & GROUP_OR_OTHER_WRITE:
        reason = f"has mode {stat.S_IMODE(found.st_mode):04o}; {_writers(found.st_mode)} may change it"
        raise UnsafePathError(path, reason, f"look at it, then: chmod go-w {quoted_path(path)}")


def _check_private(path: str, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise _foreign(path, found.st_uid)
    if found.st_mode & ANY_FOREIGN_ACCESS:
        mode = stat.S_IMODE(found.st_mode)
        raise UnsafePathError(
            path, f"has mode {mode:04o}; others may use it", f"chmod 0600 {quoted_path(path)}"
        )


def _check_parent(found: os.stat_result, parent: str, path: str) -> None:
    if not _is_trusted(found.st_uid):
        reason = f"is below {parent}, which belongs to {user_name(found.st_uid)}"
        raise UnsafePathError(path, reason, _AS_ITS_OWNER if os.geteuid() == 0 else None)
    if found.st_mode & GROUP_OR_OTHER_WRITE and not found.st_mode & stat.S_ISVTX:
        reason = f"is below {parent}, which is writable by {_writers(found.st_mode)}"
        raise UnsafePathError(path, reason, f"chmod go-w {quoted_path(parent)}")


def _is_trusted(uid: int) -> bool:
    return uid in {0, os.geteuid()} or _name(uid) in MAIL_OWNERS


def _writers(mode: int) -> str:
    return "everybody" if mode & stat.S_IWOTH else "its group"


def _foreign(path: str, uid: int) -> SmtpcredsError:
    if uid == 0:
        return DeniedError(path, "belongs to root", AS_ROOT)
    me = user_name(os.geteuid()).rpartition(" ")[2]
    return UnsafePathError(path, f"belongs to {user_name(uid)}", f"chown {me} {quoted_path(path)}")


def quoted_path(path: str) -> str:
    """Return a path as a shell takes it."""
    from ..shell import quote_path

    return quote_path(path)


def user_name(uid: int) -> str:
    """Return ``user bob``, or ``uid 4711`` where it has no name."""
    name = _name(uid)
    return f"user {name}" if name else f"uid {uid}"


def _name(uid: int) -> str | None:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
