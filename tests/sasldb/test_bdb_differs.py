"""Berkeley DB by our hand and by libdb's, and libsasl2's reading of it: random tables, the odd ones too."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.sasldb import bdb, bdb_read
from smtpcreds.sasldb.bdb import decode, encode

from . import peers

SIZES = (0, 1, 17, 1023, 1024, 1025, 4069, 4070, 4071, 8140, 8141, 20_000)
"""Octets of values: around a quarter page, from where one lies on pages of its own, and whole such pages."""

keys = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.integers(0, 40).map(lambda zeros: bytes(zeros) + b"user"),
    st.sampled_from("abc").map(lambda user: f"{user}\0relay.example\0userPassword".encode()),
)
values = st.one_of(st.binary(max_size=40), st.sampled_from(SIZES).map(lambda size: b"v" * size))


def colliding(count: int) -> list[bytes]:
    """Return keys of one hash: NUL octets in front leave FNV-1 at 0, where it begins."""
    return [bytes(number) + b"user\0relay.example\0userPassword" for number in range(count)]


def test_these_keys_have_one_hash() -> None:
    assert len({found for _, found in bdb_read.hashed(colliding(100))}) == 1


@pytest.mark.parametrize("size", [0, 20, 1024, 1025, 5000])
def test_many_keys_of_one_hash(tmp_path: Path, size: int) -> None:
    """All are in one bucket, of many pages, which libdb walks."""
    records = dict.fromkeys(colliding(200), b"v" * size)
    path, theirs = tmp_path / "ours", tmp_path / "theirs"
    path.write_bytes(encode(records))
    peers.db_load(theirs, records)
    peers.db_verify(path)
    assert peers.db_dump(path) == peers.db_dump(theirs) == records
    assert dict(bdb.look(path.read_bytes())) == decode(theirs.read_bytes()) == records
    with peers.libdb(path) as db:
        assert all(db.get(key) == value for key, value in records.items())


@given(st.dictionaries(keys, values, max_size=80), st.sampled_from((512, 4096)))
@settings(max_examples=40, deadline=None)
def test_random_tables(
    tmp_path_factory: pytest.TempPathFactory, records: dict[bytes, bytes], pagesize: int
) -> None:
    """What either wrote, both read alike, by blocks and page by page."""
    place = tmp_path_factory.mktemp("both")
    ours, theirs = place / "ours", place / "theirs"
    ours.write_bytes(encode(records, pagesize=pagesize))
    peers.db_load(theirs, records, db_pagesize=pagesize)
    peers.db_verify(ours)
    for path in (ours, theirs):
        data = path.read_bytes()
        assert peers.db_dump(path) == dict(bdb.look(data)) == decode(data) == bdb_read.decode(data) == records
        assert bdb.holds(data, records)


def test_a_key_that_is_given_twice_has_its_last_value(tmp_path: Path) -> None:
    """As db5.3_load has it; what is read from a table as pairs is a mapping before it is written."""
    path = tmp_path / "theirs"
    text = b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n 61\n 31\n 61\n 32\nDATA=END\n"
    peers.run("db5.3_load", "-f", "/dev/stdin", str(path), stdin=text)
    assert decode(path.read_bytes()) == peers.db_dump(path) == {b"a": b"2"}


@pytest.mark.parametrize("count", [0, 1, 40, 3000])
def test_libsasl2_lists_what_was_written(tmp_path: Path, count: int) -> None:
    dice, path = random.Random(count), tmp_path / "sasldb2"
    names = [f"u{number}-{'x' * dice.randrange(40)}" for number in range(count)]
    records = {
        f"{name}\0relay.example\0userPassword".encode(): dice.randbytes(dice.choice((1, 12, 200, 1500)))
        for name in names
    }
    path.write_bytes(encode(records))
    assert peers.listed(path) == sorted(f"{name}@relay.example: userPassword" for name in names)


def test_libsasl2_edits_it_and_both_read_it_alike(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    records = {b"u%d\0relay.example\0userPassword" % number: b"s" * (number % 1400) for number in range(400)}
    path.write_bytes(encode(records))
    peers.saslpasswd(path, "u7", "relay.example", b"another")
    peers.saslpasswd(path, "u8", "relay.example", None)
    peers.saslpasswd(path, "new", "relay.example", b"secret")
    found = decode(path.read_bytes())
    assert found == peers.db_dump(path)
    assert found[b"u7\0relay.example\0userPassword"] == b"another"
    assert found[b"new\0relay.example\0userPassword"] == b"secret"
    assert b"u8\0relay.example\0userPassword" not in found
    assert {key: found[key] for key in list(records)[9:]} == dict(list(records.items())[9:])
