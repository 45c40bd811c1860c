"""Two admin hosts, two roots with a copy of one authority, and one inventory in PostgreSQL."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, STATE, Admin, snapshot
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from postgres_cluster import Cluster

from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.rows import Event, Intent, State, serial_text

from .writing import SSH_KEY

HOSTS = 3


@pytest.fixture
def admins(tmp_path: Path, url: str) -> tuple[Admin, Admin]:
    """The first makes the authority; the second gets a copy of it."""
    first, second = (configured(tmp_path / which, url) for which in ("admin1", "admin2"))
    first("ca", "init", "--no-passphrase", "--permit", DOMAIN)
    second.state.mkdir(parents=True, mode=0o700)
    shutil.copytree(first.state / "ca", second.state / "ca")
    return first, second


def configured(root: Path, url: str) -> Admin:
    (root / "etc/smtpcreds").mkdir(parents=True)
    text = f'domain = "{DOMAIN}"\nhub = "{HUB}"\ninventory = "{url}"\n[sasl]\ndatabase = "{url}"\n'
    (root / "etc/smtpcreds/smtpcreds.toml").write_text(text)
    return Admin(root)


def listed(stage: Admin) -> dict[str, str]:
    return {row["host"]: row["serial"] for row in stage.json("cert", "list")["certificates"]}


def crl_number(stage: Admin) -> int:
    return int(stage.openssl("crl", "-in", stage.crl, "-noout", "-crlnumber").partition("=")[2], 16)


def test_no_file_of_an_inventory_is_made(admins: tuple[Admin, Admin]) -> None:
    for admin in admins:
        admin("cert", "issue", f"a{admin.root.name}")
        assert not list(admin.state.glob("inventory*"))
    assert listed(admins[0]) == listed(admins[1])
    assert len(listed(admins[0])) == 2


def test_a_file_can_be_looked_at_before_there_is_an_inventory(tmp_path: Path, url: str) -> None:
    fresh, path = configured(tmp_path / "admin", url), tmp_path / "other.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null")
    fresh.openssl("req", "-x509", *key, "-subj", "/CN=elsewhere.example", "-out", path)
    assert "elsewhere.example" in fresh("cert", "show", path)
    assert "the inventory is empty" in fresh("cert", "list", status=66)


def test_both_issue_at_once(postgres: Cluster, name: str, admins: tuple[Admin, Admin]) -> None:
    running = [
        subprocess.Popen(
            admin.command("cert", "issue", f"h{number}.{admin.root.name}.{DOMAIN}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(HOSTS)
        for admin in admins
    ]
    for process in running:
        told = process.communicate()[0]
        assert process.returncode == 0, told
    found = listed(admins[0])
    assert len(found) == len(set(found.values())) == 2 * HOSTS
    for admin in admins:
        issued = sorted(admin.certs.glob("*-cert.pem"))
        assert len(issued) == HOSTS
        admin.verify(*issued)
    states = postgres.run(name, "SELECT DISTINCT state FROM smtpcreds.certificates")
    assert states == [("issued",)]


def test_crl_numbers_never_repeat(postgres: Cluster, name: str, admins: tuple[Admin, Admin]) -> None:
    seen = []
    for turn in range(4):
        admin = admins[turn % 2]
        admin("ca", "crl")
        seen.append(crl_number(admin))
    assert seen == sorted(set(seen))
    rows = postgres.run(name, "SELECT number FROM smtpcreds.crls ORDER BY number")
    assert [row[0] for row in rows][-4:] == seen


def test_a_revocation_by_one_is_in_the_next_crl_of_the_other(admins: tuple[Admin, Admin]) -> None:
    first, second = admins
    first("cert", "issue", "dmzmail")
    second("cert", "issue", "attic")
    serial = first.serial()
    second("cert", "revoke", serial, "--reason", "keyCompromise")
    first("cert", "issue", "cellar")
    assert serial.lstrip("0") in first.openssl("crl", "-in", first.crl, "-noout", "-text").lower()
    assert "revoked" in first.verify(first.certs / "dmzmail-cert.pem", status=2)


HOLDER = """
import sys
from smtpcreds.inventory.inventory import open_inventory
with open_inventory(sys.argv[1]) as inventory, inventory.alone():
    print('held', flush=True); sys.stdin.readline()
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name LIKE %s"


