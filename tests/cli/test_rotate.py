"""Replacing an account without an outage, as an administrator does it."""

import subprocess
from pathlib import Path

import pytest
from admin import HUB, Admin, peer
from manual_examples import page_lines
from postgres_cluster import Cluster
from sasl_oracle import checkpass

from smtpcreds.inventory import sqlite
from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.schema import MIGRATIONS
from smtpcreds.mta.auth_info import parse

from .bulk_scene import bulk_hub, key

OLD, NEW = f"maildroid@{HUB}", f"maildroid-2@{HUB}"


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    admin = bulk_hub(tmp_path)
    admin("sasl", "add", "maildroid")
    return admin


def client_file(admin: Admin, name: str) -> Path:
    return admin.root / "var/lib/smtpcreds/clients" / name / "default-auth-info"


def opens(admin: Admin, path: Path) -> bool:
    """Tell whether the client host with this file is let in by the real libsasl2."""
    info = parse(path.read_bytes(), str(path))
    return checkpass(admin.database, info.authcid, HUB, info.secret.reveal())


def events(admin: Admin) -> list[str]:
    with open_inventory(admin.root / "var/lib/smtpcreds/inventory.sqlite3", read_only=True) as inventory:
        return [f"{event.subject} {event.detail}" for event in inventory.events()][::-1]


def test_a_bundle_hands_out_the_successor(admin: Admin) -> None:
    """By the command that the rotation prints; one of the old account says what it is."""
    admin("ca", "init", "--no-passphrase")
    said = admin("sasl", "rotate", "maildroid", "--client", "attic").out
    assert "is being replaced by" in admin("bundle", "attic", "-o", "old.tar").err
    command = said.split("      or for attic.polkatistas.org: smtpcreds ")[1].splitlines()[0]
    assert command == "bundle attic.polkatistas.org --account maildroid-2"
    done = admin(*command.split(), "--new-key", "-o", "new.tar")
    assert "is being replaced" not in done.err
    words = ["tar", "-xOf", str(admin.directory / "new.tar"), "etc/mail/default-auth-info"]
    info = parse(subprocess.run(words, capture_output=True, check=True).stdout, "new.tar")
    assert checkpass(admin.database, info.authcid, HUB, info.secret.reveal())
    assert info.authcid == "maildroid-2"
    admin("sasl", "rotate", "maildroid", "--abandon")
    assert "is being replaced" not in admin("bundle", "attic", "--new-key", "-o", "again.tar").err


def test_both_accounts_work_until_the_old_one_is_retired(admin: Admin) -> None:
    admin("sasl", "auth-info", "maildroid", "--to", "old")
    done = admin("--json", "sasl", "rotate", "maildroid", "--client", "attic", "--client", "cellar")
    document = done.data
    assert (document["account"], document["successor"], document["state"]) == (OLD, NEW, "open")
    assert document["clients"] == ["attic.polkatistas.org", "cellar.polkatistas.org"]
    new = client_file(admin, "maildroid-2")
    assert document["file"] == str(new)
    assert new.stat().st_mode & 0o777 == 0o600
    assert opens(admin, new)
    assert opens(admin, admin.directory / "old")
    assert admin.records()[key("maildroid-2")].decode() not in done.out + done.err
    standing = admin("sasl", "rotations").out
    assert f"{OLD} -> {NEW}: open today" in standing
    assert "attic.polkatistas.org, cellar.polkatistas.org" in standing
    done = admin("sasl", "rotate", "maildroid", "--retire")
    assert f"{OLD}: deleted; {NEW} stays" in done.out
    assert 'account = "maildroid-2"' in done.err
    assert opens(admin, new)
    assert not opens(admin, admin.directory / "old")
    assert admin.records().keys() == {key("maildroid-2")}
    assert admin("--json", "sasl", "rotations").data["rotations"] == []
    assert events(admin) == [f"{OLD} successor {NEW}", f"{OLD} retired {OLD}"]


def test_the_two_steps_of_the_page(admin: Admin) -> None:
    *_, first, second = page_lines("smtpcreds-sasl.1")
    assert f"{NEW}" in admin(*first.split()[1:])
    assert admin.records().keys() == {key("maildroid"), key("maildroid-2")}
    admin(*second.split()[1:])
    assert admin.records().keys() == {key("maildroid-2")}


def test_successors_are_numbered(admin: Admin) -> None:
    admin("sasl", "add", "maildroid-3")
    for old, new in (("maildroid", "maildroid-2"), ("maildroid-2", "maildroid-4")):
        admin("sasl", "rotate", old)
        admin("sasl", "rotate", old, "--retire")
        assert not client_file(admin, old).exists()
        assert client_file(admin, new).exists()
    assert {account.partition(b"\0")[0] for account in admin.records()} == {b"maildroid-3", b"maildroid-4"}


