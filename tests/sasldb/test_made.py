"""Sound files, made by the formats' own tools in every way that their options allow: all are read."""

import random
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import lmdb
import pytest

from smtpcreds.sasldb import bdb, gdbm, lmdb_read
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.lmdb import LmdbStore
from smtpcreds.sasldb.opening import open_store

from . import peers
from .test_bdb import accounts

NEW = b"new\0relay.example\0userPassword"
BDB_SIZES, BDB_FILLS = (512, 1024, 4096, 65536), (0, 3, 200)
Edit = Callable[[peers.Libdb, dict[bytes, bytes]], None]


def require_same(path: Path, records: dict[bytes, bytes]) -> None:
    """Read a Berkeley DB file as its own tools do, add an account, and let them read that."""
    peers.db_verify(path)
    assert peers.db_dump(path) == records
    assert bdb.decode(path.read_bytes()) == records
    open_store(str(path)).apply(lambda _: {NEW: b"secret"})
    peers.db_verify(path)
    with peers.libdb(path) as db:
        assert {key: db.get(key) for key in (*records, NEW)} == {**records, NEW: b"secret"}


@pytest.mark.parametrize("size", BDB_SIZES)
@pytest.mark.parametrize("settings", [{}, {"db_lorder": 4321}, {"chksum": 1}, {"duplicates": 1}])
def test_every_option_of_db_load(tmp_path: Path, size: int, settings: dict[str, int]) -> None:
    many = min(5000, (1 << 23) // size)  # a page for each few of these, at most 8 MiB or so
    for fill, announced, number in product(BDB_FILLS, (0, many), (3, 400)):
        path, records = tmp_path / f"{fill}-{announced}-{number}", accounts(number, longest=min(size, 900))
        chosen = {"h_ffactor": fill, "h_nelem": announced}
        peers.db_load(path, records, db_pagesize=size, **settings, **{k: v for k, v in chosen.items() if v})
        require_same(path, records)


@pytest.mark.parametrize("salvage", [(), ("-r",)])
@pytest.mark.parametrize("number", [1, 300, 5000])
def test_a_file_that_was_dumped_and_loaded(tmp_path: Path, salvage: tuple[str, ...], number: int) -> None:
    """db_load begins to count at what the dump's header announces, and so counts twice."""
    path, loaded, records = tmp_path / "db", tmp_path / "loaded", accounts(number)
    path.write_bytes(bdb.encode(records))
    for source, target in ((path, loaded), (loaded, tmp_path / "again")):
        text = peers.run("db5.3_dump", *salvage, str(source))
        peers.run("db5.3_load", "-f", "/dev/stdin", str(target), stdin=text)
        assert bdb.decode(target.read_bytes()) == records
    require_same(tmp_path / "again", records)


@pytest.mark.parametrize("size", BDB_SIZES)
def test_thousands_of_changes_by_libdb(tmp_path: Path, size: int) -> None:
    """Puts, deletions, truncation and compaction at random; deleted records leave free pages."""
    path, dice = tmp_path / "db", random.Random(size)
    model = accounts(200)
    peers.db_load(path, model, db_pagesize=size, h_nelem=400)
    for round_ in range(40):
        with peers.libdb(path, write=True) as db:
            for _ in range(dice.choice((1, 20, 200))):
                key = b"key%d" % dice.randrange(900)
                if dice.random() < 0.55:
                    model[key] = dice.randbytes(dice.choice((0, 9, 50, size // 3, 3000)))
                    db.put(key, model[key])
                else:
                    model.pop(key, None)
                    db.delete(key)
            if round_ % 20 == 13:
                db.truncate()
                model.clear()
            if round_ % 8 == 5:
                db.compact()
        assert bdb.decode(path.read_bytes()) == model, round_
    require_same(path, model)


def test_a_database_that_was_emptied_keeps_its_count(tmp_path: Path) -> None:
    path = tmp_path / "db"
    peers.db_load(path, accounts(900))
    with peers.libdb(path, write=True) as db:
        db.truncate()
    assert int.from_bytes(path.read_bytes()[88:92], "little") == 900
    require_same(path, {})


@pytest.mark.parametrize("block", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("numsync", ["", "upgrade"])
def test_gdbm_files_of_every_block_size(tmp_path: Path, block: int, numsync: str) -> None:
    path, dice, records = (
        tmp_path / "db",
        random.Random(block),
        {f"user{n}": f"secret{n}" for n in range(700)},
    )
    store = [f"store {key} {value}" for key, value in records.items()]
    gone = [f"delete {key}" for key in dice.sample(sorted(records), 300)]
    words = ("gdbmtool", "-q", "-n", "-b", str(block), str(path))
    peers.run(*words, stdin="\n".join([*store, numsync, *gone, ""]).encode())
    expected = {k.encode(): v.encode() for k, v in records.items() if f"delete {k}" not in gone}
    assert gdbm.decode(path.read_bytes()) == expected
    peers.run("gdbmtool", "-q", str(path), "reorganize")
    assert gdbm.decode(path.read_bytes()) == expected == peers.gdbm(path)
    open_store(str(path)).apply(lambda _: {NEW: b"secret"})
    assert peers.gdbm(path) == {**expected, NEW: b"secret"}


@pytest.mark.parametrize("form", ["ascii", "binary"])
def test_a_gdbm_file_that_was_dumped_and_loaded(tmp_path: Path, form: str) -> None:
    path, text, loaded = tmp_path / "db", tmp_path / "text", tmp_path / "loaded"
    records = {f"user{n}\0{n}\0userPassword".encode(): f"secret{n}".encode() for n in range(900)}
    path.write_bytes(gdbm.encode(records))
    text.write_bytes(peers.run("gdbm_dump", f"--format={form}", str(path)))
    for block in ((), ("-b", "1024")):
        peers.run("gdbm_load", "-n", *block, str(text), str(loaded))
        assert gdbm.decode(loaded.read_bytes()) == records


def test_a_gdbm_file_that_was_recovered(tmp_path: Path) -> None:
    path, records = tmp_path / "db", accounts(900)
    peers.gdbm(path, {**records, **dict.fromkeys(list(records)[::3])})
    peers.run("gdbmtool", "-q", str(path), "recover", "force")
    assert gdbm.decode(path.read_bytes()) == peers.gdbm(path)


@pytest.mark.parametrize("seed", range(4))
def test_lmdb_files_after_thousands_of_changes(tmp_path: Path, seed: int) -> None:
    """Values that become smaller within one transaction keep their pages; copies are what mdb_copy makes."""
    path, dice, model = tmp_path / "db", random.Random(seed), accounts(300, longest=9000)
    LmdbStore(str(path)).apply(lambda _: dict(model))
    for _ in range(10):
        with lmdb.open(str(path), subdir=False, map_size=1 << 26) as env, env.begin(write=True) as txn:
            for _ in range(300):
                key = b"key%d" % dice.randrange(400)
                if dice.random() < 0.7:
                    model[key] = dice.randbytes(dice.choice((1, 50, 3000, 5000, 20_000)))
                    txn.put(key, model[key])
                else:
                    model.pop(key, None)
                    txn.delete(key)
        assert lmdb_read.decode(path.read_bytes()) == model == peers.mdb_dump(path)
    for number, options in enumerate(((), ("-c",))):
        copy = tmp_path / f"copy{number}"
        with open(copy, "wb") as target:
            subprocess.run(["mdb_copy", "-n", *options, str(path)], stdout=target, check=True)
        assert lmdb_read.decode(copy.read_bytes()) == model
    LmdbStore(str(copy)).apply(lambda _: {NEW: b"secret"})
    assert peers.mdb_dump(copy) == {**model, NEW: b"secret"}


def test_an_lmdb_file_that_was_dumped_and_loaded(tmp_path: Path) -> None:
    path, loaded, records = tmp_path / "db", tmp_path / "loaded", accounts(3000, longest=3000)
    LmdbStore(str(path)).apply(lambda _: records)
    text = peers.run("mdb_dump", "-n", str(path))
    peers.run("mdb_load", "-n", str(loaded), stdin=text)
    assert lmdb_read.decode(loaded.read_bytes()) == records
    assert open_store(str(loaded), new=Format.LMDB).load() == records
