"""Successors of hashed accounts: stored as what they replace, and no clear text outlives the hand-over.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, faketime.
"""

from pathlib import Path
from shlex import split

import pytest
from admin import HUB, SECRET

from smtpcreds.accounts.stored import CLEAR, Hashed
from smtpcreds.model import Account
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sasldb.records import replacement

from .bulk_scene import key
from .rotate_scene import ALL, NEW, OLD, STORED, Hub, rotating_hub, secret_in


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return rotating_hub(tmp_path)


@pytest.mark.parametrize("words", STORED)
def test_the_successor_serves_what_the_old_account_serves(hub: Hub, words: tuple[str, ...]) -> None:
    form, mechanisms = STORED[words]
    hub.add(*words)
    done = hub.data("rotate", "maildroid")
    assert done["stored"] == ("clear" if form is CLEAR else "hashed")
    assert set(done["mechanisms"]) == mechanisms
    assert done["secret"] == [str(hub.client())]
    secret = secret_in(hub.client())
    assert hub.opened(secret) == mechanisms == hub.opened(SECRET, "maildroid")
    assert hub.opened(SECRET) == set() == hub.opened(secret, "maildroid")
    assert hub.form() == form == hub.form("maildroid")
    assert (secret in hub.database.read_bytes()) is (form is CLEAR)
    hub.sasl("rotate", "maildroid", "--retire")
    assert hub.opened(secret) == mechanisms
    assert hub.opened(SECRET, "maildroid") == set()
    assert hub.client().exists() is (form is CLEAR)


@pytest.mark.parametrize("before", [(), ("--hashed", "--also", "PLAIN")])
@pytest.mark.parametrize("words", [words or ("--clear",) for words in STORED])
def test_options_override_the_form(hub: Hub, before: tuple[str, ...], words: tuple[str, ...]) -> None:
    form, mechanisms = STORED[() if words == ("--clear",) else words]
    hub.add(*before)
    said = hub.sasl("rotate", "maildroid", *words)
    assert f"successor {NEW}, {form};" in said
    assert hub.form() == form
    assert hub.opened(secret_in(hub.client())) == mechanisms


@pytest.mark.parametrize(
    ("kept", "mechanisms"), [("cmusaslsecretCRAM-MD5", {"CRAM-MD5"}), ("authPassword", {"SCRAM-SHA-1"})]
)
def test_an_account_with_one_verifier_gets_that_one(hub: Hub, kept: str, mechanisms: set[str]) -> None:
    hub.add("--hashed", "--scram", "SCRAM-SHA-1", "--also", "CRAM-MD5")
    only = {kept: hub.held("maildroid")[kept]}
    open_store(str(hub.database)).apply(lambda old: replacement(old, Account("maildroid", HUB), only))
    hub.sasl("rotate", "maildroid")
    assert hub.opened(secret_in(hub.client())) == mechanisms
    assert hub.held().keys() == {kept}


def test_a_form_that_can_not_be_made_here_is_asked_for(hub: Hub) -> None:
    hub.add()
    otp = {"cmusaslsecretOTP": b"md5\t0499\tla1234\t5bf0759d3bc4d0ba\t00000000000000000000"}
    open_store(str(hub.database)).apply(lambda old: replacement(old, Account("maildroid", HUB), otp))
    assert "say --clear or --hashed" in hub.sasl("rotate", "maildroid", status=65)
    assert not (hub.root / "var").exists()
    hub.sasl("rotate", "maildroid", "--hashed")
    assert hub.form() == Hashed()


