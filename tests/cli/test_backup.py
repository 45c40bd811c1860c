"""``ca backup`` and ``ca restore``: one encrypted archive, put back elsewhere; no other is believed."""

import contextlib
import io
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from admin import CERTS, INVENTORY, SECRET, STATE, Admin, contents, open_files, peer, snapshot
from killed import chosen
from readme_blocks import readme_words

from smtpcreds.bundle.archive import Kind, Member, tar_of
from smtpcreds.pki.keys import encode_remote

from .changes import foreseen, happened, same, tree

Members = list[Member]


@pytest.fixture
def key(hub: Admin) -> str:
    """The source of the archive's passphrase."""
    return hub.secret("key")


@pytest.fixture
def saved(hub: Admin, key: str) -> Path:
    """A backup of the hub."""
    path = hub.directory / "saved.age"
    hub("ca", "backup", path, "--passphrase", key)
    return path


@pytest.fixture
def clear(hub: Admin) -> Path:
    """The same in the clear, which spares the second that scrypt takes."""
    return hub.write("clear.tar", plain(hub))


@pytest.fixture
def other(tmp_path: Path) -> Admin:
    """Another machine, where nothing is."""
    (tmp_path / "other").mkdir()
    return Admin(tmp_path / "other/root")


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


# What is no backup, or no longer the one that was made.


def test_one_of_holes_is_refused_before_it_is_read(hub: Admin, tmp_path: Path) -> None:
    """It claims 2 GiB and one octet; reading that would take as much memory."""
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.truncate((2 << 30) + 1)
    limited = hub.behind("prlimit", f"--as={1 << 30}")
    assert "holes: is over 2147483648 octets" in limited("ca", "restore", path, "--check", status=65).problem


def test_a_wrong_passphrase_opens_nothing(hub: Admin, saved: Path, other: Admin) -> None:
    wrong = hub.secret("wrong", b"not the one at all")
    assert "does not open it" in other.refuses(77, "ca", "restore", saved, "--passphrase", wrong)


