"""GDBM files: what libgdbm writes we read, what we write libgdbm reads, edits and reads again."""

import base64
import os
import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.errors import DamagedFileError, ForeignFormatError, InexpressibleError
from smtpcreds.sasldb import gdbm, magics
from smtpcreds.sasldb.gdbm import decode, encode

from . import peers
from .test_bdb import accounts


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_what_libgdbm_wrote_is_read(tmp_path: Path, count: int) -> None:
    path, records = tmp_path / "db", accounts(count)
    assert peers.gdbm(path, records) == records
    assert decode(path.read_bytes()) == records


@pytest.mark.parametrize("count", [0, 1, 7, 5000, 30_000])
def test_libgdbm_reads_what_we_write(tmp_path: Path, count: int) -> None:
    path, records = tmp_path / "db", accounts(count)
    path.write_bytes(data := encode(records))
    assert decode(data) == records
    assert peers.gdbm(path) == records


def test_gdbmtool_finds_nothing_to_repair(tmp_path: Path) -> None:
    path, records = tmp_path / "db", accounts(3000)
    path.write_bytes(encode(records))
    report = peers.run("gdbmtool", "-q", str(path), "recover", "force", "summary").decode()
    assert "Keys recovered: 3000, failed: 0, duplicate: 0" in report
    assert decode(path.read_bytes()) == records


@pytest.mark.parametrize("numsync", [False, True])
def test_both_magics_are_read(tmp_path: Path, numsync: bool) -> None:
    path, records = tmp_path / "db", accounts(400)
    peers.gdbm(path, records)
    if numsync:
        peers.run("gdbmtool", "-q", str(path), "upgrade")
    assert path.read_bytes()[:4] == struct.pack("<I", magics.GDBM_SYNC if numsync else magics.GDBM)
    assert decode(path.read_bytes()) == records


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=60), max_size=300), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_records_survive(records: dict[bytes, bytes], signed: bool) -> None:
    assert decode(encode(records, signed_char=signed)) == records


def test_libgdbm_finds_keys_that_are_not_ascii(tmp_path: Path) -> None:
    path = tmp_path / "db"
    records = {f"élève-{n}\0Zürich\0userPassword".encode(): b"x" for n in range(200)}
    path.write_bytes(encode(records))
    assert peers.gdbm(path) == records


def test_the_other_sign_of_char_places_them_elsewhere() -> None:
    key = "élève".encode()
    here = gdbm.hashed(key, signed_char=True)
    assert here != gdbm.hashed(key, signed_char=False)
    assert gdbm.hashed(b"eleve", signed_char=True) == gdbm.hashed(b"eleve", signed_char=False)


@given(st.lists(st.binary(max_size=50)), st.booleans())
def test_many_hashes_are_those_of_each(keys: list[bytes], signed: bool) -> None:
    made = dict(gdbm.hashes(keys, signed_char=signed))
    assert made == {key: gdbm.hashed(key, signed_char=signed) for key in keys}


S390X = (
    b"c-rmQF>1n400!V!iiJ|pK)|70Jc0(?y+CJYhip!YrC0C@9zbyS1|GmOxOfLasd*-)2(C(%?}NPm@n;DS@)BO!pRGekLMf@P@LJ`("
    b"?0a$82LJ#7;EuJVlu}A5rIb=i`PlhX&Kujm^MLmIl@1!7e+rjw==FO2z4U2)IbAJ=zx!n~?rm`|wLW^iUa!Ap-~HU|CgXfmeUIW$E3"
    b"Oyoqu1ZQ|2Ukzk8l6=eT>i8`5Fu-c_&V@(=;poY`+5l008hHj$^^*Zv"
)
"""Made by Debian's gdbmtool 1.23-3 for s390x: ``store user1 value1``, ``store user2 value2``,
``store él x``."""


def test_a_big_endian_machine_s_file_is_read_and_made() -> None:
    """That machine's gdbmtool also found all in files of ours with up to 5001 records."""
    theirs = zlib.decompress(base64.b85decode(S390X))
    records = {b"user1": b"value1", b"user2": b"value2", "él".encode(): b"x"}
    assert decode(theirs) == records
    ours = encode(records, order=">", signed_char=False)
    assert ours[:32] == theirs[:32]
    assert decode(ours) == records
    place = struct.unpack_from(">q", theirs, 4096)[0], struct.unpack_from(">q", ours, 4096)[0]
    assert _elements(theirs, place[0]) == _elements(ours, place[1])


