"""The disk of one run: it does what is asked and keeps a list of it; a preview only keeps the list.

Every writing function of this room acts on the current disk, so that nothing in a preview writes past it.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from ..errors import MissingInputError, UnsafePathError
from ..model import Artifact, Change, Link
from ..shell import quote
from . import guard, write
from .guard import explained

Check = Callable[[str, os.stat_result], object]
"""Gets a path and the status of the open file, and raises where that is not good."""
LEFT_OVER = "left by an interrupted run"
"""The note of each temporary file that is removed because its run was killed."""


class Disk:
    """The file system itself.

    Attributes:
        changes: what was done, in order.
        is_preview: nothing is done; see :class:`.preview.PreviewDisk`.
        closing: ends what the run keeps open.
        held: what the run keeps of databases, by kind and path or URL.
    """

    is_preview = False

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.closing = ExitStack()
        self.held: dict[str, object] = {}

    def note(self, action: str, target: str, mode: int | None = None, note: str = "") -> None:
        """Add to the list what was done to a path, an account, a command."""
        self.changes.append(Change(action, target, mode, note))

    def exists(self, path: str) -> bool:
        """Tell whether anything has the name, be it a link that leads nowhere."""
        return guard.status_at(path) is not None

    def is_directory(self, path: str) -> bool:
        """Tell whether the path leads to a directory."""
        return guard.is_directory(path)

    def is_file(self, path: str) -> bool:
        """Tell whether the path leads to a regular file."""
        return guard.is_file(path)

    def link_target(self, path: str) -> str | None:
        """Return what a symbolic link says; None where there is no link."""
        return os.readlink(path) if os.path.islink(path) else None

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a directory."""
        with explained(path):
            return sorted(os.listdir(path))

    def read_private(self, path: str, most: int) -> bytes:
        """See :func:`.guard.read_private`."""
        return guard.read_private(path, most)

    def read_public(self, path: str) -> bytes:
        """See :func:`.guard.read_public`."""
        return guard.read_public(path)

    def read_checked(self, path: str, check: Check, *, links_only: bool = False) -> bytes:
        """See :func:`.guard.read_checked`."""
        return guard.read_checked(path, check, links_only=links_only)

    def check_directory(self, path: str) -> None:
        """See :func:`.guard.check_directory`."""
        guard.check_directory(path)

    def check_parents(self, path: str) -> None:
        """See :func:`.guard.check_parents`."""
        guard.check_parents(path)

    def check_target(self, path: str) -> os.stat_result | None:
        """See :func:`.guard.check_target`."""
        return guard.check_target(path)

    def write_all(self, artifacts: Sequence[Artifact | Link]) -> None:
        """See :func:`.write.write_all`."""
        write.write_all(artifacts)
        self._note_written(artifacts)

    def write_new(self, artifact: Artifact) -> None:
        """See :func:`.write.write_new`."""
        write.write_new(artifact)
        self._note_written([artifact])

    def write_directory(
        self, path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link], aside: str
    ) -> None:
        """See :func:`.write.write_directory`."""
        write.write_directory(path, artifacts, first=first, aside=aside)
        self._note_written(first)
        if aside:
            self.note("move", path, note=f"to {aside}")
        self._note_directory("make", path, artifacts)

    def replace_directory(
        self, path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link]
    ) -> None:
        """See :func:`.write.replace_directory`."""
        gone = self._lost(path, artifacts)
        write.replace_directory(path, artifacts, first=first)
        self._note_written(first)
        self._note_replaced(path, artifacts, gone)

    def remove_directory(self, path: str) -> None:
        """See :func:`.write.remove_directory`."""
        write.remove_directory(path)
        self.note("remove", path)

    def remove_empty(self, path: str) -> bool:
        """See :func:`.write.remove_empty`."""
        removed = write.remove_empty(path)
        if removed:
            self.note("remove", path)
        return removed

    def ensure_directory(self, path: str, mode: int, *, tighten: bool) -> bool:
        """See :func:`.write.ensure_directory`."""
        missing = self._missing(path)
        changed = write.ensure_directory(path, mode, tighten=tighten)
        if changed:
            self._note_made(path, missing, mode)
        return changed

    def remove(self, path: str) -> bool:
        """See :func:`.write.remove`."""
        removed = write.remove(path)
        if removed:
            self.note("remove", path)
        return removed

    def move(self, path: str, target: str) -> None:
        """See :func:`.write.move`."""
        write.move(path, target)
        self.note("move", path, note=f"to {target}")

    def set_mode(self, path: str, mode: int) -> None:
        """See :func:`.write.set_mode`."""
        write.set_mode(path, mode)
        self.note("chmod", path, mode)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """See :func:`.write.set_owner`."""
        write.set_owner(path, uid, gid)
        self.note("chown", path, note=f"{uid}:{gid}")

    def sweep(self, directory: str) -> list[str]:
        """See :func:`.write.sweep`."""
        stale = write.sweep(directory)
        self._note_swept(stale)
        return stale

    def sweep_target(self, path: str) -> list[str]:
        """See :func:`.write.sweep_target`."""
        stale = write.sweep_target(path)
        self._note_swept(stale)
        return stale

    def tree(self, path: str) -> list[Artifact]:
        """See :func:`.write.tree`."""
        return write.tree(path)

    def _missing(self, path: str) -> list[str]:
        """Return what of a path is not there, the topmost first."""
        missing: list[str] = []
        while not self.exists(path):
            missing.insert(0, path)
            path = os.path.dirname(path)
        return missing

    def _lost(self, path: str, artifacts: Sequence[Artifact]) -> list[str]:
        kept = {artifact.path for artifact in artifacts}
        return [file.path for file in self.tree(path) if file.path not in kept]

    def _note_written(self, artifacts: Sequence[Artifact | Link], directory: str = "") -> None:
        for one in artifacts:
            if isinstance(one, Link):
                self.note("link", one.path, note=f"to {one.target}")
            else:
                self.note("write", directory + one.path, one.mode, one.note)

    def _note_directory(self, action: str, path: str, artifacts: Sequence[Artifact]) -> None:
        self.note(action, path, 0o700)
        for inner in write.inner_directories(artifacts):
            self.note("make", f"{path}/{inner}", 0o700)
        self._note_written(artifacts, f"{path}/")

    def _note_replaced(self, path: str, artifacts: Sequence[Artifact], gone: Sequence[str]) -> None:
        self._note_directory("replace", path, artifacts)
        for name in gone:
            self.note("remove", f"{path}/{name}")

    def _note_made(self, path: str, missing: Sequence[str], mode: int) -> None:
        for one in missing:
            self.note("make", one, mode if one == path else 0o755)
        if not missing:
            self.note("chmod", path, mode)

    def _note_swept(self, stale: Sequence[str]) -> None:
        for path in stale:
            self.note("remove", path, note=LEFT_OVER)


