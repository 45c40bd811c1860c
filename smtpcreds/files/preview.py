"""A disk that only records: reads see what was "written" before in the same run, and nothing is changed."""

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import UnsafePathError
from ..model import Artifact, Link, Owner
from . import guard, write
from .disk import Check, Disk
from .guard import explained


class _Gone(NamedTuple):
    """Nothing has the name any more."""


class _File(NamedTuple):
    content: bytes
    mode: int
    owner: Owner | None


class _Link(NamedTuple):
    target: str


class _Directory(NamedTuple):
    """A directory that was made; ``origin`` is where its content really lies, for one that was moved."""

    origin: str | None = None


_Node = _Gone | _File | _Link | _Directory


class PreviewDisk(Disk):
    """The real disk seen through the changes of this run; see :class:`.disk.Disk`."""

    is_preview = True

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[str, _Node] = {}

    def exists(self, path: str) -> bool:
        found = self._find(path)
        return guard.status_at(found) is not None if isinstance(found, str) else not isinstance(found, _Gone)

    def is_directory(self, path: str) -> bool:
        found = self._find(path)
        return guard.is_directory(found) if isinstance(found, str) else isinstance(found, _Directory)

    def is_file(self, path: str) -> bool:
        found = self._find(path)
        return guard.is_file(found) if isinstance(found, str) else isinstance(found, _File)

    def link_target(self, path: str) -> str | None:
        found = self._find(path)
        if isinstance(found, str):
            return super().link_target(found)
        return found.target if isinstance(found, _Link) else None

    def names(self, path: str) -> list[str]:
        found = self._find(path)
        origin = found.origin if isinstance(found, _Directory) else found
        real = super().names(origin) if isinstance(origin, str) else []
        if isinstance(found, _Gone | _File | _Link):
            with explained(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        named = {os.path.basename(p): node for p, node in self._nodes.items() if os.path.dirname(p) == path}
        gone = {name for name, node in named.items() if isinstance(node, _Gone)}
        return sorted({*real, *named} - gone)

    def read_private(self, path: str, most: int) -> bytes:
        found = self._find(path)
        return guard.read_private(found, most) if isinstance(found, str) else self._content(path, found)

    def read_public(self, path: str) -> bytes:
        found = self._find(path)
        return guard.read_public(found) if isinstance(found, str) else self._content(path, found)

    def read_checked(self, path: str, check: Check, *, links_only: bool = False) -> bytes:
        found = self._find(path)
        if isinstance(found, str):
            return guard.read_checked(found, check, links_only=links_only)
        return self._content(path, found)

    def check_directory(self, path: str) -> None:
        found = self._find(path)
        if isinstance(found, str):
            guard.check_directory(found)
        elif isinstance(found, _Directory):
            self.check_parents(path)
        elif isinstance(found, _Gone):
            self._content(path, found)
        else:
            raise UnsafePathError(path, "is not a directory")

    def check_parents(self, path: str) -> None:
        while not os.path.lexists(os.path.dirname(path)):
            path = os.path.dirname(path)
        guard.check_parents(path)

    def check_target(self, path: str) -> os.stat_result | None:
        found = self._find(path)
        if isinstance(found, str):
            return guard.check_target(found)
        if isinstance(found, _Gone):
            return None
        if isinstance(found, _Link):
            raise UnsafePathError(path, guard.LINK_IN_THE_WAY)
        if isinstance(found, _Directory):
            raise UnsafePathError(path, "is not a regular file")
        owner = found.owner or Owner(os.geteuid(), os.getegid())
        kind = stat.S_IFREG | found.mode
        return os.stat_result((kind, 0, 0, 1, owner.uid, owner.gid, len(found.content), 0, 0, 0))

    def write_all(self, artifacts: Sequence[Artifact | Link]) -> None:
        for one in artifacts:
            self._check_writable(one.path)
            if isinstance(one, Artifact):
                self.check_target(one.path)
            elif self.exists(one.path) and self.link_target(one.path) is None:
                raise UnsafePathError(one.path, "is in the place of a symbolic link; remove it")
        for one in artifacts:
            self._put(one.path, one)
        self._note_written(artifacts)

    def write_new(self, artifact: Artifact) -> None:
        self._check_writable(artifact.path)
        self.check_target(artifact.path)
        self._check_free(artifact.path)
        self._put(artifact.path, artifact)
        self._note_written([artifact])

    def write_directory(
        self, path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link], aside: str
    ) -> None:
        self._check_writable(path)
        self.write_all(first)
        if aside:
            self.move(path, aside)
        if self.exists(path) and not (self.is_directory(path) and not self.names(path)):
            self._check_free(path)
        self._fill(path, artifacts)
        self._note_directory("make", path, artifacts)

    def replace_directory(
        self, path: str, artifacts: Sequence[Artifact], *, first: Sequence[Artifact | Link]
    ) -> None:
        self._check_writable(path)
        self.write_all(first)
        gone = self._lost(path, artifacts)
        self._fill(path, artifacts)
        self._note_replaced(path, artifacts, gone)

    def remove_directory(self, path: str) -> None:
        self._check_writable(path)
        self.names(path)
        self._forget(path)
        self._nodes[path] = _Gone()
        self.note("remove", path)

    def remove_empty(self, path: str) -> bool:
        if not self.is_directory(path):
            return False
        self._check_writable(path)
        if self.names(path):
            return False
        self.remove_directory(path)
        return True

    def ensure_directory(self, path: str, mode: int, *, tighten: bool) -> bool:
        missing = self._missing(path)
        if missing:
            self._check_writable(missing[0])
            self.check_parents(path)
            self._nodes.update((one, _Directory()) for one in missing)
            self._note_made(path, missing, mode)
            return True
        self.check_directory(path)
        found = self._find(path)
        loose = isinstance(found, str) and os.lstat(found).st_mode & 0o777 & ~mode
        if tighten and loose:
            self._note_made(path, (), mode)
        return bool(tighten and loose)

    def remove(self, path: str) -> bool:
        if not self.exists(path):
            return False
        self._check_writable(path)
        self._nodes[path] = _Gone()
        if os.path.lexists(path):
            self.note("remove", path)
        else:  # it came and went within this run
            self.changes[:] = [change for change in self.changes if change.target != path]
        return True

    def move(self, path: str, target: str) -> None:
        self._check_writable(path)
        self._check_writable(target)
        found = self._find(path)
        below = [(p, node) for p, node in self._nodes.items() if p.startswith(f"{path}/")]
        self._forget(path)
        self._forget(target)
        self._nodes[path] = _Gone()
        self._nodes[target] = self._moved(found)
        self._nodes.update((target + p.removeprefix(path), node) for p, node in below)
        self.note("move", path, note=f"to {target}")

    def set_mode(self, path: str, mode: int) -> None:
        found = self._find(path)
        if isinstance(found, _File):
            self._nodes[path] = found._replace(mode=mode)
        elif isinstance(found, str):
            guard.check_parents(found)
        self.note("chmod", path, mode)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        found = self._find(path)
        if isinstance(found, _File):
            self._nodes[path] = found._replace(owner=Owner(uid, gid))
        elif isinstance(found, str):
            guard.check_parents(found)
        self.note("chown", path, note=f"{uid}:{gid}")

    def sweep(self, directory: str) -> list[str]:
        if not isinstance(self._find(directory), str):
            return []
        return self._swept(write.swept(directory))

    def sweep_target(self, path: str) -> list[str]:
        return self._swept(write.leftovers(path))

    def tree(self, path: str) -> list[Artifact]:
        found: list[Artifact] = []
        for name in self.names(path):
            inner = f"{path}/{name}"
            is_plain = self.is_directory(inner) and self.link_target(inner) is None
            names = [f"{name}/{last}" for last in self.names(inner)] if is_plain else [name]
            found += [Artifact(one, self.read_private(f"{path}/{one}", guard.MAX_READ)) for one in names]
        return found

    def _find(self, path: str) -> _Node | str:
        """Return what this run made of a path, or the real path under which it is found."""
        above, rest = path, ""
        while True:
            node = self._nodes.get(above)
            if node is not None:
                if not rest:
                    return node
                is_moved = isinstance(node, _Directory) and node.origin is not None
                return f"{node.origin}{rest}" if is_moved and isinstance(node, _Directory) else _Gone()
            parent, name = os.path.split(above)
            if parent == above:
                return path
            above, rest = parent, f"/{name}{rest}"

    def _swept(self, temporaries: Sequence[str]) -> list[str]:
        stale = [path for path in temporaries if self.exists(path)]
        for path in stale:
            self._check_writable(path)
        self._nodes.update((path, _Gone()) for path in stale)
        self._note_swept(stale)
        return stale

    def _content(self, path: str, found: _Node) -> bytes:
        if isinstance(found, _File):
            return found.content
        if isinstance(found, _Link):
            raise UnsafePathError(path, "is a symbolic link and is not followed; name its target")
        if isinstance(found, _Directory):
            raise UnsafePathError(path, "is not a regular file")
        with explained(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _moved(self, found: _Node | str) -> _Node:
        if not isinstance(found, str):
            return found
        if os.path.isdir(found):
            return _Directory(found)
        status = os.stat(found)
        return _File(guard.read_private(found), stat.S_IMODE(status.st_mode), None)

    def _put(self, path: str, one: Artifact | Link) -> None:
        self._nodes[path] = (
            _Link(one.target) if isinstance(one, Link) else _File(one.content, one.mode, one.owner)
        )

    def _fill(self, path: str, artifacts: Sequence[Artifact]) -> None:
        self._forget(path)
        self._nodes[path] = _Directory()
        for inner in write.inner_directories(artifacts):
            self._nodes[f"{path}/{inner}"] = _Directory()
        for artifact in artifacts:
            self._put(f"{path}/{artifact.path}", artifact)

    def _forget(self, path: str) -> None:
        for known in [p for p in self._nodes if p == path or p.startswith(f"{path}/")]:
            del self._nodes[known]

    def _check_free(self, path: str) -> None:
        if self.exists(path):
            with explained(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _check_writable(self, path: str) -> None:
        """Raise what a write in the directory of a path would: somebody could turn the way, or the system."""
        found = self._find(os.path.dirname(path))
        if isinstance(found, _Directory):
            return
        if isinstance(found, str):
            guard.check_parents(os.path.join(found, os.path.basename(path)))
        code = 0
        if not isinstance(found, str) or not os.path.isdir(found):
            code = errno.ENOENT
        elif not os.access(found, os.W_OK | os.X_OK, effective_ids=True):
            code = errno.EROFS if os.statvfs(found).f_flag & os.ST_RDONLY else errno.EACCES
        if code:
            with explained(path):
                raise OSError(code, os.strerror(code))
