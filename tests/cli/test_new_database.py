"""Format, owner and mode of a database that is made, and of one that is there.

Debian: db5.3-util, python3-gdbm, lmdb-utils, libsasl2-modules-db, acl.
"""

import grp
import os
import stat
import subprocess
from pathlib import Path

import pytest
from admin import HUB, SECRET, relay
from sasldb import peers

from .test_convert import READ

KEY = f"maildroid\0{HUB}\0userPassword".encode()


def status(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.mark.parametrize("kind", READ)
def test_format_asked_for_whatever_is_configured(tmp_path: Path, kind: str) -> None:
    admin = relay(tmp_path, '[sasl]\nformat = "gdbm"\n')
    admin.sasl("add", "maildroid", "--format", kind, "--password", admin.secret("s"))
    assert READ[kind](admin.database) == {KEY: SECRET}
    assert status(admin.database) == (os.getuid(), os.getgid(), 0o600)
    admin.sasl("add", "attic", "--format", kind)
    admin.sasl("add", "barn")
    assert len(READ[kind](admin.database)) == 3


@pytest.mark.parametrize("kind", READ)
def test_configured_format(tmp_path: Path, kind: str) -> None:
    admin = relay(tmp_path, f'[sasl]\nformat = "{kind}"\n')
    admin.sasl("add", "maildroid", "--password", admin.secret("s"))
    assert READ[kind](admin.database) == {KEY: SECRET}


def test_default_is_what_this_host_s_cyrus_reads(tmp_path: Path) -> None:
    admin = relay(tmp_path)
    admin.sasl("add", "maildroid", "--password", admin.secret("s"))
    assert peers.listed(admin.database) == [f"maildroid@{HUB}: userPassword"]
    assert len(admin.opened_by("maildroid", SECRET)) == 9


def test_in_an_image_it_is_what_the_image_s_cyrus_reads(tmp_path: Path) -> None:
    admin = relay(tmp_path)
    plugin = admin.root / "usr/lib64/sasl2/libsasldb.so.3"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes(b"\0libgdbm.so.6\0")
    admin.sasl("add", "maildroid", "--password", admin.secret("s"))
    assert READ["gdbm"](admin.database) == {KEY: SECRET}


def test_on_a_system_that_nobody_knows_it_is_asked_for(tmp_path: Path) -> None:
    admin = relay(tmp_path)
    admin.write("/etc/os-release", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 0o644)
    said = admin.sasl("add", "maildroid", status=78)
    assert 'hint: write format = "gdbm" (or "bdb", "lmdb") in table [sasl]' in said
    assert not admin.database.exists()
    admin.sasl("add", "maildroid", "--format", "bdb", "--password", admin.secret("s"))
    assert READ["bdb"](admin.database) == {KEY: SECRET}


@pytest.mark.parametrize("there", READ)
def test_another_format_than_that_of_the_file_is_refused_with_the_way_out(tmp_path: Path, there: str) -> None:
    admin = relay(tmp_path)
    admin.sasl("add", "maildroid", "--format", there, "--password", admin.secret("s"))
    before = admin.database.read_bytes()
    wanted = next(kind for kind in READ if kind != there)
    ran = admin.sasl("add", "attic", "--format", wanted, status=65)
    assert f"exists and has format {there}, not {wanted}" in ran.err
    assert admin.database.read_bytes() == before
    way_out = ran.err.partition("smtpcreds sasl ")[2].replace("NEWFILE", str(tmp_path / "new")).split()
    admin.sasl(*way_out)
    assert READ[wanted](tmp_path / "new") == {KEY: SECRET}


@pytest.mark.parametrize("kind", READ)
def test_owner_group_and_mode_of_a_new_one(tmp_path: Path, kind: str) -> None:
    admin = relay(tmp_path, '[sasl]\nowner = "daemon"\ngroup = "sasl"\nmode = "0640"\n')
    admin.sasl("add", "maildroid", "--format", kind)
    group = grp.getgrnam("sasl").gr_gid
    assert status(admin.database) == (1, group, 0o640)
    admin.sasl("add", "attic")
    assert status(admin.database) == (1, group, 0o640)
    if kind == "lmdb":
        assert status(admin.database.with_name("sasldb2-lock")) == (1, group, 0o660)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ('mode = "0644"', "lets everybody read every secret"),
        ('mode = "rw"', "takes an octal mode"),
        ('owner = "nobody-here"', "there is no user nobody-here"),
        ('group = "nobody-here"', "there is no group nobody-here"),
        ('format = "ndbm"', "takes bdb, gdbm, lmdb, not 'ndbm'"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, setting: str, reason: str) -> None:
    admin = relay(tmp_path, f"[sasl]\n{setting}\n")
    assert reason in admin.sasl("add", "maildroid", status=78).err
    assert not admin.database.exists()


@pytest.mark.parametrize("kind", READ)
def test_an_existing_one_keeps_everything(tmp_path: Path, kind: str) -> None:
    admin = relay(tmp_path, '[sasl]\nowner = "root"\ngroup = "root"\nmode = "0600"\n')
    admin.sasl("add", "maildroid", "--format", kind)
    os.chown(admin.database, 1, grp.getgrnam("sasl").gr_gid)
    admin.database.chmod(0o640)
    subprocess.run(["setfacl", "-m", "u:mail:r,g:daemon:r", admin.database], check=True)
    os.setxattr(admin.database, "user.origin", b"saslpasswd2")
    before = _everything(admin.database)
    for words in (
        ("add", "attic"),
        ("passwd", "maildroid", "--hashed", "--password", admin.secret("s")),
        ("delete", "attic"),
    ):
        admin.sasl(*words)
        assert _everything(admin.database) == before, words
    assert len(READ[kind](admin.database)) == 1


def _everything(path: Path) -> tuple[object, ...]:
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    assert "system.posix_acl_access" in attributes
    return status(path), attributes, peers.run("getfacl", "-cE", "-p", str(path))


def test_a_relative_database_lies_where_it_was_typed(tmp_path: Path) -> None:
    admin = relay(tmp_path)
    admin.sasl("add", "maildroid", "--database", "mydb")
    assert peers.listed(tmp_path / "mydb") == [f"maildroid@{HUB}: userPassword"]