def _elements(data: bytes, bucket: int) -> list[tuple[object, ...]]:
    """Return hash, start of the key and sizes of each element; where the data lie is another matter."""
    table = data[bucket + gdbm.BUCKET_HEAD : bucket + 4096 - 4]
    whole = struct.iter_unpack(">" + gdbm.ELEMENT, table[: len(table) // 24 * 24])
    return [(value, key, *sizes) for value, key, _, *sizes in whole if value != -1]


def test_a_file_is_for_this_machine() -> None:
    assert encode({})[:4] == struct.pack("=I", magics.GDBM)


def test_a_file_of_a_machine_with_the_other_sign_is_read() -> None:
    records = {"élève".encode(): b"x", b"eleve": b"y"}
    for signed in (True, False):
        assert decode(encode(records, signed_char=signed)) == records


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"key7\0tail", b"key7\0tall", "not the one that was stored"),
        (b"key7\0tail", b"kex7\0tail", "begins otherwise"),
    ],
)
def test_a_key_that_libgdbm_would_not_find_is_damage(
    tmp_path: Path, old: bytes, new: bytes, reason: str
) -> None:
    path = tmp_path / "db"
    peers.gdbm(path, {b"key%d\0tail" % n: b"secret" for n in range(9)})
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(DamagedFileError, match=reason):
        decode(path.read_bytes())


def test_a_record_in_a_wrong_bucket_is_damage() -> None:
    data = bytearray(encode({b"key%d" % n: b"x" for n in range(400)}))
    size = 8 << struct.unpack_from(gdbm.HOST_ORDER + gdbm.HEADER, data)[4]
    directory = data[gdbm.BLOCK : gdbm.BLOCK + size]
    data[gdbm.BLOCK : gdbm.BLOCK + size] = directory[8:] + directory[:8]
    with pytest.raises(DamagedFileError, match="belongs to another one"):
        decode(bytes(data))


def test_libgdbm_edits_our_file_and_we_read_it_again(tmp_path: Path) -> None:
    path, dice = tmp_path / "db", random.Random(5)
    model = accounts(50)
    path.write_bytes(encode(model))
    for round_ in range(12):
        edits: dict[bytes, bytes | None] = {}
        for _ in range(300):
            key = b"key%d" % dice.randrange(2000)
            edits[key] = dice.randbytes(dice.randrange(200)) if dice.random() < 0.6 else None
        model = {key: value for key, value in {**model, **edits}.items() if value is not None}
        assert peers.gdbm(path, edits) == model
        assert decode(path.read_bytes()) == model
        if round_ % 3 == 0:
            path.write_bytes(encode(model))


def test_more_equal_hashes_than_a_bucket_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdbm, "hashes", lambda keys, signed_char: ((key, 7) for key in keys))
    with pytest.raises(InexpressibleError, match="same hash"):
        gdbm.encode({b"%d" % n: b"" for n in range(167)})


def test_32_bit_files_are_told_apart() -> None:
    data = struct.pack("<I", 0x13579ACD) + encode({})[4:]
    with pytest.raises(ForeignFormatError, match="32-bit"):
        decode(data)


def test_a_file_of_32_bit_x86_is_told_apart() -> None:
    """First bytes of one by Debian's gdbmtool 1.23-3 for i386."""
    head = bytes.fromhex(
        "cf9a5713 00100000 00100000 00000000 00100000 09000000 00100000 a7000000 00400000 00000000"
    )
    with pytest.raises(ForeignFormatError, match="32-bit x86") as caught:
        decode(head.ljust(16384, b"\0"))
    assert "gdbm_dump" in (caught.value.hint or "")


def test_the_machine_is_known() -> None:
    unsigned = os.uname().machine.startswith(("aarch64", "arm", "ppc", "s390", "riscv"))
    assert gdbm.host_signs_char() is not unsigned