def test_one_host_waits_while_another_works(
    postgres: Cluster, name: str, url: str, admins: tuple[Admin, Admin]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with subprocess.Popen(
            admins[1].command("cert", "issue", "attic"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as waiting:
            is_waiting = WAITING.replace("%s", f"'smtpcreds process {waiting.pid} on %'")
            while postgres.run(name, is_waiting) != [(1,)]:
                assert waiting.poll() is None, waiting.communicate()
            assert not admins[1].certs.exists()
            holder.communicate(b"go\n")
            assert waiting.wait() == 0
    assert admins[1].is_pair("attic")


def test_what_a_killed_host_began_is_left_to_it(url: str, admins: tuple[Admin, Admin]) -> None:
    first, second = admins
    first("cert", "issue", "cellar")
    assert first.killed("renameat:signal=KILL:when=2", "cert", "issue", "dmzmail")
    assert (first.certs / "dmzmail-key.pem").exists()
    with open_inventory(url, read_only=True) as inventory:
        (row,) = inventory.pending()
    assert row.machine.endswith(f":{first.state}")
    told = second("cert", "issue", "attic")
    assert f"{HUB}: an interrupted run on {row.machine} began certificate {row.serial}" in told
    with open_inventory(url, read_only=True) as inventory:
        assert inventory.pending() == [row]
    assert "it is in place now" in first("cert", "issue", "kitchen")
    first.verify(first.certs / "dmzmail-cert.pem")
    with open_inventory(url, read_only=True) as inventory:
        assert inventory.pending() == []


def test_what_was_never_signed_is_given_up_by_anybody(url: str, admins: tuple[Admin, Admin]) -> None:
    now = datetime.now(UTC)
    with open_inventory(url, machine="gone:/state") as inventory:
        authority = inventory.authorities()[0].id
        lost = Intent(
            authority, "0abc", HUB, "relay", (HUB,), now, now + timedelta(1), now, "etc/mail/certs/x"
        )
        inventory.intend([lost])
    assert "ended before it was signed" in admins[1]("cert", "issue", "attic")
    with open_inventory(url, read_only=True) as inventory:
        assert [row.state for row in inventory.find("0abc")] == [State.DISCARDED]


def test_each_host_renews_its_own(admins: tuple[Admin, Admin]) -> None:
    first, second = admins
    first("cert", "issue", "dmzmail", "--days", "30")
    second("cert", "issue", "attic", "--days", "30")
    later = second.at("+25 days")
    told = later("cert", "renew", "--due")
    assert re.search(rf"{HUB}: to be renewed on \S+:{first.state}\n", told)
    assert not (second.certs / "dmzmail-cert.pem").exists()
    assert f"is installed on {os.uname().nodename}:{first.state}" in later(
        "cert", "renew", "dmzmail", status=65
    )
    assert "dmzmail" in first.at("+25 days")("cert", "renew", "dmzmail")


def test_the_inventory_s_server_is_away(admins: tuple[Admin, Admin]) -> None:
    first, _ = admins
    path = first.root / "etc/smtpcreds/smtpcreds.toml"
    path.write_text(path.read_text().replace("?host=/dev/shm/", "?host=/nowhere/"))
    for words in (("cert", "issue", "attic"), ("cert", "list"), ("sasl", "list")):
        done = first.run(*words)
        assert done.status == 69, done.err
        assert done.err.count("\n") == 2
    assert not first.certs.exists()


# What who runs the server can put into it.

WRITING = (
    ("ca", "crl"),
    ("cert", "renew", "dmzmail", "--new-key"),
    ("cert", "renew", "--due"),
    ("audit", "--fix"),
    ("ca", "rollover"),
    ("cert", "renew", "--old-authority"),
    ("cert", "retire", "dmzmail"),
)


@pytest.mark.parametrize(
    ("stem", "state", "commands"),
    [
        ("etc/cron.d/dmzmail", "issued", WRITING),
        ("etc/mail/certs/../../cron.d/dmzmail", "pending", WRITING[:1]),
        ("var/lib/smtpcreds/ca/ca", "issued", WRITING[:2]),
    ],
)
def test_a_server_names_no_directory_of_root(
    postgres: Cluster,
    name: str,
    admins: tuple[Admin, Admin],
    stem: str,
    state: str,
    commands: tuple[tuple[str, ...], ...],
) -> None:
    first, _ = admins
    first("cert", "issue", "dmzmail")
    first.write("/etc/cron.d/job", "daily", 0o644)
    first.path("/etc/cron.d").chmod(0o755)
    before, key = snapshot(first.path("/etc/cron.d")), (first.state / "ca/ca-key.pem").read_bytes()
    postgres.run(name, f"UPDATE smtpcreds.certificates SET state = '{state}', directory = '{stem}'")
    for words in commands:
        first.run(*words)
        assert snapshot(first.path("/etc/cron.d")) == before, words
    assert key in {path.read_bytes() for path in (first.state / "ca").rglob("ca-key.pem")}


def test_what_the_server_alone_says_is_told(
    postgres: Cluster, name: str, admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    """An administrator's word is the way out: the bundle that it puts there is this host's own record."""
    first, _ = admins
    place = tmp_path / "place"
    first("cert", "issue", "dmzmail", "--to", place)
    first("ca", "crl")
    number = first.openssl("crl", "-in", place / "crl.pem", "-noout", "-crlnumber")
    assert "dmzmail" in first("cert", "renew", "dmzmail")
    (place / "cacert.pem").unlink()
    said = first.refuses(77, "cert", "renew", "dmzmail")
    assert f"{place}: the inventory's server has the pair of {HUB} there, and this host does not" in said
    assert f"{place}: the inventory's server" in first("ca", "crl").err
    (found,) = first.json("inventory", "check", status=1)["findings"]
    assert found["subject"] == str(place)
    words = shlex.split(found["cure"])
    assert words[0] == "smtpcreds"
    first(*words[1:])
    first("cert", "renew", "dmzmail")
    assert first.openssl("crl", "-in", place / "crl.pem", "-noout", "-crlnumber") > number
    assert "agree" in first("inventory", "check")
    (place / "cacert.pem").unlink()
    assert f"{place}: the inventory's server" in first.at("+300 days")("cert", "renew", "--due").err


def test_what_the_server_alone_says_is_not_taken_into_a_file(
    postgres: Cluster, name: str, admins: tuple[Admin, Admin]
) -> None:
    first, _ = admins
    first("cert", "issue", "dmzmail")
    first.path("/etc/cron.d").mkdir()
    place = first.directory / "inventory"
    postgres.run(name, "UPDATE smtpcreds.certificates SET directory = 'etc/cron.d/dmzmail', machine = 'x'")
    assert f"{first.path('/etc/cron.d')}: the inventory's" in first.refuses(77, "inventory", "convert", place)
    first("inventory", "convert", place, "--force")


def test_a_server_has_no_name_signed(postgres: Cluster, name: str, admins: tuple[Admin, Admin]) -> None:
    first, _ = admins
    first("cert", "issue", "dmzmail")
    for what in (f"names = '{HUB}' || chr(10) || 'bank.{DOMAIN}'", f"names = '{HUB}', profile = 'server'"):
        postgres.run(name, f"UPDATE smtpcreds.certificates SET {what}")
        before = snapshot(first.certs)
        said = first("cert", "renew", "dmzmail", status=65).problem
        assert f"{HUB}: is not in the inventory as its certificate has it" in said
        assert snapshot(first.certs) == before
    assert "bank" not in first("cert", "renew", "dmzmail", "--new-key", status=65).out


def test_a_server_has_no_account_replaced_elsewhere(
    postgres: Cluster, name: str, url: str, admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    first, _ = admins
    other = tmp_path / "sasldb2"
    for account in ("joe", "jim"):
        first.sasl("add", account, "--password", first.secret("secret"), "--database", other)
    info = tmp_path / "info"
    first.sasl("auth-info", "joe", "--database", other, "--to", info)
    before = other.read_bytes(), info.read_bytes()
    insert = (
        "INSERT INTO smtpcreds.rotations (authcid, successor, realm, sasldb, clients, started, retire_after, "
        f"places, state) VALUES ('{{}}', '{{}}', '{HUB}', '{{}}', '', 0, 1, '{info}', '{{}}')"
    )
    for old, new, place, state in (
        ("joe", "jim", other, "retiring"),
        ("jim", "joe", other, "abandoning"),
        ("joe", "jim", other, "open"),
        ("x", "joe", url, "begun"),
    ):
        postgres.run(name, "DELETE FROM smtpcreds.rotations", insert.format(old, new, place, state))
        first.run("sasl", "rotate", "--due")
        assert (other.read_bytes(), info.read_bytes()) == before, state


def test_a_server_has_no_authority_trusted(
    postgres: Cluster, name: str, admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    """An answer of another authority that a killed run was installing is completed by what this host has."""
    first, _ = admins
    first("cert", "issue", "dmzmail")
    other = Admin(tmp_path / "other/root")
    other.configure()
    other("ca", "init", "--no-passphrase", "--organization", "Evil")
    asked = tmp_path / "asked.csr"
    first("cert", "request", "dmzmail")
    asked.write_bytes((first.certs / "dmzmail.csr").read_bytes())
    other("cert", "sign", asked, "--san", HUB, "--to", tmp_path / "evil.pem")
    leaf, evil = (
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in (tmp_path / "evil.pem", other.state / "ca/ca-cert.pem")
    )
    der, of_ca = (one.public_bytes(Encoding.DER) for one in (leaf, evil))
    postgres.run(
        name,
        "INSERT INTO smtpcreds.authorities (name, ski, fingerprint, state, created, crl_number, der) "
        f"VALUES ('x', 'aa', '{sha256(of_ca).hexdigest()}', 'foreign', 0, 0, decode('{of_ca.hex()}', 'hex'))",
        "INSERT INTO smtpcreds.certificates (authority, serial, host, profile, names, not_before, not_after, "
        "created, directory, machine, state, fingerprint, key_id, der) "
        f"SELECT (SELECT max(id) FROM smtpcreds.authorities), '{serial_text(leaf.serial_number)}', host, "
        "profile, names, not_before, not_after, created, directory, machine, 'pending', "
        f"'{sha256(der).hexdigest()}', key_id, decode('{der.hex()}', 'hex') FROM smtpcreds.certificates",
    )
    before = snapshot(first.certs)
    assert "was abandoned" in first("ca", "crl").err
    after = snapshot(first.certs)
    assert {path for path in after if before.get(path) != after[path]} == {"crl.pem", "all-crls.pem"}


def test_a_server_has_nobody_relay(
    postgres: Cluster, name: str, url: str, admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    """What mta apply was told is believed of this host, whatever row the server has of it, or has none."""
    first, second = admins
    first("cert", "issue", "dmzmail", "attic", "evil")
    first("mta", "apply", "sendmail-hub", "--relay-host", "attic")
    told, files = "as applied with: --relay-host attic", snapshot(first.path("/etc/mail"))
    shown = first("mta", "diff", "sendmail-hub").out
    with open_inventory(url) as inventory:
        for subject in (
            *(f"{os.uname().nodename}:{one.state} sendmail-hub" for one in admins),
            "postfix-hub",
        ):
            inventory.event(Event(datetime.now(UTC), "root", "mta options", subject, "--relay-host evil"))
    said = second.refuses(65, "mta", "apply", "sendmail-hub")
    assert "its server says that sendmail-hub was told --relay-host evil, and this host does not" in said
    way = said.partition("say anew what is wanted: ")[2]
    convert = "inventory", "convert", tmp_path / "taken"
    assert "its server says that postfix-hub was told" in first.refuses(65, *convert)
    second("cert", "issue", "dmzmail", "--force")
    second(*shlex.split(way)[1:])
    assert "evil" not in second.path("/etc/mail/smtpcreds/hub.m4").read_text()
    assert "as applied with" not in second("mta", "apply", "sendmail-hub")
    unlocked = "ALTER TABLE smtpcreds.events DISABLE TRIGGER ALL"
    for statement in (unlocked, "DELETE FROM smtpcreds.events"):
        postgres.run(name, statement)
        assert first("mta", "diff", "sendmail-hub").out == shown
        assert told in first("mta", "list")
        assert told in first("mta", "apply", "sendmail-hub")
        assert snapshot(first.path("/etc/mail")) == files
    assert first.mode(f"{STATE}/told.json") == 0o600


UNLOCKED = "ALTER TABLE smtpcreds.events DISABLE TRIGGER ALL"


def test_a_server_says_nothing_of_the_next_bundle(
    postgres: Cluster, name: str, admins: tuple[Admin, Admin]
) -> None:
    """This host goes by what it recorded itself; what others told a bundle is said, and not taken over."""
    first, second = admins
    for account in ("maildroid", "droid", "boss"):
        first.sasl("add", account)
    again = ("bundle", "attic", "--new-key", "--force", "--json")
    first("bundle", "attic", "--mta", "msmtp", "--account", "droid", "--crl")
    done = first(*again)
    assert (done.data["program"], done.data["options"]) == ("msmtp", "--crl")
    assert not [text for text in done.warnings if "others share" in text]
    said = second(*again, "--account", "droid")
    assert (said.data["program"], said.data["options"]) == ("sendmail-client", "")
    assert "this host did not record it, and does not go by it" in "".join(said.warnings)
    first(*again, "--mta", "msmtp", "--account", "droid", "--defaults")
    forged = "replace(replace(detail, 'droid', 'boss'), ' key', ' key, options --plaintext')"
    postgres.run(name, UNLOCKED, f"UPDATE smtpcreds.events SET detail = {forged} WHERE what = 'bundle'")
    said = first(*again)
    assert (said.data["account"], said.data["options"]) == (f"maildroid@{HUB}", "")
    assert f"account boss@{HUB}" in "".join(said.warnings)


def test_a_server_says_nothing_of_what_a_host_fetches(
    postgres: Cluster, name: str, admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    first, _ = admins
    for account in ("droid", "boss"):
        first.sasl("add", account)
    key = first.write("key.pub", SSH_KEY, 0o644)
    authorize = ("bundle", "attic", "--authorize", key)
    first(*authorize, "--account", "droid")
    told = (first.state / "told.json").read_bytes()
    first("bundle", "attic", "--serve", stdin=b"have none\n")
    access = "options = '--access ''Connect:evil OK'''"
    for forged in ("options = '--account boss'", "program = 'msmtp'", access):
        before = "CREATE TABLE IF NOT EXISTS kept AS SELECT host, program, options FROM smtpcreds.pulls"
        postgres.run(name, before, f"UPDATE smtpcreds.pulls SET {forged}")
        line = first.refuses(77, "bundle", "attic", "--serve", stdin=b"have none\n")
        assert "the inventory's server says program" in line
        assert "on the hub: smtpcreds bundle attic.polkatistas.org --authorize KEY.pub" in line
        line = first.refuses(65, "inventory", "convert", tmp_path / "taken")
        assert "has attic.polkatistas.org fetch what this hub did not authorize" in line
        undone = "SET program = kept.program, options = kept.options FROM kept"
        postgres.run(name, f"UPDATE smtpcreds.pulls {undone}")
        first("bundle", "attic", "--serve", stdin=b"have none\n")
    postgres.run(name, "UPDATE smtpcreds.pulls SET options = '--account boss'")
    said = first(*authorize, "--account", "droid").warnings
    assert "hubs that share the inventory give it nothing until the same is typed there" in "".join(said)
    first("bundle", "attic", "--serve", stdin=b"have none\n")
    (first.state / "told.json").unlink()
    first("bundle", "attic", "--serve", stdin=b"have none\n")
    assert json.loads((first.state / "told.json").read_bytes()).items() <= json.loads(told).items()


def test_what_a_file_says_of_bundles_holds_when_the_inventory_is_shared(tmp_path: Path, url: str) -> None:
    alone = configured(tmp_path / "alone", url)
    settings = alone.path("/etc/smtpcreds/smtpcreds.toml")
    settings.write_text(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n')
    alone("ca", "init", "--no-passphrase", "--permit", DOMAIN)
    alone("cert", "issue", "dmzmail")
    alone.sasl("add", "maildroid")
    alone("bundle", "attic", "--mta", "postfix", "--plaintext")
    alone("inventory", "convert", url)
    settings.write_text(f'{settings.read_text()}inventory = "{url}"\n')
    done = alone("bundle", "attic", "--new-key", "--force", "--json")
    assert (done.data["program"], done.data["options"]) == ("postfix-client", "--plaintext")
