"""Tab in the shells that Debian has: what is offered, what of it is never, and what it costs."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from admin import HUB, Admin, environment, peer, snapshot
from lab import shells
from test_manual import VERBS

from smtpcreds import sources
from smtpcreds.audit.run import CODES
from smtpcreds.cli import completion
from smtpcreds.cli.session import COMPLETE
from smtpcreds.mta.programs import PROGRAMS
from smtpcreds.pki.keys import KEY_TYPES
from smtpcreds.sasldb.opening import open_store

from .test_startup import HEAVY, REPORT

ACCOUNT = f"maildroid@{HUB}"
FIXED = [
    ("stat", ["status"]),
    ("cert retir", ["cert", "retire"]),
    ("cert revoke --reason keyC", ["cert", "revoke", "--reason", "keyCompromise"]),
    ("cert issue --key-type ed", ["cert", "issue", "--key-type", "ed25519"]),
    ("cert issue --key-type=ed", ["cert", "issue", "--key-type=ed25519"]),
    ("cert issue --key-t", ["cert", "issue", "--key-type"]),
    ("cert list --js", ["cert", "list", "--json"]),
    ("audit --only PERM00", ["audit", "--only", "PERM00"]),
    ("audit --only AUDIT0", ["audit", "--only", "AUDIT001"]),
    ("mta render sendmail-h", ["mta", "render", "sendmail-hub"]),
    ("sasl convert --to gd", ["sasl", "convert", "--to", "gdbm"]),
    ("sasl add x --password gen", ["sasl", "add", "x", "--password", "generate:"]),
]
"""Lines with Tab at their ends, and the words that come of it."""


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shells.installed(tmp_path_factory.mktemp("share"))


@pytest.fixture(params=shells.SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, share: Path) -> Iterator[shells.Shell]:
    home = shells.home_with_program(tmp_path / "home")
    (home / "papers").mkdir()
    (home / "papers/request.csr").touch()
    (home / "phrase.txt").touch()
    with shells.Shell(request.param, home, share, {}) as opened:
        yield opened


def test_a_shell_completes_commands_options_and_fixed_values(shell: shells.Shell) -> None:
    assert [(line, shell.tab(line)) for line, _ in FIXED] == FIXED


def test_a_shell_completes_names_of_files_and_directories(shell: shells.Shell) -> None:
    for line, words in (
        ("cert sign papers/req", ["cert", "sign", "papers/request.csr"]),
        ("bundle attic --csr papers/req", ["bundle", "attic", "--csr", "papers/request.csr"]),
        ("bundle attic --csr=papers/req", ["bundle", "attic", "--csr=papers/request.csr"]),
        ("ca import pap", ["ca", "import", "papers"]),
        ("ca init --passphrase file:phr", ["ca", "init", "--passphrase", "file:phrase.txt"]),
        ("ca init --passphrase file:papers/r", ["ca", "init", "--passphrase", "file:papers/request.csr"]),
    ):
        assert [word.rstrip("/") for word in shell.tab(line)] == words  # zsh takes the stroke back at Return


def test_a_shell_completes_what_there_is_on_the_host(shell: shells.Shell, hub: Admin) -> None:
    serial, place = hub.serial().lower(), ["--root", str(hub.root)]
    for line, words in (
        ("cert renew dmz", ["cert", "renew", HUB]),
        ("cert verify dmz", ["cert", "verify", HUB]),
        ("cert revoke dmzmail --serial ", ["cert", "revoke", "dmzmail", "--serial", serial]),
        (f"cert show {serial[:5]}", ["cert", "show", serial]),
        ("sasl show mail", ["sasl", "show", ACCOUNT]),
        ("sasl show maildroid@dmz", ["sasl", "show", ACCOUNT]),
        (
            "sasl list --database /nonexistent/x --js",
            ["sasl", "list", "--database", "/nonexistent/x", "--json"],
        ),
        ("sasl show maildroid --realm d", ["sasl", "show", "maildroid", "--realm", HUB]),
    ):
        assert shell.tab(f"--root {hub.root} {line}") == [*place, *words]


def test_what_can_t_be_looked_at_is_not_offered_and_nothing_is_said(shell: shells.Shell, hub: Admin) -> None:
    hub.database.write_bytes(b"no database" * 100)
    assert shell.tab(f"--root {hub.root} sasl show mail")[-1] == "mail"
    assert "smtpcreds:" not in shell.screen


def offered(program: Admin, line: str, shell: str = "zsh") -> list[str]:
    """Return what the program answers a shell."""
    words = completion.BETWEEN.join(["smtpcreds", *program.arguments(*line.split(" "))])
    said = program(env={COMPLETE: shell, completion.LINE: words})
    assert said.err == ""
    return [row.split("\t")[1] for row in said.out.splitlines()]


def test_a_name_that_a_shell_would_obey_is_not_offered(hub: Admin) -> None:
    """saslpasswd2 stores any octets, and a Tab must not put a command on the line."""
    odd = ("mail;reboot", "mail`id`", "mail$(id)", "mail\nreboot", "mail box", "-mail", "mail\x1b[31m")
    records = {f"{name}\0{HUB}\0userPassword".encode(): b"x" for name in odd}
    open_store(str(hub.database)).apply(lambda found: {**found, **records})
    assert offered(hub, "sasl show mail") == [ACCOUNT]


def test_no_secret_is_offered_and_no_byte_changed(hub: Admin) -> None:
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    before = snapshot(hub.root)
    said = [offered(hub, line) for line in ("sasl show ", "cert revoke ", "cert revoke dmzmail --serial ")]
    assert all(said)
    assert secret not in str(said)
    assert snapshot(hub.root) == before


def test_another_user_is_told_nothing(hub: Admin) -> None:
    nobody = hub.as_user(65534)
    for line in ("cert revoke ", "sasl show ", "cert revoke dmzmail --serial "):
        assert offered(hub, line) != []
        assert offered(nobody, line) == []
    assert offered(nobody, "cert rev") == ["revoke"]


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("", set()),
        ("cert re", set()),
        ("cert issue --k", set()),
        ("cert issue --key-type ", set()),
        ("audit --only ", set()),
        ("mta render ", set()),
        ("sasl show ", set()),
        ("cert revoke ", {"sqlite3"}),
        ("cert revoke --serial ", {"sqlite3"}),
    ],
)
def test_a_tab_imports_little(hub: Admin, line: str, allowed: set[str]) -> None:
    words = completion.BETWEEN.join(["smtpcreds", *hub.arguments(*line.split(" "))])
    env = environment(_SMTPCREDS_COMPLETE="fish", _SMTPCREDS_LINE=words)
    said = peer("sh", "-c", '"$@" 2>&1', "sh", sys.executable, "-c", REPORT.format(heavy=HEAVY), env=env)
    assert "\t" in said
    assert set(json.loads(said[said.rindex("[") :])) <= allowed


@pytest.mark.parametrize("path", VERBS)
def test_every_value_has_its_completion_or_is_said_to_have_none(path: str) -> None:
    for parameter in VERBS[path].params:
        if not getattr(parameter, "is_flag", False) and not isinstance(
            parameter.type, click.Choice | click.IntRange
        ):
            completion.kind_of(path, parameter)


def test_nothing_is_said_of_parameters_that_nobody_has() -> None:
    values = {str(p.metavar or p.name) for command in VERBS.values() for p in command.params}
    options = {name for command in VERBS.values() for p in command.params for name in [*p.opts, p.name]}
    assert completion.BY_VALUE.keys() <= values
    assert completion.BY_OPTION.keys() <= options
    for exact in completion.EXACTLY:
        path, _, name = exact.rpartition(" ")
        assert any(name in {*p.opts, p.name, p.metavar} for p in VERBS[path].params), exact


def test_the_lists_that_spare_an_import_are_those_of_the_program() -> None:
    assert tuple(PROGRAMS) == completion.PROGRAMS
    assert tuple(KEY_TYPES) == completion.KEY_TYPES
    assert tuple(CODES) == completion.CODES
    assert tuple(form.partition(":")[0] + ":" for form, _ in sources.KINDS.values()) == completion.SOURCES


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_the_program_prints_the_shell_s_own_half(hub: Admin, shell: str) -> None:
    said = peer(sys.executable, "-m", "smtpcreds", env=environment(_SMTPCREDS_COMPLETE=f"{shell}_source"))
    assert said == completion.script(shell)


def test_a_shell_that_is_not_known(hub: Admin) -> None:
    env = {"_SMTPCREDS_COMPLETE": "csh"}
    assert "takes bash, zsh, fish" in hub("status", status=64, env=env).err
