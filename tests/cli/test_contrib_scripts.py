"""Scripts for sh, as shellcheck and other shells see them: that of client hosts, and those of contrib/."""

import subprocess

import pytest
from admin import TOP

SCRIPTS = [
    "smtpcreds/bundle/pull.sh",
    "contrib/try",
    *(f"contrib/{name}" for name in ("ansible/try", "debian/build", "debian/try", "systemd/try")),
    "contrib/debian/smtpcreds.postrm",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    subprocess.run(("shellcheck", "--norc", "--shell=sh", script), cwd=TOP, check=True)


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
def test_a_shell_can_parse_the_script_of_client_hosts(shell: str) -> None:
    subprocess.run((*shell.split(), "-n", SCRIPTS[0]), cwd=TOP, check=True)


def test_the_script_of_client_hosts_is_short() -> None:
    assert len((TOP / SCRIPTS[0]).read_text().splitlines()) <= 100
