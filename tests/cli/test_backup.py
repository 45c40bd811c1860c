"""``ca backup`` and ``ca restore``: one encrypted archive, put back elsewhere."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from admin import CERTS, INVENTORY, SECRET, STATE, Admin, contents, open_files, peer, snapshot
from killed import chosen
from readme_blocks import readme_words

from .changes import foreseen, happened, same, tree


def state_of(admin: Admin) -> dict[str, object]:
    """What matters of files: content, mode and owner; not the inventory, whose octets may differ."""
    names = (STATE, CERTS, "/etc/smtpcreds")
    found = {f"{top}/{path}": what for top in names for path, what in snapshot(admin.path(top)).items()}
    others = ("inventory", "lock", "/clients")
    return {path: what for path, what in found.items() if not any(name in path for name in others)}


def test_it_is_restored_on_another_machine(hub: Admin, saved: Path, key: str, other: Admin) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    assert saved.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    head = hub.json("inventory", "check")["head"]
    assert head["events"] == 3, "and the third tells of the backup"
    accounts = hub.directory / "accounts"
    hub.sasl("export", "--reveal", "--to", accounts)
    meant = {"/mnt/usb/ca.age": saved, "/mnt/usb/accounts": accounts}
    restore, imported, crl, applied, check = readme_words("test_it_is_restored_on_another_machine", meant)
    told = other(*restore, "--passphrase", key)
    assert "its key is in it and fits the certificate" in told
    assert "sasl import FILE    puts the accounts back" in told
    assert state_of(other) == state_of(hub)
    assert other.mode(STATE) == other.mode(CERTS) == 0o700
    assert other.json("inventory", "check")["head"]["events"] == 2
    other("cert", "issue", "attic")
    other.verify(other.certs / "attic-cert.pem")
    other.verify(other.certs / "dmzmail-cert.pem")
    assert "agree" in other("inventory", "check")
    events = [row["what"] for row in hub.json("inventory", "events")["events"]]
    assert events == ["ca backup", "cert issue", "ca init"]
    assert "hint: after a restore: smtpcreds sasl import FILE; else " in other.refuses(67, "bundle", "cellar")
    lost = other.json("audit", "--only", "SASL023", status=1)["findings"]
    assert [one["cure"].startswith("after a restore: ") for one in lost] == [True]
    other(*imported)
    assert other.json("audit", "--only", "SASL023")["findings"] == []
    other(*crl)
    assert "would write" in other("-n", *(word for word in applied if word not in {"--edit", "--run"}))
    assert "agree" in other(*check)
    assert other.sasl("show", "maildroid", "--reveal").out == hub.sasl("show", "maildroid", "--reveal").out


@pytest.mark.parametrize("place", ["/var/lib", "/etc"])
def test_nothing_is_restored_below_what_others_can_change(
    saved: Path, key: str, other: Admin, place: str
) -> None:
    other.path(place).mkdir(parents=True, exist_ok=True)
    other.path(place).chmod(0o777)
    assert "is writable by everybody" in other.refuses(77, "ca", "restore", saved, "--passphrase", key)


def test_a_backup_is_proven_without_being_restored(hub: Admin, key: str, other: Admin) -> None:
    saved, accounts = hub.directory / "saved.age", hub.directory / "accounts"
    backup, check, export = readme_words(
        "test_a_backup_is_proven_without_being_restored",
        {"/mnt/usb/ca.age": saved, "/mnt/usb/accounts": accounts},
    )
    hub(*backup, "--passphrase", key)
    before = snapshot(other.directory)
    told = other.json(*check, "--passphrase", key)
    assert snapshot(other.directory) == before
    rows = hub.json("inventory", "check")["head"]
    assert (told["certificates"], told["head"]["events"], told["key_encrypted"], told["token"]) == (
        1,
        2,
        False,
        None,
    )
    assert hub("inventory", "check", "--head", told["head"]["hash"])
    assert rows["events"] == told["head"]["events"] + 1
    hub(*export)
    assert accounts.stat().st_mode & 0o777 == 0o600


def test_a_dry_run_opens_the_archive(saved: Path, other: Admin) -> None:
    source = ("--passphrase", "env:KEY")
    told = other("-n", "ca", "restore", saved, *source, env={"KEY": SECRET.decode()})
    assert f"would write {other.state}" in told
    assert not other.state.exists()
    assert "does not open it" in other.refuses(
        77, "-n", "ca", "restore", saved, *source, env={"KEY": "another one"}
    )


def test_an_encrypted_key_stays_as_it_is(locked: Admin, other: Admin) -> None:
    source = locked.secret("key", b"another secret of the archive")
    saved = locked.directory / "saved.age"
    assert "needs the CA's passphrase" in locked("ca", "backup", saved, "--passphrase", source)
    other("ca", "restore", saved, "--passphrase", source)
    assert contents(other.state / "ca") == contents(locked.state / "ca")
    other("cert", "issue", "attic", "--passphrase", locked.secret("ca-passphrase"))


def test_a_key_in_a_token_is_said_to_be_there(tokened: Admin) -> None:
    source = tokened.secret("key")
    saved = tokened.directory / "saved.age"
    told = tokened("ca", "backup", saved, "--passphrase", source)
    (uri,) = re.findall(r"its key is not in it, but in the token (pkcs11:token=relays\S*)", told)
    checked = tokened.json("ca", "restore", "--check", saved, "--passphrase", source)
    assert checked["token"] == uri


def test_all_of_several_authorities_comes_back(rooted: Admin, other: Admin) -> None:
    rooted("ca", "rollover")
    source, saved = rooted.secret("key"), rooted.directory / "saved.age"
    rooted("ca", "backup", saved, "--passphrase", source)
    other("ca", "restore", saved, "--passphrase", source)
    assert state_of(other) == state_of(rooted)
    other("cert", "renew", "--old-authority")
    assert "agree" in other("inventory", "check")


@pytest.mark.parametrize("name", ["ä-cert.pem", f"{'a' * 60}.{'b' * 60}.example.org-cert.pem"])
def test_long_names_and_foreign_letters_come_back(hub: Admin, key: str, other: Admin, name: str) -> None:
    (hub.certs / name).write_text("something")
    saved = hub.directory / "saved.age"
    hub("ca", "backup", saved, "--passphrase", key)
    other("ca", "restore", saved, "--passphrase", key)
    assert (other.certs / name).read_text() == "something"


def test_it_is_read_in_little_memory(hub: Admin, other: Admin) -> None:
    """Two gigabytes are the most that is read, and are not needed for less."""
    hub_archive = hub.run("ca", "backup", "-").octets
    other.behind("prlimit", f"--as={1 << 30}")("ca", "restore", "-", stdin=hub_archive)


def test_debians_age_and_tar_open_it(hub: Admin, saved: Path, tmp_path: Path, other: Admin) -> None:
    identity = tmp_path / "identity"
    peer("age-keygen", "-o", identity)
    recipient = peer("age-keygen", "-y", identity).strip()
    hub("ca", "backup", saved, "--recipient", recipient, "--force")
    said = other.refuses(65, "ca", "restore", saved, "--passphrase", hub.secret("key"))
    assert f"hint: age -d -i KEYFILE {saved} | smtpcreds ca restore -" in said
    peer("age", "-d", "-i", identity, "-o", tmp_path / "plain.tar", saved)
    assert "state/ca/ca-key.pem" in peer("tar", "-tf", tmp_path / "plain.tar")
    other("ca", "restore", "-", stdin=(tmp_path / "plain.tar").read_bytes())
    assert state_of(other) == state_of(hub)


def test_standard_output_is_for_another_encryption(hub: Admin, other: Admin) -> None:
    ran = hub.run("ca", "backup", "-")
    assert ran.status == 0
    other("ca", "restore", "-", stdin=ran.octets)
    assert state_of(other) == state_of(hub)
    assert "not printed as JSON" in hub.refuses(64, "--json", "ca", "backup", "-")


@pytest.mark.parametrize("words", [("ca", "backup", "FILE"), ("ca", "restore", "FILE")])
def test_without_a_terminal_the_passphrase_has_to_come_from_somewhere(
    hub: Admin, saved: Path, words: tuple[str, ...]
) -> None:
    name = saved if words[1] == "restore" else hub.directory / "new.age"
    assert "--passphrase SOURCE" in hub.refuses(64, *words[:2], name)


# What is there already.


def test_what_is_there_is_moved_aside_and_not_lost(hub: Admin, clear: Path) -> None:
    hub("cert", "issue", "attic")
    before = snapshot(hub.state)
    assert "it may be newer than the backup" in hub.refuses(73, "ca", "restore", clear)
    told = hub.json("ca", "restore", clear, "--force")
    aside = Path(told["aside"])
    assert aside.parent == hub.state.parent
    assert {path: what for path, what in snapshot(aside).items() if path != "lock"} == {
        path: what for path, what in before.items() if path != "lock"
    }
    assert [row["host"] for row in hub.json("cert", "list")["certificates"]] == ["dmzmail.polkatistas.org"]
    assert hub.is_pair("attic"), "what is beside certificates stays"


def test_a_second_one_in_the_same_second_gets_another_name(hub: Admin, clear: Path) -> None:
    """The name that a state directory is moved to is the time."""
    now = hub.at("2030-01-01 12:00:00")
    aside = now.json("ca", "restore", clear, "--force")["aside"]
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)
    for second in range(600):
        name = f"{hub.state}.before-{start + timedelta(seconds=second):%Y%m%dT%H%M%SZ}"
        Path(name, "x").mkdir(parents=True, exist_ok=True)
    assert Path(aside, "x").is_dir()
    assert now.json("ca", "restore", clear, "--force")["aside"].endswith("Z-2")


def test_what_is_no_directory_in_the_place_of_one_stays(hub: Admin, clear: Path, other: Admin) -> None:
    other.write(STATE, "notes")
    assert "is not a directory" in other.refuses(77, "ca", "restore", clear, "--force")


def test_a_mount_point_is_refused_before_anything_is_written(clear: Path, other: Admin) -> None:
    """As in a container; no rename takes its place."""
    other.state.mkdir(0o700, parents=True)
    mounted = other.behind("unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && "$@"', str(other.state))
    assert "is a mount point" in mounted("ca", "restore", clear, status=74).problem
    assert not other.certs.exists()
    other("ca", "restore", clear)


def test_another_configuration_is_not_replaced_unasked(hub: Admin, clear: Path, other: Admin) -> None:
    other.configure('domain = "example.org"\n')
    assert "is not that of the backup" in other.refuses(73, "ca", "restore", clear)
    other("ca", "restore", clear, "--force")
    assert state_of(other) == state_of(hub)


@pytest.mark.parametrize("place", [STATE, CERTS, "/link"])
def test_a_backup_within_what_is_saved_is_refused(hub: Admin, key: str, place: str) -> None:
    """Each later one would hold it; what leads there counts, too."""
    hub.path("/link").symlink_to(hub.state)
    said = hub.refuses(64, "ca", "backup", hub.path(place) / "saved.age", "--passphrase", key)
    assert "lies in what is saved" in said


def test_what_was_published_since_is_taken_over(hub: Admin, clear: Path) -> None:
    """On the same host its certificate directory tells; on another one, a CRL that is put there first."""
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    number = hub.openssl("crl", "-in", hub.certs / "crl.pem", "-noout", "-crlnumber")
    serial = hub.serial("attic")
    shutil.rmtree(hub.state)
    told = hub("ca", "restore", clear)
    assert "left as they are" in told
    assert "crl.pem" in told
    assert "1 of its revocations are not in the inventory" in hub("inventory", "check", status=1).out
    hub("ca", "crl")
    after = hub.openssl("crl", "-in", hub.certs / "crl.pem", "-noout", "-crlnumber")
    assert int(after.partition("=")[2], 16) > int(number.partition("=")[2], 16)
    assert serial in hub.openssl("crl", "-in", hub.certs / "crl.pem", "-noout", "-text").lower()


def test_a_newer_crl_on_another_machine_is_taken_over(hub: Admin, clear: Path, other: Admin) -> None:
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic")
    serial = hub.serial("attic")
    other.write(f"{CERTS}/crl.pem", (hub.certs / "crl.pem").read_bytes())
    other.certs.chmod(0o700)
    other("ca", "restore", clear)
    other("ca", "crl")
    assert serial in other.openssl("crl", "-in", other.certs / "crl.pem", "-noout", "-text").lower()


# Dry runs, kills, and others at work.


@pytest.mark.parametrize("force", [False, True])
def test_what_is_named_is_what_happens(hub: Admin, clear: Path, other: Admin, force: bool) -> None:
    admin = hub if force else other
    words = ["ca", "restore", str(clear), *["--force"] * force]
    before = tree(admin.directory)
    changes = admin.json("-n", *words)["plan"]
    assert tree(admin.directory) == before
    if force:
        assert [row["action"] for row in changes if row["target"] == str(hub.state)] == ["move", "make"]
        return  # the name that it is moved to is the time
    admin(*words)
    same(foreseen(changes, before), happened(before, tree(admin.directory)))


def test_a_killed_restore_is_typed_again(clear: Path, other: Admin, hub: Admin) -> None:
    words = ("ca", "restore", str(clear))
    for point in chosen(other.kill_points(*words)):
        shutil.rmtree(other.root)
        assert other.killed_at(point, *words), point
        ran = other.run(*words)
        assert ran.status in {0, 73}, (point, ran)
        assert not list(other.root.rglob("*.smtpcreds-*")), point
        assert state_of(other) == state_of(hub), point
        assert "agree" in other("inventory", "check")


def test_a_kill_loses_neither_the_authority_that_was_there_nor_the_backup(
    hub: Admin, clear: Path, tmp_path: Path
) -> None:
    words = ("ca", "restore", str(clear), "--force")
    start = hub.copy(tmp_path / "start")
    inventory = start.path(INVENTORY).read_bytes()
    for point in chosen(start.copy(tmp_path / "counted").kill_points(*words)):
        shutil.rmtree(hub.root)
        start.copy(hub.root)
        assert hub.killed_at(point, *words), point
        hub(*words)
        kept = hub.state.parent.glob("smtpcreds.before-*/inventory.sqlite3")
        assert inventory in [path.read_bytes() for path in kept], point
        assert not list(hub.root.rglob("*.smtpcreds-*")), point
        assert "agree" in hub("inventory", "check")


@pytest.mark.parametrize("lacks", ["", "renameat2"], ids=["exchange", "renames"])
def test_whatever_comes_after_a_kill_finds_an_authority(
    hub: Admin, clear: Path, tmp_path: Path, lacks: str
) -> None:
    """Where the kernel or the file system has no exchange, the directory is for a moment nowhere."""
    hub("cert", "issue", "attic")
    before, start = hub.path(INVENTORY).read_bytes(), hub.copy(tmp_path / "start")
    words, number = ("ca", "restore", str(clear), "--force"), 1
    while hub.killed(f"renameat,renameat2:signal=KILL:when={number}", *words, lacks=lacks):
        hub("ca", "crl")
        found = [path.read_bytes() for path in hub.state.parent.glob("smtpcreds*/inventory.sqlite3")]
        assert before in found or len(hub.json("cert", "list")["certificates"]) == 2, number
        assert not [*hub.state.parent.glob(".*")], number
        shutil.rmtree(hub.root)
        start.copy(hub.root)
        number += 1
    assert number > 2


def test_two_at_once_end_as_one_after_the_other(hub: Admin, clear: Path, other: Admin) -> None:
    """Both begin where there is no directory that a lock could lie in."""
    restore, begin = ("ca", "restore", clear), ("ca", "init", "--no-passphrase")
    for commands in ((restore, restore), (restore, begin, begin)):
        shutil.rmtree(other.root, ignore_errors=True)
        ran = other.at_once(*commands)
        assert sorted(one.status for one in ran) == [0, *[73] * (len(commands) - 1)], ran
        assert "agree" in other("inventory", "check")


def test_a_backup_while_others_issue_is_of_one_moment(hub: Admin, key: str, other: Admin) -> None:
    saved = [hub.directory / f"saved{number}.age" for number in range(2)]
    backups = [("ca", "backup", path, "--passphrase", key) for path in saved]
    issues = [("cert", "issue", f"h{number}") for number in range(6)]
    for ran in hub.at_once(*issues[:3], backups[0], *issues[3:], backups[1]):
        assert ran.status == 0, ran
    for path in saved:
        shutil.rmtree(other.root, ignore_errors=True)
        other("ca", "restore", path, "--passphrase", key)
        assert "agree" in other("inventory", "check")
        hosts = {row["host"].partition(".")[0] for row in other.json("cert", "list")["certificates"]}
        assert {path.name.removesuffix("-key.pem") for path in other.certs.glob("*-key.pem")} == hosts


HOLDER = """
import os, sys
from smtpcreds.files import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_who_waited_for_a_lock_that_was_moved_aside_takes_the_new_one(hub: Admin) -> None:
    lock, aside = hub.path(f"{STATE}/lock"), hub.state.with_name("aside")
    command = (sys.executable, "-c", HOLDER, str(lock))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(hub.command("cert", "issue", "attic"), stdout=subprocess.DEVNULL) as waiting:
            while str(lock) not in open_files(waiting.pid):
                assert waiting.poll() is None
            shutil.copytree(hub.state, aside)
            hub.state.rename(hub.state.with_name("moved"))
            aside.rename(hub.state)
            (hub.state / "lock").unlink()
            holder.communicate("go\n")
            assert waiting.wait() == 0
    assert (hub.state / "lock").exists()
    assert hub.query("SELECT count(*) FROM certificates WHERE host LIKE 'attic%'") == [(1,)]


def test_the_passphrase_is_nowhere(hub: Admin, saved: Path) -> None:
    assert SECRET not in saved.read_bytes()
    assert SECRET not in hub.path(INVENTORY).read_bytes()
    assert b"PRIVATE KEY" not in saved.read_bytes()
