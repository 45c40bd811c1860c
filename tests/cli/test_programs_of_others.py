"""Root runs no program that another user could change, or put another in the place of."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from admin import NOBODY, Admin, Ran, snapshot

from smtpcreds.errors import UnsafePathError
from smtpcreds.files.guard import read_checked

MALLORY = 4711


@pytest.fixture
def bin(hub: Admin) -> Path:  # noqa: A001  # as it is called on every system
    """A directory that comes first on PATH."""
    place = hub.directory / "bin"
    place.mkdir()
    return place


def program(place: Path, name: str) -> Path:
    """Make a program that leaves a witness that it ran."""
    path = place / name
    path.write_text(f"#!/bin/sh\ntouch {place.parent}/witness\necho Ch1mp?,03fuzz\n")
    path.chmod(0o755)
    return path


def linked(path: Path) -> None:
    """Let the name be a link of another user to a program of root."""
    path.rename(path.with_name("real"))
    path.symlink_to("real")
    os.lchown(path, MALLORY, MALLORY)


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "everybody may write": (lambda path: path.chmod(0o777), "has mode 0777; everybody may change it"),
    "the group may write": (lambda path: path.chmod(0o775), "has mode 0775; its group may change it"),
    "of another user": (lambda path: os.chown(path, MALLORY, 0), "belongs to uid 4711, who could change it"),
    "a link of another user": (linked, "is a symbolic link of uid 4711"),
    "directory open": (lambda path: path.parent.chmod(0o777), "which is writable by everybody"),
    "directory foreign": (lambda path: os.chown(path.parent, MALLORY, 0), "which belongs to uid 4711"),
}
RUN: dict[str, tuple[str, str]] = {
    "--reload, by path": ("hook", "cert renew dmzmail --reload {bin}/hook"),
    "--reload, on PATH": ("hook", "cert renew dmzmail --reload hook"),
    "cmd:, by path": ("ask", "sasl add droid --password cmd:{bin}/ask"),
    "cmd:, on PATH": ("ask", "sasl add droid --password cmd:ask"),
    "openssl": ("openssl", "ca import --key {ca}key.pem --cert {ca}cert.pem --no-passphrase"),
    "ssh": ("ssh", "setup --client ssh://hub.polkatistas.org"),
}
"""What is run, and by what."""


def run(hub: Admin, bin: Path, case: str) -> Ran:  # noqa: A002
    """Run it with the directory at the beginning of PATH; an authority is imported to another root."""
    words = RUN[case][1].format(bin=bin, ca=hub.path("/var/lib/smtpcreds/ca/ca-")).split()
    admin = replace(hub, root=hub.directory / "other") if case == "openssl" else hub
    return admin.run(*words, env={"PATH": f"{bin}:{os.environ['PATH']}"})


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("case", RUN)
def test_it_is_not_run(hub: Admin, bin: Path, case: str, attack: str) -> None:  # noqa: A002
    change, reason = ATTACKS[attack]
    path = program(bin, RUN[case][0])
    change(path)
    before = snapshot(hub.root)
    ran = run(hub, bin, case)
    assert ran.status == 77, ran
    assert ran.problem.startswith(f"smtpcreds: {path}: ")
    assert reason in ran.problem
    assert snapshot(hub.root) == before
    assert not (hub.directory / "witness").exists()


@pytest.mark.parametrize("case", RUN)
def test_one_of_root_is(hub: Admin, bin: Path, case: str) -> None:  # noqa: A002
    program(bin, RUN[case][0])
    run(hub, bin, case)
    assert (hub.directory / "witness").exists()


def test_what_was_checked_is_what_is_run(hub: Admin, bin: Path) -> None:  # noqa: A002
    """Another user puts a program of that name into a directory that comes before, once the check is over."""
    first = hub.directory / "first"
    first.mkdir(0o777)
    program(bin, "hook").write_text(f"#!/bin/sh\necho $0 > {hub.directory}/ran\n")
    (bin / "hook").chmod(0o755)
    trace = hub.directory / "trace"
    path = {"PATH": f"{first}:{bin}:{os.environ['PATH']}"}
    traced = hub.behind("strace", "-f", "-o", str(trace), "-e", "trace=execve")
    traced("cert", "renew", "dmzmail", "--reload", "hook", env=path)
    tried = [line for line in trace.read_text().splitlines() if "/hook" in line.partition(",")[0]]
    assert len(tried) == 1
    assert f'"{bin}/hook"' in tried[0]
    assert (hub.directory / "ran").read_text() == f"{bin}/hook\n"


def test_an_ordinary_user_runs_what_he_likes() -> None:
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    try:
        (place / "bin").mkdir()
        path = program(place / "bin", "ask")
        path.write_text("#!/bin/sh\necho Ch1mp?,03fuzz\n")
        path.chmod(0o775)
        os.chown(path, MALLORY, MALLORY)
        home = place / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        nobody = Admin(home / "root").as_user(NOBODY)
        nobody("sasl", "add", "joe@x.org", "--password", f"cmd:{path}")
    finally:
        shutil.rmtree(place)


KEYRINGS = {
    "its file": ("home/.config/python_keyring/keyringrc.cfg", "belongs to uid 4711"),
    "the directory above": ("home/.config/python_keyring", "belongs to uid 4711"),
    "its code": ("code", "belongs to uid 4711"),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with a configuration of keyring that names a backend of its own."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "backend_of_theirs.py").write_text(
        "import keyring.backend\nclass Theirs(keyring.backend.KeyringBackend):\n    priority = 1\n"
        "    def get_password(self, service, name): return 'Ch1mp?,03fuzz'\n"
        "    def set_password(self, *given): pass\n    def delete_password(self, *given): pass\n"
        f"open({str(tmp_path / 'witness')!r}, 'w').close()\n"
    )
    settings = tmp_path / "home/.config/python_keyring/keyringrc.cfg"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[backend]\ndefault-keyring=backend_of_theirs.Theirs\nkeyring-path={code}\n")
    yield tmp_path / "home"
    assert not list(tmp_path.glob("*.pyc"))


READ = ("sasl", "add", "droid", "--password", "keyring:mail/droid")


@pytest.mark.parametrize("case", KEYRINGS)
def test_a_keyring_of_another_user_is_not_obeyed(hub: Admin, home: Path, tmp_path: Path, case: str) -> None:
    """HOME is that of whoever called ``sudo -E``."""
    place, reason = KEYRINGS[case]
    os.chown(tmp_path / place, MALLORY, MALLORY)
    ran = hub.run(*READ, env={"HOME": str(home)})
    assert ran.status == 77, ran
    assert reason in ran.problem
    assert not (tmp_path / "witness").exists()


def test_a_keyring_of_root_is_obeyed(hub: Admin, home: Path, tmp_path: Path) -> None:
    hub(*READ, env={"HOME": str(home)})
    assert (tmp_path / "witness").exists()


def test_what_was_checked_is_what_is_read(tmp_path: Path) -> None:
    """In a sticky directory the user of the mail server may exchange his own file, such as a keytab."""
    path = tmp_path / "keytab"
    path.write_text("checked\n")

    def check(_: str, found: os.stat_result) -> None:
        path.rename(tmp_path / "former")
        path.write_text("exchanged\n")
        assert found.st_ino == (tmp_path / "former").stat().st_ino

    assert read_checked(str(path), check) == b"checked\n"


def test_a_refusal_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "keytab").write_text("secret\n")

    def refuse(path: str, _: os.stat_result) -> None:
        raise UnsafePathError(path, "no")

    with pytest.raises(UnsafePathError, match="no"):
        read_checked(f"{tmp_path}/keytab", refuse)
