"""The inventory in PostgreSQL: the contract, and what several hosts add to it."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator

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
    StateVersionError,
    UnavailableError,
    WriteError,
)
from smtpcreds.inventory import postgres as module
from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import Event
from smtpcreds.inventory.schema import MIGRATIONS

from .contract import InventoryContract
from .facts import HUB, NOW, add_authority, intent, issue, serials, sign
from .processes import ENVIRONMENT

NEWEST = len(MIGRATIONS)


@pytest.fixture
def inventory(url: str) -> Iterator[Inventory]:
    with open_inventory(url, machine="admin1:/state") as opened:
        yield opened


class TestPostgresInventory(InventoryContract):
    @pytest.fixture
    def inventory(self, url: str) -> Iterator[Inventory]:
        with open_inventory(url) as opened:
            yield opened


def test_it_remembers_and_says_which_host_began(url: str, inventory: Inventory) -> None:
    ca = add_authority(inventory)
    issue(inventory, intent(ca, "01"))
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


def test_a_reader_sees_what_others_commit_and_nothing_else(url: str, inventory: Inventory) -> None:
    ca = add_authority(inventory)
    with open_inventory(url, read_only=True) as reader:
        issue(inventory, intent(ca, "01"))
        with inventory.transaction():
            inventory.revoke(ca, "01", NOW, "superseded")
            assert list(reader.revoked(ca)) == []
        assert [row.serial for row in reader.revoked(ca)] == ["01"]
        with pytest.raises(WriteError, match="read-only"):
            reader.event(Event(NOW, "root", "cert issue", HUB))


def test_a_writer_waits_for_the_transaction_of_another(url: str, inventory: Inventory) -> None:
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


def test_a_second_host_waits_and_learns_who_works(url: str, inventory: Inventory) -> None:
    with open_inventory(url, timeout=0.1) as second:
        with inventory.alone():
            with pytest.raises(LockHeldError) as caught, second.alone():
                pass
            assert re.fullmatch(
                r"is held by role admin, process \d+ of the server, as 'smtpcreds process \d+ on \S+'",
                caught.value.reason,
            )
            second.event(Event(NOW, "root", "look", HUB))  # not a matter of that lock
        with second.alone():
            pass


HOLDER = """
import sys
from smtpcreds.inventory.inventory import open_inventory
with open_inventory(sys.argv[1]) as inventory, inventory.alone():
    print('held', flush=True); sys.stdin.readline()
"""


def test_a_killed_host_lets_go(url: str, inventory: Inventory) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as other:
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
    postgres: Cluster, name: str, inventory: Inventory
) -> None:
    ca = add_authority(inventory)
    with inventory.alone():
        sessions = f"pg_stat_activity WHERE application_name LIKE 'smtpcreds%' AND datname = '{name}'"
        assert postgres.run(name, f"SELECT pg_terminate_backend(pid) FROM {sessions}") == [(True,)]
        with pytest.raises(UnavailableError):
            inventory.intend([intent(ca, "01")])
    assert postgres.run(name, "SELECT count(*) FROM smtpcreds.certificates") == [(0,)]


TAKER = """
import sys
from smtpcreds.inventory.inventory import open_inventory
for _ in range(10):
    with open_inventory(sys.argv[1], timeout=600) as inventory: print(inventory.next_crl_number(1))
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
from smtpcreds.inventory.inventory import open_inventory
sys.stdin.readline()
with open_inventory(sys.argv[1], timeout=600) as inventory: print(inventory.pending())
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
        patch.setattr(module, "MIGRATIONS", MIGRATIONS[:version])
        with open_inventory(url):
            pass
    if version:
        with pytest.raises(ConfigError, match="has to be migrated"), open_inventory(url, read_only=True):
            pass
    with open_inventory(url) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))
        inventory.verify_integrity()
    assert postgres.run(name, "SELECT number FROM smtpcreds.version") == [(NEWEST,)]


