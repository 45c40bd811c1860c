"""What is printed for typing reaches the installation that the run worked on."""

import subprocess
import sys
from pathlib import Path

import pytest
from admin import CONFIG, HUB, environment
from cures import refuse_unfit_commands

from smtpcreds.cli.printed_commands import typed


def typing(directory: Path, line: str) -> str:
    """Type a line in a shell where no smtpcreds is on the way."""
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=directory,
        env=environment(PATH="/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_each_step_is_typed_as_the_one_before_printed_it(tmp_path: Path) -> None:
    settings = tmp_path / "my settings.toml"
    settings.write_text(CONFIG)
    start = f"{sys.executable} -m smtpcreds --root './a root' -c '{settings.name}'"
    said = typing(tmp_path, f"{start} ca init --no-passphrase")
    steps = [line.removeprefix("next: ") for line in said.splitlines() if line.startswith("next: ")]
    said = typing(tmp_path, steps[0].replace("HOST", "dmzmail"))
    assert HUB in said
    assert (tmp_path / "a root/etc/mail/certs/dmzmail-cert.pem").exists()
    assert not Path("/etc/mail/certs/dmzmail-cert.pem").exists()


def test_a_hint_names_the_database_of_the_run(tmp_path: Path) -> None:
    database = tmp_path / "other db"
    start = f"{sys.executable} -m smtpcreds --root {tmp_path}/root sasl"
    typing(tmp_path, f"{start} add joe@example.org --database '{database}'")
    done = subprocess.run(
        ["sh", "-c", f"{start} passwd jane@example.org --database '{database}'"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    hint = done.stderr.partition("hint: ")[2].strip()
    assert "joe@example.org" in typing(tmp_path, hint)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("smtpcreds ca crl", "smtpcreds --root r ca crl"),
        ("on the hub: smtpcreds bundle attic", "on the hub: smtpcreds bundle attic"),
        ("on the hub: smtpcreds cert show x; here: smtpcreds status", None),
        (
            "it ends on 2026-12-01: smtpcreds cert renew a",
            "it ends on 2026-12-01: smtpcreds --root r cert renew a",
        ),
        ("was edited since smtpcreds wrote it", "was edited since smtpcreds wrote it"),
        ("/opt/smtpcreds ca crl", "/opt/smtpcreds ca crl"),
        ("smtpcreds mta apply postfix-hub --edit --run", "smtpcreds --root r mta apply postfix-hub --edit"),
        ("smtpcreds mta apply exim-hub --run && x --run", "smtpcreds --root r mta apply exim-hub && x --run"),
        ("on the hub: smtpcreds setup h --mta m --run", "on the hub: smtpcreds setup h --mta m --run"),
        ("; publish; smtpcreds ca crl\n\n", "; publish; smtpcreds --root r ca crl\n\n"),
        (
            "postconf -e 'a=b && c' && postfix reload",
            "chroot r postconf -e 'a=b && c' && chroot r postfix reload",
        ),
        ('do it, then: kill -HUP "$(cat /x)"', "do it, then: chroot r sh -c 'kill -HUP \"$(cat /x)\"'"),
        ("on the hub: postmap hash:/x", "on the hub: postmap hash:/x"),
        ("has no postmap -q KEY", "has no postmap -q KEY"),
    ],
)
def test_other_hosts_and_prose_stay(text: str, printed: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["smtpcreds"])
    expected = printed or "on the hub: smtpcreds cert show x; here: smtpcreds --root r status"
    assert typed(text, "r", None, None) == expected


@pytest.mark.parametrize(
    "said",
    [
        "  hint: smtpcreds ca crl",
        "next: smtpcreds --root 'a b' ca nothing",
        "next: smtpcreds --root 'a b' -c x cert issue attic --nope",
        "  hint: to end it: smtpcreds --root 'a b' sasl passwd",
    ],
)
def test_the_check_of_every_run_can_fail(said: str) -> None:
    with pytest.raises(AssertionError):
        refuse_unfit_commands(said, ("smtpcreds --root 'a b' ",))
    refuse_unfit_commands("next: smtpcreds --root 'a b' -c x ca crl", ("smtpcreds --root 'a b' ",))


def test_sasl_commands_get_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["smtpcreds"])
    assert (
        typed("smtpcreds sasl passwd joe", None, None, "a b") == "smtpcreds sasl passwd --database 'a b' joe"
    )
    said = "smtpcreds sasl list --database x"
    assert typed(said, None, None, "x") == said
    assert typed("smtpcreds ca crl", None, None, "x") == "smtpcreds ca crl"
