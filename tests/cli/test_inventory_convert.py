"""``inventory convert``: from the file to PostgreSQL and back, judged by sqlite3 and psql."""

import os
import shlex
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from admin import Admin, snapshot
from manual_examples import page_lines
from postgres_cluster import Cluster
from readme_blocks import readme_words

from smtpcreds.inventory.copy import TABLES
from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.rows import Event

from .test_convert_postgres import ended, until, waiting
from .writing import SSH_KEY

Rows = list[tuple[object, ...]]
Ask = Callable[[str], Rows]
NAMES = "(SELECT fingerprint FROM authorities WHERE id = authority)"
"""Stands for the number of an authority, which each database gives anew."""
DIFFERS = {"machine"}
LAST = "SELECT subject, detail, hash FROM events ORDER BY id DESC LIMIT 1"


@pytest.fixture
def full(hub: Admin) -> Admin:
    """A hub with rows in every table, and a superseded authority."""
    hub("cert", "issue", "attic", "cellar")
    hub("cert", "issue", "tuba", "--to", str(hub.directory / "elsewhere"))
    hub("cert", "renew", "attic", "--new-key")
    hub("cert", "revoke", "cellar")
    hub("cert", "issue", "cellar", "--force")
    hub("ca", "rollover")
    hub("sasl", "rotate", "maildroid")
    hub.write("key.pub", SSH_KEY, 0o644)
    hub("bundle", "attic", "--authorize", str(hub.directory / "key.pub"))
    return hub


def name_inventory(hub: Admin, url: str) -> None:
    text = hub.path("/etc/smtpcreds/smtpcreds.toml").read_text()
    hub.configure("".join(line for line in text.splitlines(keepends=True) if "inventory" not in line))
    if url:
        hub.configure(f'inventory = "{url}"\n{hub.path("/etc/smtpcreds/smtpcreds.toml").read_text()}')


def asking(path: Path) -> Ask:
    def ask(statement: str) -> Rows:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    return ask


def served(postgres: Cluster, name: str) -> Ask:
    return lambda statement: postgres.run(name, "SET search_path = smtpcreds", statement)


