"""The SQLite inventory: the contract, and what the file adds to it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcreds.errors import InexpressibleError, LockHeldError
from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import serial_text

from .contract import InventoryContract
from .facts import HUB, NOW, add_authority, intent, issue, serials


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "inventory.sqlite3"


@pytest.fixture
def inventory(path: Path) -> Iterator[Inventory]:
    with open_inventory(path) as opened:
        yield opened


class TestTableInventory(InventoryContract):
    pass


def test_it_remembers(path: Path) -> None:
    with open_inventory(path) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))
    with open_inventory(path) as inventory:
        assert serials(inventory.find(HUB)) == ["01"]


def test_a_reader_sees_what_others_commit(path: Path) -> None:
    with open_inventory(path) as writer, open_inventory(path, read_only=True) as reader:
        ca = add_authority(writer)
        issue(writer, intent(ca, "01"))
        assert serials(reader.listing()) == ["01"]
        with writer.transaction():
            writer.revoke(ca, "01", NOW, "superseded")
            assert list(reader.revoked(ca)) == []


OTHER = """
import sys
from smtpcreds.inventory.inventory import open_inventory
with open_inventory(sys.argv[1]) as inventory:
    print(inventory.next_crl_number(1))
"""


def test_a_second_handle_in_the_process_keeps_the_locks_of_the_first(path: Path) -> None:
    """POSIX locks go with any descriptor of the file that is closed.

    Another process would then take itself for the last one, and remove the log that the first still writes.
    """
    with open_inventory(path) as first:
        add_authority(first)
        with open_inventory(path) as second:
            second.pending()
        for number in (1, 3, 5):
            assert subprocess.check_output([sys.executable, "-c", OTHER, str(path)]) == b"%d\n" % number
            assert Path(f"{path}-wal").exists()
            assert first.next_crl_number(1) == number + 1
    with open_inventory(path, read_only=True) as reader:
        reader.verify_integrity()


def test_a_lock_is_waited_for_and_then_reported(path: Path) -> None:
    with open_inventory(path) as first, open_inventory(path, timeout=0.05) as second:
        ca = add_authority(first)
        with first.transaction(), pytest.raises(LockHeldError, match="locked by another process") as caught:
            second.intend([intent(ca, "01")])
        assert caught.value.hint == f"try again later; to see who holds it: fuser -v {path}"
        second.intend([intent(ca, "01")])


def test_a_lock_that_is_let_go_is_no_error(path: Path) -> None:
    with open_inventory(path) as first:
        ca = add_authority(first)
        entered = threading.Event()
        release = threading.Event()

        def hold() -> None:
            with open_inventory(path) as other, other.transaction():
                entered.set()
                release.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        entered.wait()
        threading.Timer(0.1, release.set).start()
        first.intend([intent(ca, "01")])
        holder.join()


def test_crl_numbers_are_given_once_among_processes(path: Path) -> None:
    with open_inventory(path) as inventory:
        ca = add_authority(inventory)
    taker = "from smtpcreds.inventory.inventory import open_inventory; import sys\n"
    taker += "with open_inventory(sys.argv[1], timeout=600) as i:\n"
    taker += " for _ in range(25): print(i.next_crl_number(int(sys.argv[2])))"
    takers = [
        subprocess.Popen([sys.executable, "-c", taker, str(path), str(ca)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    numbers = [int(line) for one in takers for line in one.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 101))


def test_commits_are_durable(inventory: Inventory) -> None:
    connection = inventory._database._connection
    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    full = 2
    assert settings == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("name", ["with space", "100%", "what?", "a#b", "é☃", "it's", "%41"])
def test_every_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / name
    with open_inventory(path) as inventory:
        add_authority(inventory)
        assert path.stat().st_size > 0
        assert sorted(os.listdir(path.parent)) == sorted([name, f"{name}-shm", f"{name}-wal"])
    with open_inventory(path, read_only=True) as inventory:
        assert len(inventory.authorities()) == 1


def test_a_path_outside_unicode_is_taken_literally(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff/inventory")
    with open_inventory(path) as inventory:
        add_authority(inventory)
    assert os.listdir(os.path.dirname(path)) == ["inventory"]


def test_a_relative_path_is_of_the_directory_at_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_inventory("inventory.sqlite3") as inventory:
        monkeypatch.chdir("/")
        add_authority(inventory)
    assert (tmp_path / "inventory.sqlite3").stat().st_size > 0


def test_importing_is_cheap() -> None:
    code = "import sys, smtpcreds.inventory; print({'sqlite3', 'json', 'idna'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "00"), (1, "01"), (0xABC, "0abc"), (0xFFFF, "ffff"), (2**158, "40" + "00" * 19)]
)
def test_serial_text(number: int, text: str) -> None:
    assert serial_text(number) == text


def test_a_negative_serial_number_is_refused() -> None:
    with pytest.raises(InexpressibleError, match="-1"):
        serial_text(-1)