def test_nothing_says_the_secret(hub: Hub) -> None:
    hub.add("--hashed")
    said: str = hub.sasl("rotate", "maildroid", "--client", "attic", "-v")
    secret = secret_in(hub.client()).decode()
    for words in (
        ("rotations",),
        ("list",),
        ("show", "maildroid-2"),
        ("rotate", "maildroid", "-n", "--retire"),
    ):
        said += hub.sasl(*words) + hub.sasl(*words, "--json")
    said += hub("status").out + hub("--json", "status").out
    said += hub.sasl("rotate", "maildroid", "--retire", "-v")
    assert "the database can't give the secret back" in said
    assert secret not in said
    state = hub.root / "var/lib/smtpcreds"
    assert not [path for path in state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_the_file_for_client_hosts_lasts_until_the_old_account_is_retired(hub: Hub) -> None:
    hub.add("--hashed")
    plan = hub.sasl("rotate", "maildroid", "-n").splitlines()
    assert [["write", str(hub.client())], ["add", NEW]] == [
        deed for line in plan if (deed := line.split()[1:3])[1] in (str(hub.client()), NEW)
    ]
    hub.sasl("rotate", "maildroid", "--after", "30d")
    handed = hub.client().read_text()
    assert hub.sasl("auth-info", "maildroid-2") == handed
    plan = hub.sasl("rotate", "maildroid", "--retire", "-n").splitlines()
    assert [line.split()[1:3] for line in plan[1:4]] == [
        ["delete", OLD],
        ["remove", str(hub.client())],
        ["remove", str(hub.client().parent)],
    ]
    assert hub.client().read_text() == handed
    done = hub.behind("faketime", "-f", "+31d")("sasl", "rotate", "--due")
    assert "the file for client hosts, which had its secret, is deleted too" in done.out
    assert not hub.client().parent.exists()
    assert "can't be read back" in hub.sasl("auth-info", "maildroid-2", status=65)


def test_a_successor_that_became_clear_text_keeps_its_file(hub: Hub) -> None:
    hub.add("--hashed")
    hub.sasl("rotate", "maildroid")
    hub.sasl("passwd", "maildroid-2", "--clear", "--auth-info", hub.client(), "--force")
    assert str(hub.client()) not in hub.sasl("rotate", "maildroid", "--retire", "-n")
    assert "hashed" not in hub.sasl("rotate", "maildroid", "--retire")
    assert hub.opened(secret_in(hub.client())) == ALL


def test_rotations_says_when_the_file_has_not_the_secret(hub: Hub) -> None:
    hub.add("--hashed")
    hub.sasl("rotate", "maildroid")
    before = hub.client().read_bytes()
    hub.sasl("passwd", "maildroid-2", "--password", hub.secret("kept"))
    hub.client().write_bytes(before)  # from a backup
    command = "smtpcreds sasl passwd maildroid-2 --auth-info FILE"
    assert f"its secret can't be read back; give it another one: {command}" in hub.sasl("rotations")
    hub.sasl(*split(command)[2:-1], hub.client(), "--force")
    assert f"next: copy {hub.client()} to" in hub.sasl("rotations")
    hub.client().unlink()
    hub.sasl("passwd", "maildroid-2", "--clear")
    assert "next: smtpcreds sasl auth-info maildroid-2 --to FILE\n" in hub.sasl("rotations")


def test_commands_that_are_said_name_the_database(hub: Hub) -> None:
    database = hub.directory / "other db"
    hub.sasl("add", "maildroid", "--hashed", "--database", database, "--password", hub.secret("kept"))
    said = hub.sasl("rotate", "maildroid", "--database", database)
    command = next(line for line in said.splitlines() if "--retire" in line).partition("    once")[0].strip()
    for text in (hub.sasl("rotations"), hub("status").out):
        assert command in text
    again = hub.sasl("rotate", "maildroid", "--database", database, status=73)
    assert f"hint: {command}" in again
    hub.sasl(*split(command)[2:])
    assert key("maildroid-2", prop="authPassword") in hub.records(database)


def test_two_databases_do_not_share_a_file_for_client_hosts(hub: Hub) -> None:
    database = hub.directory / "db"
    hub.add("--hashed")
    hub.sasl("add", "maildroid", "--database", database)
    hub.sasl("rotate", "maildroid")
    words = ("rotate", "maildroid", "--database", database)
    said = hub.sasl(*words, "--successor", "maildroid-2", status=73)
    assert "both would have one file for client hosts" in said
    assert hub.data(*words)["successor"] == f"maildroid-3@{HUB}"
    assert hub.opened(secret_in(hub.client())) == {"SCRAM-SHA-256"}


def test_an_account_whose_name_is_no_directory_is_replaced(hub: Hub) -> None:
    hub.sasl("add", "relay/attic", "--hashed", "--password", hub.secret("kept"))
    hub.sasl("rotate", "relay/attic", "--successor", "attic")
    hub.sasl("rotate", "relay/attic", "--retire")
    assert (hub.states(), hub.held("relay/attic")) == (["retired"], {})


def test_setup_and_bundle_know_the_file(hub: Hub) -> None:
    hub("setup", "dmzmail", "--no-passphrase", "--password", hub.secret("kept"))
    hub.sasl("passwd", "maildroid", "--hashed", "--password", hub.secret("kept"))
    hub.sasl("rotate", "maildroid")
    archive = hub.directory / "attic.tar"
    hub("bundle", "attic", "--account", "maildroid-2", "-o", archive)
    assert secret_in(hub.client()) in archive.read_bytes()
    hub.sasl("rotate", "maildroid", "--retire")
    done = hub("setup", "dmzmail", "--account", "maildroid-2")
    assert "nothing changed" in done.out
    assert "smtpcreds sasl auth-info maildroid-2 --to FILE --password SOURCE" in done.out
    assert not hub.client().exists()
