"""Writing so that a reader sees the old or the new file, and a power cut keeps one of them.

Each file gets a temporary neighbour that is closed to others before it has content; all are on disk before
the first is renamed; renames keep the order they were given in; then their directories are flushed.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import NamedTuple, Self

from ..errors import SmtpcredsError, UnsafePathError
from ..lazy import pattern
from ..model import Artifact, Link
from . import kernel
from .guard import accepted_target, check_own_directory, directory_of, explained, read_private, status_at

# Directories by descriptor: what was checked on the way there is what is written to.

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def _beside(path: str) -> Iterator[tuple[int, str]]:
    """Give a descriptor of the directory of a path, and the name in it; see :func:`.guard.directory_of`."""
    with directory_of(path) as (at, name), explained(path):
        handle = os.open(".", _DIRECTORY, dir_fd=at)
        try:
            yield handle, name
        finally:
            os.close(handle)


class _Directories:
    """The directories that files are written in, a few of them open at a time."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def of(self, path: str) -> int:
        """Return the descriptor of a path's directory."""
        directory = os.path.dirname(path)
        if directory not in self._open:
            if len(self._open) >= FEW:
                self.__exit__()
            with _beside(path) as (handle, _):
                self._open[directory] = os.dup(handle)
        return self._open[directory]


# From memory to the disk, so that a power cut keeps it.


def flush_directories(directories: Iterable[str]) -> None:
    """Make renames and unlinks in the directories durable."""
    for directory in dict.fromkeys(directories):
        with _beside(os.path.join(directory, "any")) as (handle, _):
            os.fsync(handle)


# Two directories that change places: in one step of the kernel where it has one, which ``rename`` is not.

_RENAME_EXCHANGE = 2
_UNABLE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What renameat2(2) answers where the kernel or the file system (NFS, ZFS before 2.2) has no exchange."""


def replaced_name(path: str) -> str:
    """Return the path that a directory has for a moment while another takes its place by two renames."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.replaced")


def _exchange(path: str, at: int, new: str) -> None:
    """Swap a directory with a new one beside it.

    Nobody sees a moment without either, but on a kernel or file system that has renames alone.
    """
    name = os.path.basename(path)
    with explained(path):
        if not _swapped(at, new, name):
            between = os.path.basename(replaced_name(path))
            _rename(at, (name, between), (new, name), (between, new))


def _exchange_aside(path: str, at: int, new: str, aside: str) -> None:
    """Swap a directory with a new one beside it, and give the old one a name of its own.

    Under the name between, a kill leaves the new one before it took its place, and the old one after that;
    :func:`.aside.settle_aside` tells them apart.
    """
    name, between = os.path.basename(path), os.path.basename(replaced_name(path))
    with explained(path):
        _rename(at, (new, between))
        if not _swapped(at, between, name):
            _rename(at, (between, new), (name, between), (new, name))
        _rename(at, (between, os.path.basename(aside)))


def _swapped(at: int, one: str, other: str) -> bool:
    """Swap two names in one step of the kernel; False, with nothing done, where it has none."""
    import ctypes

    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if swap is None:
        return False
    if swap(at, os.fsencode(one), at, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if (number := ctypes.get_errno()) not in _UNABLE:
        raise OSError(number, os.strerror(number))
    return False


def _rename(at: int, *pairs: tuple[str, str]) -> None:
    """Give names anew in one directory; :func:`.disk.settle_replacement` mends what a kill leaves."""
    for source, target in pairs:
        os.rename(source, target, src_dir_fd=at, dst_dir_fd=at)


_TEMPORARY = pattern(r"\..+\.smtpcreds-[0-9a-f]{16}")
_AS_IT_IS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


FEW = 16
"""Files up to this number are flushed one by one; more of them with their whole file system, once."""


class _Staged(NamedTuple):
    temporary: str
    target: str

    def publish(self, at: int) -> None:
        name = os.path.basename(self.target)
        with explained(self.target):
            os.rename(os.path.basename(self.temporary), name, src_dir_fd=at, dst_dir_fd=at)

    def drop(self, at: int) -> None:
        try:
            os.unlink(os.path.basename(self.temporary), dir_fd=at)
        except OSError:
            return  # the sweep of the next run takes it


def write_all(artifacts: Sequence[Artifact | Link]) -> None:
    """Write the files and links in their order, each atomically; none is touched before all are on disk.

    The directories must exist, and nobody else can change them or turn the way there. Put a key before its
    certificate.
    """
    staged: list[_Staged] = []
    published = 0
    together = len(artifacts) > FEW and kernel.can_sync_file_systems()
    with _Directories() as directories:
        try:
            staged.extend(_stage(one, directories.of(one.path), flush=not together) for one in artifacts)
            if together:
                kernel.sync_file_systems(directories.of(one.path) for one in artifacts)
            for one in staged:
                one.publish(directories.of(one.target))
                published += 1
        finally:
            for left in staged[published:]:
                with suppress(SmtpcredsError):  # the first error is the one to report
                    left.drop(directories.of(left.target))
        for path in {os.path.dirname(one.target): one.target for one in staged}.values():
            with explained(os.path.dirname(path)):
                os.fsync(directories.of(path))


def write_new(artifact: Artifact) -> None:
    """Write a file whose name is free; of two runs at once, one gets it.

    Raises:
        ExistsError: something has the name.
    """
    with _beside(artifact.path) as (at, name):
        staged = _stage(artifact, at, flush=True)
        base = os.path.basename(staged.temporary)
        try:
            with explained(artifact.path):
                os.link(base, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            staged.drop(at)
            raise
        with explained(artifact.path, f"; it was written, and {base} beside it is the same file"):
            os.unlink(base, dir_fd=at)
        os.fsync(at)


def write_directory(
    path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link] = (), aside: str = ""
) -> None:
    """Make a directory 0700 that appears with all its files at once.

    Args:
        path: absolute.
        artifacts: their paths are relative to it.
        first: are written before it appears, and not touched before all of it is on disk.
        aside: the path, in the same directory, that the one which is there gets.
    """
    with _filled(path, artifacts) as (at, name, temporary):
        if first:
            write_all(first)
        if aside:
            _exchange_aside(path, at, temporary, aside)
        else:
            _rename(at, (temporary, name))


def replace_directory(
    path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link] = ()
) -> None:
    """Put a new directory in the place of one, as a whole; what was in the old one is deleted.

    Args:
        path: absolute; must exist.
        artifacts: everything that it shall hold, as for :func:`write_directory`.
        first: likewise.
    """
    with _filled(path, artifacts) as (at, _, temporary):
        if first:
            write_all(first)
        _exchange(path, at, temporary)


