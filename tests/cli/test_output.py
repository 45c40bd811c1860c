"""Streams, forms and statuses that hold for every command."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import ACCOUNT, CERTS, HUB, SMTPCREDS, STATE, Admin, Ran, environment, snapshot

from smtpcreds import __version__

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_json_of_ca_init(smtpcreds: Admin) -> None:
    ran = smtpcreds("--json", "ca", "init")
    data = ran.data
    assert {
        key: data[key] for key in ("name", "key_type", "permitted_domains", "encrypted", "directory")
    } == {
        "name": "polkatistas.org Mail CA",
        "key_type": "P-256",
        "permitted_domains": ["polkatistas.org"],
        "encrypted": False,
        "directory": str(smtpcreds.path(f"{STATE}/ca")),
    }
    assert RFC3339.fullmatch(data["not_after"])
    assert re.fullmatch(r"[0-9a-f]{64}", data["fingerprint"])
    assert data["warnings"] == ran.warnings
    assert len(ran.warnings) == 1


def test_json_of_cert_issue(authority: Admin) -> None:
    data = authority("cert", "issue", "dmzmail", "--json").data
    (row,) = data["certificates"]
    assert re.fullmatch(r"[0-9a-f]+", row["serial"]), "text, since JSON numbers have 53 bits"
    assert RFC3339.fullmatch(row["not_before"])
    end = datetime.strptime(row["not_after"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert end > datetime.now(UTC)
    assert (row["key"], row["certificate"]) == tuple(
        str(authority.path(f"{CERTS}/dmzmail-{kind}.pem")) for kind in ("key", "cert")
    )
    assert (data["failed"], data["warnings"]) == ([], [])


def test_an_error_stays_on_standard_error_with_json(authority: Admin) -> None:
    assert "host name has an underscore" in authority.refuses(65, "--json", "cert", "issue", "dmz_mail")


def test_global_options_are_taken_before_and_behind_the_verb(hub: Admin) -> None:
    behind = hub("sasl", "list", "--json").data
    assert hub("--json", "sasl", "list").data == behind
    assert behind["accounts"][0]["account"] == ACCOUNT


def test_quiet_keeps_warnings_and_verbose_tells_steps(bare: Admin) -> None:
    quiet = bare("-q", "ca", "init")
    assert (quiet.out, len(quiet.warnings)) == ("", 1)
    verbose = bare("-v", "cert", "issue", HUB)
    assert f"smtpcreds: write {bare.path(CERTS)}/" in verbose.err
    assert verbose.out.startswith(f"{HUB}: ")


def test_version_and_help(bare: Admin) -> None:
    assert bare("--version").out == f"smtpcreds {__version__}\n"
    for words in (("--help",), ("-h",), ("sasl", "--help"), ("sasl", "add", "-h")):
        ran = bare(*words)
        assert ran.out.startswith("Usage: smtpcreds ")
        assert ran.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sasl", "ad"), "sasl: no command 'ad'; did you mean add?\n  hint: smtpcreds sasl --help"),
        (("frobnicate",), "no command 'frobnicate'; known: setup, "),
        (("--verison",), "no such option '--verison'; did you mean --version?\n  hint: smtpcreds --help"),
        (("sasl", "add"), "sasl add: missing argument 'NAME[@REALM]'\n  hint: smtpcreds sasl add --help"),
        (("sasl", "add", "x", "geheim"), "sasl add: got unexpected extra argument"),
        (
            ("sasl", "add", "x", "--pasword", "y"),
            "sasl add: no such option '--pasword'; did you mean --password?",
        ),
        (("cert", "issue"), "cert issue: names no host\n  hint: smtpcreds cert issue HOST"),
        (("sasl", "list", "--config"), "option '--config' requires an argument"),
        (("sasl", "list", "--config", ""), "sasl list: invalid value for '-c' / '--config': is empty"),
        (("sasl", "list", "--root", ""), "sasl list: invalid value for '--root': is empty"),
    ],
)
def test_misuse(bare: Admin, words: tuple[str, ...], said: str) -> None:
    assert f"smtpcreds: {said}" in bare.refuses(64, *words)


def test_an_empty_root_is_not_the_host(tmp_path: Path) -> None:
    program = Admin(tmp_path / "root")
    words = [*program.command()[:-1], "", "-n", "setup", HUB]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (64, "")


def test_control_characters_in_messages_are_shown_harmless(hub: Admin) -> None:
    said = hub.refuses(65, "sasl", "add", "a\x1b[31m\nsmtpcreds: all is well")
    assert "\x1b" not in said
    assert r"a\x1b[31m\nsmtpcreds" in said


def test_a_reader_that_goes_away_is_no_error(hub: Admin) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        hub.command("sasl", "list"), stdout=writer, stderr=subprocess.PIPE, text=True, env=environment()
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_answer_that_cannot_be_written_is_an_error(hub: Admin) -> None:
    for words in (
        ("sasl", "list"),
        ("sasl", "auth-info", "maildroid"),
        ("sasl", "list", "--json"),
        ("--help",),
    ):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(hub.command(*words), stdout=full, stderr=subprocess.PIPE, env=environment())
        assert done.returncode == 74, words
        problem = Ran(done.returncode, b"", done.stderr).problem
        assert problem.splitlines()[0] == "smtpcreds: standard output: No space left on device"


def test_the_plain_locale_does_not_matter(hub: Admin) -> None:
    ran = hub.run("sasl", "add", "müller", env={"LC_ALL": "C"})
    assert (ran.status, ran.err) == (0, "")
    assert f"müller@{HUB}" in hub("sasl", "list").out


NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *(
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ),  # to find Python and this
)


@pytest.mark.parametrize(
    "verb", [("sasl", "add", "droid", "--database", "/etc/new"), ("ca", "init"), ("setup", HUB)]
)
def test_another_user_than_root_is_told_the_way_out(verb: tuple[str, ...]) -> None:
    """On the host itself, at the default paths, where only root may write."""
    empty = 'mount -t tmpfs -o mode=755 x /var/lib && mount -t tmpfs -o mode=755 x /etc && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", empty, "sh", *NOBODY, *SMTPCREDS, *verb],
        capture_output=True,
        text=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 77, done.stderr
    first, second = done.stderr.splitlines()
    assert first.endswith((": Permission denied", ": belongs to root")), done.stderr
    assert second == "  hint: run it as root, or try it out elsewhere with --root DIR"


def test_an_ordinary_user_under_a_root_of_his_own(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    program = Admin(home / "try", prefix=NOBODY)
    assert program("setup", HUB).out.startswith(f"{HUB}: ready")
    assert {state[1:3] for state in snapshot(program.root).values()} == {(65534, 65534)}
    assert program("setup", HUB, "--json").data["changed"] is False
