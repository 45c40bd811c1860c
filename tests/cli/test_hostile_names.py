"""What is printed to be typed does what it says in a shell, whatever a file is called."""

import os
import shlex
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from admin import CERTS, HUB, INVENTORY, SASLDB, SETTINGS, STATE, Admin, peer

from smtpcreds.cli.printed_commands import typed
from smtpcreds.sasldb import bdb

HOSTILE = "a b;touch P$(id)'\"`x`& #"


@pytest.fixture
def nasty(hub: Admin) -> Admin:
    """A hub below a directory with such a name."""
    return hub.copy(hub.directory / HOSTILE / "root")


def cures(admin: Admin) -> list[str]:
    return [finding["cure"] for finding in admin.run("--json", "audit").data["findings"]]


def loosened(admin: Admin) -> None:
    for path, mode in (
        (f"{CERTS}/dmzmail-key.pem", 0o644),
        (f"{CERTS}/cacert.pem", 0o666),
        (f"{STATE}/ca", 0o755),
        (SASLDB, 0o644),
        (CERTS, 0o755),
        ("/etc/mail", 0o777),
    ):
        admin.path(path).chmod(mode)


def test_cures_of_the_audit_can_be_typed(nasty: Admin) -> None:
    loosened(nasty)
    found = [cure for cure in cures(nasty) if cure.startswith("chmod")]
    assert len(found) >= 6
    for cure in found:
        words = shlex.split(cure.partition(", and")[0])
        assert [Path(word).exists() for word in words[2:]] == [True], cure
        peer("sh", "-c", cure.partition(", and")[0])
    assert not [cure for cure in cures(nasty) if cure.startswith("chmod")]
    assert {path.name for path in nasty.directory.iterdir()} == {"root"}


@pytest.mark.parametrize(
    ("path", "mode", "words"),
    [
        (SETTINGS, 0o666, ("status",)),
        (f"{STATE}/ca/ca-key.pem", 0o644, ("cert", "issue", "mx")),
        (CERTS, 0o777, ("cert", "issue", "mx")),
        ("/etc", 0o777, ("cert", "issue", "mx")),
    ],
)
def test_hints_can_be_typed(nasty: Admin, path: str, mode: int, words: tuple[str, ...]) -> None:
    nasty.path(path).chmod(mode)
    hint = nasty.refuses(77, *words).partition("  hint: ")[2]
    peer("sh", "-c", hint.removeprefix("look at it, then: "))
    assert nasty.mode(path) & 0o022 == 0
    nasty(*words)
    assert {path.name for path in nasty.directory.iterdir()} == {"root"}


def test_a_command_for_the_next_run_can_be_typed(nasty: Admin) -> None:
    """``_as_typed`` of the administrator insists that it leads here."""
    place = nasty.directory / HOSTILE
    problem = nasty.refuses(73, "sasl", "add", "maildroid")
    assert problem.endswith("hint: smtpcreds sasl passwd maildroid")
    nasty("sasl", "add", "droid", "--database", str(place), "--format", "bdb")
    problem = nasty.refuses(65, "sasl", "add", "other", "--database", str(place), "--format", "gdbm")
    hint = problem.partition("or: ")[2]
    assert shlex.split(hint)[-2] == str(place)


def test_a_second_name_in_a_lock_s_place(nasty: Admin) -> None:
    lock = nasty.path(f"{STATE}/lock")
    os.link(lock, lock.with_name("other"))
    hint = nasty.refuses(77, "cert", "issue", "mx").partition("  hint: ")[2]
    assert shlex.split(hint) == ["rm", str(lock)]
    peer("sh", "-c", hint)
    nasty("cert", "issue", "mx")


def test_a_command_in_a_name_is_no_command() -> None:
    """Completed, it would end the quotes that the name stands in."""
    name = shlex.quote("/a'; smtpcreds ca init #")
    text = f"chmod 0600 {name}; smtpcreds cert show {name}, and don't: smtpcreds sasl list"
    made = typed(text, "/my root", None, "/my db")
    assert made.count(name) == 2
    assert made.count("--root '/my root'") == 2
    assert made.endswith("sasl list --database '/my db'")


def test_no_new_account_looks_like_an_option(hub: Admin) -> None:
    """One that another program made can still be looked at and deleted."""
    assert "begins with a hyphen" in hub.refuses(65, "sasl", "add", "--", "-x")
    peer("saslpasswd2", "-p", "-c", "-f", hub.database, "-u", HUB, "--", "-x", stdin=b"S3cret-of-x")
    assert hub("sasl", "show", "--", "-x").out.startswith(f"-x@{HUB}\n")
    hub("sasl", "delete", "--", "-x")
    assert f"-x@{HUB}" not in hub("sasl", "list").out


@pytest.mark.parametrize("name", ["$(touch${IFS}W)", "a;touch W", "`touch W`", "'touch W\"", "x&&touch W"])
def test_a_shell_that_is_given_every_cure_runs_nothing_of_a_name(hub: Admin, name: str) -> None:
    """Cures with words behind the command, too: they are copied as a whole."""
    for end in ("-cert.pem", "-key.pem", ".pem"):
        (hub.certs / f"{name}{end}").write_bytes((hub.certs / "dmzmail-key.pem").read_bytes())
    hub.write("/etc/postfix/main.cf", f"smtpd_tls_key_file = {hub.certs}/{name}-key.pem\n{name} = x\n", 0o644)
    found = [cure for cure in cures(hub) if "W" in cure]
    assert found
    place = hub.directory / "bin"
    place.mkdir()
    (place / "touch").symlink_to("/usr/bin/touch")
    for cure in found:
        subprocess.run(["/bin/bash", "-c", cure], cwd=place, env={"PATH": str(place)}, capture_output=True)
        assert not (place / "W").exists(), cure


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-pw", ("sasl", "add", "joe", "--password", "file:-pw")),
        ("-R", ("-c", "-R", "status")),
        ("--help", ("-c", "--help", "status")),
    ],
)
def test_hints_of_a_file_whose_name_looks_like_an_option_can_be_typed(
    hub: Admin, name: str, words: tuple[str, ...]
) -> None:
    path = hub.write(name, 'domain = "polkatistas.org"\n', 0o666)
    there = replace(hub, prefix=("env", "-C", str(hub.directory)))
    hint = there.refuses(77, *words).partition("  hint: ")[2].removeprefix("look at it, then: ")
    peer("env", "-C", hub.directory, "sh", "-c", hint)
    assert path.stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("name", ["-x", "-x.polkatistas.org"])
