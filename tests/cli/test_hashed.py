"""Accounts without clear text, each mechanism judged by the host's own libsasl2.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, db5.3-util, strace, gnome-keyring, dbus.
"""

import os
import shlex
import stat
import subprocess
from pathlib import Path

import click
import pytest
import sasl_oracle
from admin import HUB, SECRET, Admin, relay
from desktop import session

from smtpcreds.accounts.entries import CLEAR_TEXT, ordered
from smtpcreds.accounts.stored import ALSO, CLEAR, Hashed, form_of
from smtpcreds.cli.lazy_click import Command
from smtpcreds.cli.sasl import FORMATS, add, verify
from smtpcreds.cli.tree import made
from smtpcreds.errors import PasswordRefusedError
from smtpcreds.model import Account
from smtpcreds.passwords import MAX_ITERATIONS, MIN_ITERATIONS, SCRAM_MECHANISMS, parse_scram, scram_secret
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sasldb.records import properties
from smtpcreds.secret import Secret

MAILDROID = Account("maildroid", HUB)
WRONG = b"not the secret"


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


def held(admin: Admin, account: Account = MAILDROID) -> dict[str, bytes]:
    return properties(open_store(str(admin.database)).load(), account)


def choices(command: Command, option: str) -> tuple[str, ...]:
    kind = type_of(command, option)
    assert isinstance(kind, click.Choice)
    return tuple(kind.choices)


def type_of(command: Command, option: str) -> object:
    (found,) = (parameter for parameter in made(command).params if parameter.name == option)
    return found.type


def test_the_options_know_what_the_library_knows() -> None:
    assert choices(add, "scram") == tuple(SCRAM_MECHANISMS)
    assert choices(add, "also") == ALSO
    assert choices(add, "kind") == FORMATS == tuple(Format)
    assert choices(verify, "mechanisms") == ordered(CLEAR_TEXT)
    iterations = type_of(add, "iterations")
    assert isinstance(iterations, click.IntRange)
    assert (iterations.min, iterations.max) == (MIN_ITERATIONS, MAX_ITERATIONS)


@pytest.mark.parametrize(
    ("words", "serves"),
    [
        ((), {"SCRAM-SHA-256"}),
        *((("--scram", mechanism), {mechanism}) for mechanism in SCRAM_MECHANISMS),
        (("--also", "CRAM-MD5"), {"SCRAM-SHA-256", "CRAM-MD5"}),
        (("--also", "digest-md5"), {"SCRAM-SHA-256", "DIGEST-MD5"}),
        (("--also", "PLAIN"), {"SCRAM-SHA-256", "PLAIN", "LOGIN"}),
        (
            ("--scram", "SCRAM-SHA-512", "--also", "PLAIN", "--also", "CRAM-MD5", "--also", "DIGEST-MD5"),
            {"SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"},
        ),
    ],
)
def test_libsasl2_serves_exactly_what_was_asked_for(
    admin: Admin, words: tuple[str, ...], serves: set[str]
) -> None:
    made = admin.sasl("add", "maildroid", "--hashed", *words, "--password", admin.secret("s"), "--json").data
    assert admin.opened_by("maildroid", SECRET) == serves == set(made["mechanisms"])
    assert admin.opened_by("maildroid", WRONG) == set()
    assert made["stored"] == "hashed"
    assert "userPassword" not in held(admin)
    assert SECRET not in admin.database.read_bytes()


def test_list_and_show_say_what_libsasl2_serves(admin: Admin) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--hashed", "--also", "PLAIN", "--password", source)
    admin.sasl("add", "attic", "--password", source)
    rows = {row["account"]: row for row in admin.sasl("list", "--json").data["accounts"]}
    for name in ("maildroid", "attic"):
        assert set(rows[f"{name}@{HUB}"]["mechanisms"]) == admin.opened_by(name, SECRET)
        assert rows[f"{name}@{HUB}"] == {
            key: value for key, value in admin.sasl("show", name, "--json").data.items() if key != "warnings"
        }
    assert b"SCRAM-SHA-256 PLAIN LOGIN" in admin.sasl("list").octets


@pytest.mark.parametrize("iterations", [MIN_ITERATIONS, MAX_ITERATIONS])
def test_iterations_that_clients_accept(admin: Admin, iterations: int) -> None:
    admin.sasl("add", "maildroid", "--hashed", "--iterations", iterations, "--password", admin.secret("s"))
    assert parse_scram(held(admin)["authPassword"]).iterations == iterations
    assert admin.opened_by("maildroid", SECRET) == {"SCRAM-SHA-256"}