_current: ContextVar[Disk] = ContextVar("disk")


def disk() -> Disk:
    """Return the disk of this run."""
    found = _current.get(None)
    if found is None:
        _current.set(found := Disk())
    return found


def choose(chosen: Disk) -> None:
    """Let everything that comes read and write this disk."""
    _current.set(chosen)


@contextmanager
def using(chosen: Disk) -> Iterator[Disk]:
    """Let everything inside the block read and write this disk."""
    before = _current.set(chosen)
    try:
        with chosen.closing:
            yield chosen
    finally:
        _current.reset(before)


def exists(path: str) -> bool:
    """Tell whether anything has the name, be it a link that leads nowhere."""
    return disk().exists(path)


def is_directory(path: str) -> bool:
    """Tell whether the path leads to a directory."""
    return disk().is_directory(path)


def require_directory(path: str) -> None:
    """Refuse to write a file into a directory that is not there."""
    place = os.path.dirname(path)
    if is_directory(place):
        return
    if exists(place):
        raise MissingInputError(place, "is not a directory")
    raise MissingInputError(place, "there is no such directory", f"mkdir -p {quote(place)}")


def is_file(path: str) -> bool:
    """Tell whether the path leads to a regular file."""
    return disk().is_file(path)


def link_target(path: str) -> str | None:
    """Return what a symbolic link says; None where there is no link."""
    return disk().link_target(path)


def names_in(path: str) -> list[str]:
    """Return the sorted names in a directory."""
    return disk().names(path)


def read_private(path: str, most: int = guard.MAX_READ) -> bytes:
    """Return a file's content, at most ``most`` octets, if only root or the running user can use it.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is longer.
    """
    return disk().read_private(path, most)


