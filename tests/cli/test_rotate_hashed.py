"""Successors of hashed accounts: stored as what they replace, and never with a secret that nobody has.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, strace, gnome-keyring, dbus.
"""

import json
import signal
from pathlib import Path
from shlex import split
from typing import Any

import pytest
import sasl_oracle
from desktop import session

from smtpcreds.accounts.forms import CLEAR, Form, Hashed, form_of
from smtpcreds.cli import run
from smtpcreds.inventory import open_inventory
from smtpcreds.model import Account
from smtpcreds.mta.auth_info import parse
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sasldb.records import properties, replacement

from .bulk_scene import HUB, Admin, key

OLD, NEW = f"maildroid@{HUB}", f"maildroid-2@{HUB}"
SECRET = b"Ch1mp? ,03fuzz fl0ppi"
ALL = set(sasl_oracle.MECHANISMS)
STORED: dict[tuple[str, ...], tuple[Form, set[str]]] = {
    (): (CLEAR, ALL),
    ("--hashed",): (Hashed(), {"SCRAM-SHA-256"}),
    ("--hashed", "--also", "CRAM-MD5"): (Hashed(also=("CRAM-MD5",)), {"SCRAM-SHA-256", "CRAM-MD5"}),
    ("--hashed", "--also", "PLAIN"): (Hashed(also=("PLAIN",)), {"SCRAM-SHA-256", "PLAIN", "LOGIN"}),
    (
        *("--hashed", "--scram", "SCRAM-SHA-512", "--iterations", "5000"),
        *("--also", "CRAM-MD5", "--also", "DIGEST-MD5", "--also", "PLAIN"),
    ): (
        Hashed("SCRAM-SHA-512", 5000, ("CRAM-MD5", "DIGEST-MD5", "PLAIN")),
        {"SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"},
    ),
}


