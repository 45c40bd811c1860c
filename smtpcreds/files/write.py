"""Writing so that a reader sees the old or the new file, and a power cut keeps one of them.

Each file gets a temporary neighbour that is closed to others before it has content; all are on disk before
the first is renamed; renames keep the order they were given in; then their directories are flushed.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..model import Artifact
from .explain import explained
from .guard import check_directory, check_parents, check_target

_TEMPORARY = re.compile(r"\..+\.smtpcreds-[0-9a-f]{16}")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Staged:
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


def write_all(artifacts: Sequence[Artifact]) -> None:
    """Write the files in their order, each atomically; none is touched before all are on disk.

    The directories must exist. Put a key before its certificate.

    Raises:
        WriteError: the disk refused; nothing was changed unless the failure was a rename.
        UnsafePathError: a link, a directory or a foreign file stands at one of the paths.
    """
    staged: list[_Staged] = []
    try:
        for artifact in artifacts:
            check_target(artifact.path)
            staged.append(_stage(artifact))
        while staged:
            staged[0].publish()
            staged.pop(0)
    finally:
        for left in staged:
            left.drop()
    flush_directories(os.path.dirname(artifact.path) for artifact in artifacts)


def ensure_directory(path: str, mode: int = 0o700) -> bool:
    """Make the directory, with missing parents of mode 0755, or bring an own one to the mode.

    Returns:
        True when something was made or changed.

    Raises:
        UnsafePathError: see :func:`smtpcreds.files.guard.check_directory`.
    """
    if os.path.lexists(path):
        check_directory(path)
        return _tighten(path, mode)
    parent = os.path.dirname(path)
    if not os.path.lexists(parent):
        ensure_directory(parent, 0o755)
    check_parents(path)
    with explained(path):
        os.mkdir(path, 0o700)
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


def sweep(directory: str) -> list[str]:
    """Remove the temporary files that killed runs left; the caller holds the lock of all writers."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    stale = [os.path.join(directory, name) for name in names if _TEMPORARY.fullmatch(name)]
    for path in stale:
        remove(path)
    return stale


def flush_directories(directories: Iterable[str]) -> None:
    """Make renames and unlinks in the directories durable."""
    for directory in dict.fromkeys(directories):
        with explained(directory):
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _stage(artifact: Artifact) -> _Staged:
    directory, name = os.path.split(artifact.path)
    temporary = os.path.join(directory, f".{name[:200]}.smtpcreds-{os.urandom(8).hex()}")
    staged = _Staged(temporary, artifact.path)
    with explained(artifact.path):
        handle = os.open(temporary, _CREATE, 0o600)
        try:
            with open(handle, "wb", buffering=0) as file:
                if artifact.owner is not None:
                    os.fchown(file.fileno(), artifact.owner.uid, artifact.owner.gid)
                os.fchmod(file.fileno(), artifact.mode)
                _write_whole(file.fileno(), artifact.content)
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
