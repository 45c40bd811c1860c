"""``sasl convert``: made by one format's own tools, judged by the other's.

Debian: db5.3-util, gdbmtool, python3-gdbm, lmdb-utils, libsasl2-modules-db, acl, strace.
"""

import os
import stat
import subprocess
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from admin import HUB, SECRET, Admin, relay
from sasldb import peers

from smtpcreds.sasldb.opening import open_store

Records = dict[bytes, bytes]

MAKE: dict[str, Callable[[Path, Records], object]] = {
    "bdb": peers.db_load,
    "gdbm": lambda path, records: peers.gdbm(path, dict(records)),
    "lmdb": peers.mdb_load,
}
READ: dict[str, Callable[[Path], Records]] = {
    "bdb": peers.db_dump,
    "gdbm": peers.gdbm,
    "lmdb": peers.mdb_dump,
}
PASSWORD = f"maildroid\0{HUB}\0userPassword".encode()
RECORDS = {
    PASSWORD: SECRET,
    f"maildroid\0{HUB}\0cmusaslsecretPLAIN".encode(): bytes(range(33)),
    "élève\0polka.example\0userPassword".encode(): "pässwörd".encode(),
    b"not\xffutf8\0r\0authPassword": b"SCRAM-SHA-256$4096:c2FsdA==$AAAA:BBBB",
    b"long\0r\0userPassword": b"x" * 8000,
    b"a key of nobody": b"stray",
} | {b"user%d\0r\0userPassword" % number: b"secret%d" % number for number in range(300)}


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


@pytest.mark.parametrize(("old", "new"), [*permutations(MAKE, 2)])
def test_every_format_into_every_other(admin: Admin, old: str, new: str) -> None:
    MAKE[old](admin.database, RECORDS)
    before = admin.database.read_bytes()
    report = admin.sasl("convert", "--to", new, "new", "--json").data
    target = admin.directory / "new"
    assert READ[new](target) == RECORDS
    warnings = report.pop("warnings")
    assert report == {
        "source": {"path": str(admin.database), "format": old},
        "target": {"path": str(target), "format": new},
        "records": len(RECORDS),
        "accounts": len(RECORDS) - 2,
        "compared": True,
        "carried": ["a key of nobody"],
        "refused": [],
    }
    assert [("not ASCII" in warning) for warning in warnings] == [True] * (new == "gdbm")
    assert admin.database.read_bytes() == before
    if new == "bdb":
        peers.db_verify(target)
        with peers.libdb(target) as database:
            assert all(database.get(key) == value for key, value in RECORDS.items())
        assert admin.opened_by("maildroid", SECRET, target) >= {"PLAIN", "SCRAM-SHA-256"}


def test_gdbm_s_own_tools_accept_the_file(admin: Admin) -> None:
    records = {key: value for key, value in RECORDS.items() if key.isascii()}
    MAKE["bdb"](admin.database, records)
    assert admin.sasl("convert", "--to", "gdbm", "new").err == ""
    target = admin.directory / "new"
    assert peers.run("gdbmtool", "-r", str(target), "count").split()[2] == b"%d" % len(records)
    dump = admin.directory / "dump"
    peers.run("gdbm_dump", str(target), str(dump))
    peers.run("gdbm_load", "-n", str(dump), str(admin.directory / "again"))
    assert peers.gdbm(admin.directory / "again") == records


@pytest.mark.parametrize("new", MAKE)
def test_owner_mode_and_acl_are_the_old_one_s(admin: Admin, new: str) -> None:
    admin.sasl("add", "maildroid")
    os.chown(admin.database, 1, 2)
    admin.database.chmod(0o600)
    subprocess.run(["setfacl", "-m", "u:daemon:rw,u:mail:r,g:mail:r,g::---", admin.database], check=True)
    admin.sasl("convert", "--to", new, "new")
    target = admin.directory / "new"
    assert (target.stat().st_uid, target.stat().st_gid) == (1, 2)
    assert target.stat().st_mode == admin.database.stat().st_mode
    assert _acl(target) == _acl(admin.database)
    if new == "lmdb":
        lock = (admin.directory / "new-lock").stat()
        assert (lock.st_uid, lock.st_gid, stat.S_IMODE(lock.st_mode)) == (1, 2, 0o660)
    assert {path.name for path in admin.directory.iterdir()} <= {"root", "new", "new-lock", "new.lock"}


def _acl(path: Path) -> list[bytes]:
    return peers.run("getfacl", "-cE", "-p", str(path)).splitlines()