def content(ask: Ask, columns: dict[str, list[str]]) -> dict[str, Rows]:
    """Return all rows by table, in their order, without row numbers and machines."""
    found = {}
    for table, names in columns.items():
        wanted = [NAMES if name == "authority" else name for name in names if name not in {"id", *DIFFERS}]
        order = {"crls": f"{NAMES}, number", "pulls": "host"}.get(table, "id")
        found[table] = ask(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY {order}")
    return found


def columns_of(ask: Ask) -> dict[str, list[str]]:
    tables = [str(row[0]) for row in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: [str(row[1]) for row in ask(f"PRAGMA table_info({table})")] for table in tables}


def without_last(found: dict[str, Rows]) -> dict[str, Rows]:
    """Return what was there before the conversion was recorded."""
    return {**found, "events": found["events"][:-1]}


def usual(hub: Admin) -> Path:
    return hub.state / "inventory.sqlite3"


def test_all_columns_are_copied(full: Admin) -> None:
    named = {table: {"id", *columns.split(", ")} for table, (columns, _) in TABLES.items()}
    there = {table: {"id", *columns} for table, columns in columns_of(asking(usual(full))).items()}
    assert named == there


def test_there_and_back(full: Admin, postgres: Cluster, name: str, url: str) -> None:
    named = "postgresql://smtpcreds@db.polkatistas.org/mail?sslrootcert=/etc/mail/certs/cacert.pem"
    accounts, inventory = readme_words("test_there_and_back", {named: url})
    meant = {"postgresql:///mail": url, "/root/": f"{full.directory}/", " /var/lib": f" {full.root}/var/lib"}
    there, aside, back = page_lines("smtpcreds-inventory.1", meant)
    assert shlex.split(there)[1:] == inventory
    full(*accounts)
    file = asking(usual(full))
    columns = columns_of(file)
    before, said = content(file, columns), full("cert", "list", "--all")
    head = full.json("inventory", "check")["head"]
    assert all(before.values())
    hash_before = file(LAST)[0][2]

    report = full(*inventory, "--json").data
    assert content(file, columns) == before
    database = served(postgres, name)
    assert without_last(content(database, columns)) == before
    ends = {"hash": database(LAST)[0][2], "events": head["events"] + 1}
    figures = {"certificates": len(before["certificates"]), "events": head["events"], "compared": True}
    assert report == {
        "source": str(usual(full)), "target": url, **figures, "head": ends, "warnings": [],
    }  # fmt: skip
    place = "var/lib/smtpcreds/inventory.sqlite3"
    detail = f"{head['events']} events of {place}, head {hash_before}"
    assert database(LAST)[0][:2] == (url, detail)

    subprocess.run(shlex.split(aside), check=True)
    name_inventory(full, url)
    full("inventory", "check", "--head", head["hash"])
    assert full("cert", "list", "--all") == said
    full("cert", "renew", "tuba")
    full("sasl", "rotate", "maildroid", "--retire")
    after = content(database, columns)

    told = full(*shlex.split(back)[1:])
    assert f"take inventory = out of {full.path('/etc/smtpcreds/smtpcreds.toml')}" in told
    assert f"{usual(full)}  0600 " in told
    assert without_last(content(asking(usual(full)), columns)) == after
    name_inventory(full, "")
    full("inventory", "check", "--head", head["hash"])
    assert {row[0] for row in file("SELECT machine FROM certificates")} == {""}
    full("cert", "issue", "mx")


def test_a_crl_still_gets_to_every_directory_of_this_host(
    full: Admin, postgres: Cluster, name: str, url: str
) -> None:
    elsewhere = full.directory / "elsewhere/crl.pem"
    full("inventory", "convert", url)
    name_inventory(full, url)
    elsewhere.unlink()
    full("ca", "crl", "--force")
    assert elsewhere.read_bytes() == full.crl.read_bytes()
    rows = served(postgres, name)("SELECT machine, directory FROM certificates")
    own, shared = f"{os.uname().nodename}:{full.state}", "var/lib/smtpcreds/hosts/"
    assert {(machine, str(place).startswith(shared)) for machine, place in rows} == {(own, False), ("", True)}


def test_what_mta_apply_was_told_and_wrote_is_known_after_it(full: Admin, url: str) -> None:
    """Else the next one would take back what was told, and refuse the files as those of somebody else."""
    told = "as applied with: --plaintext --relay-host attic"
    full("mta", "apply", "sendmail-hub", "--external")
    full("mta", "apply", "sendmail-hub", "--defaults", "--plaintext", "--relay-host", "attic")
    for place in (url, usual(full)):
        if place != url:
            usual(full).rename(full.directory / "old.sqlite3")
        full("inventory", "convert", place)
        name_inventory(full, place if place == url else "")
        assert told in full("mta", "list")
        ran = full("mta", "apply", "sendmail-hub")
        assert told in ran
        assert "(unchanged)" in ran
        assert "MTA009" not in full.run("audit")
    full("mta", "apply", "sendmail-hub", "--defaults")


def test_numbers_go_on_after_it(full: Admin, url: str) -> None:
    text = ("crl", "-in", full.crl, "-noout", "-crlnumber")
    before = int(full.openssl(*text).partition("=")[2], 16)
    full("inventory", "convert", url)
    name_inventory(full, url)
    full("ca", "crl", "--force")
    assert int(full.openssl(*text).partition("=")[2], 16) == before + 1


def test_what_is_in_the_database_stays(full: Admin, postgres: Cluster, name: str, url: str) -> None:
    with open_inventory(url) as other:
        other.event(Event(datetime.now(UTC), "root", "ca init", "Another CA"))
    refused = full.refuses(73, "inventory", "convert", url)
    assert "holds events already, and was not changed\n  hint: name another one" in refused
    assert len(served(postgres, name)("SELECT * FROM events")) == 1
    assert served(postgres, name)("SELECT * FROM certificates") == []


FAULTS = {
    "refused": "ALTER TABLE pulls ADD CHECK (host = '')",
    "altered": "CREATE TRIGGER change BEFORE INSERT ON pulls FOR EACH ROW EXECUTE FUNCTION change()",
}
ALTERING = """
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN NEW.login = upper(NEW.login); RETURN NEW; END $$
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_all_of_it_or_nothing(full: Admin, postgres: Cluster, name: str, url: str, fault: str) -> None:
    with open_inventory(url):
        pass
    postgres.run(name, "SET search_path = smtpcreds", ALTERING, FAULTS[fault])
    said = {"refused": "violates check constraint", "altered": "pulls read back otherwise"}
    assert said[fault] in full.refuses(65, "inventory", "convert", url)
    for table in TABLES:
        assert served(postgres, name)(f"SELECT * FROM {table}") == []


def test_killed_before_its_end_it_has_done_nothing(
    full: Admin, postgres: Cluster, name: str, url: str
) -> None:
    with open_inventory(url):
        pass
    with psycopg.connect(postgres.url(name, "super")) as other:
        other.execute("LOCK TABLE smtpcreds.pulls IN SHARE ROW EXCLUSIVE MODE")
        process = started(full, url)
        until(lambda: waiting(postgres, name) == 1)
        process.kill()
        process.communicate()
    for table in TABLES:
        assert served(postgres, name)(f"SELECT * FROM {table}") == []
    full("inventory", "convert", url)
    assert len(served(postgres, name)("SELECT * FROM pulls")) == 1


def test_of_two_at_once_the_second_finds_it_full(full: Admin, postgres: Cluster, name: str, url: str) -> None:
    other = full.copy(full.directory / "other")
    with open_inventory(url) as holder, holder.alone():
        pair = [started(each, url) for each in (full, other)]
        until(lambda: waiting(postgres, name) == 2)
    first, second = sorted((ended(process) for process in pair), key=lambda ran: ran.status)
    assert (first.status, second.status) == (0, 73)
    assert "holds authorities already" in second.err


def started(hub: Admin, url: str) -> "subprocess.Popen[bytes]":
    command = hub.command("inventory", "convert", url)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_dry_run_makes_nothing(full: Admin, postgres: Cluster, name: str, url: str) -> None:
    before = snapshot(full.root)
    said = full("inventory", "convert", url, "-n")
    assert f"would record in {url}  (authorities: 2 added; certificates: " in said
    assert postgres.run(name, "SELECT to_regnamespace('smtpcreds')") == [(None,)]
    full("inventory", "convert", full.directory / "new.sqlite3", "-n")
    assert snapshot(full.root) == before
    assert not (full.directory / "new.sqlite3").exists()


def test_a_broken_chain_is_copied_only_by_force(full: Admin, url: str) -> None:
    with closing(sqlite3.connect(usual(full))) as database:
        database.executescript("DROP TRIGGER events_unchanged; UPDATE events SET who = 'joe' WHERE id = 2")
    refused = full.refuses(65, "inventory", "convert", url)
    assert "its chain of events is broken at event 2; nothing was written\n  hint: compare" in refused
    full("inventory", "convert", url, "--force")
    name_inventory(full, url)
    assert "event 2: (" in full("inventory", "check", status=1)


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        ("{state}/inventory.sqlite3", 64, "is the inventory itself"),
        ("{state}/../smtpcreds/inventory.sqlite3", 64, "is the inventory itself"),
        ("{state}/lock", 73, "exists and was not changed"),
        ("{state}/missing/inventory.sqlite3", 66, ""),
        ("postgresql://u:pw5ecret@db/mail", 64, "carries a password"),
    ],
)
def test_what_can_t_be_meant(hub: Admin, target: str, status: int, reason: str) -> None:
    refused = hub.refuses(status, "inventory", "convert", target.format(state=hub.state))
    assert reason in refused
    assert "pw5ecret" not in refused


def test_without_an_inventory_there_is_nothing_to_convert(smtpcreds: Admin, url: str) -> None:
    assert "there is no inventory yet\n  hint: smtpcreds ca init" in smtpcreds.refuses(
        66, "inventory", "convert", url
    )
