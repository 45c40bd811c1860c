"""An inventory whose columns hold what no program of ours wrote there: a right answer, or one line."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from admin import INVENTORY, Admin

READERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "authorities": (("cert", "list"), ("inventory", "check"), ("ca", "show")),
    "certificates": (
        ("cert", "list"),
        ("cert", "show", "dmzmail"),
        ("status",),
        ("-n", "ca", "crl"),
        ("-n", "cert", "revoke", "attic"),
    ),
    "crls": (("status",), ("-n", "ca", "crl")),
    "events": (("inventory", "check"), ("inventory", "events")),
    "rotations": (("status",),),
    "pulls": (("status",),),
}
"""Tables, and what reads each."""
VALUES = (b"\xff\xfe", 1 << 62)
COLUMNS = """
    SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, p.cid
"""


@pytest.fixture
def made(hub: Admin) -> Admin:
    hub("cert", "issue", "attic", "mx")
    hub("cert", "revoke", "mx")
    hub("sasl", "rotate", "maildroid")
    return hub


def columns(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return list(connection.execute(COLUMNS))


def put(path: Path, table: str, column: str, value: object) -> None:
    """Write it past every check that the tables have."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        for (name,) in list(connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
            connection.execute(f"DROP TRIGGER {name}")
        with suppress(sqlite3.Error):
            connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (value,))


def altered(made: Admin, table: str) -> Iterator[str]:
    """Yield what was altered, each time in a fresh inventory."""
    path = made.path(INVENTORY)
    found = [column for name, column in columns(path) if name == table]
    whole = path.read_bytes()
    for column in found:
        for value in VALUES:
            for old in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                old.unlink(missing_ok=True)
            path.write_bytes(whole)
            path.chmod(0o600)
            put(path, table, column, value)
            yield f"{column} = {value!r}"


@pytest.mark.parametrize("table", READERS)
def test_no_record_ends_a_run_in_an_internal_error(made: Admin, table: str) -> None:
    """``run`` of the administrator refuses a traceback."""
    bad = {}
    for what in altered(made, table):
        for verb in READERS[table]:
            try:
                assert made.run(*verb).status != 70
            except AssertionError as error:
                bad[what, verb] = str(error).strip().splitlines()[-2:]
    assert not bad, bad