@pytest.mark.parametrize("keep", [20, 300, 3000, -1, -17])
def test_one_that_was_cut_is_refused(saved: Path, key: str, other: Admin, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    ran = other.run("ca", "restore", saved, "--passphrase", key)
    assert ran.status in {64, 65, 77}
    assert ran.problem
    assert not other.root.exists()


@pytest.mark.parametrize("place", [30, 60, 200, 5000, -30])
def test_one_that_was_altered_is_refused(saved: Path, key: str, other: Admin, place: int) -> None:
    data = bytearray(saved.read_bytes())
    data[place] ^= 1
    saved.write_bytes(data)
    assert other.run("ca", "restore", saved, "--passphrase", key).status in {65, 77}
    assert not other.root.exists()


def plain(hub: Admin) -> bytes:
    return hub.run("ca", "backup", "-").octets


@pytest.mark.parametrize("place", [1024 + 600, 9000, 60000])
def test_a_plain_one_that_was_altered_is_refused(hub: Admin, other: Admin, place: int) -> None:
    data = bytearray(plain(hub))
    data[place] ^= 1
    said = other.refuses(65, "ca", "restore", "-", stdin=bytes(data))
    assert "was cut or changed on its way" in said


def made_of(members: Members) -> bytes:
    """An archive in order, whose digest fits, by somebody who can make one."""
    return tar_of("smtpcreds backup 1 host=hub.example at=2026-11-28T12:00:00Z", members, datetime.now(UTC))


def members_in(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            Member(i.name, i.mode, kind=Kind.LINK, target=i.linkname)
            if i.issym()
            else Member(i.name, i.mode, archive.extractfile(i).read())  # type: ignore[union-attr]
            for i in archive
        ]


def with_more(*more: Member) -> Callable[[Members], Members]:
    return lambda members: [*members, *more]


def without(name: str) -> Callable[[Members], Members]:
    return lambda members: [member for member in members if member.path != name]


def with_other(name: str, content: bytes) -> Callable[[Members], Members]:
    return lambda members: [*without(name)(members), Member(name, 0o600, content)]


@pytest.mark.parametrize(
    ("craft", "reason"),
    [
        (with_more(Member("../etc/passwd", 0o644, b"x")), "../etc/passwd is in it, which no backup has"),
        (with_more(Member("/etc/passwd", 0o644, b"x")), "/etc/passwd is in it"),
        (with_more(Member("state/../../x", 0o644, b"x")), "state/../../x is in it"),
        (with_more(Member("state/ca/../x", 0o644, b"x")), "is in it"),
        (with_more(Member("certificates/a/b", 0o644, b"x")), "is in it"),
        (with_more(Member("certificates/.hidden", 0o644, b"x")), "is in it"),
        (with_more(Member("state/a/b/c/d/e/f", 0o644, b"x")), "is in it"),
        (with_more(Member("certificates/x", 0o777, kind=Kind.LINK, target="/etc/shadow")), "is in it"),
        (with_more(Member("certificates/x", 0o777, kind=Kind.LINK, target="../ca/ca-key.pem")), "is in it"),
        (with_more(Member("certificates/x", 0o777, kind=Kind.LINK, target="a\nb")), "is in it"),
        (with_more(Member("state/ca", 0o777, kind=Kind.LINK, target="elsewhere")), "is in it"),
        (with_more(Member("state/dir", 0o755, kind=Kind.DIRECTORY)), "is in it"),
        (with_more(Member("configuration", 0o644, b"x")), "is in it twice"),
        (with_more(Member("state/inventory.sqlite3-wal", 0o600, b"x")), "sqlite3-wal is in it"),
        (with_more(Member("state/lock", 0o600, b"x")), "state/lock is in it"),
        (with_more(Member("state/lock/x", 0o600, b"x")), "state/lock/x is in it"),
        (with_more(Member("state/ca/crl.pem/x", 0o600, b"x")), "is in it below a file"),
        (with_more(Member("state/ca/crl.pem/x/y", 0o600, b"x")), "is in it below a file"),
        (with_more(Member("certificates/\x1b[2Jx", 0o600, b"x")), r"\x1b[2Jx is in it"),
        (with_more(Member("certificates/a\nb", 0o600, b"x")), r"a\nb is in it"),
        (with_more(Member(f"certificates/{'x' * 256}", 0o600, b"x")), "is in it"),
        (without("state/ca/ca-key.pem"), "lacks state/ca/ca-key.pem"),
        (without("state/ca/ca-cert.pem"), "lacks state/ca/ca-cert.pem"),
        (with_other("state/ca/ca-key.pem", b"nonsense"), "ca-key.pem"),
        (with_other("state/inventory.sqlite3", b"nonsense"), "inventory.sqlite3"),
        (with_other("state/inventory.sqlite3", b""), "inventory.sqlite3"),
        (with_other("configuration", b"domain = 7"), "takes a string"),
    ],
)
def test_a_crafted_one_is_refused_and_nothing_is_written(
    hub: Admin, other: Admin, craft: Callable[[Members], Members], reason: str
) -> None:
    data = made_of(craft(members_in(plain(hub))))
    ran = other.run("ca", "restore", "-", stdin=data)
    assert ran.status in {65, 66, 78}, ran
    assert reason in ran.problem
    assert not other.root.exists()


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        (
            '[cert]\ndirectory = "/root/.ssh"\n',
            "certificates/authorized_keys",
            "certificates into '/root/.ssh'",
        ),
        ('state = "/root/.ssh"\n', "state/authorized_keys", "the state directory at '/root/.ssh'"),
        (
            '[ca]\npassphrase = "cmd:touch /x"\n',
            "certificates/x",
            "runs a command: ca.passphrase = 'cmd:touch /x'",
        ),
        ('[ca]\npin = "cmd:touch /x"\n', "certificates/x", "runs a command: ca.pin = 'cmd:touch /x'"),
        ('[sasl]\ncopies = ["/etc/shadow"]\n', "certificates/x", "sets sasl.copies = ('/etc/shadow',)"),
        ('[sasl]\ngroup = "users"\nmode = "0640"\n', "certificates/x", "sets sasl.group = 'users'"),
        (
            '[sasl]\ndatabase = "postgresql://mallory.example/mail"\n',
            "certificates/x",
            "sets sasl.database = 'postgresql://mallory.example/mail'",
        ),
        (
            'inventory = "postgresql://mallory.example/mail"\n',
            "certificates/x",
            "sets inventory = 'postgresql://mallory.example/mail'",
        ),
        (
            '[system]\nrestart = "touch /x;"\n',
            "certificates/x",
            "sets system.restart = 'touch /x;'",
        ),
        ('[system]\nexim_conf = "/root/.bashrc"\n', "certificates/x", "sets system.exim_conf"),
    ],
)
def test_a_configuration_that_leads_elsewhere_is_not_obeyed_unasked(
    hub: Admin, other: Admin, text: str, more: str, reason: str
) -> None:
    """It would write keys for SSH as root, or run a command with the next one that signs."""
    craft = with_other("configuration", text.encode())
    data = made_of([*craft(members_in(plain(hub))), Member(more, 0o600, b"ssh-ed25519 AAAA mallory\n")])
    assert reason in other.refuses(77, "ca", "restore", "-", stdin=data)
    assert not other.root.exists()
    other("ca", "restore", "--check", "-", stdin=data)
    other("ca", "restore", "-", "--force", stdin=data)


