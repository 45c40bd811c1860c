"""A disk full at every level: a change is made whole, or refused with one line and not made at all."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from admin import CERTS, HUB, INVENTORY, SASLDB, SETTINGS, STATE, Admin, Ran, Tree, snapshot
from lab.namespace import Namespace

PAGE = 4096
SIZE = 2 << 20
UNRECORDED = "the certificates are in place, but there was no room to record it"
LATE = "the account has the new secret, and this file the old one"
NO_ROOM = UNRECORDED, "No space left on device", "the disk is full", "database or disk is full"
BOOKKEEPING = tuple(path.lstrip("/") for path in (INVENTORY, f"{STATE}/lock", f"{SASLDB}.lock"))
"""May differ after a failure: the inventory, with its log, records what was given up; locks stay, empty."""


class Disk:
    """A tmpfs in a private namespace, with a scratch root on it."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.namespace = Namespace(f"mount -t tmpfs -o size={SIZE},mode=755 disk {place}")
        self.outside = self.namespace.path(f"{place}/root")
        self.filler = self.outside.parent / "filler"
        self.program = Admin(place / "root", prefix=self.namespace.command(()))

    def holds(self, tree: Path | None) -> None:
        """Begin anew with a copy of the tree, or with nothing."""
        subprocess.run(["rm", "-rf", self.outside, self.filler], check=True)
        if tree:
            subprocess.run(["cp", "-a", tree, self.outside], check=True)

    def leave(self, pages: int) -> None:
        """Fill all but so many pages."""
        free = os.statvfs(self.outside.parent).f_bavail - pages
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free * PAGE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.namespace.close()


def levels() -> Iterator[int]:
    """0, 1, 2 ... pages, later in steps of a half."""
    pages = 0
    while pages * PAGE < SIZE:
        yield pages
        pages += 1 + pages // 2


def matters(tree: Tree) -> Tree:
    """What must be the same after a failure: everything but bookkeeping and new directories."""
    return {
        path: state
        for path, state in tree.items()
        if not path.startswith(BOOKKEEPING) and not state[0].startswith("d")
    }


def sweep(disk: Disk, tree: Path | None, *words: str, over: Iterable[int] = ()) -> Iterator[tuple[int, Ran]]:
    """Run the command at each level until it succeeds; yield the failures, which changed nothing.

    The one that came after the certificate was in place says so, and has left a pair that fits.
    """
    for pages in over or levels():
        disk.holds(tree)
        disk.leave(pages)
        before = matters(snapshot(disk.outside))
        ran = disk.program.run(*words)
        if ran.status == 0:
            return
        assert ran.status == 74, (pages, ran.err)
        assert any(text in ran.problem for text in NO_ROOM), ran.err
        assert ran.out == ""
        if UNRECORDED not in ran.problem and LATE not in ran.problem:
            assert matters(snapshot(disk.outside)) == before, f"{pages} pages left: {ran.err}"
        yield pages, ran


@pytest.mark.parametrize("words", [("sasl", "add", "droid"), ("sasl", "passwd", "maildroid")])
def test_an_account(disk: Disk, hub_tree: Path, words: tuple[str, ...]) -> None:
    assert len(list(sweep(disk, hub_tree, *words))) >= 3
    disk.holds(hub_tree)
    disk.leave(0)
    assert disk.program.run(*words).status == 74
    disk.filler.unlink()
    assert disk.program(*words).err == ""


def test_a_certificate_in_place_of_another(disk: Disk, hub_tree: Path) -> None:
    words = ("cert", "issue", "dmzmail", "--force")
    failed = [pages for pages, _ in sweep(disk, hub_tree, *words)]
    assert len(failed) >= 4
    finely = sweep(disk, hub_tree, *words, over=range(failed[-2] + 1, SIZE // PAGE))
    assert any(UNRECORDED in ran.problem and is_recorded_now(disk) for _, ran in finely)


def is_recorded_now(disk: Disk) -> bool:
    disk.filler.unlink()
    return len(disk.program("cert", "issue", "mx").warnings) == 1


def test_a_new_authority(disk: Disk) -> None:
    words = ("ca", "init", "--no-passphrase")
    for pages, _ in sweep(disk, None, *words):
        if pages % 4 == 0:
            disk.filler.unlink()
            disk.program(*words)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_restored_authority(disk: Disk, hub: Admin, is_there: bool) -> None:
    """The one that is there works on, and no part of the backup is put into its place."""
    backup = hub.write("clear.tar", hub("ca", "backup", "-").octets)
    if is_there:
        hub.configure(f"{hub.path(SETTINGS).read_text()}# later\n")
        hub("cert", "issue", "attic")
        (hub.certs / "dmzmail-cert.pem").unlink()
    words = ("ca", "restore", str(backup), *["--force"] * is_there)
    assert len(list(sweep(disk, hub.root if is_there else None, *words))) >= 5
    disk.filler.unlink()
    disk.program("ca", "crl")


def test_a_set_up_goes_on_where_it_ended(disk: Disk) -> None:
    """Its parts are done one after the other; each is whole or not there."""
    reached = set()
    disk.holds(None)
    for pages in range(0, SIZE // PAGE, 10):
        disk.filler.unlink(missing_ok=True)
        disk.leave(pages)
        ran = disk.program.run("setup", HUB, "--no-passphrase")
        tree = snapshot(disk.outside)
        assert not [path for path in tree if ".smtpcreds-" in path]
        pair = [f"{CERTS}/dmzmail-{kind}.pem".lstrip("/") in tree for kind in ("key", "cert")]
        assert pair[0] == pair[1]
        reached.add(len(matters(tree)))
        if ran.status == 0:
            break
        assert ran.status == 74
        assert any(text in ran.problem for text in NO_ROOM), ran.err
    assert len(reached) >= 2, "it went further each time"
    assert disk.program("setup", HUB).out.startswith(f"{HUB}: was ready")
