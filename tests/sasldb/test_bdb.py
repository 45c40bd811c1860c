"""Berkeley DB files: what libdb writes we read, what we write libdb reads, edits and reads again."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.errors import ForeignFormatError, InexpressibleError
from smtpcreds.sasldb import bdb, bdb_read
from smtpcreds.sasldb.bdb import decode, encode

from . import peers

PAGE_SIZES = (512, 1024, 4096, 65536)


def accounts(count: int, seed: int = 0, longest: int = 60) -> dict[bytes, bytes]:
    dice = random.Random(seed)
    return {
        b"user%d\0relay.example\0userPassword" % dice.randrange(10**9): dice.randbytes(
            dice.randrange(longest)
        )
        for _ in range(count)
    }


def require_libdb_reads(path: Path, records: dict[bytes, bytes]) -> None:
    """Verify, walk and get: db5.3_verify accepts a wrong order of keys, only ``get`` shows it."""
    peers.db_verify(path)
    assert peers.db_dump(path) == records
    with peers.libdb(path) as db:
        for key, value in records.items():
            assert db.get(key) == value
        assert db.get(b"no such key") is None


@pytest.mark.parametrize("pagesize", PAGE_SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 900])
def test_what_libdb_wrote_is_read(tmp_path: Path, pagesize: int, count: int) -> None:
    path, records = tmp_path / "db", accounts(count, longest=min(pagesize // 2, 9000))
    peers.db_load(path, records, db_pagesize=pagesize)
    assert decode(path.read_bytes()) == records


@pytest.mark.parametrize("settings", [{"db_lorder": 4321}, {"chksum": 1}, {"db_lorder": 4321, "chksum": 1}])
def test_other_byte_order_and_checksums_are_read(tmp_path: Path, settings: dict[str, int]) -> None:
    path, records = tmp_path / "db", accounts(800, longest=3000)
    peers.db_load(path, records, **settings)
    assert decode(path.read_bytes()) == records


@pytest.mark.parametrize("version", [7, 8])
def test_unsorted_pages_of_older_versions_are_read(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their pages have no order; libdb 5.3 reads such files and so can judge ours."""
    path, records = tmp_path / "db", accounts(200)
    monkeypatch.setattr(bdb, "order", lambda key: key[::-1].hex())
    data = bytearray(encode(records))
    struct.pack_into("<I", data, 16, version)
    for at in range(4096, len(data), 4096):
        data[at + bdb_read.TYPE_AT] = bdb_read.UNSORTED_PAGE
    path.write_bytes(data)
    require_libdb_reads(path, records)
    assert decode(bytes(data)) == records


@pytest.mark.parametrize("pagesize", PAGE_SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 900])
def test_libdb_reads_what_we_write(tmp_path: Path, pagesize: int, count: int) -> None:
    path, records = tmp_path / "db", accounts(count, longest=min(2 * pagesize, 9000))
    path.write_bytes(data := encode(records, pagesize=pagesize))
    assert decode(data) == records
    require_libdb_reads(path, records)


def test_keys_that_are_prefixes_of_others_are_found(tmp_path: Path) -> None:
    path = tmp_path / "db"
    records = {b"relay" + b"x" * n + tail: b"%d" % n for n in range(120) for tail in (b"", b"\0", b"\xff")}
    path.write_bytes(encode(records))
    require_libdb_reads(path, records)


def test_a_wrong_order_is_what_the_test_above_would_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "db"
    monkeypatch.setattr(bdb, "order", bytes.hex)
    records = {b"relay" + b"x" * n: b"" for n in range(120)}
    path.write_bytes(encode(records))
    with pytest.raises(AssertionError):
        require_libdb_reads(path, records)


def test_the_hash_is_libdbs() -> None:
    assert dict(bdb_read.hashed([b"%$sniglet^&\0"])) == {b"%$sniglet^&\0": bdb_read.CHARKEY}


