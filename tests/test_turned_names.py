"""Another user turns names on the way to a file: nothing is written or read where nobody sent us."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smtpcreds import files
from smtpcreds.ca.directory import bundled
from smtpcreds.errors import SmtpcredsError, UnsafePathError
from smtpcreds.files.guard import real_path
from smtpcreds.model import Artifact, Link
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sources import Context, parse_source, resolve

MALLORY = 4711
RUNS = 1000


@pytest.fixture
def victim(place: Path) -> Path:
    """A directory of root that nobody names."""
    victim = place / "victim"
    victim.mkdir(0o700)
    (victim / "kept").write_text("precious\n")
    (victim / "kept").chmod(0o600)
    return victim


@pytest.fixture
def home(place: Path, victim: Path) -> Path:
    """A directory of another user, with a link that leads to what is named: a good directory of root."""
    good = place / "good"
    (good / "certs").mkdir(0o700, parents=True)
    home = place / "home"
    home.mkdir()
    (home / "s").symlink_to(good)
    for path in (home, home / "s"):
        os.lchown(path, MALLORY, MALLORY)
    return home


def apply_to_a_database(path: str) -> None:
    open_store(path, new=Format.BDB).apply(lambda _: {b"maildroid": b"secret"})


WAYS: dict[str, Callable[[str], object]] = {
    "write_all": lambda path: files.write_all([Artifact(f"{path}/key.pem", b"key")]),
    "link": lambda path: files.write_all([Link(f"{path}/link", "key.pem")]),
    "write_new": lambda path: files.write_new(Artifact(f"{path}/new", b"key")),
    "write_directory": lambda path: files.write_directory(f"{path}/ca", [Artifact("key", b"key")]),
    "replace_directory": lambda path: files.replace_directory(path, [Artifact("key", b"key")]),
    "remove_directory": files.remove_directory,
    "remove": lambda path: files.remove(f"{path}/kept"),
    "remove_empty": files.remove_empty,
    "ensure_directory": lambda path: files.ensure_directory(f"{path}/a/b"),
    "move": lambda path: files.move(f"{path}/kept", f"{path}/moved"),
    "set_mode": lambda path: files.set_mode(f"{path}/kept", 0o644),
    "set_owner": lambda path: files.set_owner(f"{path}/kept", MALLORY, MALLORY),
    "exclusive": lambda path: files.exclusive(f"{path}/lock").__enter__(),
    "read_private": lambda path: files.read_private(f"{path}/kept"),
    "read_trusted": lambda path: files.read_trusted(f"{path}/kept"),
    "a secret": lambda path: resolve(parse_source(f"file:{path}/kept"), Context("password")),
    "a database": lambda path: apply_to_a_database(f"{path}/sasldb2"),
    "check_parents": lambda path: files.check_parents(f"{path}/kept"),
    "check_directory": files.check_directory,
}


def state(directory: Path) -> list[tuple[str, int, int, bytes]]:
    found = sorted([directory, *directory.rglob("*")])
    return [
        (str(p), s.st_mode, s.st_uid, p.read_bytes() if stat.S_ISREG(s.st_mode) else b"")
        for p in found
        for s in [p.lstat()]
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_preview", [False, True], ids=["", "preview"])
def test_a_link_of_another_user_is_not_followed(home: Path, victim: Path, way: str, is_preview: bool) -> None:
    (home / "s").unlink()
    (home / "s").symlink_to(victim.parent)
    os.lchown(home / "s", MALLORY, MALLORY)
    os.chown(home, 0, 0)  # the link alone is theirs
    before = state(victim.parent)
    disk = files.PreviewDisk() if is_preview else files.Disk()
    with files.using(disk), pytest.raises(UnsafePathError, match=r"uid 4711"):
        WAYS[way](f"{home}/s/victim")
    assert state(victim.parent) == before
    assert disk.changes == []


@pytest.mark.parametrize("way", WAYS)
def test_links_of_root_are_followed(home: Path, way: str) -> None:
    os.chown(home, 0, 0)
    os.lchown(home / "s", 0, 0)
    (home / "s/certs/kept").write_text("precious\n")
    (home / "s/certs/kept").chmod(0o600)
    if way in {"remove_empty", "remove_directory"}:
        (home / "s/certs/kept").unlink()
    WAYS[way](f"{home}/s/certs")


def swap_for_ever(home: Path, targets: tuple[Path, ...]) -> None:
    """Turn the link ``s`` from one target to the next, as fast as it goes."""
    os.setgid(MALLORY)
    os.setuid(MALLORY)
    os.chdir(home)
    while True:
        for target in targets:
            os.symlink(target, "next")
            os.rename("next", "s")


@pytest.fixture
def attacker(home: Path, victim: Path) -> Iterator[None]:
    process = os.fork()
    if not process:
        swap_for_ever(home, (home.parent / "good", victim.parent / "victims"))
    yield
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.mark.usefixtures("attacker")
def test_an_attacker_who_swaps_names_gets_nothing(home: Path, place: Path, victim: Path) -> None:
    """``home/s`` leads to good and to victims in turn; only the attacker's choice would tell which."""
    (place / "victims").mkdir()
    (place / "victims/certs").symlink_to(victim)
    before = state(victim)
    turned = set()
    for number in range(RUNS):
        turned.add(os.readlink(home / "s"))
        for way in ("write_all", "write_new", "ensure_directory", "a database", "exclusive"):
            with pytest.raises(SmtpcredsError):
                WAYS[way](f"{home}/s/certs")
        assert number or state(victim) == before
    assert len(turned) == 2, "the attacker did swap"
    assert state(victim) == before
    assert state(place / "good/certs") == [(str(place / "good/certs"), stat.S_IFDIR | 0o700, 0, b"")]


@pytest.mark.usefixtures("attacker")
def test_a_way_of_root_beside_the_attacker_s(home: Path, place: Path) -> None:
    """A link of root leads through the attacker's directory: refused at each run, whatever he does."""
    (place / "link").symlink_to(home / "s")
    for _ in range(RUNS):
        with pytest.raises(UnsafePathError):
            files.write_all([Artifact(f"{place}/link/certs/key.pem", b"key")])


def test_real_path_of_what_is_not_there_yet(place: Path) -> None:
    (place / "to").mkdir()
    (place / "link").symlink_to("to")
    (place / "end").symlink_to("link/file")
    assert real_path(f"{place}/link/./../link/new") == f"{place}/to/new"
    assert real_path(f"{place}/end") == f"{place}/to/file"
    (place / "round").symlink_to("round")
    with pytest.raises(UnsafePathError, match="Too many levels of symbolic links"):
        real_path(f"{place}/round/file")


def test_no_bundle_is_read_through_a_link_of_another_user(home: Path, place: Path) -> None:
    """Who is trusted comes from there."""
    (place / "good/certs/cacert.pem").write_text("no certificate\n")
    for read in (bundled, lambda path: files.read_certificate(f"{path}/cacert.pem")):
        with pytest.raises(UnsafePathError, match=r"uid 4711"):
            read(f"{home}/s/certs")
