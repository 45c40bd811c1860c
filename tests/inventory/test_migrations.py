"""Versions of the schema: forward only, frozen once released, newer ones left alone."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from smtpcreds.errors import ConfigError, ForeignFormatError, StateVersionError
from smtpcreds.inventory import sqlite
from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.schema import MIGRATIONS

from .facts import HUB, NOW, add_authority, intent, issue, serials
from .processes import started

NEWEST = len(MIGRATIONS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "inventory.sqlite3"


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def contents(path: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in path.parent.iterdir() if item.suffix != ".sqlite3-shm"}


FROZEN = (
    "fa27c194",
    "894a0c9f",
    "83f3f4ec",
    "2561deee",
    "164c4536",
    "3dc5e722",
    "7753a2aa",
    "d891de2c",
    "ed4f344a",
)
"""Beginnings of the SHA-256 of each migration: add one, never change one that was released."""


def test_released_migrations_stay_as_they_are() -> None:
    texts = ("\n;\n".join(" ".join(statement.split()) for statement in script) for script in MIGRATIONS)
    assert tuple(sha256(text.encode()).hexdigest()[:8] for text in texts) == FROZEN


def at_version(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a database as a program that knew only so many migrations did."""
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", MIGRATIONS[:version])
        with open_inventory(path):
            pass
    assert version_of(path) == version


@pytest.mark.parametrize("version", range(NEWEST + 1))
def test_every_version_is_migrated(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at_version(path, version, monkeypatch)
    with open_inventory(path) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))
        inventory.verify_integrity()
    assert version_of(path) == NEWEST


MORE = (*MIGRATIONS, ("CREATE TABLE accounts (id INTEGER PRIMARY KEY)", "INSERT INTO accounts VALUES (7)"))


def test_a_migration_keeps_what_was_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_inventory(path) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))
    monkeypatch.setattr(sqlite, "MIGRATIONS", MORE)
    with open_inventory(path) as inventory:
        assert serials(inventory.find(HUB)) == ["01"]
    assert version_of(path) == NEWEST + 1


def test_rotations_of_before_have_no_places(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_version(path, 3, monkeypatch)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO rotations (authcid, successor, realm, sasldb, clients, started, state)"
            " VALUES ('a', 'a-2', 'r', 'etc/sasldb2', '', 0, 'open')"
        )
    with open_inventory(path) as inventory:
        assert [row.places for row in inventory.rotations.unfinished()] == [()]


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_inventory(path):
        pass
    before = contents(path)
    monkeypatch.setattr(
        sqlite, "MIGRATIONS", (*MORE, ("CREATE TABLE other (id)", "SELECT RAISE(ABORT, 'x')"))
    )
    with pytest.raises(Exception, match="RAISE"), open_inventory(path):
        pass
    assert contents(path) == before


def test_reading_only_does_not_migrate(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_inventory(path):
        pass
    before = contents(path)
    monkeypatch.setattr(sqlite, "MIGRATIONS", MORE)
    reason = f"is of version {NEWEST} and has to be migrated to {NEWEST + 1}"
    with pytest.raises(ConfigError, match=reason), open_inventory(path, read_only=True):
        pass
    assert contents(path) == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_version_is_refused_and_left_as_it_is(path: Path, read_only: bool) -> None:
    with open_inventory(path):
        pass
    set_version(path, 99)
    before = contents(path)
    reason = f"{path}: is of version 99; this smtpcreds reads up to version {NEWEST}"
    with pytest.raises(StateVersionError) as caught, open_inventory(path, read_only=read_only):
        pass
    assert (str(caught.value), caught.value.exit_status) == (reason, 78)
    assert contents(path) == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA user_version = 99")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_version_in_the_log_is_refused_and_left_as_it_is(path: Path, read_only: bool) -> None:
    """A killed process leaves its last commits in the write-ahead log, the version among them."""
    with open_inventory(path):
        pass
    started(KILLED, str(path)).communicate()
    before = contents(path)
    assert before[f"{path.name}-wal"]
    with pytest.raises(StateVersionError, match="version 99"), open_inventory(path, read_only=read_only):
        pass
    assert contents(path) == before


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("version", [0, 1, NEWEST + 1])
def test_a_database_of_another_program_is_refused_and_left_as_it_is(
    path: Path, journal: str, version: int
) -> None:
    path.parent.mkdir(0o700)
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE moz_places (id)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(ForeignFormatError, match="some other program"), open_inventory(path):
        pass
    assert path.read_bytes() == before


def test_events_can_not_be_rewritten(path: Path) -> None:
    from smtpcreds.inventory.rows import Event

    with open_inventory(path) as inventory:
        inventory.event(Event(NOW, "root", "cert issue", HUB))
    with closing(sqlite3.connect(path)) as connection:
        for statement in ("UPDATE events SET who = 'nobody'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                connection.execute(statement)
