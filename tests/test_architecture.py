"""The house, file by file: arrows point down, none goes in a circle, each dependency has one home."""

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "smtpcreds"

FLOORS = (
    ("lazy", "shell"),
    ("errors", "secret", "systems"),
    ("extras", "put_off", "children"),
    ("names", "model", "dns", "terminal", "progress", "jobs"),
    ("files",),
    ("postgres",),
    ("host_name", "config_values"),
    ("pki", "config", "passwords"),
    ("mta", "sasldb", "inventory", "sources", "smtp", "memory", "pkcs11"),
    ("ca", "transaction", "accounts"),
    ("deploy", "dane"),
    ("hub", "retire", "upkeep"),
    ("bundle", "audit", "probe"),
    ("status",),
    ("cli", "library"),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
TOGETHER = {"ca", "transaction", "accounts"}
"""Rooms of one floor that use each other; no two of their files do."""
OUTSIDE = "__init__"
"""What the library offers, resolved when it is asked for."""

PURE = ("pki", "mta", "model", "names", "systems")
IMPURE = {"os", "time", "socket", "subprocess", "pathlib", "shutil", "tempfile", "random"}
CLOCK = {"now", "utcnow", "today"}
HOMES = {
    "click": {"cli"},
    "cryptography": {"pki", "passwords"},
    "passlib": {"passwords"},
    "keyring": {"sources"},
    "sqlite3": {"inventory"},
    "psycopg": {"postgres"},
    "lmdb": {"sasldb"},
    "pyrage": {"bundle"},
    "pkcs11": {"pkcs11"},
    "smtplib": {"smtp"},
    "dns": {"dns"},
    "ssl": {"smtp"},
    "socket": {"smtp", "host_name", "files"},
}
WRITERS = {
    *("inventory/sqlite.py", "sasldb/replace.py", "sasldb/lmdb.py", "sasldb/opening.py"),
    "sasldb/lmdb_lock.py",
    "audit/permissions.py",
}
"""Which may change the disk beside ``files``, so that a preview knows; audit notes its repairs itself."""
WRITING = {
    *("chmod", "chown", "fchmod", "fchown", "lchown", "utime", "truncate", "ftruncate", "link", "symlink"),
    *("mkdir", "makedirs", "mkfifo", "mknod", "remove", "unlink", "rmdir", "removedirs", "rename", "renames"),
    *("replace", "setxattr", "removexattr", "pwrite", "copyfile", "copytree", "copy", "copy2", "move"),
    *("rmtree", "copymode", "copystat", "write_text", "write_bytes", "mkstemp", "mkdtemp"),
    *("NamedTemporaryFile", "TemporaryDirectory"),
}
"""Functions of ``os``, ``shutil`` and ``tempfile``."""
TO_STREAMS = {"jobs.py", "cli/framework.py", "cli/session.py", "sources.py", "passwords/generation.py"}
"""Which open terminals, pipes and devices."""
MAX_LINES = 700


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


each_file = pytest.mark.parametrize("path", files(), ids=name_of)


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Absolute module and imported name, empty for ``import module``; of all imports, wherever they stand."""
    inside = ("smtpcreds", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from ((module, alias.name) for alias in node.names)


def file_of(dotted: str) -> Path | None:
    """The file of a module of the package, if it is one."""
    top, *parts = dotted.split(".")
    if top != "smtpcreds":
        return None
    below = PACKAGE.joinpath(*parts)
    found = (path for path in (below.with_suffix(".py"), below / "__init__.py") if path.is_file())
    return next(found, None)


def files_used(path: Path) -> set[Path]:
    """Files of the package that a file imports or imports from: a module by its name before a name in one."""
    found = (file_of(f"{module}.{name}") or file_of(module) for module, name in imports_of(path))
    return {file for file in found if file is not None}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of a graph, its first node again at the end; empty if it has none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@each_file
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == OUTSIDE:
        return
    assert room in LEVEL, f"{room} has no floor"
    for used in {room_of(file) for file in files_used(path)} - {room, OUTSIDE}:
        assert LEVEL[used] < LEVEL[room] or {used, room} <= TOGETHER, f"{room} imports {used}"


def test_no_files_import_each_other() -> None:
    graph = {name_of(path): {name_of(used) for used in files_used(path)} for path in files()}
    assert circle(graph) == []


@each_file
def test_each_dependency_has_one_home(path: Path) -> None:
    for module, _ in imports_of(path):
        top = module.split(".")[0]
        assert room_of(path) in HOMES.get(top, {room_of(path)}), f"{top} has no home here"


@pytest.mark.parametrize("path", [path for path in files() if room_of(path) in PURE], ids=name_of)
def test_pure_rooms_touch_nothing(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imports_of(path)} & IMPURE
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert not {call.attr for call in calls if isinstance(call, ast.Attribute)} & CLOCK


@each_file
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package, in which every rule is broken."""
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    texts = {
        "__init__.py": "",
        "pki/__init__.py": "",
        "pki/keys.py": "import click, os\ndef now():\n    from ..ca import issue\n    return os.now()\n",
        "ca/__init__.py": "from .issue import issue\n",
        "ca/issue.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .renew import renew\n",
        "ca/renew.py": "def renew():\n    from . import issue\n" + "\n" * MAX_LINES,
        "attic.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_rules_can_fail(house: Path) -> None:
    keys = house / "pki" / "keys.py"
    assert files_used(keys) == {house / "ca" / "issue.py"}
    for rule in (test_imports_point_down, test_each_dependency_has_one_home, test_pure_rooms_touch_nothing):
        with pytest.raises(AssertionError):
            rule(keys)
    with pytest.raises(AssertionError, match="has no floor"):
        test_imports_point_down(house / "attic.py")
    with pytest.raises(AssertionError):
        test_files_are_short(house / "ca" / "renew.py")


def test_a_circle_is_found_through_lazy_imports_and_those_for_types(house: Path) -> None:
    graph = {name_of(path): {name_of(used) for used in files_used(path)} for path in files()}
    assert set(circle(graph)) == {"ca/issue.py", "ca/renew.py"}
    with pytest.raises(AssertionError):
        test_no_files_import_each_other()


def writes_of(path: Path) -> Iterator[str]:
    """Calls by which a module changes the disk, past :mod:`smtpcreds.files`."""
    tree = ast.parse(path.read_text())
    modules = {"os", "shutil", "tempfile"}
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in modules and not node.level
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        home, _, name = called.rpartition(".")
        name = name if home else imported.get(name, name)
        path_method = bool(home) and name in {"write_text", "write_bytes"}
        ours = home in modules or called in imported or path_method
        if called in {"open", "os.open"}:
            how = " ".join(map(ast.unparse, (*node.args[1:2], *(k.value for k in node.keywords))))
            if re.search(r"O_(WRONLY|RDWR|CREAT)|'[rb]*[wax+]", how):
                yield called
        elif name in WRITING and ours:
            yield called


@each_file
def test_the_disk_is_changed_in_one_place(path: Path) -> None:
    inside = name_of(path)
    if room_of(path) != "files" and inside not in WRITERS | TO_STREAMS:
        assert list(writes_of(path)) == []


def test_the_disk_rule_can_fail(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("import os\nos.open(p, os.O_RDONLY)\nopen(p)\nos.fchmod(3, 0)\nopen(p, 'w')\n")
    assert list(writes_of(module)) == ["os.fchmod", "open"]
    module.write_text("from shutil import rmtree as gone\nimport os\ngone(p)\nos.open(p, os.O_RDWR | 0)\n")
    assert list(writes_of(module)) == ["gone", "os.open"]
