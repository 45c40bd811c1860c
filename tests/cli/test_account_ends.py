"""A new secret, or the end of an account: what the program wrote for others follows, or is named."""

import subprocess
from pathlib import Path

import pytest
from admin import HUB, STATE, Admin
from person import Person

from .pulling import come_home
from .writing import SSH_KEY

ACCOUNT = f"maildroid@{HUB}"


@pytest.fixture
def ready(bare: Admin) -> Admin:
    """Return a hub that ``setup`` made."""
    bare("setup", HUB, "--no-passphrase")
    return bare


def info(hub: Admin, account: str = "maildroid") -> Path:
    return hub.path(f"{STATE}/clients/{account}/default-auth-info")


def secret_in(path: Path) -> bytes:
    return path.read_bytes().split(b"\n")[2]


def works(hub: Admin) -> bool:
    """Tell whether libsasl2 lets in what the file for client hosts says."""
    return "SCRAM-SHA-256" in hub.opened_by("maildroid", secret_in(info(hub)))


@pytest.mark.parametrize("more", [(), ("--hashed",), ("--hashed", "--keep", "file:kept")])
def test_the_file_for_client_hosts_has_the_new_secret(ready: Admin, more: tuple[str, ...]) -> None:
    before = secret_in(info(ready))
    ran = ready("sasl", "passwd", "maildroid", *more)
    assert str(info(ready)) in ran.out + ran.err
    assert secret_in(info(ready)) != before
    assert works(ready)
    assert ready("setup", HUB).out.startswith(f"{HUB}: was ready; nothing changed")


def test_what_the_file_says_of_mechanisms_stays(ready: Admin) -> None:
    ready("sasl", "auth-info", "maildroid", "--mechanism", "SCRAM-SHA-256", "--to", info(ready), "--force")
    ready("sasl", "passwd", "maildroid")
    assert info(ready).read_text().splitlines()[4] == "SCRAM-SHA-256"
    assert works(ready)


def test_a_file_of_another_database_or_account_is_left_alone(ready: Admin) -> None:
    before = info(ready).read_bytes()
    ready("sasl", "add", "maildroid", "--database", "other")
    ready("sasl", "passwd", "maildroid", "--database", "other")
    ready("sasl", "delete", "maildroid", "--database", "other")
    assert info(ready).read_bytes() == before
    info(ready).write_bytes(before.replace(b"maildroid", b"somebody"))
    ready("sasl", "passwd", "maildroid")
    assert info(ready).read_bytes() == before.replace(b"maildroid", b"somebody")


@pytest.mark.parametrize("verb", ["passwd", "delete"])
def test_where_the_database_can_not_be_written_the_file_is_as_it_was(ready: Admin, verb: str) -> None:
    before = info(ready).read_bytes()
    full = ready.behind("prlimit", f"--fsize={len(before) + 16}")
    assert full.run("sasl", verb, "maildroid").status == 74
    assert info(ready).read_bytes() == before
    assert works(ready)


def test_another_program_changed_the_secret_and_setup_brings_the_file_along(ready: Admin) -> None:
    words = ("saslpasswd2", "-p", "-f", ready.database, "-u", HUB, "maildroid")
    subprocess.run(words, input=b"Quetschkommode", check=True)
    assert not works(ready)
    assert f"{info(ready)}" in ready("setup", HUB).out
    assert secret_in(info(ready)) == b"Quetschkommode"
    assert works(ready)


def test_an_import_that_replaces_the_secret_brings_the_file_along(ready: Admin) -> None:
    source = ready.write("accounts.csv", "maildroid,Quetschkommode-und-Bandoneon,\n")
    ready("sasl", "import", source, "--no-header", "--on-conflict", "replace")
    assert secret_in(info(ready)) == b"Quetschkommode-und-Bandoneon"


def test_delete_takes_the_file_along_and_setup_begins_anew(ready: Admin) -> None:
    ready("sasl", "delete", "maildroid")
    assert not info(ready).exists()
    ready("setup", HUB)
    assert works(ready)