def test_nothing_is_overwritten(admin: Admin) -> None:
    admin.sasl("add", "maildroid")
    target = admin.directory / "new"
    admin.sasl("convert", "--to", "gdbm", target)
    before = target.read_bytes()
    assert "pass --force" in admin.sasl("convert", "--to", "gdbm", target, status=73).err
    refused = admin.sasl("convert", "--to", "lmdb", target, "--force", status=73)
    assert "--force replaces only a database of format lmdb" in refused.err
    (admin.directory / "link").symlink_to(admin.database)
    for same in (admin.database, admin.directory / "link"):
        assert (
            "is the database itself" in admin.sasl("convert", "--to", "gdbm", same, "--force", status=64).err
        )
    key = admin.directory / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\n" * 30)
    admin.sasl("convert", "--to", "bdb", key, "--force", status=65)
    assert (target.read_bytes(), key.read_text()[:10]) == (before, "-----BEGIN")


@pytest.mark.parametrize("new", MAKE)
def test_force_replaces_the_records_and_keeps_owner_and_mode(admin: Admin, new: str) -> None:
    target = admin.directory / "new"
    MAKE[new](target, {b"old\0r\0userPassword": b"an old secret"})
    os.chown(target, 1, 2)
    target.chmod(0o640)
    inode = target.stat().st_ino
    MAKE["bdb"](admin.database, RECORDS)
    admin.sasl("convert", "--to", new, target, "--force")
    assert READ[new](target) == RECORDS
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 2, 0o640)
    assert (found.st_ino == inode) == (new == "lmdb")
    assert b"an old secret" not in target.read_bytes()


def test_what_lmdb_can_t_hold(admin: Admin) -> None:
    stray = b"s" * 600
    MAKE["gdbm"](admin.database, {PASSWORD: SECRET, stray: b"x", b"": b"empty key"})
    report = admin.sasl("convert", "--to", "lmdb", "new", "--json").data
    assert (report["records"], report["accounts"]) == (1, 1)
    assert sorted(report["refused"]) == ["", "s" * 600]
    assert peers.mdb_dump(admin.directory / "new") == {PASSWORD: SECRET}
    assert b"refused, though no account's: sss" in admin.sasl("convert", "--to", "lmdb", "other").octets


@pytest.mark.parametrize(("new", "size"), [("lmdb", 511), ("bdb", 1024)])
def test_an_account_that_does_not_fit_stops_everything(admin: Admin, new: str, size: int) -> None:
    key = b"u" * (size - 15) + b"\0r\0userPassword"
    MAKE["gdbm"](admin.database, {PASSWORD: SECRET, key: SECRET})
    assert len(key) == size
    admin.sasl("convert", "--to", new, "fits")
    MAKE["gdbm"](admin.database, {b"u" + key: SECRET})
    refused = admin.sasl("convert", "--to", new, "new", status=65)
    assert f"@r: has a key of {size + 1} octets, too long for {new}\n  hint: nothing was" in refused.err
    assert not (admin.directory / "new").exists()


def test_no_source_and_no_directory(admin: Admin) -> None:
    assert "--database FILE" in admin.sasl("convert", "--to", "gdbm", "new", status=66).err
    admin.sasl("add", "maildroid")
    for new in MAKE:
        admin.sasl("convert", "--to", new, "missing/new", status=66)
    admin.sasl("convert", "new", status=64)
    admin.sasl("convert", "--to", "ndbm", "new", status=64)


def test_dry_run(admin: Admin) -> None:
    admin.sasl("add", "maildroid")
    said = admin.sasl("convert", "--to", "gdbm", "new", "-n").out.splitlines()
    assert f"would write {admin.directory}/new  0600  (1 record as gdbm)" in said
    assert not (admin.directory / "new").exists()


@pytest.mark.parametrize(("new", "when"), [("bdb", 1), ("gdbm", 1), ("lmdb", 1), ("lmdb", 2), ("lmdb", 3)])
def test_killed_before_it_has_its_name_there_is_no_target(admin: Admin, new: str, when: int) -> None:
    """LMDB makes a database of its own first, and that one's lock file."""
    admin.sasl("add", "maildroid")
    target = str(admin.directory / "new")
    kill = ("strace", "-f", "-o", "/dev/null", "-e", "trace=linkat", "-e", "inject=linkat:signal=KILL:when=")
    admin.sasl("convert", "--to", new, target, before=(*kill[:-1], f"{kill[-1]}{when}"), status=-9)
    assert not (admin.directory / "new").exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in admin.directory.iterdir() if ".new" in path.name)
    admin.sasl("convert", "--to", new, target)
    assert len(open_store(target).load()) == 1
    assert not [path.name for path in admin.directory.iterdir() if path.name.startswith(".")]