@contextmanager
def _filled(path: str, artifacts: Sequence[Artifact]) -> Iterator[tuple[int, str, str]]:
    """Make a directory of files beside a path; what has its temporary name in the end is deleted.

    Yields:
        The descriptor of the directory above, the name of the path there, and the temporary one.
    """
    temporary = temporary_name(path)
    base = os.path.basename(temporary)
    with _beside(path) as (at, name):
        try:
            _fill(temporary, at, artifacts)
            yield at, name, base
        except BaseException:
            _remove_tree(at, base, ignore_errors=True)
            raise
        os.fsync(at)  # the old one may go only when the new one is there to stay
        with suppress(OSError):
            os.stat(base, dir_fd=at, follow_symlinks=False)
            _remove_tree(at, base, ignore_errors=True)


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
    temporary = os.path.basename(temporary_name(path))
    with _beside(path) as (at, name):
        os.close(os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at))  # what is none keeps its name
        os.rename(name, temporary, src_dir_fd=at, dst_dir_fd=at)
        _remove_tree(at, temporary)
        os.fsync(at)


def remove_empty(path: str) -> bool:
    """Remove a directory in which nothing is; False, with nothing done, where something is, or none."""
    if status_at(path) is None:
        return False
    with _beside(path) as (at, name):
        try:
            os.rmdir(name, dir_fd=at)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                return False
            raise
        os.fsync(at)
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
    parent = os.path.dirname(path)
    if not os.path.lexists(parent):
        ensure_directory(parent, 0o755)
    with _beside(path) as (at, name):
        try:
            os.mkdir(name, mode, dir_fd=at)
        except FileExistsError:
            check_own_directory(path, at, name)
            return tighten and _tighten(at, name, mode)
        os.chmod(name, mode, dir_fd=at)
        os.fsync(at)
    return True


def remove(path: str) -> bool:
    """Unlink a file and flush its directory; False when there was none."""
    if status_at(path) is None:
        return False
    with _beside(path) as (at, name):
        try:
            os.unlink(name, dir_fd=at)
        except FileNotFoundError:
            return False
        os.fsync(at)
    return True


def move(path: str, target: str) -> None:
    """Rename a file or directory within one file system, and flush both directories."""
    with _beside(target) as (there, new), _beside(path) as (here, old):
        os.rename(old, new, src_dir_fd=here, dst_dir_fd=there)
        os.fsync(here)
        os.fsync(there)


def set_mode(path: str, mode: int) -> None:
    """Give a file of ours a mode; a symbolic link is not followed."""
    with opened(path) as handle:
        os.fchmod(handle, mode)


def set_owner(path: str, uid: int, gid: int) -> None:
    """Give a file of ours an owner and a group; a symbolic link is not followed."""
    with opened(path) as handle:
        os.fchown(handle, uid, gid)


@contextmanager
def opened(path: str, *, links_only: bool = False) -> Iterator[int]:
    """Give a descriptor of a file or directory; see :func:`.guard.directory_of`."""
    with directory_of(path, links_only=links_only) as (at, name), explained(path):
        handle = os.open(name, _AS_IT_IS, dir_fd=at)
        try:
            yield handle
        finally:
            os.close(handle)