def test_who_has_the_secret_is_named(ready: Admin, tmp_path: Path) -> None:
    ready("bundle", "attic", "-o", tmp_path / "attic.tar")
    ready("bundle", "cellar", "-o", tmp_path / "cellar.tar")
    ready("bundle", "barn", "--authorize", ready.write("key.pub", SSH_KEY, 0o644))
    come_home(ready, "barn")
    own = ready.path("/etc/mail/default-auth-info")
    ready("sasl", "auth-info", "maildroid", "--to", own)
    ran = ready("sasl", "passwd", "maildroid")
    fetches = "its timer fetches it; at once, on that host: /etc/smtpcreds/pull.sh"
    assert f"      or for barn.polkatistas.org: {fetches}\n" in ran.out
    for host in ("attic", "cellar"):
        full = f"{host}.polkatistas.org"
        command = f"smtpcreds bundle {full} --mta sendmail-client --no-key --force"
        assert f"      or for {full}: {command}\n" in ran.out
        ready(*command.split()[1:], "-o", tmp_path / f"{host}-2.tar")
    assert f"{own}: has the former secret of {ACCOUNT}" in ran.err
    data = ready.json("sasl", "passwd", "maildroid")
    assert sorted(data["clients"]) == [f"{host}.polkatistas.org" for host in ("attic", "barn", "cellar")]
    assert data["stale"] == [str(own)]
    ran = ready("sasl", "delete", "maildroid")
    assert f"{ACCOUNT}: {', '.join(data['clients'])} can no longer relay with it" in ran.err
    assert f"{own}: has the secret of {ACCOUNT}, which then no longer works" in ran.err


def test_to_delete_the_old_account_ends_the_replacement(ready: Admin) -> None:
    ready("sasl", "rotate", "maildroid", "--client", "attic")
    data = ready.json("sasl", "delete", "maildroid")
    assert data["rotation"] == [ACCOUNT, f"maildroid-2@{HUB}"]
    assert data["clients"] == ["attic.polkatistas.org"]
    assert ready("sasl", "rotations").out == "no replacement is in progress\n"
    assert "in progress" not in ready("status").out
    assert ready("sasl", "list").out.startswith("maildroid-2@")


def test_to_delete_the_successor_ends_the_replacement(ready: Admin) -> None:
    ready("sasl", "rotate", "maildroid")
    assert f"is to replace {ACCOUNT}, which stays" in ready("sasl", "delete", "maildroid-2").err
    assert ready("sasl", "rotations").out == "no replacement is in progress\n"
    assert not info(ready, "maildroid-2").exists()
    assert works(ready)


@pytest.mark.parametrize(
    ("gone", "said", "option"),
    [
        ("maildroid", f"{ACCOUNT} is gone, maildroid-2@{HUB} works", "--retire"),
        ("maildroid-2", f"maildroid-2@{HUB} is gone", "--abandon"),
    ],
)
def test_an_account_that_another_program_deleted_does_not_work(
    ready: Admin, gone: str, said: str, option: str
) -> None:
    ready("sasl", "rotate", "maildroid")
    subprocess.run(["saslpasswd2", "-d", "-f", ready.database, "-u", HUB, gone], check=True)
    ran = ready.run("status")
    assert said in ran.out
    assert "both accounts work" not in ran.out
    ready("sasl", "rotate", "maildroid", option)
    assert "in progress" not in ready.run("status").out


@pytest.mark.parametrize(("answer", "status"), [("n", 77), ("y", 0)])
def test_a_person_is_asked(ready: Admin, answer: str, status: int) -> None:
    person = Person(ready, ("sasl", "delete", "maildroid"))
    person.answers(f"Delete {ACCOUNT}? [y/N] ".encode(), answer)
    assert person.ends()[0] == status
    assert (ready("sasl", "list").out == f"no accounts in {ready.database}\n") is (answer == "y")


def test_a_person_who_says_yes_beforehand_or_names_nobody_is_not_asked(ready: Admin) -> None:
    status, screen = Person(ready, ("sasl", "delete", "nobody")).ends()
    assert status == 67
    assert "?" not in screen
    status, screen = Person(ready, ("sasl", "delete", "maildroid", "--yes")).ends()
    assert (status, screen) == (0, f"{ACCOUNT}: deleted\n")


# As long as somebody has a secret that no longer works, every screen says so, and the cure ends it.


def outdated(program: Admin) -> list[dict[str, str]]:
    found: list[dict[str, str]] = program.run(
        "--json", "audit", "--only", "SASL023", "--only", "SASL024"
    ).data["findings"]
    return found


def stale(program: Admin) -> list[str]:
    """The holders that the audit names; status names the same."""
    found = outdated(program)
    said = program.run("status").out
    assert all(row["subject"] in said for row in found), said
    assert (program.run("status", "--format", "nagios").status == 2) is bool(found)
    for row in found:
        assert row["severity"] == "error"
    return [row["subject"] for row in found]


def cured(program: Admin) -> None:
    for row in outdated(program):
        program(*row["cure"].partition(";")[0].partition(", or")[0].removeprefix("smtpcreds ").split())


