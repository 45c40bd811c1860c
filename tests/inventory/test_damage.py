"""Damaged files: one clear line or a right answer, never a traceback of SQLite's."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smtpcreds.errors import (
    DamagedFileError,
    ForeignFormatError,
    SmtpcredsError,
    StateVersionError,
    WriteError,
)
from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import Event

from .facts import HUB, NOW, add_authority, intent, issue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "inventory.sqlite3"
    with open_inventory(path) as inventory:
        ca = add_authority(inventory)
        issue(inventory, *(intent(ca, f"{number:04x}") for number in range(60)))
        inventory.revoke(ca, "0001", NOW, "superseded")
        inventory.event(Event(NOW, "root", "cert issue", HUB))
    return path


def use(inventory: Inventory) -> None:
    inventory.authorities()
    inventory.find(HUB)
    inventory.find("0002")
    inventory.current(HUB, NOW)
    list(inventory.listing(latest=True))
    list(inventory.revoked(1))
    list(inventory.events())
    inventory.pending()
    inventory.revoke(1, "0003", NOW, "superseded")
    inventory.next_crl_number(1)
    inventory.verify_integrity()


@pytest.mark.parametrize(
    "junk", [b"xy", b"-----BEGIN CERTIFICATE-----\n", b"\0" * 4096, bytes(range(256)) * 32]
)
def test_a_file_of_another_kind_is_one_line_with_the_way_out(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    with pytest.raises(DamagedFileError, match="is damaged") as caught, open_inventory(path) as inventory:
        use(inventory)
    assert "\n" not in str(caught.value)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith(f"sqlite3 {path} .recover")
    assert path.read_bytes() == junk


def test_a_truncated_file_is_reported(path: Path) -> None:
    whole = path.read_bytes()
    for size in (50, 100, 4096, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedFileError), open_inventory(path) as inventory:
            use(inventory)


def test_flipped_bits_are_an_error_of_ours_or_a_right_answer(path: Path) -> None:
    whole = path.read_bytes()
    chance = random.Random(2)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 64))):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        outcomes.add(outcome(path, bytes(damaged)))
    assert {None, DamagedFileError} <= outcomes


def test_damage_in_the_header_is_an_error_of_ours(path: Path) -> None:
    whole = path.read_bytes()
    outcomes = {
        outcome(path, whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]) for at in range(16, 108)
    }
    # a write version over 2 makes a database read-only (sqlite.org/fileformat2.html section 1.3.3)
    assert outcomes <= {None, DamagedFileError, ForeignFormatError, StateVersionError, WriteError}


def outcome(path: Path, content: bytes) -> type[SmtpcredsError] | None:
    path.write_bytes(content)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    try:
        with open_inventory(path) as inventory:
            use(inventory)
    except SmtpcredsError as error:
        return verified(error)
    return None


def verified(error: SmtpcredsError) -> type[SmtpcredsError]:
    assert str(error).isprintable()
    return type(error)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE certificates",
        "ALTER TABLE authorities RENAME COLUMN ski TO sky",
        "PRAGMA ignore_check_constraints = ON; UPDATE certificates SET state = 'lost'",
        "UPDATE certificates SET not_after = 'tomorrow'",
        "UPDATE certificates SET not_after = 1000000000000000",
        "UPDATE certificates SET host = CAST(x'ff' AS TEXT)",
        "UPDATE certificates SET names = x'00'",
        "PRAGMA user_version = -1",
    ],
)
def test_what_no_program_of_ours_wrote_is_reported(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    with pytest.raises(DamagedFileError), open_inventory(path) as inventory:
        use(inventory)


def test_certificates_of_no_authority_are_reported(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA foreign_keys = OFF; DELETE FROM authorities")
    with (
        open_inventory(path) as inventory,
        pytest.raises(DamagedFileError, match="authority that is not there"),
    ):
        inventory.verify_integrity()