def read_certificate(path: str) -> bytes:
    """Return the content of a file that everybody may read and only root or the running user can change.

    Raises:
        MissingInputError: there is no such file.
    """
    return disk().read_checked(path, _check_certificate)


def _check_certificate(path: str, found: os.stat_result) -> None:
    guard.accepted_target(path, found)
    if found.st_mode & guard.GROUP_OR_OTHER_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        raise UnsafePathError(
            path, f"has mode {mode:04o}; others can change it", f"chmod go-w {guard.quoted_path(path)}"
        )


def read_target(path: str) -> bytes:
    """Return the content of a file that a write would replace; see :func:`.guard.accepted_target`.

    No symbolic link of another user is followed; a directory that others can write is another check's fault.

    Raises:
        MissingInputError: there is no such file.
    """
    return disk().read_checked(path, guard.accepted_target, links_only=True)


def read_if_there(path: str) -> bytes | None:
    """Return what :func:`read_private` does; None where there is no file."""
    try:
        return disk().read_private(path, guard.MAX_READ)
    except MissingInputError:
        return None


def read_public(path: str) -> bytes:
    """Return the content of a regular file, at most 256 MiB, whoever may read it."""
    return disk().read_public(path)


def check_directory(path: str) -> None:
    """Accept a directory that nobody else can change; see :func:`.guard.check_directory`."""
    disk().check_directory(path)


def check_parents(path: str) -> None:
    """Accept a path when no directory above it can be changed by another user."""
    disk().check_parents(path)


def check_target(path: str) -> os.stat_result | None:
    """Return the status of what a write would replace, or None; see :func:`.guard.check_target`."""
    return disk().check_target(path)


def write_all(artifacts: Sequence[Artifact | Link]) -> None:
    """Write files and links in their order, each atomically; see :func:`.write.write_all`."""
    disk().write_all(artifacts)


def write_new(artifact: Artifact) -> None:
    """Write a file whose name is free; see :func:`.write.write_new`."""
    disk().write_new(artifact)


def write_directory(
    path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link] = (), aside: str = ""
) -> None:
    """Make a directory that appears with all its files at once; see :func:`.write.write_directory`."""
    disk().write_directory(path, artifacts, first=first, aside=aside)


def replace_directory(
    path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link] = ()
) -> None:
    """Put a new directory in the place of one; see :func:`.write.replace_directory`."""
    disk().replace_directory(path, artifacts, first=first)


def settle_replacement(path: str) -> None:
    """Put a directory back that a killed run had half replaced, or remove it where the new one is there."""
    old = write.replaced_name(path)
    if exists(old) and exists(path):
        remove_directory(old)
    elif exists(old):
        move(old, path)


def remove_directory(path: str) -> None:
    """Remove a directory with all its files; see :func:`.write.remove_directory`."""
    disk().remove_directory(path)


def remove_empty(path: str) -> bool:
    """Remove a directory in which nothing is; False where something is, or no directory."""
    return disk().remove_empty(path)


def ensure_directory(path: str, mode: int = 0o700, *, tighten: bool = True) -> bool:
    """Make the directory and its parents, or tighten an own one; see :func:`.write.ensure_directory`."""
    return disk().ensure_directory(path, mode, tighten=tighten)


def remove(path: str) -> bool:
    """Unlink a file and flush its directory; False when there was none."""
    return disk().remove(path)


def move(path: str, target: str) -> None:
    """Rename a file or directory within one file system, and flush both directories."""
    disk().move(path, target)


def set_mode(path: str, mode: int) -> None:
    """Give a file of ours a mode."""
    disk().set_mode(path, mode)


def set_owner(path: str, uid: int, gid: int) -> None:
    """Give a file of ours an owner and a group."""
    disk().set_owner(path, uid, gid)


def sweep(directory: str) -> list[str]:
    """Remove the temporary files that killed runs left; the caller holds the lock of all writers."""
    return disk().sweep(directory)


def sweep_target(path: str) -> list[str]:
    """Remove what killed runs left of one file; see :func:`.write.sweep_target`."""
    return disk().sweep_target(path)


def tree(path: str) -> list[Artifact]:
    """Return the files of a private directory and those one directory down; see :func:`.write.tree`."""
    return disk().tree(path)
