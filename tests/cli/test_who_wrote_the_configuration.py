"""A configuration counts only if nobody but root or the running user could have written it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from admin import NOBODY, SETTINGS, Admin

from smtpcreds.errors import ConfigError, UnsafePathError
from smtpcreds.library.site import Site

MALLORY = 4711


@pytest.fixture
def scene(locked: Admin) -> Admin:
    """An authority whose passphrase a command would print; it leaves a witness that it ran."""
    command = locked.write("ask", f"#!/bin/sh\necho ran >> {locked.directory}/witness\n", 0o755)
    locked.configure(f'domain = "polkatistas.org"\n[ca]\npassphrase = "cmd:{command}"\n')
    return locked


@pytest.fixture
def common(tmp_path: Path) -> Iterator[Path]:
    """A directory that every user may enter, which pytest's are not."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def moved(admin: Admin) -> None:
    """Let the configuration be a link of another user to a file of root."""
    path = admin.path(SETTINGS)
    path.rename(path.with_name("real.toml"))
    path.symlink_to("real.toml")
    os.lchown(path, MALLORY, MALLORY)


ATTACKS: dict[str, tuple[Callable[[Admin], object], str]] = {
    "everybody may write": (
        lambda a: a.path(SETTINGS).chmod(0o666),
        "has mode 0666; everybody may change it",
    ),
    "the group may write": (
        lambda a: a.path(SETTINGS).chmod(0o664),
        "has mode 0664; its group may change it",
    ),
    "of another user": (lambda a: os.chown(a.path(SETTINGS), MALLORY, 0), "belongs to uid 4711"),
    "a link of another user": (moved, "is a symbolic link of uid 4711"),
    "directory open": (lambda a: a.path(SETTINGS).parent.chmod(0o777), "which is writable by everybody"),
    "directory foreign": (lambda a: os.chown(a.path("/etc/smtpcreds"), MALLORY, 0), "belongs to uid 4711"),
    "root of another user": (lambda a: os.chown(a.root, MALLORY, MALLORY), "belongs to uid 4711"),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("verb", ["ca crl", "-n ca crl", "cert issue mx", "status", "ca show"])
def test_what_another_user_could_write_is_not_obeyed(scene: Admin, attack: str, verb: str) -> None:
    change, reason = ATTACKS[attack]
    change(scene)
    assert reason in scene.refuses(77, *verb.split())
    assert not (scene.directory / "witness").exists()


def test_the_attacks_would_have_run_the_command(scene: Admin) -> None:
    scene("ca", "crl", status=66)  # it ran, and printed nothing
    assert (scene.directory / "witness").exists()


def test_named_file_is_held_to_the_same(scene: Admin) -> None:
    path = scene.write("own.toml", 'domain = "x.org"\n', 0o666)
    assert f"{path}: has mode 0666" in scene.refuses(77, "-c", path, "status")
    path.chmod(0o644)
    scene("-c", path, "ca", "show")


def test_root_may_keep_it_elsewhere_by_a_link(scene: Admin) -> None:
    path = scene.path(SETTINGS)
    path.rename(scene.directory / "managed.toml")
    path.symlink_to(scene.directory / "managed.toml")
    scene("ca", "show")


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_ordinary_user_with_files_of_his_own(common: Path) -> None:
    admin = Admin(common / "home")
    admin.configure('domain = "his.org"\n')
    for path in (admin.root, *admin.root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    with acting_as(NOBODY):
        Site.load(str(admin.root))
    with acting_as(MALLORY), pytest.raises(UnsafePathError, match="belongs to user nobody"):
        Site.load(str(admin.root))
    assert "run it as that user" in admin.refuses(77, "status")


def test_a_configuration_of_root_counts_for_everybody(common: Path) -> None:
    admin = Admin(common / "image")
    admin.configure("domain = 1\n")
    with acting_as(NOBODY), pytest.raises(ConfigError, match="domain: takes a string"):
        Site.load(str(admin.root))


def test_a_command_gets_few_variables(locked: Admin) -> None:
    log = locked.directory / "variables"
    script = locked.write("ask", f"#!/bin/sh\nenv > {log}\ncat {locked.directory}/word\n", 0o755)
    locked.write("word", "Ch1mp? ,03fuzz fl0ppi\n")
    more = {"AWS_SECRET_ACCESS_KEY": "no", "BASH_ENV": "/x", "GNUPGHOME": "/keys"}
    locked("ca", "crl", "--passphrase", f"cmd:{script}", env=more)
    names = {line.partition("=")[0] for line in log.read_text().splitlines()}
    assert {"PATH", "HOME", "GNUPGHOME"} <= names
    assert names <= {"PATH", "HOME", "LC_ALL", "GNUPGHOME", "PWD", "SHLVL", "_", "OLDPWD"}
