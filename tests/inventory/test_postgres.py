"""The inventory in PostgreSQL: the contract, and what several hosts add to it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from postgres_cluster import Cluster

from smtpcreds.errors import (
    ConfigError,
    DamagedFileError,
    DeniedError,
    ForeignFormatError,
    LockHeldError,
    MissingInputError,
    SmtpcredsError,
    StateVersionError,
    UnavailableError,
    UsageError,
    WriteError,
)
from smtpcreds.inventory import Event, Inventory, TableInventory, open_inventory, postgres
from smtpcreds.inventory.postgres_schema import in_postgres
from smtpcreds.inventory.schema import MIGRATIONS

from .contract import InventoryContract
from .facts import HUB, NOW, add_authority, intent, issue, serials, sign
from .processes import ENVIRONMENT

NEWEST = len(MIGRATIONS)


@pytest.fixture
def name(postgres: Cluster) -> str:
    return postgres.database()


@pytest.fixture
def url(postgres: Cluster, name: str) -> str:
    return postgres.url(name)


@pytest.fixture
def inventory(url: str) -> Iterator[TableInventory]:
    with open_inventory(url, machine="admin1:/state") as opened:
        yield opened


class TestPostgresInventory(InventoryContract):
    @pytest.fixture
    def inventory(self, url: str) -> Iterator[TableInventory]:
        with open_inventory(url) as opened:
            yield opened


def test_it_remembers_and_says_which_host_began(url: str, inventory: TableInventory) -> None:
    promised: Inventory = inventory  # mypy holds the two together
    ca = add_authority(promised)
    issue(promised, intent(ca, "01"))
    with open_inventory(url, machine="admin2:/state") as other:
        other.intend([intent(ca, "02")])
        sign(other, ca, "02")
        assert [(row.serial, row.machine) for row in other.pending()] == [("02", "admin2:/state")]
        other.place(ca, "01", "etc/mail/certs/elsewhere")
        assert {row.serial: row.machine for row in other.pending()} == dict.fromkeys(
            ("01", "02"), "admin2:/state"
        )
    with open_inventory(url, read_only=True) as reader:
        assert sorted(serials(reader.find(HUB))) == ["01", "02"]


def test_a_reader_sees_what_others_commit_and_nothing_else(url: str, inventory: TableInventory) -> None:
    ca = add_authority(inventory)
    with open_inventory(url, read_only=True) as reader:
        issue(inventory, intent(ca, "01"))
        with inventory.transaction():
            inventory.revoke(ca, "01", NOW, "superseded")
            assert list(reader.revoked(ca)) == []
        assert [row.serial for row in reader.revoked(ca)] == ["01"]
        with pytest.raises(WriteError, match="read-only"):
            reader.event(Event(NOW, "root", "cert issue", HUB))


def test_a_writer_waits_for_the_transaction_of_another(url: str, inventory: TableInventory) -> None:
    ca = add_authority(inventory)
    with open_inventory(url, timeout=0.1) as second:
        with inventory.transaction(), pytest.raises(LockHeldError, match="locked by another process"):
            second.intend([intent(ca, "01")])
        second.intend([intent(ca, "01")])
    released = threading.Event()

    def hold() -> None:
        with open_inventory(url) as third, third.transaction():
            third.intend([intent(ca, "02")])
            entered.set()
            released.wait()

    entered = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait()
    threading.Timer(0.1, released.set).start()
    inventory.intend([intent(ca, "03")])
    holder.join()
    assert serials(inventory.pending()) == ["01", "02", "03"]


def test_a_second_host_waits_and_learns_who_works(url: str, inventory: TableInventory) -> None:
    with open_inventory(url, timeout=0.1) as second:
        with inventory.alone():
            with pytest.raises(LockHeldError) as caught, second.alone():
                pass
            assert caught.value.reason.startswith("is held by smtpcreds process ")
            second.event(Event(NOW, "root", "look", HUB))  # not a matter of that lock
        with second.alone():
            pass


HOLDER = """
import sys
from smtpcreds.inventory import open_inventory
with open_inventory(sys.argv[1]) as inventory, inventory.alone():
    print('held', flush=True); sys.stdin.readline()
"""


def test_a_killed_host_lets_go(url: str, inventory: TableInventory) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with (
            open_inventory(url, timeout=0.1) as second,
            pytest.raises(LockHeldError, match=f"process {other.pid} on "),
            second.alone(),
        ):
            pass
        other.kill()
    with inventory.alone():
        pass


def test_a_host_that_lost_its_connection_can_write_no_more(
    postgres: Cluster, name: str, inventory: TableInventory
) -> None:
    ca = add_authority(inventory)
    with pytest.raises(UnavailableError), inventory.alone():
        postgres.run(
            name,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'smtpcreds%'"
            f" AND datname = '{name}'",
        )
        inventory.intend([intent(ca, "01")])


TAKER = """
import sys
from smtpcreds.inventory import open_inventory
for _ in range(10):
    with open_inventory(sys.argv[1]) as inventory: print(inventory.next_crl_number(1))
"""


def test_crl_numbers_are_given_once_among_hosts(url: str) -> None:
    with open_inventory(url) as inventory:
        add_authority(inventory)
    command = [sys.executable, "-c", TAKER, url]
    takers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) for _ in range(4)]
    numbers = [int(line) for taker in takers for line in taker.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 41))


MAKER = """
import sys
from smtpcreds.inventory import open_inventory
sys.stdin.readline()
with open_inventory(sys.argv[1]) as inventory: print(inventory.pending())
"""


def test_many_hosts_may_make_it_at_once(url: str) -> None:
    command = [sys.executable, "-c", MAKER, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    makers = [subprocess.Popen(command, env=ENVIRONMENT, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    assert [maker.communicate(b"go\n")[0] for maker in makers] == [b"[]\n"] * 4


@pytest.mark.parametrize("version", range(NEWEST))
def test_every_version_is_migrated(
    postgres: Cluster, name: str, url: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(postgres_module(), "MIGRATIONS", MIGRATIONS[:version])
        with open_inventory(url):
            pass
    if version:
        with pytest.raises(ConfigError, match="has to be migrated"), open_inventory(url, read_only=True):
            pass
    with open_inventory(url) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))
        inventory.verify_integrity()
    assert postgres.run(name, "SELECT number FROM smtpcreds.version") == [(NEWEST,)]


def postgres_module() -> object:
    return postgres


def test_a_migration_that_fails_changes_nothing(
    postgres: Cluster, name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_inventory(url):
        pass
    monkeypatch.setattr(
        postgres, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE accounts (id INTEGER)", "SELECT nonsense"))
    )
    with pytest.raises(DamagedFileError, match="nonsense"), open_inventory(url):
        pass
    assert postgres_tables(postgres, name) == {"authorities", "certificates", "crls", "events", "version"}
    assert postgres_version(postgres, name) == NEWEST