def test_the_configuration_that_is_there_already_may_lead_elsewhere(hub: Admin, other: Admin) -> None:
    text = '[cert]\ndirectory = "/etc/ssl/mail"\n'
    other.configure(text)
    data = made_of(with_other("configuration", text.encode())(members_in(plain(hub))))
    other("ca", "restore", "-", stdin=data)
    assert other.path("/etc/ssl/mail/dmzmail-key.pem").exists()


@pytest.mark.parametrize("name", ["ca/a/b/c/d", "ca/a\nb"], ids=["deep", "two lines"])
def test_what_could_not_be_restored_is_not_backed_up(hub: Admin, name: str) -> None:
    path = hub.state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    path.chmod(0o600)
    assert "is in it, which no backup has" in hub.refuses(65, "ca", "backup", "-")


@pytest.mark.parametrize(
    ("name", "target"), [("a\nb", "cacert.pem"), (".a", "cacert.pem"), ("a", ".b"), ("a", "b\x1b[2J")]
)
def test_a_link_that_could_not_be_restored_is_left_out(hub: Admin, name: str, target: str) -> None:
    """Where one was in the way, there would be no backup at all."""
    (hub.certs / name).symlink_to(target)
    ran = hub("ca", "backup", "-")
    assert name.startswith(".") or "is not in the backup" in " ".join(ran.warnings)
    assert f"certificates/{name}" not in [member.path for member in members_in(ran.octets)]


def test_what_is_no_file_is_left_out(hub: Admin) -> None:
    os.mkfifo(hub.certs / "pipe", 0o600)
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(hub.certs):
        listening.bind("socket")
    warnings = hub("ca", "backup", "-").warnings
    assert [line.partition(": ")[0].rpartition("/")[2] for line in warnings] == ["pipe", "socket"]


def with_inventory(hub: Admin, *statements: str) -> bytes:
    """An archive whose inventory somebody changed by SQL."""
    members = members_in(plain(hub))
    path = hub.directory / "inventory"
    path.write_bytes(next(one.content for one in members if one.path.endswith("sqlite3")))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
        database.execute("PRAGMA journal_mode = DELETE")
    return made_of(with_other("state/inventory.sqlite3", path.read_bytes())(members))


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
OLD_AND_ENDLESS = (
    *("DROP TABLE pulls", "DROP INDEX events_what", "ALTER TABLE crls DROP COLUMN der"),
    *("DROP TRIGGER events_unchanged", "ALTER TABLE events DROP COLUMN hash"),
    f"CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN {ENDLESS}; END",
    "PRAGMA user_version = 5",
)
"""Its migration updates each event, and would not come back."""


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (
            ("CREATE TRIGGER t BEFORE UPDATE ON certificates BEGIN SELECT RAISE(IGNORE); END",),
            "another trigger 't'",
        ),
        (("DROP TRIGGER events_remain",), "another trigger 'events_remain'"),
        (
            (
                "DROP TABLE pulls",
                "CREATE TABLE pulls (host TEXT PRIMARY KEY ON CONFLICT IGNORE, program TEXT NOT NULL)",
            ),
            "another table 'pulls'",
        ),
        (OLD_AND_ENDLESS, "another "),
    ],
    ids=["trigger", "without", "constraint", "endless"],
)
def test_an_inventory_that_acts_by_itself_is_refused(
    hub: Admin, other: Admin, statements: tuple[str, ...], reason: str
) -> None:
    """It could drop the revocations that are recorded in it, with no word said."""
    said = other.refuses(65, "ca", "restore", "-", stdin=with_inventory(hub, *statements))
    assert f"state/inventory.sqlite3: has {reason}" in said
    assert said.endswith("than an inventory of smtpcreds")


def placed(directory: str) -> str:
    return f"UPDATE certificates SET directory = '{directory}/dmzmail'"


@pytest.mark.parametrize("directory", ["usr/bin", "etc/mail/certs/../../../usr/bin"])
def test_an_inventory_that_leads_elsewhere_is_not_obeyed_unasked(
    hub: Admin, other: Admin, directory: str
) -> None:
    """``ca crl`` would write there, and ``audit --fix`` close the directory to all others."""
    data = with_inventory(hub, placed(directory))
    other.path("/usr/bin").mkdir(parents=True)
    other.path("/usr/bin").chmod(0o755)
    said = other.refuses(77, "ca", "restore", "-", stdin=data)
    assert (
        f"its inventory has certificates in '{other.path('/usr/bin')}', where later runs would write" in said
    )
    other("ca", "restore", "--check", "-", stdin=data)
    other("ca", "restore", "-", "--force", stdin=data)