def test_an_abandoned_successor_leaves_nothing(admin: Admin) -> None:
    before = admin.records()
    admin("sasl", "rotate", "maildroid", "--successor", "polkabox")
    admin("sasl", "rotate", "maildroid", "--abandon")
    assert admin.records() == before
    assert not client_file(admin, "polkabox").exists()
    admin("sasl", "rotate", "maildroid")
    assert events(admin)[1:] == [f"{OLD} abandoned polkabox@{HUB}", f"{OLD} successor {NEW}"]


def test_an_account_goes_when_its_date_has_come(admin: Admin) -> None:
    assert admin("sasl", "rotate", "--due").out == "nothing is due\n"
    admin("sasl", "rotate", "maildroid", "--after", "30d")
    assert admin.run("sasl", "rotate", "--due", "--dry-run").status == 0
    admin("sasl", "rotate", "maildroid", "--retire", "--after", "10d")
    for admin.later, is_due in (("+239 hours", False), ("+241 hours", True)):
        dry = admin.run("sasl", "rotate", "--due", "--dry-run")
        assert (dry.status, f"would delete {OLD}" in dry.out) == (int(is_due), is_due)
        assert key("maildroid") in admin.records()
        done = admin("--json", "sasl", "rotate", "--due")
        assert len(done.data["retired"]) == int(is_due)
        assert (key("maildroid") in admin.records()) is not is_due
    assert admin.run("sasl", "rotate", "--due", "--dry-run").status == 0


def deleted_by_others(admin: Admin, name: str) -> None:
    peer("saslpasswd2", "-d", "-f", admin.database, "-u", HUB, name)


def test_one_that_can_not_be_retired_does_not_hold_up_the_others(admin: Admin) -> None:
    for name in ("maildroid", "attic"):
        admin.run("sasl", "add", name)
        admin("sasl", "rotate", name, "--after", "0d")
    deleted_by_others(admin, "maildroid-2")
    admin.later = "+1 day"
    done = admin.run("--json", "sasl", "rotate", "--due")
    assert (done.status, len(done.data["retired"]), len(done.data["failed"])) == (67, 1, 1)
    assert admin.records().keys() == {key("maildroid"), key("attic-2")}


def test_a_dry_run_changes_nothing(admin: Admin) -> None:
    done = admin("sasl", "rotate", "maildroid", "--dry-run")
    assert f"would add {NEW}" in done.out
    assert f"would write {client_file(admin, 'maildroid-2')}  0600" in done.out
    assert not (admin.root / "var").exists()


def test_another_database_and_another_realm(admin: Admin) -> None:
    admin("sasl", "add", "maildroid@other.example", "--database", "db")
    admin("sasl", "rotate", "maildroid@other.example", "--database", "db")
    assert opens_elsewhere(admin, client_file(admin, "maildroid-2@other.example"))
    assert admin.run("sasl", "rotate", "maildroid@other.example", "--retire").status == 67
    admin("sasl", "rotate", "maildroid", "--realm", "other.example", "--database", "db", "--retire")
    assert admin.records(admin.directory / "db").keys() == {key("maildroid-2", "other.example")}
    assert admin.records().keys() == {key("maildroid")}


def opens_elsewhere(admin: Admin, path: Path) -> bool:
    info = parse(path.read_bytes(), str(path))
    return checkpass(admin.directory / "db", info.authcid, HUB, info.secret.reveal())


REFUSED = (
    (67, ("nobody",), "nothing to replace"),
    (66, ("maildroid", "--retire"), "is not being replaced"),
    (66, ("maildroid", "--abandon"), "is not being replaced"),
    (73, ("maildroid", "--successor", "attic"), "the account exists"),
    (65, ("maildroid", "--successor", "polkafan"), "is a login account"),
    (65, ("maildroid", "--successor", "a@elsewhere"), "names the realm elsewhere"),
    (65, ("maildroid", "--successor", "../x"), "can't name the directory"),
    (65, ("maildroid", "--successor", "#x"), "begins with #"),
    (65, ("maildroid", "--client", "a_b"), "underscore"),
    (73, ("maildroid", "--successor", "maildroid"), "the account exists"),
    (64, (), "is missing"),
    (64, ("maildroid", "--due"), "takes no NAME"),
    (64, ("maildroid", "--retire", "--abandon"), "three different steps"),
    (64, ("maildroid", "--retire", "--client", "attic"), "belong to the first step"),
    (64, ("maildroid", "--abandon", "--after", "1d"), "goes with the first step"),
    (64, ("maildroid", "--retire", "--after", "1d", "--force"), "retires at once, so not --after a date"),
    (64, ("maildroid", "--after", "soon"), "neither days"),
    (64, ("maildroid", "--retire", "--hashed"), "belong to the first step"),
    (64, ("maildroid", "--abandon", "--password", "generate:"), "belong to the first step"),
    (64, ("maildroid", "--hashed", "--clear"), "contradicts --hashed"),
    (64, ("maildroid", "--scram", "SCRAM-SHA-1"), "goes with --hashed"),
    (64, ("maildroid", "--clear", "--also", "PLAIN"), "goes with --hashed"),
    (64, ("maildroid", "--keep", "attic"), "takes keyring:SERVICE/NAME"),
    (66, ("maildroid", "--keep", "file:/nonexistent/kept"), "there is no such directory"),
    (67, ("nobody", "--retire"), "there is no such account"),
    (64, ("maildroid", "--after", "2001-01-01"), "is over"),
)


