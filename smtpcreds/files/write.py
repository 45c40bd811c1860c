"""Writing so that a reader sees the old or the new file, and a power cut keeps one of them.

Each file gets a temporary neighbour that is closed to others before it has content; all are on disk before
the first is renamed; renames keep the order they were given in; then their directories are flushed.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ..errors import UnavailableError, UnsafePathError
from ..model import Artifact, Link
from .guard import check_directory, check_parents, check_target, explain, explained, read_private

# From memory to the disk, so that a power cut keeps it.


def flush_directories(directories: Iterable[str]) -> None:
    """Make renames and unlinks in the directories durable."""
    for directory in dict.fromkeys(directories):
        with _opened(directory) as handle:
            os.fsync(handle)


def flush_file_systems(directories: Iterable[str]) -> None:
    """Make everything durable that was written to the file systems of these directories.

    One syncfs(2) takes as long as a few fsync(2). It reports failed writes since Linux 5.8.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    devices: set[int] = set()
    for directory in dict.fromkeys(directories):
        with _opened(directory) as handle:
            device = os.fstat(handle).st_dev
            if device not in devices and libc.syncfs(handle):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            devices.add(device)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    with explained(directory):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)


# Two directories that change places in one step of the kernel, which ``rename`` alone can't do.

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNABLE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What renameat2(2) answers where the kernel or the file system (NFS, ZFS before 2.2) has no exchange."""


def exchange(first: str, second: str) -> None:
    """Swap the names of two files or directories of one file system; nobody sees a moment without either."""
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


_TEMPORARY = re.compile(r"\..+\.smtpcreds-[0-9a-f]{16}")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


FEW = 16
"""Files up to this number are flushed one by one; more of them with their whole file system, once."""


class _Staged(NamedTuple):
    temporary: str
    target: str

    def publish(self) -> None:
        with explained(self.target):
            os.rename(self.temporary, self.target)

    def drop(self) -> None:
        try:
            os.unlink(self.temporary)
        except OSError:
            return  # the sweep of the next run takes it; the first error is the one to report


def write_all(artifacts: Sequence[Artifact | Link]) -> None:
    """Write the files and links in their order, each atomically; none is touched before all are on disk.

    The directories must exist. Put a key before its certificate.
    """
    staged: list[_Staged] = []
    published = 0
    together = len(artifacts) > FEW
    try:
        staged.extend(
            _stage_link(a) if isinstance(a, Link) else _stage(a, flush=not together) for a in artifacts
        )
        if together:
            flush_file_systems(os.path.dirname(artifact.path) for artifact in artifacts)
        for one in staged:
            one.publish()
            published += 1
    finally:
        for left in staged[published:]:
            left.drop()
    flush_directories(os.path.dirname(artifact.path) for artifact in artifacts)


def write_new(artifact: Artifact) -> None:
    """Write a file whose name is free; of two runs at once, one gets it.

    Raises:
        ExistsError: something has the name.
    """
    staged = _stage(artifact, flush=True)
    try:
        with explained(artifact.path):
            os.link(staged.temporary, artifact.path)
    finally:
        staged.drop()
    flush_directories([os.path.dirname(artifact.path)])


def write_directory(path: str, artifacts: Sequence[Artifact]) -> None:
    """Make a directory 0700 that appears with all its files at once.

    Args:
        path: absolute.
        artifacts: their paths are names in it, at most one directory down.
    """
    temporary = temporary_name(path)
    try:
        _fill(temporary, path, artifacts)
        with explained(path):
            os.rename(temporary, path)
    finally:
        if os.path.lexists(temporary):
            _remove_tree(temporary, ignore_errors=True)
    flush_directories([os.path.dirname(path)])


def replace_directory(path: str, artifacts: Sequence[Artifact]) -> None:
    """Put a new directory in the place of one, whole and in one step; what was in the old one is deleted.

    Args:
        path: absolute; must exist.
        artifacts: everything that it shall hold, as for :func:`write_directory`.
    """
    temporary = temporary_name(path)
    try:
        _fill(temporary, path, artifacts)
        exchange(temporary, path)
    except BaseException:
        _remove_tree(temporary, ignore_errors=True)
        raise
    flush_directories([os.path.dirname(path)])  # the old one may go only when the new one is there to stay
    _remove_tree(temporary, ignore_errors=True)


def tree(path: str) -> list[Artifact]:
    """Return the files of a private directory and those one directory down, named from it."""
    found: list[Artifact] = []
    for name in _names(path):
        inner = os.path.join(path, name)
        below = _names(inner) if os.path.isdir(inner) and not os.path.islink(inner) else [""]
        found += [_taken(path, os.path.join(name, last) if last else name) for last in below]
    return found


def remove_directory(path: str) -> None:
    """Remove a directory with all its files; it is gone at once, and what a kill leaves is swept."""
    temporary = temporary_name(path)
    with explained(path):
        os.rename(path, temporary)
        _remove_tree(temporary)
    flush_directories([os.path.dirname(path)])


def remove_empty(path: str) -> bool:
    """Remove a directory in which nothing is; False, with nothing done, where something is, or none."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            return False
        raise explain(error, path) from error
    flush_directories([os.path.dirname(path)])
    return True


def ensure_directory(path: str, mode: int = 0o700, *, tighten: bool = True) -> bool:
    """Make the directory, with missing parents of mode 0755, or bring an own one to the mode.

    Returns:
        True when something was made or changed.

    Args:
        path: absolute.
        mode: of the last directory.
        tighten: take excess permissions from a directory that exists.
    """
    if os.path.lexists(path):
        check_directory(path)
        return tighten and _tighten(path, mode)
    parent = os.path.dirname(path)
    if not os.path.lexists(parent):
        ensure_directory(parent, 0o755)
    check_parents(path)
    with explained(path):
        try:
            os.mkdir(path, mode)
        except FileExistsError:  # another run was faster
            return ensure_directory(path, mode, tighten=tighten)
        os.chmod(path, mode)
    flush_directories([parent])
    return True


