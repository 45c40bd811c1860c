"""The floors: imports point down, rooms of one floor are strangers, each dependency has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "smtpcreds"

FLOORS = (
    ("errors", "secret", "mechanisms"),
    ("model", "names", "postgres"),
    ("files", "config", "passwords"),
    ("pki", "sasldb", "mta", "sources", "inventory", "smtp", "dns"),
    ("authority", "accounts"),
    ("deploy", "dane"),
    ("audit", "bundle", "probe", "status", "rotate"),
    ("setup",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
GROUND = 1
"""Up to this level a room may use its neighbours."""

PURE = ("pki", "mta", "model", "names", "mechanisms")
IMPURE = {"os", "time", "socket", "subprocess", "pathlib", "shutil", "tempfile", "random"}
HOMES = {
    "click": {"cli"},
    "cryptography": {"pki", "passwords"},
    "passlib": {"passwords"},
    "keyring": {"sources"},
    "sqlite3": {"inventory"},
    "psycopg": {"postgres"},
    "lmdb": {"sasldb"},
    "pyrage": {"bundle"},
    "smtplib": {"smtp"},
    "dns": {"dns"},
    "ssl": {"smtp"},
    "socket": {"smtp", "config"},
}
MAX_LINES = 300


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> Iterator[str]:
    """Absolute dotted names of all imports of a module, wherever they stand in it."""
    inside = ("smtpcreds", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    dotted = (name.split(".") for name in imports_of(path))
    return {parts[1] for parts in dotted if parts[0] == "smtpcreds" and len(parts) > 1} & LEVEL.keys()


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no floor"
    for used in rooms_used(path) - {room}:
        neighbours = LEVEL[used] == LEVEL[room] <= GROUND
        assert LEVEL[used] < LEVEL[room] or neighbours, f"{room} imports {used}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_dependency_has_one_home(path: Path) -> None:
    for name in imports_of(path):
        top = name.split(".")[0]
        assert room_of(path) in HOMES.get(top, {room_of(path)}), f"{top} has no home here"


@pytest.mark.parametrize(
    "path", [p for p in modules() if room_of(p) in PURE], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_pure_rooms_touch_nothing(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & IMPURE
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert not {f.attr for f in calls if isinstance(f, ast.Attribute)} & {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_the_rules_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    upward = tmp_path / "pki" / "keys.py"
    upward.parent.mkdir()
    upward.write_text("from ..authority import issue\nfrom ..sasldb.bdb import decode\nimport click, os\n")
    assert rooms_used(upward) == {"authority", "sasldb"}
    with pytest.raises(AssertionError):
        test_imports_point_down(upward)
    with pytest.raises(AssertionError):
        test_each_dependency_has_one_home(upward)
    with pytest.raises(AssertionError):
        test_pure_rooms_touch_nothing(upward)
