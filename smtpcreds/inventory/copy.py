"""The rows of one inventory in another, each compared after it was written.

Row numbers are the database's own, so they are given anew in the same order, and what refers to an authority
follows it.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest

from ..errors import DamagedFileError, ExistsError
from .rows import number_of
from .sqlite import Database, Row

_CERTIFICATE = (
    "authority, directory, machine, serial, host, profile, names, not_before, not_after, created, state,"
    " fingerprint, key_id, revoked_at, reason, der"
)
TABLES: Mapping[str, tuple[str, str]] = {
    "authorities": ("name, ski, fingerprint, state, created, crl_number, der", "id"),
    "certificates": (_CERTIFICATE, "id"),
    "crls": ("authority, number, this_update, next_update, sha256, der", "authority, number"),
    "events": ("at, who, what, subject, detail, hash", "id"),
    "rotations": (
        "authcid, successor, realm, sasldb, clients, started, retire_after, state, ended, places",
        "id",
    ),
    "pulls": (
        "host, program, options, login, since, asked, digest, serial, account, not_after, crl_end, held",
        "host",
    ),
}
"""Columns and order of each table, what others refer to first."""

Machine = Callable[[str, str], str]
"""From the recorded machine and directory of a certificate to the machine in the other inventory."""


def copy(source: Database, target: Database, machine: Machine) -> None:
    """Write all rows into the target, inside its open transaction, and compare them.

    Raises:
        ExistsError: it is not empty.
        DamagedFileError: something reads back otherwise than it was written.
    """
    for table in TABLES:
        if target.first(number_of, _statement("SELECT 1 FROM", table, "LIMIT 1")):
            hint = "name another one; inventories can't be joined"
            raise ExistsError(target.path, f"holds {table} already, and was not changed", hint)
    authorities: dict[int, int] = {}
    for table, (columns, _) in TABLES.items():
        marks = ", ".join("?" for _ in columns.split(","))
        insert = _statement("INSERT INTO", table, f"({columns}) VALUES ({marks})")
        target.write_all(insert, _translated(source, table, authorities, machine))
        if table == "authorities":
            authorities = dict(zip(_numbers(source), _numbers(target), strict=True))
        for old, new in zip_longest(_translated(source, table, authorities, machine), _rows(target, table)):
            if old != new:
                raise DamagedFileError(target.path, f"{table} read back otherwise than they were written")


def _statement(*parts: str) -> str:
    """Put a statement together; the parts are constants of this module."""
    return " ".join(parts)


def _numbers(database: Database) -> Iterator[int]:
    return database.read(number_of, "SELECT id FROM authorities ORDER BY id")


def _rows(database: Database, table: str) -> Iterator[Row]:
    columns, order = TABLES[table]
    return database.read(tuple, _statement("SELECT", columns, "FROM", table, "ORDER BY", order))


def _translated(
    source: Database, table: str, authorities: Mapping[int, int], machine: Machine
) -> Iterator[Row]:
    for row in _rows(source, table):
        if table == "certificates":
            authority, directory, recorded, *rest = row
            yield (authorities[authority], directory, machine(recorded, directory), *rest)
        elif table == "crls":
            yield (authorities[row[0]], *row[1:])
        else:
            yield row
