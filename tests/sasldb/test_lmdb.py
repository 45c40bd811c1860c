"""LMDB files: what liblmdb writes we read, what we write liblmdb reads, in place and beside readers."""

import builtins
import os
import random
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import pytest
from place import PLACE

from smtpcreds.errors import ForeignFormatError, InexpressibleError, UnavailableError
from smtpcreds.sasldb import lmdb_read
from smtpcreds.sasldb.lmdb import LmdbStore
from smtpcreds.sasldb.replace import NewFile

from . import peers
from .test_bdb import accounts


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
def test_what_liblmdb_wrote_is_read(tmp_path: Path, count: int) -> None:
    path, records = tmp_path / "db", accounts(count, longest=9000 if count < 5000 else 60)
    peers.mdb_load(path, records)
    assert lmdb_read.decode(path.read_bytes()) == records


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_liblmdb_reads_what_we_write(tmp_path: Path, count: int) -> None:
    path, records = tmp_path / "db", accounts(count, longest=9000 if count < 5000 else 60)
    store = LmdbStore(str(path))
    assert store.apply(lambda _: records) == records
    assert peers.mdb_dump(path) == records == store.load()


def test_an_empty_file_of_ours_is_one_that_liblmdb_fills(tmp_path: Path) -> None:
    path, records = tmp_path / "db", accounts(20)
    path.write_bytes(lmdb_read.empty(1 << 20))
    assert lmdb_read.decode(path.read_bytes()) == {}
    peers.mdb_load(path, records)
    assert lmdb_read.decode(path.read_bytes()) == records


def test_liblmdb_edits_between_our_edits(tmp_path: Path) -> None:
    path, dice, model = tmp_path / "db", random.Random(3), accounts(30)
    store = LmdbStore(str(path))
    store.apply(lambda _: dict(model))
    for _ in range(15):
        edits: dict[bytes, bytes | None] = {
            b"key%d" % dice.randrange(300): dice.randbytes(dice.choice((1, 50, 5000)))
            if dice.random() < 0.6
            else None
            for _ in range(60)
        }
        model = {key: value for key, value in {**model, **edits}.items() if value is not None}
        with lmdb.open(str(path), subdir=False, map_size=1 << 26) as env, env.begin(write=True) as txn:
            for key, value in edits.items():
                _ = txn.delete(key) if value is None else txn.put(key, value)
        assert store.load() == model
        removed = next(iter(model))
        model.pop(removed)
        store.apply(lambda _, key=removed: {key: None})  # type: ignore[misc]
        assert peers.mdb_dump(path) == model