class Hub(Admin):
    """An administrator whose commands run in this process, where only an answer is asked for."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(directory)
        self.capture = capture
        self.kept = self.file("kept", SECRET)

    def sasl(self, *words: object, status: int = 0) -> str:
        """Return all that was said."""
        self.capture.readouterr()
        ended = run(["--root", str(self.root), "sasl", *map(str, words)])
        said = "".join(self.capture.readouterr())
        assert ended == status, said
        return said

    def data(self, *words: object) -> Any:
        return json.loads(self.sasl(*words, "--json"))

    def add(self, *words: object) -> None:
        self.sasl("add", "maildroid", *words, "--password", f"file:{self.kept}")

    def client(self, name: str = "maildroid-2") -> Path:
        return self.root / "var/lib/smtpcreds/clients" / name / "default-auth-info"

    def held(self, name: str = "maildroid-2") -> dict[str, bytes]:
        return properties(open_store(str(self.database)).load(), Account(name, HUB))

    def form(self, name: str = "maildroid-2") -> Form:
        return form_of(Account(name, HUB), self.held(name))

    def opened(self, secret: bytes, name: str = "maildroid-2") -> set[str]:
        return set(sasl_oracle.mechanisms(self.database, name, HUB, secret))

    def states(self) -> list[str]:
        path = self.root / "var/lib/smtpcreds/inventory.sqlite3"
        with open_inventory(path, read_only=True) as inventory:
            return [row.state.value for row in inventory.rotations.history()][::-1]


@pytest.fixture
def hub(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Hub:
    return Hub(tmp_path, capfd)


def secret_in(path: Path) -> bytes:
    assert path.stat().st_mode & 0o777 == 0o600
    return parse(path.read_bytes(), str(path)).secret.reveal()


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
    said = hub.sasl("rotate", "maildroid", "--client", "attic", "-v")
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
    assert [line.split()[1:3] for line in plan] == [["write", str(hub.client())], ["add", NEW]]
    hub.sasl("rotate", "maildroid", "--after", "30d")
    handed = hub.client().read_text()
    assert hub.sasl("auth-info", "maildroid-2") == handed
    plan = hub.sasl("rotate", "maildroid", "--retire", "-n").splitlines()
    assert [line.split()[1:3] for line in plan] == [["delete", OLD], ["delete", str(hub.client())]]
    assert hub.client().read_text() == handed
    hub.prefix = ("faketime", "-f", "+31d")
    assert (
        "the file for client hosts, which had its secret, is deleted too"
        in hub("sasl", "rotate", "--due").out
    )
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
    hub.sasl("passwd", "maildroid-2", "--password", f"file:{hub.kept}")
    command = "smtpcreds sasl passwd maildroid-2 --auth-info FILE"
    assert f"its secret can't be read back; give it another one: {command}" in hub.sasl("rotations")
    hub.sasl(*split(command)[2:-1], hub.client(), "--force")
    assert f"next: copy {hub.client()} to" in hub.sasl("rotations")
    hub.sasl("passwd", "maildroid-2", "--clear")
    assert "next: smtpcreds sasl auth-info maildroid-2 --to FILE\n" in hub.sasl("rotations")


class TestPlaces:
    def test_a_named_place_is_the_only_one(self, hub: Hub) -> None:
        hub.add("--hashed")
        info = hub.directory / "attic info"
        done = hub.data("rotate", "maildroid", "--auth-info", info)
        assert (done["file"], done["secret"]) == (str(info), [str(info)])
        assert hub.opened(secret_in(info)) == {"SCRAM-SHA-256"}
        assert not hub.client().exists()
        assert f"next: copy {info} to" in hub.sasl("rotations")
        assert hub.data("rotations")["rotations"][0]["secret"] == [str(info)]
        hub.sasl("rotate", "maildroid", "--retire")
        assert hub.opened(secret_in(info)) == {"SCRAM-SHA-256"}

    @pytest.mark.parametrize("words", [(), ("--hashed",)])
    def test_what_is_said_of_a_kept_secret_works(self, hub: Hub, words: tuple[str, ...]) -> None:
        hub.add(*words)
        place = hub.directory / "the secret"
        said = hub.sasl("rotate", "maildroid", "--keep", f"file:{place}", "--client", "attic")
        assert not hub.client().exists()
        command, _, hosts = said.partition("next: ")[2].splitlines()[0].partition("    ")
        assert hosts == "for attic.polkatistas.org"
        assert command in hub.sasl("rotations")
        target = hub.directory / "info"
        hub.sasl(*(str(target) if word == "FILE" else word for word in split(command)[2:]))
        assert secret_in(target) + b"\n" == place.read_bytes()
        assert hub.opened(secret_in(target)) == STORED[words][1]
        said = hub.sasl("rotate", "maildroid", "--abandon")
        assert f"file:{place}: has the secret of {NEW}, which opens nothing now" in said
        assert place.exists()

    def test_several_places(self, hub: Hub) -> None:
        hub.add("--hashed")
        said = hub.sasl("rotate", "maildroid", "--keep", "file:two", "--auth-info", "one")
        assert said.count(" or copy ") == 1
        names = [
            Path(place.removeprefix("file:")).name
            for place in hub.data("rotations")["rotations"][0]["secret"]
        ]
        assert names == ["two", "one"]

    @pytest.fixture(autouse=True)
    def at_home(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(hub.directory)

    @pytest.mark.parametrize("option", ["--keep=file:taken", "--auth-info=taken"])
    def test_a_file_in_the_way_is_left_alone(self, hub: Hub, option: str) -> None:
        hub.add("--hashed")
        hub.file("taken", b"something else")
        for words in (("-n",), ()):
            assert "left alone" in hub.sasl("rotate", "maildroid", option, *words, status=73)
        assert (hub.directory / "taken").read_bytes() == b"something else"
        assert not (hub.root / "var").exists()

    def test_a_place_that_fails_leaves_nothing_half_way(self, hub: Hub) -> None:
        hub.add("--hashed")
        no_keyring = ("env", "PYTHON_KEYRING_BACKEND=keyring.backends.fail.Keyring")
        hub.prefix = no_keyring
        done = hub.run("sasl", "rotate", "maildroid", "--keep", "keyring:relays/maildroid-2")
        assert (done.status, done.out, "no keyring here" in done.err) == (69, "", True)
        assert hub.held() == {}
        assert hub.states() == ["abandoned"]
        assert "interrupted" not in hub.sasl("rotate", "maildroid")

    def test_a_chosen_secret(self, hub: Hub) -> None:
        hub.add("--hashed")
        chosen = hub.file("chosen", b"another old polka record")
        hub.sasl("rotate", "maildroid", "--password", f"file:{chosen}")
        assert hub.opened(b"another old polka record") == {"SCRAM-SHA-256"}
        assert secret_in(hub.client()) == b"another old polka record"

    def test_a_chosen_secret_that_is_refused(self, hub: Hub) -> None:
        hub.add("--hashed")
        hub.file("weak", b"polka\x07")
        hub.sasl("rotate", "maildroid", "--password", "file:weak", status=65)
        assert hub.held() == {}
        assert not (hub.root / "var").exists()


KEYRING = """
sc() { "$@" || echo "status $?"; }
for name in maildroid maildroid-2; do
    sc "$@" rotate maildroid --keep keyring:relays/$name