@given(st.lists(st.binary(max_size=80), unique=True), st.sampled_from((1, 12, 15, 16, 23, 24, 32)))
@settings(deadline=None)
def test_keys_side_by_side_are_hashed_as_each_alone(keys: list[bytes], bits: int) -> None:
    def alone(key: bytes) -> int:
        state = 0
        for octet in key:
            state = state * 16777619 % (1 << 32) ^ octet
        return state % (1 << bits)

    assert [*bdb_read.hashed(keys, bits)] == [(key, alone(key)) for key in keys]


@pytest.mark.parametrize("count", [1, 300, 2000])
def test_a_file_holds_its_records_and_no_others(count: int) -> None:
    records = accounts(count)
    data, (key, *_) = encode(records), records
    assert bdb.holds(data, records)
    assert not bdb.holds(data, {**records, key: b"another"})
    assert not bdb.holds(data, {**records, b"more": b""})
    assert not bdb.holds(data, {k: v for k, v in records.items() if k != key})
    assert not bdb.holds(data, {k: v for k, v in records.items() if k != key} | {b"other": b""})


def test_a_key_on_two_pages_of_a_bucket_is_no_other_key() -> None:
    """The number of records is right, and each that is there is one of them."""
    records = {b"key%06d" % number: b"v" * 900 for number in range(400)}
    data = encode(records)
    found = bdb.look(data)
    assert isinstance(found, bdb.CleanFile)
    chain = next(n for n, behind in enumerate(found._pages.following) if n and behind)
    pages = [data[n * 4096 : (n + 1) * 4096] for n in (chain, found._pages.following[chain])]
    (*_, last), (first, *_) = (sorted(key for key in records if b"\x01" + key in page) for page in pages)
    assert bdb.holds(data, records)
    assert not bdb.holds(data.replace(b"\x01" + first, b"\x01" + last), {**records, first: b"v" * 900})


@given(st.dictionaries(st.binary(max_size=128), st.binary(max_size=1500), max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_records_survive(tmp_path_factory: pytest.TempPathFactory, records: dict[bytes, bytes]) -> None:
    path = tmp_path_factory.mktemp("any") / "db"
    path.write_bytes(data := encode(records, pagesize=512))
    assert decode(data) == records
    with peers.libdb(path) as db:
        assert {key: db.get(key) for key in records} == records


def test_a_key_over_a_quarter_page_is_refused() -> None:
    encode({b"k" * 1024: b""})
    with pytest.raises(InexpressibleError, match="1025 bytes; at most 1024"):
        encode({b"k" * 1025: b""})


def test_libdb_edits_our_file_and_we_read_it_again(tmp_path: Path) -> None:
    path, dice = tmp_path / "db", random.Random(5)
    model = accounts(50)
    path.write_bytes(encode(model, pagesize=512))
    for round_ in range(30):
        with peers.libdb(path, write=True) as db:
            for _ in range(40):
                key = b"key%d" % dice.randrange(700)
                if dice.random() < 0.6:
                    model[key] = dice.randbytes(dice.choice((0, 9, 50, 300, 2000)))
                    db.put(key, model[key])
                else:
                    model.pop(key, None)
                    db.delete(key)
        assert decode(path.read_bytes()) == model, round_
        if round_ % 3 == 0:
            path.write_bytes(encode(model, pagesize=dice.choice(PAGE_SIZES)))
    require_libdb_reads(path, model)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-t", "btree"], "is a btree of Berkeley DB"),
        (["-t", "hash", "-c", "duplicates=1"], "several values under one key"),
    ],
)
def test_other_databases_are_told_apart(tmp_path: Path, options: list[str], reason: str) -> None:
    path = tmp_path / "db"
    peers.run("db5.3_load", "-T", *options, "-f", "/dev/stdin", str(path), stdin=b"a\n1\na\n2\nb\n3\n")
    with pytest.raises(ForeignFormatError, match=reason):
        decode(path.read_bytes())


def test_an_encrypted_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "db"
    peers.run("db5.3_load", "-T", "-t", "hash", "-P", "pw", "-f", "/dev/stdin", str(path), stdin=b"a\n1\n")
    with pytest.raises(ForeignFormatError, match="encrypted"):
        decode(path.read_bytes())


def test_the_same_records_give_the_same_bytes() -> None:
    records = accounts(300)
    assert encode(records) == encode(dict(sorted(records.items())))
