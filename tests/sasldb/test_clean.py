"""Files of our own layout, changed page by page: the very bytes that writing the whole file gives."""

import random
import struct
from pathlib import Path

import pytest

from smtpcreds.accounts.entries import listing
from smtpcreds.errors import DamagedFileError, ForeignFormatError
from smtpcreds.model import Account
from smtpcreds.sasldb import bdb, records
from smtpcreds.sasldb.bdb import CleanFile, amend, look
from smtpcreds.sasldb.store import edited

from . import peers
from .contract import ROUNDS

REALM = "dmzmail.polkatistas.org"
PAGE = 4096


def key(user: str, prop: str = "userPassword") -> bytes:
    return f"{user}\0{REALM}\0{prop}".encode()


def accounts(count: int, size: int = 20) -> dict[bytes, bytes]:
    return {key(f"user{n}"): b"%d" % n * (size // 2) for n in range(count)}


@pytest.mark.parametrize("count", [0, 1, 30, 200, 3000])
def test_its_records_are_found_without_reading_the_others(count: int) -> None:
    found = accounts(count)
    clean = look(bdb.encode(found))
    assert isinstance(clean, CleanFile)
    for user in ("user0", "user29", "user2999", "nobody"):
        assert clean.get(key(user)) == found.get(key(user))
        prefix = f"{user}\0".encode()
        assert sorted(clean.starting(prefix)) == sorted(k for k in found if k.startswith(prefix))
    assert clean._whole is None
    assert (len(clean), dict(clean), clean == found) == (count, found, True)
    assert clean.get(key("user0")) == found.get(key("user0"))


def test_bytes_of_values_are_not_taken_for_keys() -> None:
    trap = {key("trap"): b"\x01" + key("maildroid") + b"\x01x", key("maildroid", "x"): key("maildroid")}
    clean = look(bdb.encode(trap))
    assert isinstance(clean, CleanFile)
    assert clean.starting(b"maildroid\0") == [key("maildroid", "x")]
    assert records.properties(clean, Account("maildroid", REALM)) == {"x": key("maildroid")}


def test_a_few_edits_give_the_bytes_of_a_whole_rewrite() -> None:
    dice, paged = random.Random(7), 0
    for _ in range(ROUNDS * 4):
        before = {
            key(f"user{dice.randrange(5000)}"): dice.randbytes(dice.choice((1, 20, 200)))
            for _ in range(dice.choice((1, 10, 100, 1500)))
        }
        edits: dict[bytes, bytes | None] = {}
        for _ in range(dice.randrange(1, 6)):
            name = dice.choice([*before, key("new"), key("other")])
            edits[name] = dice.choice((None, dice.randbytes(dice.choice((0, 1, 30, 1000, 5000)))))
        after = edited(before, edits)
        clean = look(bdb.encode(before))
        assert isinstance(clean, CleanFile)
        made = amend(clean, edits)
        assert made in (None, bdb.encode(after))
        paged += made is not None
    assert paged > ROUNDS


def test_what_takes_other_pages_is_left_to_a_whole_rewrite() -> None:
    full = look(bdb.encode(accounts(30)))
    assert amend(full, {key("new"): b"x" * 5000}) is None
    assert amend(full, {b"k" * 1025: b"x"}) is None
    assert amend(full, accounts(17)) is None
    grown = accounts(30)
    while (made := amend(look(bdb.encode(grown)), {key(f"more{len(grown)}"): b"x" * 60})) is not None:
        grown[key(f"more{len(grown)}")] = b"x" * 60
        assert made == bdb.encode(grown)
    assert len(grown) < 100
    assert amend(dict(grown), {}) is None


def test_full_buckets_are_read_and_left_alone() -> None:
    """Long values fill some buckets beyond their first page; others can be changed beside them."""
    crowded = {key(f"user{n}"): b"x" * 1000 for n in range(200)}
    data = bdb.encode(crowded)
    clean = look(data)
    assert isinstance(clean, CleanFile)
    assert any(clean._pages.following)
    assert all(clean[name] == value for name, value in crowded.items())
    assert clean._whole is None
    outcomes = {name: amend(clean, {name: b"y" * 1000}) for name in crowded}
    assert {made is None for made in outcomes.values()} == {True, False}
    for name, made in outcomes.items():
        assert made in (None, bdb.encode({**crowded, name: b"y" * 1000}))


def test_files_of_other_writers_are_not_clean(tmp_path: Path) -> None:
    path = tmp_path / "db"
    peers.db_load(path, accounts(300))
    assert type(look(path.read_bytes())) is dict
    for pagesize in (512, 8192):
        assert type(look(bdb.encode(accounts(30), pagesize=pagesize))) is dict
    long = {**accounts(30), key("long"): b"x" * 5000}
    assert look(bdb.encode(long)) == long


@pytest.mark.parametrize("value", [b"new", b"n" * 90, b"n" * 900, None])
def test_no_remnant_of_another_writer_is_taken_over(tmp_path: Path, value: bytes | None) -> None:
    path, old = tmp_path / "db", {**accounts(300), key("user7"): b"old-secret" * 9}
    path.write_bytes(bdb.encode(old))
    with peers.libdb(path, write=True) as database:
        if value is None:
            database.delete(key("user7"))
        else:
            database.put(key("user7"), value)
    found = look(path.read_bytes())
    assert found == edited(old, {key("user7"): value})
    made = amend(found, {key("new"): b"secret"})
    assert made in (None, bdb.encode(edited(dict(found), {key("new"): b"secret"})))
    assert b"old-secret" not in (made or b"")


def test_one_byte_in_an_unused_place_is_seen() -> None:
    data = bdb.encode(accounts(100))
    for number in range(len(data) // PAGE):
        page = data[number * PAGE : (number + 1) * PAGE]
        start = page.index(bytes(200)) + 100
        dirty = bytearray(data)
        dirty[number * PAGE + start] = 1
        assert type(look(bytes(dirty))) is dict


def test_damage_is_refused_or_does_no_more_harm() -> None:
    dice, sound = random.Random(11), bdb.encode(accounts(200))
    edits = {key("new"): b"secret", key("user5"): None}
    clean = 0
    for _ in range(ROUNDS * 100):
        damaged = bytearray(sound)
        for _ in range(dice.choice((1, 1, 4))):
            at = dice.randrange(len(damaged))
            damaged[at] ^= 1 << dice.randrange(8)
        try:
            found = look(bytes(damaged))
            made = amend(found, edits)
            whole = dict(found.items())
        except (DamagedFileError, ForeignFormatError):
            continue
        clean += made is not None
        if made is not None:
            assert dict(bdb.decode(made)) == edited(whole, edits)
    assert clean


def test_a_single_bucket_is_no_layout_of_ours() -> None:
    """libdb makes two at least; a flipped bit left one."""
    data = bytearray(bdb.encode(accounts(10)))
    struct.pack_into("<I", data, 72, 0)
    with pytest.raises(DamagedFileError):
        look(bytes(data))


def test_a_key_in_a_wrong_bucket_is_refused() -> None:
    data = bdb.encode(accounts(200))
    moved = data.replace(key("user7"), key("usfr7"))
    clean = look(moved)
    assert isinstance(clean, CleanFile)
    with pytest.raises(DamagedFileError, match="another bucket"):
        clean.starting(b"usfr7\0")


@pytest.mark.parametrize("count", [1, 30, 3000])
def test_a_list_keeps_names_alone(count: int) -> None:
    found = {**accounts(count), b"other\0example.org\0userPassword": b"with \x01 in it"}
    clean = look(bdb.encode(found))
    assert listing(clean) == listing(found)
    assert isinstance(clean, CleanFile)
    assert clean._whole is None


ODD = {
    "a property": (key("user1", "authPassword"), b"SCRAM-SHA-1$4096:c2FsdA==$a2V5:a2V5"),
    "no account's": (b"user1", b"x"),
    "more NULs": (b"user1\0" + key("user2"), b"x"),
    "an empty secret": (key("other"), b""),
    "a NUL in a secret": (key("other"), b"a\0b"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_list_with_an_odd_record_says_what_one_of_all_records_says(odd: str) -> None:
    found = {**accounts(100), ODD[odd][0]: ODD[odd][1]}
    assert listing(look(bdb.encode(found))) == listing(found)


def test_a_list_refuses_a_key_that_libdb_would_not_find() -> None:
    data = bdb.encode(accounts(1000))
    at = data.index(key("user500"))
    with pytest.raises(DamagedFileError, match=r"another bucket|out of order"):
        listing(look(data[:at] + b"z" + data[at + 1 :]))


def test_a_list_refuses_a_key_that_comes_twice() -> None:
    """In two pages of one bucket, each of which is in order."""
    data = bdb.encode({key(f"user{n:05}"): b"x" * 300 for n in range(3000)})
    clean = look(data)
    assert isinstance(clean, CleanFile)
    page, behind = next((n, behind) for n, behind in enumerate(clean._pages.following) if behind)
    last, first = (_keys(data, page)[-1], _keys(data, behind)[0])
    twice = look(data.replace(first, last))
    with pytest.raises(DamagedFileError):
        listing(twice)


def _keys(data: bytes, number: int) -> list[bytes]:
    found: dict[bytes, bytes] = {}
    assert bdb._take(data[number * PAGE : (number + 1) * PAGE], found)
    return list(found)