def test_no_host_looks_like_an_option(hub: Admin, name: str) -> None:
    hub.refuses(65, "cert", "issue", "--", name)


def test_a_bundle_of_such_a_name_can_be_unpacked(hub: Admin) -> None:
    said = hub("bundle", "attic", "-o", "-attic.tar").out
    assert "tar -xpf ./-attic.tar -C /" in said


@pytest.mark.parametrize("program", ["exim-client", "msmtp", "nullmailer", "curl"])
def test_what_a_bundle_says_of_a_hostile_directory_can_be_typed(hub: Admin, program: str) -> None:
    """A client host copies CRLs from the hub each night. scp expands what it is told as a pattern."""
    directory = f"/etc/{HOSTILE.replace(chr(39), '').replace(chr(34), '')}"
    hub.configure(f'domain = "polkatistas.org"\nhub = "{HUB}"\n[cert]\ndirectory = "{directory}"\n')
    plain = ("--plaintext",) if program == "nullmailer" else ()
    hub("bundle", "attic", "--mta", program, "--crl", *plain, "-o", hub.directory / "attic.tar")
    readme = peer("tar", "-xOf", hub.directory / "attic.tar", "etc/smtpcreds/README.bundle")
    commands = [line.strip() for line in readme.splitlines() if line.startswith(("    scp", "    install"))]
    assert commands
    words = [peer("sh", "-c", f"printf '%s\\n' {one}").splitlines() for one in commands]
    assert words[0][-1] == directory
    source = words[0][-2].partition(":")[2]
    assert peer("sh", "-c", f"printf '%s\\n' {source}") == f"{directory}/*crl*.pem\n"
    assert [one[-2] for one in words[1:]] == [f"{directory}/all-crls.pem"] * (len(words) - 1)


# Names that another program gave to accounts.

UNTYPABLE = (
    b"two\nlines",
    b"joe\x1b[31m",
    b"o'brien\x07",
    "x\u202ey".encode(),
    b"\xff\xfe",
    b"tab\there",
    b"9\\\x019",
)


def accounts_of(admin: Admin) -> set[bytes]:
    return {key.split(b"\0")[0] for key in admin.records()}


def type_in_bash(admin: Admin, command: str) -> None:
    """Type a command as it is printed; the tests' own program stands where ``smtpcreds`` is."""
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True
    ).stdout
    typed_words = [os.fsdecode(word) for word in words.split(b"\0")[:-1]]
    assert typed_words.pop(0) == "smtpcreds"
    admin(*typed_words)


@pytest.mark.parametrize("name", UNTYPABLE, ids=ascii)
def test_a_name_with_control_characters_can_be_typed(hub: Admin, name: bytes) -> None:
    """Its account has a weak secret in a realm that nobody logs in to, so that audit names it twice."""
    records = {**hub.records(), name + b"\0elsewhere.example\0userPassword": b"password"}
    hub.database.write_bytes(bdb.encode(records))
    found = [finding for finding in hub.run("--json", "audit").data["findings"] if "sasl" in finding["cure"]]
    named = [part for finding in found for part in finding["cure"].split("; ") if "$'" in part]
    assert named, found
    for command in named:
        assert command.isprintable()
    deleting = [part.partition("smtpcreds sasl delete ")[2] for part in named if "sasl delete" in part]
    assert deleting, named
    type_in_bash(hub, f"smtpcreds sasl delete {deleting[0]}")
    assert name not in accounts_of(hub)


def test_a_host_that_another_has_named_is_quoted_in_each_command(hub: Admin) -> None:
    """Names of certificates that an authority of before had signed are anybody's, and so is an inventory."""
    host = "x;touch P$(id)"
    hub("cert", "issue", "attic")
    hub("cert", "issue", "cellar")
    with closing(sqlite3.connect(hub.path(INVENTORY))) as database, database:
        database.execute("UPDATE certificates SET host = ?, names = ? WHERE host LIKE 'attic%'", (host, host))
    (hub.certs / "cellar-key.pem").unlink()
    said = [hub.run(*words) for words in (("audit",), ("status",), ("inventory", "check"))]
    (hub.certs / "attic-key.pem").rename(hub.certs / "other-key.pem")
    said += [hub.run(*words) for words in (("audit",), ("status",), ("inventory", "check"))]
    later = hub.at("+300 days")
    said += [later.run(*words) for words in (("cert", "renew", "--due"), ("status",), ("audit",))]
    said += [hub.run("ca", "rollover", "--dry-run"), hub.run("cert", "retire", host)]
    told = [line for ran in said for line in ran.splitlines() if "smtpcreds " in line and "touch" in line]
    assert len(told) > 3
    assert [
        line for line in told if host in line.partition("smtpcreds ")[2].replace(shlex.quote(host), "")
    ] == []