def remove(path: str) -> bool:
    """Unlink a file and flush its directory; False when there was none."""
    with explained(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    flush_directories([os.path.dirname(path)])
    return True


def move(path: str, target: str) -> None:
    """Rename a file or directory within one file system, and flush both directories."""
    with explained(path):
        os.rename(path, target)
    flush_directories([os.path.dirname(path), os.path.dirname(target)])


def set_mode(path: str, mode: int) -> None:
    """Give a file of ours a mode; a symbolic link is not followed."""
    with explained(path):
        os.chmod(path, mode, follow_symlinks=os.chmod not in os.supports_follow_symlinks)


def set_owner(path: str, uid: int, gid: int) -> None:
    """Give a file of ours an owner and a group; a symbolic link is not followed."""
    with explained(path):
        os.chown(path, uid, gid, follow_symlinks=False)


def sweep(directory: str) -> list[str]:
    """Remove the temporary files that killed runs left; the caller holds the lock of all writers."""
    stale = temporaries(directory)
    for path in stale:
        _remove_stale(path)
    return stale


def sweep_target(path: str) -> list[str]:
    """Remove what killed runs left of one file, in whatever directory it lies; call it before writing there.

    What a run that still lives is writing stays, and so does what belongs to others.
    """
    stale = leftovers(path)
    for one in stale:
        _remove_stale(one)
    return stale


def remove_abandoned(paths: Iterable[str]) -> None:
    """Remove those of these temporary files and directories whose writer has ended."""
    for path in paths:
        if _is_abandoned(path):
            _remove_stale(path)


def leftovers(path: str) -> list[str]:
    """Return the temporary files of a target whose writer has ended."""
    prefix = prefix_of(path)
    return [
        one for one in temporaries(os.path.dirname(path)) if one.startswith(prefix) and _is_abandoned(one)
    ]


def temporaries(directory: str) -> list[str]:
    """Return the temporary files and directories that lie in a directory."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [os.path.join(directory, name) for name in names if _TEMPORARY.fullmatch(name)]


def temporary_name(path: str) -> str:
    """Return a new name beside a path, which tells the process that writes: its number and when it began."""
    process = os.getpid()
    return f"{prefix_of(path)}{process:06x}{_beginning(process) or 0:05x}{os.urandom(3).hex()[1:]}"


def _beginning(process: int) -> int | None:
    """Return 20 bits of when a process began, in clock ticks (proc(5)); None if there is no telling."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19]) & 0xFFFFF
    except (OSError, ValueError, IndexError):
        return None


def prefix_of(path: str) -> str:
    """Return what the temporary names beside a path begin with."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name[:200]}.smtpcreds-")


def _is_abandoned(temporary: str) -> bool:
    """Tell whether a temporary file is ours, and no other process is at work on it."""
    try:
        is_ours = os.lstat(temporary).st_uid == os.geteuid()
    except OSError:
        return False
    process, began = int(temporary[-16:-10], 16), int(temporary[-10:-5], 16)
    return is_ours and (process == os.getpid() or not _lives(process, began))


def _lives(process: int, began: int) -> bool:
    """Tell whether the process lives that began then; another one may have its number by now."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return process > 0 and _beginning(process) in (None, began)


def _stage_link(link: Link) -> _Staged:
    if os.path.lexists(link.path) and not os.path.islink(link.path):
        raise UnsafePathError(link.path, "is in the way of a symbolic link; remove it")
    staged = _Staged(temporary_name(link.path), link.path)
    with explained(link.path):
        os.symlink(link.target, staged.temporary)
    return staged


def _fill(temporary: str, path: str, artifacts: Sequence[Artifact]) -> None:
    """Make and flush a directory of files under its temporary name."""
    inner = dict.fromkeys(os.path.dirname(artifact.path) for artifact in artifacts)
    with explained(path):
        os.mkdir(temporary, 0o700)
        for name in filter(None, inner):
            os.mkdir(f"{temporary}/{name}", 0o700)
    write_all([replace(artifact, path=f"{temporary}/{artifact.path}") for artifact in artifacts])
    flush_directories([temporary])


def _names(path: str) -> list[str]:
    with explained(path):
        return sorted(os.listdir(path))


def _taken(directory: str, name: str) -> Artifact:
    return Artifact(name, read_private(f"{directory}/{name}"))


def _remove_stale(path: str) -> None:
    with explained(path):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            _remove_tree(path)
        else:
            os.unlink(path)


def _stage(artifact: Artifact, *, flush: bool) -> _Staged:
    check_target(artifact.path)
    staged = _Staged(temporary_name(artifact.path), artifact.path)
    with explained(artifact.path):
        handle = os.open(staged.temporary, _CREATE, 0o600)
        try:
            with open(handle, "wb", buffering=0) as file:
                if artifact.owner is not None:
                    os.fchown(file.fileno(), artifact.owner.uid, artifact.owner.gid)
                os.fchmod(file.fileno(), artifact.mode)
                _write_whole(file.fileno(), artifact.content)
                if flush:
                    os.fsync(file.fileno())
        except BaseException:
            staged.drop()
            raise
    return staged


def _write_whole(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _tighten(path: str, mode: int) -> bool:
    with explained(path):
        loose = os.lstat(path).st_mode & 0o777 & ~mode
        if loose:
            os.chmod(path, mode)
    return bool(loose)


def _remove_tree(path: str, *, ignore_errors: bool = False) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=ignore_errors)
