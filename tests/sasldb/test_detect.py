"""Formats are told by their bytes; files of other kinds are named."""

import os
import socket
import sqlite3
from pathlib import Path

import pytest

from smtpcreds.errors import DamagedFileError, ForeignFormatError, MissingInputError, UnsafePathError
from smtpcreds.sasldb.detect import Format, host_format, identify
from smtpcreds.sasldb.opening import format_at, open_store

from . import peers

ONE = {b"a\0r\0userPassword": b"x"}


def test_each_library_s_own_file_is_recognised(tmp_path: Path) -> None:
    peers.db_load(tmp_path / "bdb", ONE)
    peers.db_load(tmp_path / "swapped", ONE, db_lorder=4321)
    peers.gdbm(tmp_path / "gdbm", dict(ONE))
    peers.mdb_load(tmp_path / "lmdb", ONE)
    kinds = {name: format_at(str(tmp_path / name)) for name in ("bdb", "swapped", "gdbm", "lmdb", "none")}
    assert kinds == {
        "bdb": Format.BDB,
        "swapped": Format.BDB,
        "gdbm": Format.GDBM,
        "lmdb": Format.LMDB,
        "none": None,
    }


def test_saslpasswd2_and_the_plugin_of_this_host_agree(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    peers.saslpasswd(path, "a", "r", b"x")
    assert host_format() is format_at(str(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0libdb-5.3.so\0", Format.BDB),
        (b"\0libgdbm.so.6\0", Format.GDBM),
        (b"\0liblmdb.so.0\0", Format.LMDB),
        (b"\0libc.so.6\0", None),
    ],
)
def test_the_plugin_s_bytes_name_its_library(tmp_path: Path, content: bytes, expected: Format | None) -> None:
    (tmp_path / "x86_64-linux-gnu" / "sasl2").mkdir(parents=True)
    (tmp_path / "x86_64-linux-gnu" / "sasl2" / "libsasldb.so.2").write_bytes(content)
    assert host_format([str(tmp_path / "none"), str(tmp_path / "*" / "sasl2")]) is expected


def test_a_new_database_takes_the_format_asked_for(tmp_path: Path) -> None:
    for kind in Format:
        path = tmp_path / kind
        open_store(str(path), new=kind).apply(lambda _: ONE)
        assert format_at(str(path)) is kind
        assert open_store(str(path)).load() == ONE
    with pytest.raises(ForeignFormatError, match="has format gdbm, not bdb"):
        open_store(str(tmp_path / "gdbm"), new=Format.BDB)


def test_berkeley_db_1_85_is_named(tmp_path: Path) -> None:
    """First bytes of a hash made by db185: magic and version 2 in the writer's order."""
    for head in (b"\x00\x06\x15\x61\x00\x00\x00\x02", b"\x61\x15\x06\x00\x02\x00\x00\x00"):
        with pytest.raises(ForeignFormatError, match=r"1\.85"):
            identify(head.ljust(512, b"\0"), "sasldb2")


def test_lmdb_of_a_32_bit_machine_is_named() -> None:
    """First bytes of one by Debian's mdb_load 0.9.24 for i386."""
    head = bytes.fromhex("00000000 00000800 00000000 dec0efbe 01000000 00000000 00001000 00100000")
    with pytest.raises(ForeignFormatError, match="LMDB file of a 32-bit machine") as caught:
        identify(head.ljust(12288, b"\0")[:512], "sasldb2")
    assert "mdb_dump" in (caught.value.hint or "")


def test_other_files_are_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "sqlite") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    (tmp_path / "text").write_text("maildroid:secret\n" * 50)
    (tmp_path / "short").write_text("x")
    (tmp_path / "empty").touch()
    reasons = {
        "sqlite": (ForeignFormatError, "SQLite"),
        "text": (ForeignFormatError, "is not a database"),
        "short": (DamagedFileError, "1 byte,"),
        "empty": (DamagedFileError, "0 bytes"),
    }
    for name, (kind, reason) in reasons.items():
        with pytest.raises(kind, match=reason):
            open_store(str(tmp_path / name))


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for name in ("directory", "fifo", "dangling", "circle", "socket"):
        with pytest.raises(UnsafePathError):
            open_store(str(tmp_path / name))
    with pytest.raises(UnsafePathError, match="a device"):
        open_store("/dev/null")
    with pytest.raises(MissingInputError, match="none: there is no such directory"):
        open_store(str(tmp_path / "none" / "sasldb2"))