def test_an_inventory_may_lead_where_this_authority_is_trusted(hub: Admin, other: Admin) -> None:
    other.path("/etc/ssl/mail").mkdir(parents=True, mode=0o700)
    other.write("/etc/ssl/mail/cacert.pem", (hub.certs / "cacert.pem").read_bytes())
    other("ca", "restore", "-", stdin=with_inventory(hub, placed("etc/ssl/mail")))


def replacing(sasldb: str, places: str) -> str:
    row = f"'maildroid', 'maildroid-2', 'r', '{sasldb}', '', 0, 'open', '{places}'"
    names = "authcid, successor, realm, sasldb, clients, started, state, places"
    return f"INSERT INTO rotations ({names}) VALUES ({row})"


@pytest.mark.parametrize(
    ("sasldb", "places", "reason"),
    [
        ("postgresql://mallory.example/mail", "", "an account in 'postgresql://mallory.example/mail'"),
        ("etc/other", "", "an account in 'etc/other'"),
        ("etc/sasldb2", "/etc/cron.d/x", "has a new secret for '/etc/cron.d/x'"),
    ],
)
def test_accounts_are_not_replaced_elsewhere_unasked(
    hub: Admin, other: Admin, sasldb: str, places: str, reason: str
) -> None:
    data = with_inventory(hub, replacing(sasldb, places))
    assert reason in other.refuses(77, "ca", "restore", "-", stdin=data)
    other("ca", "restore", "-", "--force", stdin=data)


def test_an_account_that_is_being_replaced_comes_back(hub: Admin, other: Admin) -> None:
    hub("sasl", "rotate", "maildroid")
    other("ca", "restore", "-", stdin=plain(hub))


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("ca-key.pem", f"{STATE}/token.so"),
        ("ca-key.pem", f"{CERTS}/token.so"),
        ("ca-key.pem", f"/etc/..{STATE}/token.so"),
        ("root-key.pem", f"{STATE}/token.so"),
        ("former/ca-key.pem", f"{STATE}/token.so"),
    ],
)
def test_a_token_library_does_not_come_with_the_archive(
    hub: Admin, other: Admin, key: str, place: str
) -> None:
    """Root's next run that signs would load it."""
    uri = f"pkcs11:token=relays;object=ca?module-path={other.path('/')}{place}"
    top = "state" if STATE in place else "certificates"
    craft = with_other(f"state/ca/{key}", encode_remote(uri))
    data = made_of([*craft(members_in(plain(hub))), Member(f"{top}/token.so", 0o600, b"\x7fELF")])
    for words in (("--check",), ("--force",), ()):
        assert "come with the archive" in other.refuses(77, "ca", "restore", *words, "-", stdin=data)


def test_a_key_uri_that_is_none_is_refused(hub: Admin, other: Admin) -> None:
    craft = with_other("state/ca/ca-key.pem", encode_remote("pkcs11:token=relays"))
    said = other.refuses(65, "ca", "restore", "-", stdin=made_of(craft(members_in(plain(hub)))))
    assert "names no key of a token" in said


def test_no_hint_names_a_file_within_an_archive(hub: Admin, other: Admin) -> None:
    craft = with_other("state/inventory.sqlite3", b"SQLite format 3\0" + bytes(4096))
    said = other.refuses(65, "ca", "restore", "-", stdin=made_of(craft(members_in(plain(hub)))))
    assert "hint" not in said


def test_a_key_of_another_authority_is_found(hub: Admin, other: Admin, tmp_path: Path) -> None:
    foreign = Admin(tmp_path / "foreign")
    foreign("ca", "init", "--no-passphrase")
    craft = with_other("state/ca/ca-key.pem", (foreign.state / "ca/ca-key.pem").read_bytes())
    said = other.refuses(65, "ca", "restore", "--check", "-", stdin=made_of(craft(members_in(plain(hub)))))
    assert "ca-key.pem" in said


def test_a_member_that_claims_more_than_there_is_is_refused(hub: Admin, other: Admin) -> None:
    """Its size is read before a single octet is made room for."""
    info = tarfile.TarInfo("state/huge")
    info.size = 7 << 30
    body = info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    from hashlib import sha256

    comment = f"smtpcreds backup 1 host=h at=2026-11-28T12:00:00Z sha256={sha256(body).hexdigest()}"
    data = tarfile.TarInfo.create_pax_global_header({"comment": comment}) + body
    assert "claims 7516192768 octets" in other.refuses(65, "ca", "restore", "-", stdin=data)


@pytest.mark.parametrize("data", [b"", b"x" * 2000, b"age-encryption.org/v1\n-> scrypt AAAA 30\nx\n--- x\n"])
def test_what_is_no_backup_is_refused(hub: Admin, key: str, other: Admin, data: bytes) -> None:
    path = hub.write("nonsense", data)
    words = ("--passphrase", key) if data.startswith(b"age") else ()
    assert other.refuses(65, "ca", "restore", path, *words)


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