def test_a_process_that_keeps_the_file_open_sees_the_change(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = LmdbStore(str(path))
    store.apply(lambda _: {b"a\0r\0userPassword": b"old"})
    code = (
        "import lmdb, sys\n"
        "env = lmdb.open(sys.argv[1], subdir=False, readonly=True)\n"
        "for line in sys.stdin:\n"
        "    with env.begin() as txn: print(txn.get(b'a\\0r\\0userPassword').decode(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin
        assert reader.stdout
        seen = []
        for value in (b"old", b"new", b"newer"):
            store.apply(lambda _, v=value: {b"a\0r\0userPassword": v})  # type: ignore[misc]
            print("?", file=reader.stdin, flush=True)
            seen.append(reader.stdout.readline().strip())
        reader.stdin.close()
    assert seen == ["old", "new", "newer"]


def test_a_reader_of_an_older_state_is_not_robbed_of_it(tmp_path: Path) -> None:
    path, records = tmp_path / "db", accounts(2000)
    store = LmdbStore(str(path), timeout=0.05)
    store.apply(lambda _: records)
    code = (
        "import lmdb, sys\n"
        "with lmdb.open(sys.argv[1], subdir=False, readonly=True) as env, env.begin() as txn:\n"
        "    print('ready', flush=True); sys.stdin.readline(); print(len(dict(txn.cursor())))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        store.apply(lambda found: dict.fromkeys(found))
        print("go", file=reader.stdin, flush=True)
        assert reader.stdout.readline() == "2000\n"
    assert store.load() == {}


KEEPER = (
    "import lmdb, os, sys\n"
    "env = lmdb.open(sys.argv[1], subdir=False, readonly=True)\n"
    "with env.begin() as txn:\n"
    "    if sys.argv[2:]: os.kill(os.getpid(), 9)\n"
    "print('ready', flush=True); sys.stdin.readline()\n"
)


def test_a_reader_that_was_killed_keeps_no_old_secret_alive(tmp_path: Path) -> None:
    """Its entry in the lock file stays as long as any process has the database open."""
    path, key = tmp_path / "db", b"a\0r\0userPassword"
    store = LmdbStore(str(path), timeout=0.05)
    store.apply(lambda _: {key: b"old-secret"})
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout
        assert keeper.stdout.readline() == "ready\n"
        killed = subprocess.run([sys.executable, "-c", KEEPER, str(path), "die"], check=False)
        assert killed.returncode == -signal.SIGKILL
        with lmdb.open(str(path), subdir=False, readonly=True) as env:
            assert re.search(r"\d \d+$", env.readers(), re.MULTILINE)
        store.apply(lambda _: {key: b"new"})
        assert b"old-secret" not in path.read_bytes()
        keeper.communicate("go\n")


def test_what_others_left_in_free_pages_goes_even_if_nothing_changes(tmp_path: Path) -> None:
    path, key = tmp_path / "db", b"a\0r\0userPassword"
    store = LmdbStore(str(path))
    store.apply(lambda _: {key: b"old-secret"})
    with lmdb.open(str(path), subdir=False, map_size=1 << 20) as env, env.begin(write=True) as txn:
        txn.put(key, b"new")
    assert b"old-secret" in path.read_bytes()
    assert store.apply(lambda _: {key: b"new"}) == {}
    assert b"old-secret" not in path.read_bytes()


def test_two_commits_of_one_moment_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = LmdbStore(str(path))
    seen = set()
    for value in (b"one", b"two", b"six"):
        store.apply(lambda _, value=value: {b"a\0r\0userPassword": value})  # type: ignore[misc]
        os.truncate(path, 1 << 15)
        os.utime(path, (1, 1))
        seen.add(store.signature())
    assert len(seen) == 3


def test_the_map_grows_when_it_must(tmp_path: Path) -> None:
    path, records = tmp_path / "db", accounts(30_000)
    LmdbStore(str(path)).apply(lambda _: records)
    assert path.stat().st_size > 1 << 20
    assert peers.mdb_dump(path) == records


def test_readers_of_the_database_can_write_its_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "db"
    LmdbStore(str(path), origin=NewFile(0o640)).apply(lambda _: {b"a": b"b"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "db-lock").stat().st_mode) == 0o660


def test_readers_by_acl_can_write_the_lock_file_too(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = LmdbStore(str(path))
    store.apply(lambda _: {b"a": b"b"})
    (tmp_path / "db-lock").unlink()
    peers.run("setfacl", "-m", "u:12345:r--,g:12345:r--", str(path))
    store.apply(lambda _: {b"a": b"c"})
    lock = peers.run("getfacl", "-cnE", "-p", str(tmp_path / "db-lock")).split()
    assert {b"user:12345:rw-", b"group:12345:rw-", b"other::---"} <= set(lock)
    assert b"user:12345:r--" in peers.run("getfacl", "-cnE", "-p", str(path))


def test_a_disk_without_room_for_the_lock_file_is_an_error_and_no_crash(tmp_path: Path) -> None:
    """liblmdb maps the lock file; in a hole that the disk has no room to fill, the process dies of SIGBUS."""
    code = (
        "import os\n"
        "from smtpcreds.errors import WriteError\n"
        "from smtpcreds.sasldb.lmdb import LmdbStore\n"
        "store = LmdbStore('db')\n"
        "store.apply(lambda _: {b'a': b'old'})\n"
        "os.unlink('db-lock')\n"
        "free = os.statvfs('.').f_bavail * os.statvfs('.').f_frsize\n"
        "open('filler', 'wb').write(bytes(free - 4096))\n"
        "try:\n"
        "    store.apply(lambda _: {b'a': b'new'})\n"
        "except WriteError as error:\n"
        "    print(error, store.load(), os.path.exists('db-lock'))\n"
    )
    script = (
        f'mount -t tmpfs -o size=96k none "{tmp_path}" && cd "{tmp_path}" && '
        f'PYTHONPATH="{PLACE}" exec "{sys.executable}" -c "$0"'
    )
    said = peers.run("unshare", "-rm", "sh", "-c", script, code).decode()
    assert said == "db-lock: No space left on device; nothing was changed {b'a': b'old'} False\n".replace(
        "db-lock:", f"{tmp_path}/db-lock:"
    )


def test_a_key_over_511_bytes_is_refused_and_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = LmdbStore(str(path))
    store.apply(lambda _: {b"k" * 511: b"v"})
    with pytest.raises(InexpressibleError, match="512 bytes"):
        store.apply(lambda _: {b"x" * 512: b"v", b"y": b"v"})
    assert list(store.load()) == [b"k" * 511]


def test_named_databases_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with lmdb.open(str(path), subdir=False, max_dbs=1) as env:
        env.open_db(b"named")
    with pytest.raises(ForeignFormatError, match="named databases"):
        LmdbStore(str(path)).load()


def test_without_the_package_reading_works_and_writing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "db"
    peers.mdb_load(path, {b"a": b"b"})
    real = builtins.__import__

    def without_lmdb(name: str, *rest: Any) -> Any:
        if name == "lmdb":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_lmdb)
    store = LmdbStore(str(path))
    assert store.load() == {b"a": b"b"}
    with pytest.raises(UnavailableError) as caught:
        store.apply(lambda _: {b"a": None})
    assert str(caught.value.hint).endswith(" -m pip install lmdb")


def test_reading_needs_no_write_access_to_the_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "db"
    peers.mdb_load(path, {b"a": b"b"})
    (tmp_path / "db-lock").unlink()
    os.chmod(tmp_path, 0o500)
    assert LmdbStore(str(path)).load() == {b"a": b"b"}
    assert os.listdir(tmp_path) == ["db"]