def test_a_file_with_a_former_secret_is_named_until_it_has_the_new_one(ready: Admin) -> None:
    own, place = ready.path("/etc/mail/default-auth-info"), ready.directory / "info"
    ready("sasl", "auth-info", "maildroid", "--to", own)
    assert stale(ready) == []
    ready("sasl", "passwd", "maildroid")
    assert stale(ready) == [str(own)]
    cured(ready)
    assert stale(ready) == []
    ready("sasl", "rotate", "maildroid", "--auth-info", place)
    ready("sasl", "rotate", "maildroid", "--retire")
    assert stale(ready) == [str(own)]
    ready("sasl", "passwd", "maildroid-2")
    assert stale(ready) == [str(own), str(place)]
    ready("sasl", "auth-info", "maildroid-2", "--to", own, "--force")
    cured(ready)
    assert stale(ready) == []
    ready("sasl", "delete", "maildroid-2")
    assert stale(ready) == [str(own), str(place)]


def test_a_file_for_client_hosts_that_another_program_left_behind_is_named(ready: Admin) -> None:
    words = ("saslpasswd2", "-p", "-f", ready.database, "-u", HUB, "maildroid")
    subprocess.run(words, input=b"Quetschkommode", check=True)
    assert stale(ready) == [str(info(ready))]
    cured(ready)
    assert works(ready)
    assert stale(ready) == []
    subprocess.run(["saslpasswd2", "-d", "-f", ready.database, "-u", HUB, "maildroid"], check=True)
    assert stale(ready) == [str(info(ready))]


def test_a_host_with_a_bundle_of_before_is_named_until_it_has_another(ready: Admin, tmp_path: Path) -> None:
    ready("sasl", "add", "scanner")
    attic, cellar = "attic.polkatistas.org", "cellar.polkatistas.org"
    ready("bundle", "attic", "-o", tmp_path / "attic.tar")
    ready("bundle", "cellar", "--mta", "msmtp", "--account", "scanner", "-o", tmp_path / "cellar.tar")
    ready("sasl", "add", "scanner", "--database", "other")
    ready("sasl", "passwd", "scanner", "--database", "other")
    assert stale(ready) == []
    ready("sasl", "passwd", "scanner")
    assert stale(ready) == [cellar]
    source = ready.write("accounts.csv", "maildroid,Quetschkommode-und-Bandoneon,\n")
    ready("sasl", "import", source, "--no-header", "--on-conflict", "replace")
    assert stale(ready) == [attic, cellar]
    ready("bundle", "attic", "--no-key", "--force", "-o", tmp_path / "attic.tar")
    assert stale(ready) == [cellar]
    ran = ready("sasl", "rotate", "scanner", "--client", "cellar")
    cure = f"smtpcreds bundle {cellar} --mta msmtp --account scanner-2 --new-key --force"
    assert f"next: for {cellar}: {cure}\n" in ran.out
    assert f"is not yet on {cellar}\n    next: {cure}\n" in ready.run("status").out
    before = ready.records()
    said = ready.refuses(77, "sasl", "rotate", "scanner", "--retire")
    assert f"is still the account of {cellar}, by the last bundle" in said
    assert f"hint: {cure}; or --force, which ends their mail" in said
    assert ready.records() == before
    ready("sasl", "rotate", "scanner", "--retire", "--force")
    said = ready.refuses(
        67, "bundle", "cellar", "--new-key", "--mta", "msmtp", "--account", "scanner", "-o", "again.tar"
    )
    assert "was replaced by scanner-2@" in said
    assert "hint: add --account scanner-2, or write" in said
    (row,) = outdated(ready)
    assert row["cure"] == f"{cure}; then install it on that host"
    ready(*cure.split()[1:], "--force", "-o", tmp_path / "cellar.tar")
    assert stale(ready) == []
    ready("sasl", "delete", "maildroid")
    assert stale(ready) == [attic]
    ready("sasl", "add", "maildroid")
    assert stale(ready) == [attic]
    ready("cert", "retire", "attic")
    assert stale(ready) == []


def test_a_host_that_was_revoked_needs_no_secret_that_works(ready: Admin, tmp_path: Path) -> None:
    ready("bundle", "attic", "-o", tmp_path / "attic.tar")
    ready("sasl", "passwd", "maildroid")
    assert "attic.polkatistas.org" in stale(ready)
    ready("cert", "revoke", "attic")
    assert "attic.polkatistas.org" not in stale(ready)