def test_nonsense_is_refused_and_changes_nothing(admin: Admin) -> None:
    admin("sasl", "add", "attic")
    before = admin.records()
    for status, words, reason in REFUSED:
        ran = admin("sasl", "rotate", *words, status=status)
        assert (ran.out, reason in ran.err) == ("", True), (words, ran.err)
    assert admin.records() == before
    assert not (admin.root / "var").exists()


def test_a_name_too_long_for_its_directory_is_refused_before_anything_is_made(admin: Admin) -> None:
    long = "x" * 254
    admin("sasl", "add", long)
    before = admin.records()
    done = admin.run("sasl", "rotate", long)
    assert (done.status, "can't name the directory" in done.err) == (65, True)
    assert admin.records() == before
    assert not (admin.root / "var").exists()
    admin("sasl", "rotate", long, "--successor", "y" * 255)
    assert client_file(admin, "y" * 255).exists()


@pytest.mark.parametrize("name", ["a/b", f"{'x' * 200}@{'y' * 200}"])
def test_an_account_that_never_had_a_file_can_go(admin: Admin, name: str) -> None:
    admin("sasl", "add", name)
    admin("sasl", "rotate", name, "--successor", "short" if "@" not in name else f"short@{'y' * 200}")
    admin("sasl", "rotate", name, "--retire")
    assert admin("--json", "sasl", "rotations").data["rotations"] == []
    assert {key.partition(b"\0")[0] for key in admin.records()} == {b"maildroid", b"short"}


def test_states_that_contradict_a_step_are_explained(admin: Admin) -> None:
    admin("sasl", "rotate", "maildroid")
    for words, status, reason in (
        (("maildroid",), 73, f"is being replaced by {NEW}"),
        (("maildroid-2",), 65, f"is the successor of {OLD}, which still works"),
        (("maildroid-2", "--retire"), 66, f"is the successor of {OLD}; name that one"),
    ):
        done = admin.run("sasl", "rotate", *words)
        assert (done.status, reason in done.err, "hint: smtpcreds sasl rotate" in done.err) == (
            status,
            True,
            True,
        )
    deleted_by_others(admin, "maildroid")
    done = admin.run("sasl", "rotate", "maildroid", "--abandon")
    assert (done.status, "leave clients without" in done.err) == (67, True)
    admin("sasl", "rotate", "maildroid", "--retire")
    assert admin.records().keys() == {key("maildroid-2")}


def test_an_inventory_of_an_older_version_is_migrated_first(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", MIGRATIONS[:1])
        with open_inventory(admin.root / "var/lib/smtpcreds/inventory.sqlite3"):
            pass
    assert "would migrate" in admin("sasl", "rotate", "maildroid", "--dry-run").out
    admin("sasl", "rotate", "maildroid")
    assert key("maildroid-2") in admin.records()


def test_accounts_in_postgresql_are_replaced_too(admin: Admin, postgres: Cluster) -> None:
    url = postgres.url(postgres.emptied())
    admin("sasl", "add", "maildroid", "--database", url)
    row = admin("--json", "sasl", "rotate", "maildroid", "--database", url).data
    assert row["database"] == url
    admin("sasl", "rotate", "maildroid", "--database", url, "--retire")
    admin("sasl", "passwd", "maildroid-2", "--database", url, "--hashed", "--keep", "file:k")
    admin("sasl", "rotate", "maildroid-2", "--database", url)
    admin("sasl", "rotate", "maildroid-2", "--database", url, "--retire")
    listed = admin("--json", "sasl", "list", "--database", url).data["accounts"]
    assert [entry["account"] for entry in listed] == [f"maildroid-3@{HUB}"]
    assert listed[0]["mechanisms"] == ["SCRAM-SHA-256"]
    assert admin.records().keys() == {key("maildroid")}