@pytest.mark.parametrize(
    "words",
    [
        ("--hashed", "--iterations", 4095),
        ("--hashed", "--iterations", 65537),
        ("--hashed", "--also", "LOGIN"),
        ("--iterations", 5000),
        ("--also", "PLAIN"),
        ("--hashed", "--keep", "attic"),
        ("--hashed", "--keep", "keyring:attic"),
        ("--hashed", "--keep", "env:ATTIC"),
    ],
)
def test_refused_words(admin: Admin, words: tuple[object, ...]) -> None:
    assert admin.sasl("add", "maildroid", *words, status=64).octets == b""
    assert not admin.database.exists()


def test_a_generated_secret_is_shown_once_and_alone(admin: Admin) -> None:
    ran = admin.sasl("add", "maildroid", "--hashed")
    secret = ran.octets.removesuffix(b"\n")
    assert len(secret) >= 27
    assert b"\n" not in secret
    assert secret.decode() not in ran.err
    assert "is not shown again" in ran.err
    assert admin.opened_by("maildroid", secret) == {"SCRAM-SHA-256"}
    refused = admin.sasl("show", "maildroid", "--reveal", status=65)
    assert "is stored without clear text; its secret can't be read back" in refused.err
    assert "smtpcreds sasl passwd maildroid --auth-info FILE" in refused.err
    assert admin.sasl("auth-info", "maildroid", status=65).octets == b""


def test_a_chosen_secret_is_not_shown(admin: Admin) -> None:
    ran = admin.sasl("add", "maildroid", "--hashed", "--password", admin.secret("s"))
    assert SECRET not in ran.octets
    assert SECRET.decode() not in ran.err


def test_never_json(admin: Admin) -> None:
    ran = admin.sasl("add", "maildroid", "--hashed", "--json", status=64)
    assert (ran.octets, "a secret is not printed as JSON" in ran.err) == (b"", True)
    assert not admin.database.exists()


@pytest.mark.parametrize(("mode", "status"), [(0o644, 77), (0o640, 77), (0o600, 0)])
def test_never_a_file_that_others_can_read(admin: Admin, mode: int, status: int) -> None:
    out = admin.directory / "out"
    out.touch(mode)
    out.chmod(mode)
    admin.sasl("add", "maildroid", "--hashed", status=status, before=("sh", "-c", f'exec "$@" >{out}', "sh"))
    assert admin.database.exists() == bool(out.read_bytes()) == (status == 0)


def test_a_secret_that_can_t_be_shown_makes_no_account(admin: Admin) -> None:
    full = ("sh", "-c", 'exec "$@" >/dev/full', "sh")
    assert "nothing was changed" in admin.sasl("add", "maildroid", "--hashed", status=74, before=full).err
    assert not admin.database.exists()