done
sc "$@" auth-info maildroid-2 --to info --password keyring:relays/maildroid-2
"""


def test_kept_in_the_keyring(hub: Hub) -> None:
    """The old account's entry is not replaced: its secret works still."""
    hub.add("--hashed")
    (hub.directory / "runtime").mkdir(mode=0o700)
    settings = (f"HOME={hub.directory}", f"XDG_RUNTIME_DIR={hub.directory}/runtime")
    store = "keyring set relays maildroid <kept"
    hub.prefix = ("env", *settings, *session(store + KEYRING))
    done = hub("sasl")
    assert "status 73" in done.out
    assert (
        "next: smtpcreds sasl auth-info maildroid-2 --to FILE --password keyring:relays/maildroid-2"
        in done.out
    )
    assert not hub.client().exists()
    assert hub.opened(secret_in(hub.directory / "info")) == {"SCRAM-SHA-256"}


def killed_at(call: str) -> tuple[str, ...]:
    inject = f"inject={call}:signal=KILL:when=1"
    environment = ("env", "PYTHONDONTWRITEBYTECODE=1")
    return (*environment, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)


def interrupt(hub: Hub, call: str, *words: object) -> None:
    hub.prefix = killed_at(call)
    assert hub.run("sasl", "rotate", "maildroid", *map(str, words)).status == -signal.SIGKILL
    hub.prefix = ()


def test_killed_before_the_account_is_made(hub: Hub) -> None:
    """The secret that was delivered opens nothing, and is deleted or named."""
    hub.add("--hashed")
    place = hub.directory / "place"
    for call, words, path in (
        ("rename", (), None),
        ("renameat", (), hub.client()),
        ("renameat", ("--keep", f"file:{place}"), place),
    ):
        interrupt(hub, call, *words)
        assert path is None or path.exists()
        assert hub.held() == {}
        assert ": begun today" in hub.sasl("rotations")
        said = hub.sasl("rotate", "--due")
        assert "had made no successor, so that was given up" in said
        assert (f"; if file:{place} has a secret, it opens nothing" in said) is (path == place)
        assert not hub.client().parent.exists()
    assert hub.states() == ["abandoned"] * 3
    hub.sasl("rotate", "maildroid", "--password", f"file:{place}")
    assert hub.opened(place.read_bytes()[:-1]) == {"SCRAM-SHA-256"}


def die_before_the_event(hub: Hub, *words: object) -> None:
    """As a kill does: the account is made, and the inventory says ``begun``."""

    def die(*_: object) -> None:
        raise SystemError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smtpcreds.setup.rotation.record", die)
        hub.sasl("rotate", "maildroid", *words, status=70)
    assert (hub.states(), bool(hub.held())) == (["begun"], True)