def test_a_migration_that_fails_changes_nothing(
    postgres: Cluster, name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_inventory(url):
        pass
    monkeypatch.setattr(
        module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE accounts (id INTEGER)", "SELECT nonsense"))
    )
    with pytest.raises(DamagedFileError, match="nonsense"), open_inventory(url):
        pass
    tables = postgres.run(
        name, "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname = 'accounts'"
    )
    assert (tables, version_of(postgres, name)) == ([], NEWEST)


def version_of(postgres: Cluster, name: str) -> object:
    return postgres.run(name, "SELECT number FROM smtpcreds.version")[0][0]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_version_is_refused_and_left_as_it_is(
    postgres: Cluster, name: str, url: str, read_only: bool
) -> None:
    with open_inventory(url):
        pass
    postgres.run(name, "UPDATE smtpcreds.version SET number = 99")
    reason = f"is of version 99; this smtpcreds reads up to version {NEWEST}"
    with pytest.raises(StateVersionError, match=reason), open_inventory(url, read_only=read_only):
        pass
    assert version_of(postgres, name) == 99


def test_what_can_t_be_an_inventory_is_refused(postgres: Cluster, name: str, url: str) -> None:
    with pytest.raises(MissingInputError, match="is empty"), open_inventory(url, read_only=True):
        pass
    postgres.run(
        name, "CREATE SCHEMA smtpcreds AUTHORIZATION admin", "CREATE TABLE smtpcreds.events (id int)"
    )
    with pytest.raises(ForeignFormatError, match="some other program"), open_inventory(url):
        pass
    latin = postgres.url(postgres.database("ENCODING LATIN1 TEMPLATE template0"))
    with pytest.raises(ForeignFormatError, match="is encoded in LATIN1"), open_inventory(latin):
        pass
    assert postgres.run(name, "SELECT count(*) FROM smtpcreds.events") == [(0,)]


def test_rights_are_those_of_the_role(postgres: Cluster, name: str, url: str) -> None:
    stranger = postgres.url(name, postgres.role())
    with pytest.raises(DeniedError, match="permission denied") as caught, open_inventory(stranger):
        pass
    assert "\n" not in f"{caught.value} {caught.value.hint}"
    with open_inventory(url) as inventory:
        ca = add_authority(inventory)
    with pytest.raises(DeniedError), open_inventory(stranger, read_only=True):
        pass
    role = stranger.partition("://")[2].partition("@")[0]
    postgres.run(name, f"GRANT USAGE ON SCHEMA smtpcreds TO {role}")
    postgres.run(name, f"GRANT SELECT ON ALL TABLES IN SCHEMA smtpcreds TO {role}")
    with open_inventory(stranger, read_only=True) as reader:
        assert [row.id for row in reader.authorities()] == [ca]


@pytest.mark.parametrize("query", ["user=nobody_of_this_name", "port=1"])
def test_a_server_that_does_not_answer_is_one_line(url: str, query: str) -> None:
    with pytest.raises(UnavailableError) as caught, open_inventory(f"{url}&{query}"):
        pass
    assert "\n" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.exit_status == 69


def test_a_damaged_row_is_found(postgres: Cluster, name: str, inventory: Inventory) -> None:
    issue(inventory, intent(add_authority(inventory), "01"))
    inventory.verify_integrity()
    postgres.run(name, "UPDATE smtpcreds.certificates SET der = 'other'")
    with pytest.raises(DamagedFileError, match="certificate 01 is not the one of its fingerprint"):
        inventory.verify_integrity()


def test_events_can_not_be_rewritten(postgres: Cluster, name: str, inventory: Inventory) -> None:
    inventory.event(Event(NOW, "root", "cert issue", HUB))
    for statement in ("UPDATE events SET who = 'nobody'", "DELETE FROM events", "TRUNCATE events"):
        with pytest.raises(psycopg.Error, match="append only"):
            postgres.run(name, "SET search_path = smtpcreds", statement)
    assert len(list(inventory.events())) == 1


def test_commits_are_durable_whatever_the_role_prefers(postgres: Cluster, name: str) -> None:
    role = postgres.role()
    postgres.run(name, f"ALTER ROLE {role} SET synchronous_commit = off")
    postgres.run(name, f"ALTER ROLE {role} SET default_transaction_isolation = 'serializable'")
    postgres.run(name, f"GRANT CREATE ON DATABASE {name} TO {role}")
    with open_inventory(postgres.url(name, role)) as inventory:
        shown = [
            inventory._database.first(str, f"SHOW {setting}")
            for setting in ("synchronous_commit", "transaction_isolation", "tcp_keepalives_idle")
        ]
    assert shown[:2] == ["('on',)", "('read committed',)"]


def test_a_missing_psycopg_says_how_to_get_it(url: str) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from smtpcreds.inventory.inventory import open_inventory\n"
        "try:\n with open_inventory(sys.argv[1]): pass\n"
        "except Exception as error: print(type(error).__name__, error.hint)"
    )
    told = subprocess.check_output([sys.executable, "-c", code, url], env=ENVIRONMENT, text=True)
    assert told.startswith(f"UnavailableError {sys.executable} -m pip install psycopg; ")


def test_importing_is_cheap() -> None:
    code = "import sys, smtpcreds.inventory, smtpcreds.config; print('psycopg' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], env=ENVIRONMENT, text=True) == "False\n"