def sweep(directory: str) -> list[str]:
    """Remove the temporary files that killed runs left, and none that a run which lives is writing."""
    stale = swept(directory)
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


def swept(directory: str) -> list[str]:
    """Return the temporary files of a directory that no other process is writing."""
    return [path for path in temporaries(directory) if not _is_being_written(path)]


def leftovers(path: str) -> list[str]:
    """Return the temporary files of a target whose writer has ended."""
    prefix = prefix_of(path)
    return [
        one for one in temporaries(os.path.dirname(path)) if one.startswith(prefix) and _is_abandoned(one)
    ]


def temporaries(directory: str) -> list[str]:
    """Return the temporary files and directories that lie in a directory."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [os.path.join(directory, name) for name in sorted(filter(_TEMPORARY.fullmatch, names))]


def temporary_name(path: str) -> str:
    """Return a new name beside a path, which tells the process that writes: its number and when it began."""
    return f"{prefix_of(path)}{_of_process(os.getpid())}{os.urandom(3).hex()[1:]}"


@cache
def _of_process(process: int) -> str:
    return f"{process:06x}{_beginning(process) or 0:05x}"


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
    return is_ours and not _is_being_written(temporary)


def _is_being_written(temporary: str) -> bool:
    process, began = int(temporary[-16:-10], 16), int(temporary[-10:-5], 16)
    return process != os.getpid() and _lives(process, began)


def _lives(process: int, began: int) -> bool:
    """Tell whether the process lives that began then; another one may have its number by now."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return process > 0 and _beginning(process) in (None, began)


def _fill(temporary: str, at: int, artifacts: Sequence[Artifact]) -> None:
    """Make and flush a directory of files under its temporary name, which lies in an open directory."""
    base, inner = os.path.basename(temporary), inner_directories(artifacts)
    for name in (base, *(f"{base}/{one}" for one in inner)):
        os.mkdir(name, 0o700, dir_fd=at)
        os.chmod(name, 0o700, dir_fd=at)  # whatever the umask
    write_all([replace(artifact, path=f"{temporary}/{artifact.path}") for artifact in artifacts])
    flush_directories([temporary, *(f"{temporary}/{one}" for one in inner)])


def inner_directories(artifacts: Iterable[Artifact]) -> list[str]:
    """Return the directories that these files need inside of theirs, each after the one that it lies in."""
    found: dict[str, None] = {}
    for artifact in artifacts:
        parts = artifact.path.split("/")[:-1]
        found.update(dict.fromkeys("/".join(parts[:depth]) for depth in range(1, len(parts) + 1)))
    return list(found)


def _names(path: str) -> list[str]:
    with explained(path):
        return sorted(os.listdir(path))


def _taken(directory: str, name: str) -> Artifact:
    return Artifact(name, read_private(f"{directory}/{name}"))


def _remove_stale(path: str) -> None:
    with _beside(path) as (at, name):
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            _remove_tree(at, name)
        else:
            os.unlink(name, dir_fd=at)


def _stage(one: Artifact | Link, at: int, *, flush: bool) -> _Staged:
    """Make a file or link under a temporary name in an open directory, that of its path."""
    staged = _Staged(temporary_name(one.path), one.path)
    with explained(one.path):
        present = _present(at, os.path.basename(one.path))
        if isinstance(one, Link):
            if present is not None and not stat.S_ISLNK(present.st_mode):
                raise UnsafePathError(one.path, "is in the place of a symbolic link; remove it")
            os.symlink(one.target, os.path.basename(staged.temporary), dir_fd=at)
            return staged
        if present is not None:
            accepted_target(one.path, present)
        try:
            _write(one, os.path.basename(staged.temporary), at, flush=flush)
        except BaseException:
            staged.drop(at)
            raise
    return staged


def _present(at: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _write(artifact: Artifact, name: str, at: int, *, flush: bool) -> None:
    with open(os.open(name, _CREATE, 0o600, dir_fd=at), "wb", buffering=0) as file:
        if artifact.owner is not None:
            os.fchown(file.fileno(), artifact.owner.uid, artifact.owner.gid)
        os.fchmod(file.fileno(), artifact.mode)
        _write_whole(file.fileno(), artifact.content)
        if flush:
            os.fsync(file.fileno())


def _write_whole(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _tighten(at: int, name: str, mode: int) -> bool:
    handle = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
    try:
        loose = os.fstat(handle).st_mode & 0o777 & ~mode
        if loose:
            os.fchmod(handle, mode)
    finally:
        os.close(handle)
    return bool(loose)


def _remove_tree(at: int, name: str, *, ignore_errors: bool = False) -> None:
    import shutil

    shutil.rmtree(name, ignore_errors=ignore_errors, dir_fd=at)
