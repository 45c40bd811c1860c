"""What a run changed, seen from outside; and what a dry run said it would change."""

import re
import shutil
import sqlite3
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from admin import INVENTORY, Admin

Deed = tuple[str, str, str]
"""Action, path, and mode in octal or nothing."""
_COMPANIONS = ("-wal", "-shm", "-journal")
_IN_PLACE = (".lock", "/lock", "-lock")
"""Files that every run writes to for as long as it lives."""


class Node(NamedTuple):
    """One name on disk."""

    mode: int
    owner: tuple[int, int]
    inode: int
    changed: int
    content: bytes

    @property
    def permissions(self) -> str:
        return f"{stat.S_IMODE(self.mode):04o}"


Tree = Mapping[str, Node]


def tree(top: Path) -> dict[str, Node]:
    """Return all below a directory, to the time stamp."""
    return {str(path): _node(path) for path in sorted(top.rglob("*")) if not str(path).endswith(_COMPANIONS)}


def _node(path: Path) -> Node:
    found = path.lstat()
    content = b""
    if stat.S_ISLNK(found.st_mode):
        content = str(path.readlink()).encode()
    elif stat.S_ISREG(found.st_mode):
        content = path.read_bytes()
    return Node(found.st_mode, (found.st_uid, found.st_gid), found.st_ino, found.st_mtime_ns, content)


def happened(before: Tree, after: Tree) -> set[Deed]:
    """Return what tells two states apart."""
    gone = {("remove", path, "") for path in before.keys() - after.keys()}
    deeds = (_deed(path, before.get(path), node) for path, node in after.items())
    return gone | {deed for deed in deeds if deed}


def _deed(path: str, before: Node | None, after: Node) -> Deed | None:
    if stat.S_ISLNK(after.mode):
        return None if before and before.content == after.content else ("link", path, "")
    if stat.S_ISDIR(after.mode):
        return _of_directory(path, before, after)
    if before and before.content != after.content and path.endswith(".pem"):
        return ("write", path, after.permissions)  # a file that is replaced twice may get its inode back
    if before and (before.inode == after.inode or path.endswith(_IN_PLACE)):
        return _of_file(path, before, after)
    return ("write", path, after.permissions)


def _of_directory(path: str, before: Node | None, after: Node) -> Deed | None:
    if before is None:
        return ("make", path, after.permissions)
    if before.inode != after.inode:
        return ("replace", path, after.permissions)
    return None if before.mode == after.mode else ("chmod", path, after.permissions)


def _of_file(path: str, before: Node, after: Node) -> Deed | None:
    if before.content != after.content and not path.endswith(_IN_PLACE):
        return ("record in", path, "")
    return None if before.mode == after.mode else ("chmod", path, after.permissions)


def foreseen(changes: Iterable[Mapping[str, Any]], before: Tree) -> set[Deed]:
    """Return the paths among the changes that a dry run named, each as it would be at the end."""
    last: dict[str, Deed] = {}
    for change in changes:
        action, path, mode = change["action"], change["target"], change["mode"] or ""
        if not path.startswith("/"):
            continue
        if action == "make" and path in before:  # inside of a directory that is replaced
            action = "replace"
        if action == "move":
            _move(last, path, change["note"].removeprefix("to "), before)
        elif action == "remove" and path not in before:
            last.pop(path, None)
        elif action == "change":
            last.setdefault(path, ("change", path, ""))
        elif not (action in {"chmod", "record in"} and last.get(path, ("",))[0] == "write"):
            last[path] = (action, path, mode)
    return set(last.values())


def _move(last: dict[str, Deed], path: str, target: str, before: Tree) -> None:
    for name, node in before.items():
        if name == path or name.startswith(f"{path}/"):
            last[name] = ("remove", name, "")
            there = target + name.removeprefix(path)
            kind = "make" if stat.S_ISDIR(node.mode) else "link" if stat.S_ISLNK(node.mode) else "write"
            last[there] = (kind, there, "" if kind == "link" else node.permissions)


def same(named: set[Deed], done: set[Deed]) -> None:
    """Compare what was named with what was done; a database may be replaced or written in place."""
    loose = {path for action, path, _ in named if action == "change"}
    done = {("change", path, "") if path in loose else (action, path, mode) for action, path, mode in done}
    assert (sorted(named - done), sorted(done - named)) == ([], []), "named and not done, done and not named"
    assert named == done


def rows(admin: Admin) -> Counter[str]:
    """Return how many rows the inventory has, by table, those in its log too; nothing is touched."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        for path in admin.path(INVENTORY).parent.glob("inventory.sqlite3*"):
            shutil.copy(path, directory)
        with closing(sqlite3.connect(f"{directory}/inventory.sqlite3")) as copy:
            for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[name] = copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    return found


def rows_added(changes: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return by how many rows each table is to grow."""
    found: Counter[str] = Counter()
    for change in changes:
        for table, deeds in re.findall(r"(\w+): ([^;]*)", change["note"] if _is_record(change) else ""):
            found[table] += sum(map(int, re.findall(r"(\d+) added", deeds)))
            found[table] -= sum(map(int, re.findall(r"(\d+) deleted", deeds)))
    return +found


def _is_record(change: Mapping[str, Any]) -> bool:
    return bool(change["action"] == "record in")


def accounts_named(changes: Iterable[Mapping[str, Any]], database: Path) -> set[tuple[str, str]]:
    """Return what is to become of which account of a database."""
    deeds = {"add", "change", "delete"}
    of_it = (change for change in changes if change["note"] == str(database))
    return {(change["action"], change["target"]) for change in of_it if change["action"] in deeds}


def accounts_changed(before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> set[tuple[str, str]]:
    """Return what became of which account."""
    old, new = _accounts(before), _accounts(after)
    added = {("add", name) for name in new.keys() - old.keys()}
    gone = {("delete", name) for name in old.keys() - new.keys()}
    return added | gone | {("change", name) for name in old.keys() & new.keys() if old[name] != new[name]}


def _accounts(records: Mapping[bytes, bytes]) -> dict[str, set[tuple[bytes, bytes]]]:
    found: dict[str, set[tuple[bytes, bytes]]] = {}
    for key, value in records.items():
        user, realm, prop = key.split(b"\0")
        found.setdefault(f"{user.decode()}@{realm.decode()}", set()).add((prop, value))
    return found
