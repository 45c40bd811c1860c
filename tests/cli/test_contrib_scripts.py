"""Scripts for sh, as shellcheck and other shells see them: that of client hosts, and those of contrib/."""

import re
import subprocess
from fnmatch import fnmatch

import pytest
from admin import TOP

from smtpcreds.bundle.client_files import PATHS

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


def test_purging_names_each_file_that_is_left() -> None:
    """Those that smtpcreds-files(7), smtpcreds-bundle(1) and the README have for Debian."""
    script = (TOP / "contrib/debian/smtpcreds.postrm").read_text()
    named = re.findall(r"/\S+", script.partition("for path in")[2].partition("; do")[0])
    pages = "".join((TOP / f"man/smtpcreds-{name}").read_text() for name in ("files.7", "bundle.1"))
    files = re.findall(r"^\.It Pa (/\S+)", pages, re.MULTILINE)
    assert {f"/{path}" for path in PATHS} <= set(files)
    files += ["/etc/smtpcreds/smtpcreds.toml", "/var/lib/smtpcreds/", "/etc/mail/certs/", "/etc/sasldb2"]
    assert len(files) > 40
    assert [file for file in files if not any(fnmatch(file.rstrip("/"), f"{one}*") for one in named)] == []