def test_kept_in_a_file(admin: Admin) -> None:
    path = admin.directory / "kept"
    ran = admin.sasl("add", "maildroid", "--hashed", "--keep", "file:kept", "--json")
    assert ran.data["secret"] == [str(path)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_bytes().removesuffix(b"\n")
    assert admin.opened_by("maildroid", secret) == {"SCRAM-SHA-256"}
    assert secret not in ran.octets
    admin.sasl("verify", "maildroid", "--password", f"file:{path}")


def test_the_next_step_can_be_typed(admin: Admin) -> None:
    for words in (
        ("add", "maildroid", "--hashed", "--keep", "file:kept 1"),
        ("passwd", "maildroid", "--keep", "file:2"),
    ):
        step = admin.sasl(*words).out.splitlines()[-1].removeprefix("next: smtpcreds sasl ")
        admin.sasl(*shlex.split(step.replace("FILE", "info")))
    secret = (admin.directory / "2").read_bytes()
    assert secret in (admin.directory / "info").read_bytes()


def test_a_kept_secret_never_takes_the_place_of_a_file(admin: Admin) -> None:
    path = admin.directory / "kept"
    path.write_text("something else")
    for words in (("add", "maildroid", "--hashed"), ("add", "maildroid")):
        assert "was not changed" in admin.sasl(*words, "--keep", f"file:{path}", status=73).err
    assert path.read_text() == "something else"
    assert not admin.database.exists()
    (admin.directory / "open").mkdir(mode=0o777)
    (admin.directory / "open").chmod(0o777)
    admin.sasl("add", "maildroid", "--hashed", "--keep", "file:open/kept", status=77)
    admin.sasl("add", "maildroid", "--hashed", "--keep", "file:missing/kept", status=66)
    assert not admin.database.exists()


def test_written_as_default_auth_info(admin: Admin) -> None:
    path = admin.directory / "info"
    words = ("--hashed", "--realm", "polka.example", "--auth-info", path)
    ran = admin.sasl("add", "maildroid", *words)
    lines = path.read_bytes().splitlines()
    assert lines[:2] == [b"maildroid@polka.example"] * 2
    assert lines[3:] == [b"polka.example"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sasl_oracle.authenticate(admin.database, "SCRAM-SHA-256", "maildroid", "polka.example", lines[2])
    assert lines[2] not in ran.octets
    before = admin.database.read_bytes()
    refused = admin.sasl("passwd", "maildroid@polka.example", "--auth-info", path, status=73)
    assert "--force" in refused.err
    assert (admin.database.read_bytes(), path.read_bytes().splitlines()) == (before, lines)
    admin.sasl("passwd", "maildroid@polka.example", "--auth-info", path, "--force")
    changed = path.read_bytes().splitlines()[2]
    assert changed != lines[2]
    assert sasl_oracle.authenticate(admin.database, "SCRAM-SHA-256", "maildroid", "polka.example", changed)


def test_auth_info_of_a_kept_secret(admin: Admin) -> None:
    admin.sasl("add", "maildroid", "--hashed", "--keep", "file:kept")
    secret = (admin.directory / "kept").read_bytes()
    admin.sasl("auth-info", "maildroid", "--password", "file:kept", "--to", "info")
    assert (admin.directory / "info").read_bytes().splitlines(keepends=True)[2] == secret
    refused = admin.sasl("auth-info", "maildroid", "--password", admin.secret("w", WRONG), status=65)
    assert (refused.octets, "has another password" in refused.err) == (b"", True)


def test_dry_run_tells_and_does_nothing(admin: Admin) -> None:
    ran = admin.sasl("add", "maildroid", "--hashed", "--keep", "file:kept", "--auth-info", "info", "-n")
    deeds = [line.split()[1:3] for line in ran.out.splitlines()]
    assert deeds == [
        ["write", str(admin.directory / "kept")],
        ["write", str(admin.directory / "info")],
        ["write", f"{admin.database}.lock"],
        ["write", str(admin.database)],
        ["add", f"maildroid@{HUB}"],
    ]
    assert "would print the secret" in admin.sasl("add", "maildroid", "--hashed", "-n").out
    assert sorted(path.name for path in admin.directory.iterdir()) == ["root"]
    assert not admin.database.exists()


KEYRING = """
sc() { "$@" || echo "status $?"; }
entry=keyring:relays/maildroid
sc "$@" add maildroid --hashed --keep $entry
sc "$@" verify maildroid --password $entry
sc "$@" add attic --hashed --keep $entry
sc "$@" list
sc "$@" passwd maildroid --keep $entry
sc "$@" verify maildroid --password $entry
"""


def test_kept_in_the_keyring(admin: Admin) -> None:
    """Another account's entry is not replaced, the own former one is."""
    runtime = admin.directory / "runtime"
    runtime.mkdir(mode=0o700)
    settings = (f"HOME={admin.directory}", f"XDG_RUNTIME_DIR={runtime}")
    before = ("env", *settings, *session(KEYRING))
    out = admin.sasl(before=before).out.splitlines()
    assert [line for line in out if line.startswith(("status", f"maildroid@{HUB}", f"attic@{HUB}"))] == [
        f"maildroid@{HUB}: relay account; hashed (SCRAM-SHA-256, 4096 iterations)",
        f"maildroid@{HUB}: the password is right",
        "status 73",
        f"maildroid@{HUB}  SCRAM-SHA-256",
        f"maildroid@{HUB}: secret changed; client hosts need it; hashed (SCRAM-SHA-256, 4096 iterations)",
        f"maildroid@{HUB}: the password is right",
    ]


@pytest.mark.parametrize(
    ("verb", "call", "delivered", "written"),
    [
        ("add", "linkat:when=1", False, False),
        ("add", "unlinkat:when=1", True, False),
        ("add", "linkat:when=2", True, False),
        ("add", "unlinkat:when=2", True, True),
        ("passwd", "linkat:when=1", False, False),
        ("passwd", "renameat:when=1", True, False),
    ],
)
def test_a_killed_run_leaves_no_account_without_its_secret(
    admin: Admin, verb: str, call: str, delivered: bool, written: bool
) -> None:
    """The secret is delivered first; the former one works until the new one does."""
    path = admin.directory / "kept"
    if verb == "passwd":
        admin.sasl("add", "maildroid", "--hashed", "--password", admin.secret("s"))
    kill = ("-e", f"inject={call}:signal=KILL")
    before = ("env", "PYTHONDONTWRITEBYTECODE=1", "strace", "-f", "-o", "/dev/null", *kill)
    admin.sasl(verb, "maildroid", "--hashed", "--keep", f"file:{path}", before=before, status=-9)
    assert path.exists() == delivered
    if written:
        assert admin.opened_by("maildroid", path.read_bytes().removesuffix(b"\n")) == {"SCRAM-SHA-256"}
    elif verb == "passwd":
        assert admin.opened_by("maildroid", SECRET) == {"SCRAM-SHA-256"}
    else:
        assert not admin.database.exists()


class TestPasswd:
    @pytest.fixture
    def hashed(self, admin: Admin) -> Admin:
        words = ("--hashed", "--scram", "SCRAM-SHA-1", "--iterations", 5000, "--also", "CRAM-MD5")
        admin.sasl("add", "maildroid", *words, "--password", admin.secret("s"))
        return admin

    def test_hashed_stays_hashed_with_the_same_properties(self, hashed: Admin) -> None:
        before = held(hashed)
        secret = hashed.sasl("passwd", "maildroid").octets.removesuffix(b"\n")
        after = held(hashed)
        assert hashed.opened_by("maildroid", secret) == {"SCRAM-SHA-1", "CRAM-MD5"}
        assert hashed.opened_by("maildroid", SECRET) == set()
        assert parse_scram(after["authPassword"]).iterations == 5000
        assert after.keys() == before.keys()
        assert not any(value in hashed.database.read_bytes() for value in before.values())

    def test_clear_stays_clear(self, admin: Admin) -> None:
        admin.sasl("add", "maildroid")
        assert admin.sasl("passwd", "maildroid", "--json").data["stored"] == "clear"
        assert held(admin).keys() == {"userPassword"}

    def test_from_hashed_to_clear_and_back(self, hashed: Admin) -> None:
        other = hashed.secret("other", b"another secret")
        hashed.sasl("passwd", "maildroid", "--clear", "--password", other)
        assert held(hashed) == {"userPassword": b"another secret"}
        assert hashed.sasl("show", "maildroid", "--reveal").octets == b"another secret\n"
        hashed.sasl("passwd", "maildroid", "--hashed", "--password", hashed.secret("s"))
        assert hashed.opened_by("maildroid", SECRET) == {"SCRAM-SHA-256"}
        assert b"another secret" not in hashed.database.read_bytes()

    def test_contradiction(self, hashed: Admin) -> None:
        hashed.sasl("passwd", "maildroid", "--clear", "--hashed", status=64)
        hashed.sasl("passwd", "maildroid", "--clear", "--also", "PLAIN", status=64)

    def test_unknown_account(self, hashed: Admin) -> None:
        hashed.sasl("passwd", "nobody", "--hashed", status=67)


class TestForm:
    def test_clear_text_wins(self) -> None:
        assert form_of(MAILDROID, {"userPassword": b"x", "authPassword": b"y"}) == CLEAR

    @pytest.mark.parametrize(
        ("stored", "form"),
        [
            (scram_secret(Secret("x"), "SCRAM-SHA-512", iterations=8192), Hashed("SCRAM-SHA-512", 8192)),
            (scram_secret(Secret("x")).replace(b"$4096:", b"$1000:"), Hashed()),
            (scram_secret(Secret("x")) + b" " + scram_secret(Secret("x"), "SCRAM-SHA-1"), Hashed()),
            (b"{SSHA}abc", Hashed()),
        ],
    )
    def test_of_an_authpassword(self, stored: bytes, form: Hashed) -> None:
        assert form_of(MAILDROID, {"authPassword": stored}) == form

    def test_without_scram(self) -> None:
        assert form_of(MAILDROID, {"cmusaslsecretPLAIN": b"x"}) == Hashed(None, also=("PLAIN",))

    def test_what_can_t_be_made(self) -> None:
        with pytest.raises(PasswordRefusedError, match="only cmusaslsecretOTP"):
            form_of(MAILDROID, {"cmusaslsecretOTP": b"md5\t0499\tseed"})


def test_no_secret_in_arguments_environment_or_trace(admin: Admin) -> None:
    trace = admin.directory / "trace"
    before = ("strace", "-f", "-v", "-s", "10000", "-o", str(trace), "-e", "trace=execve,sendto,connect")
    secret = admin.sasl("add", "maildroid", "--hashed", before=before).octets.strip()
    assert len(secret) >= 27
    assert secret not in trace.read_bytes()
    assert os.path.getsize(trace)
    subprocess.run(["db5.3_verify", admin.database], check=True)
