"""Cyrus SASL with LMDB and GDBM reads what we write, and finds what we list."""

import os
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest
from admin import Admin

from smtpcreds.errors import DamagedFileError, ForeignFormatError, UnavailableError
from smtpcreds.sasldb import bdb, gdbm, lmdb_lock
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.lmdb import LmdbStore
from smtpcreds.sasldb.opening import open_store

from . import cyrus, peers

KEY, OTHER = b"a\0r\0userPassword", b"b\0r\0userPassword"
OWN = 126
"""Readers that a lock file of liblmdb's own has room for."""


@contextmanager
def kept_open(path: Path) -> Iterator[None]:
    """Let a process of libsasl2 have the database open, as a mail server does."""
    with cyrus.login(path, Format.LMDB, "a") as server:
        assert server.stdout
        assert server.stdout.readline() == "1\n"
        yield
        server.communicate("\n")


def read_and_end(path: Path, times: int, *, alive: bool = False) -> list[int]:
    """Take a reader's place in processes that end without giving it back, or that stay alive."""
    ready, started = os.pipe()
    children = []
    for _ in range(times):
        if child := os.fork():
            children.append(child)
            os.read(ready, 1)
            continue
        environment = lmdb.open(str(path), subdir=False, readonly=True)
        transaction = environment.begin()
        transaction.get(KEY)
        os.write(started, b"x")
        if alive:
            signal.pause()
        os._exit(0)
    for child in () if alive else children:
        os.waitpid(child, 0)
    for end in (ready, started):
        os.close(end)
    return children


def test_more_readers_than_liblmdb_has_places_for_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    LmdbStore(str(path)).apply(lambda _: {KEY: b"secret", OTHER: b"other"})
    with kept_open(path):
        read_and_end(path, 300)
        assert cyrus.logs_in(path, Format.LMDB, "a", "b") == [True, False]


def test_dead_readers_in_all_places_are_found_and_cleared(tmp_path: Path) -> None:
    """Beside a lock file that Cyrus SASL made itself, and one process that keeps the database open."""
    admin = Admin(tmp_path / "root")
    admin.configure()
    path, lock = admin.database, admin.database.with_name("sasldb2-lock")
    path.parent.mkdir(exist_ok=True)
    LmdbStore(str(path)).apply(lambda _: {KEY: b"secret"})
    lock.unlink()
    with kept_open(path):
        assert lock.stat().st_size == 8192
        read_and_end(path, OWN - 1)
        assert cyrus.logs_in(path, Format.LMDB, "a") == [False]
        assert f"has 0 of {OWN} reader slots free; {OWN - 1} belong to" in admin("audit", status=1).out
        admin.sasl("add", "b")
        assert cyrus.logs_in(path, Format.LMDB, "a") == [True]
        assert "SASL018" not in admin.run("audit").out
        assert lock.stat().st_size == 8192, "others have it mapped"
        read_and_end(path, OWN - 2)
        assert "SASL018" not in admin.run("audit", "--fix", "--only", "SASL018").out.splitlines()[-1]
        assert cyrus.logs_in(path, Format.LMDB, "a") == [True]
    admin.sasl("add", "c")
    assert lock.stat().st_size == lmdb_lock.SIZE


def test_places_that_running_processes_have_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = LmdbStore(str(path))
    store.apply(lambda _: {KEY: b"secret"})
    (tmp_path / "sasldb2-lock").write_bytes(bytes(8192))
    children = read_and_end(path, OWN, alive=True)
    try:
        with pytest.raises(
            UnavailableError, match=f"all {OWN} places for readers in .*-lock are taken by pro"
        ):
            store.apply(lambda _: {OTHER: b"secret"})
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert store.load() == {KEY: b"secret"}
    store.apply(lambda _: {OTHER: b"secret"})
    assert cyrus.logs_in(path, Format.LMDB, "a", "b") == [True, True]


@pytest.mark.parametrize("flag", ["reverse_key", "dupsort", "integerkey"])
def test_lmdb_flags_that_cyrus_never_sets_are_refused(tmp_path: Path, flag: str) -> None:
    """A change by liblmdb would put keys into another order, and once lost 139 of 141 accounts."""
    path, bits = tmp_path / "sasldb2", {"reverse_key": 2, "dupsort": 4, "integerkey": 8}
    LmdbStore(str(path)).apply(lambda _: {b"u%d\0r\0userPassword" % n: b"secret" for n in range(141)})
    data = bytearray(path.read_bytes())
    for meta in (0, 4096):
        struct.pack_into("<H", data, meta + 92, bits[flag])
    path.write_bytes(data)
    for use in (LmdbStore.load, lambda store: store.apply(lambda _: {KEY: b"secret"})):
        with pytest.raises(
            ForeignFormatError, match=r"has database flags \(0x\d\) that Cyrus SASL never sets"
        ):
            use(LmdbStore(str(path)))
    assert path.read_bytes() == data


def test_flags_on_the_free_pages_do_not_abort_the_process(tmp_path: Path) -> None:
    """liblmdb ends with "Assertion 'mx != NULL' failed" on them."""
    path = tmp_path / "sasldb2"
    LmdbStore(str(path)).apply(lambda _: {KEY: b"secret"})
    data = bytearray(path.read_bytes())
    for meta in (0, 4096):
        data[meta + 44] |= 4
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"wrong flags \(0xc\) on its free pages"):
        LmdbStore(str(path)).apply(lambda _: {OTHER: b"secret"})


def test_a_gdbm_key_in_a_place_where_libsasl_does_not_look(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    data = bytearray(gdbm.encode({KEY: b"secret"}))
    path.write_bytes(data)
    assert cyrus.logs_in(path, Format.GDBM, "a") == [True]
    at = next(at for at in range(8192 + gdbm.BUCKET_HEAD, 12000, 24) if data[at : at + 4] != b"\xff" * 4)
    other = at - 48
    data[at : at + 24], data[other : other + 24] = data[other : other + 24], data[at : at + 24]
    path.write_bytes(data)
    assert cyrus.logs_in(path, Format.GDBM, "a") == [False]
    with pytest.raises(DamagedFileError, match="in a place where libgdbm does not look for it"):
        open_store(str(path)).load()


@pytest.mark.parametrize("kind", ["clean", "libdb"])
def test_a_key_that_libdb_does_not_find_is_damage(tmp_path: Path, kind: str) -> None:
    path, records = tmp_path / "sasldb2", {b"user%d\0r\0userPassword" % n: b"secret" for n in range(300)}
    if kind == "clean":
        path.write_bytes(bdb.encode(records))
    else:
        peers.db_load(path, records)
    moved = path.read_bytes().replace(b"user7\0", b"usfr7\0")
    path.write_bytes(moved)
    with peers.libdb(path) as db:
        assert db.get(b"usfr7\0r\0userPassword") is None
    os.utime(path, (1, 1))
    with pytest.raises(DamagedFileError, match="which libdb does not find"):
        dict(open_store(str(path)).load().items())
    with pytest.raises(DamagedFileError, match="which libdb does not find"):
        open_store(str(path)).apply(lambda _: {KEY: b"secret"})
    assert path.read_bytes() == moved
