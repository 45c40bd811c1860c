"""``ca restore`` of what is no backup, or one of somebody else: no archive is believed, or obeyed unasked."""

import contextlib
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import CERTS, STATE, Admin

from smtpcreds.bundle.archive import Kind, Member
from smtpcreds.pki.keys import encode_remote

from .archives import Members, made_of, members_in, plain, with_inventory, with_more, with_other, without


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


@pytest.mark.parametrize("place", [1024 + 600, 9000, 60000])
def test_a_plain_one_that_was_altered_is_refused(hub: Admin, other: Admin, place: int) -> None:
    data = bytearray(plain(hub))
    data[place] ^= 1
    said = other.refuses(65, "ca", "restore", "-", stdin=bytes(data))
    assert "was cut or changed on its way" in said


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