def test_killed_after_the_account_was_made(hub: Hub) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    said = hub.sasl("rotate", "maildroid")
    assert f"its successor {NEW} unfinished; it is in place now" in said
    assert f"next: copy {hub.client()} to" in said
    assert hub.opened(secret_in(hub.client())) == {"SCRAM-SHA-256"}


def test_killed_with_a_place_of_its_own(hub: Hub) -> None:
    hub.add("--hashed")
    place = hub.directory / "place"
    die_before_the_event(hub, "--keep", f"file:{place}")
    assert f"it is in place now, its secret in file:{place}" in hub.sasl("rotate", "maildroid")
    assert hub.opened(place.read_bytes()[:-1]) == {"SCRAM-SHA-256"}


def test_a_chosen_secret_is_not_taken_for_the_one_of_a_killed_run(hub: Hub) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    chosen = hub.file("chosen", b"another old polka record")
    said = hub.sasl("rotate", "maildroid", "--password", f"file:{chosen}", status=73)
    assert f"is being replaced by {NEW}" in said


@pytest.mark.parametrize("damage", ["gone", "cut off", "another account's"])
def test_a_secret_that_nobody_has_is_replaced_by_the_command_that_is_said(hub: Hub, damage: str) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    content = {"gone": None, "cut off": b"maildroid-2\n", "another account's": b"a\na\nother secret\nb\n"}[
        damage
    ]
    hub.client().unlink()
    if content:
        hub.client().write_bytes(content)
        hub.client().chmod(0o600)
    warning = next(line for line in hub.sasl("rotate", "--due").splitlines() if "another one: " in line)
    assert f"{NEW}: is stored without clear text, and {hub.client()} has not its secret" in warning
    assert "sasl passwd maildroid-2 --auth-info FILE" in hub.sasl("rotations")
    hub.sasl(*split(warning.partition("another one: ")[2])[2:])
    assert hub.opened(secret_in(hub.client())) == {"SCRAM-SHA-256"}
    assert f"next: copy {hub.client()} to" in hub.sasl("rotations")


def test_killed_while_the_old_account_was_retired(hub: Hub) -> None:
    hub.add("--hashed")
    hub.sasl("rotate", "maildroid")
    secret = secret_in(hub.client())
    interrupt(hub, "renameat", "--retire")
    assert hub.states() == ["retiring"]
    assert hub.opened(secret) == {"SCRAM-SHA-256"} == hub.opened(SECRET, "maildroid")
    assert "it is deleted now" in hub.sasl("rotate", "--due")
    assert not hub.client().parent.exists()
    assert hub.opened(secret) == {"SCRAM-SHA-256"}
    assert hub.opened(SECRET, "maildroid") == set()


def test_commands_that_are_said_name_the_database(hub: Hub) -> None:
    database = hub.directory / "other db"
    hub.sasl("add", "maildroid", "--hashed", "--database", database, "--password", f"file:{hub.kept}")
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
    hub.sasl("add", "relay/attic", "--hashed", "--password", f"file:{hub.kept}")
    hub.sasl("rotate", "relay/attic", "--successor", "attic")
    hub.sasl("rotate", "relay/attic", "--retire")
    assert (hub.states(), hub.held("relay/attic")) == (["retired"], {})


def test_setup_and_bundle_know_the_file(hub: Hub) -> None:
    hub("setup", "dmzmail", "--no-passphrase", "--password", f"file:{hub.kept}")
    hub.sasl("passwd", "maildroid", "--hashed", "--password", f"file:{hub.kept}")
    hub.sasl("rotate", "maildroid")
    archive = hub.directory / "attic.tar"
    hub("bundle", "attic", "--account", "maildroid-2", "-o", archive)
    assert secret_in(hub.client()) in archive.read_bytes()
    hub.sasl("rotate", "maildroid", "--retire")
    done = hub("setup", "dmzmail", "--account", "maildroid-2")
    assert "nothing changed" in done.out
    assert "smtpcreds sasl auth-info maildroid-2 --to FILE --password SOURCE" in done.out
    assert not hub.client().exists()
