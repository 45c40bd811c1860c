"""GDBM files as a codec of the store."""

import os
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from operator import lshift
from struct import Struct, calcsize, pack, unpack, unpack_from

from ..errors import DamagedFileError, ForeignFormatError, InexpressibleError
from ..lazy import dataclass
from .magics import GDBM, GDBM_NARROW, GDBM_SYNC, GDBM_WIDE
from .records import groups

# What reader and writer of GDBM files share.
#
# Source: gdbm 1.23 ``gdbmdefs.h``, ``gdbmconst.h``, ``hash.c``.

HOST_ORDER = "<" if sys.byteorder == "little" else ">"
HEADER = "Iiq4iq"
"""Magic, block size, directory's place, its size in bytes, its bits, bucket size, elements, end of file."""
HEADER_SIZE = calcsize("<" + HEADER)
BUCKET_HEAD = 112
"""Bytes before a bucket's elements: a table of free space, then bits and count."""
PACKED_HEAD = 84
"""The same where numbers of 64 bits lie at multiples of 4: 32-bit x86."""
BUCKET_BITS_AT = 104
ELEMENT = "i4sq2i"
"""Hash (-1 = unused), start of the key, place of the data, key size, value size."""
ELEMENT_SIZE = calcsize("<" + ELEMENT)
MAX_BITS = 31
_FREE_SPACE, _FREE_SIZE = "i4xq", 16
"""Size and place of a piece of free space."""
_AVAIL_HEAD = 16
_BUCKET_FREE = 6
_EXTENSION = 32
"""Bytes of the extended header."""

_SHIFTS = tuple(5 * i % 24 for i in range(24))
_LOW = 0x7FFFFFFF
_UNSIGNED_CHAR = ("aarch64", "arm", "ppc", "s390", "riscv")


def elements_of(bucket_size: int, head: int = BUCKET_HEAD) -> int:
    """Return how many elements a bucket has behind its head."""
    return (bucket_size - head - ELEMENT_SIZE) // ELEMENT_SIZE + 1


def host_signs_char() -> bool:
    """Tell whether C's ``char`` is signed here; the hash of keys that are not ASCII depends on it."""
    return not os.uname().machine.startswith(_UNSIGNED_CHAR)


def hashed(key: bytes, *, signed_char: bool) -> int:
    """Return gdbm's 31-bit hash (``_gdbm_hash``)."""
    characters = memoryview(key).cast("b") if signed_char else key
    value: int = 0x238F13AF * len(key) + sum(map(lshift, characters, cycle(_SHIFTS)))
    return 1103515243 * (value & _LOW) + 12345 & _LOW


def hashes(keys: Iterable[bytes], *, signed_char: bool) -> Iterator[tuple[bytes, int]]:
    """Give each key with its hash, in no particular order; :func:`hashed` for many, and faster."""
    for length, some in groups(keys):
        text = b"".join(some)
        if signed_char and not text.isascii():
            yield from ((key, hashed(key, signed_char=True)) for key in some)
        else:
            yield from zip(some, _side_by_side(text, length, len(some)), strict=True)


def _side_by_side(text: bytes, length: int, count: int) -> tuple[int, ...]:
    """Hash keys of one length, each in its own 64-bit lane of one large integer; none ever spills."""
    lanes = bytearray(8 * count)
    one = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
    state = 0x238F13AF * length % (1 << 40) * one
    for column in range(length):
        lanes[::8] = text[column::length]
        state += int.from_bytes(lanes, "little") << _SHIFTS[column % 24]
    low = _LOW * one
    state = 1103515243 * (state & low) + 12345 * one & low
    return unpack(f"<{count}Q", state.to_bytes(len(lanes), "little"))


# Read a GDBM file (64-bit offsets, either byte order) through its directory of buckets.

_ELSEWHERE = "on the machine that wrote it run `gdbm_dump FILE` and load that here with `gdbm_load`"
SALVAGE = "restore it from a backup, or salvage what is left with `gdbmtool FILE recover`"


@dataclass(frozen=True)
class _Header:
    """Places and sizes that the rest of the file is read by."""

    order: str
    directory: int
    directory_size: int
    bits: int
    bucket_size: int
    elements: int
    end: int

    def is_free_space(self, data: bytes, at: int, count: int) -> bool:
        """Tell whether libgdbm would accept a table of free space (``gdbm_avail_table_valid_p``)."""
        table = Struct(self.order + _FREE_SPACE).iter_unpack(data[at : at + _FREE_SIZE * count])
        return all(start >= self.bucket_size and start + size <= self.end for size, start in table)


def decode(data: bytes, *, subject: str = "GDBM file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: not a GDBM file, or one with 32-bit offsets.
        DamagedFileError: content that contradicts itself.
    """
    header = _read_header(data, subject)
    directory = unpack_from(f"{header.order}{1 << header.bits}q", data, header.directory)
    addresses = dict.fromkeys(directory)
    if len(addresses) * header.bucket_size > len(data):
        raise DamagedFileError(
            subject, f"has a directory of {len(addresses)} buckets, more than fit", SALVAGE
        )
    reader = _Reader(data, header, directory, subject)
    for address in addresses:
        reader.bucket(address)
    reader.check_hashes()
    return reader.found


def _read_header(data: bytes, subject: str) -> _Header:
    if len(data) < HEADER_SIZE:
        raise DamagedFileError(subject, f"is cut off after {len(data)} bytes of the header", SALVAGE)
    order = _byte_order(data, subject)
    fields = unpack_from(order + HEADER, data)
    header = _Header(order, *fields[2:8])
    if not 0 <= header.bits < MAX_BITS or header.directory_size != 8 << header.bits:
        raise DamagedFileError(subject, f"has a directory of {header.directory_size} bytes", SALVAGE)
    if not 0 < header.directory < len(data) - header.directory_size:
        raise DamagedFileError(subject, "is cut off: its directory lies behind its end", SALVAGE)
    if header.end < len(data):
        raise DamagedFileError(subject, f"has {len(data)} bytes and says {header.end}", SALVAGE)
    if header.elements == elements_of(header.bucket_size, PACKED_HEAD):
        raise ForeignFormatError(subject, "is a GDBM file of a 32-bit x86 machine", _ELSEWHERE)
    if header.bucket_size < BUCKET_HEAD or header.elements != elements_of(header.bucket_size):
        raise DamagedFileError(subject, f"has buckets of {header.bucket_size} bytes", SALVAGE)
    _check_free_space(data, header, fields[0], fields[1], subject)
    return header


def _check_free_space(data: bytes, header: _Header, magic: int, block: int, subject: str) -> None:
    """Refuse what libgdbm does not open: free space that can't be (``gdbm_avail_block_validate``)."""
    at = HEADER_SIZE + (_EXTENSION if magic == GDBM_SYNC else 0)
    size, count = unpack_from(header.order + "2i", data, at)
    room = (block - at - _AVAIL_HEAD) // _FREE_SIZE
    is_table = size > 1 and 0 <= count <= min(size, room) and block <= len(data)
    if not is_table or not header.is_free_space(data, at + _AVAIL_HEAD, count):
        raise DamagedFileError(subject, "has a wrong table of free space", SALVAGE)


def _byte_order(data: bytes, subject: str) -> str:
    for order in "<>":
        (magic,) = unpack_from(order + "I", data)
        if magic in GDBM_WIDE:
            return order
        if magic in GDBM_NARROW:
            raise ForeignFormatError(subject, "is a GDBM file with 32-bit offsets", _ELSEWHERE)
    raise ForeignFormatError(subject, "is not a GDBM file")


class _Reader:
    """Takes the records of one bucket after the other; no more bytes than the file has."""

    def __init__(self, data: bytes, header: _Header, directory: tuple[int, ...], subject: str) -> None:
        self._data, self._header, self._subject = data, header, subject
        self._directory, self._shift = directory, MAX_BITS - header.bits
        self._hashes: dict[bytes, int] = {}
        self._element = Struct(header.order + ELEMENT)
        self._left = len(data)
        self.found: dict[bytes, bytes] = {}

    def bucket(self, address: int) -> None:
        slots, count = self._slots(address)
        before = len(self.found)
        for value, beginning, place, key_size, data_size in slots:
            if value == -1:
                continue
            if value < 0 or self._directory[value >> self._shift] != address:
                raise self._damaged(address, "has a record that belongs to another one")
            key = self._take(address, place, key_size, data_size)
            if key[:4] != beginning[:key_size]:
                raise self._damaged(address, "has a key that begins otherwise than it says")
            self._hashes[key] = value
        if len(self.found) - before != count:
            raise self._damaged(address, f"counts {count} records and has others")
        if not _is_probed([slot[0] for slot in slots]):
            raise self._damaged(address, "has a key in a place where libgdbm does not look for it")

    def _slots(self, address: int) -> tuple[list[tuple[int, bytes, int, int, int]], int]:
        """Return the elements of a bucket, and how many are taken by its own count."""
        header, data = self._header, self._data
        if not 0 < address <= len(data) - header.bucket_size:
            raise self._damaged(address, "lies outside the file")
        (free,) = unpack_from(header.order + "i", data, address)
        bits, count = unpack_from(header.order + "2i", data, address + BUCKET_BITS_AT)
        is_table = 0 <= bits <= header.bits and 0 <= free <= _BUCKET_FREE
        if not is_table or not header.is_free_space(data, address + 8, free):
            raise self._damaged(address, "has a wrong head")
        start = address + BUCKET_HEAD
        return list(self._element.iter_unpack(data[start : start + header.elements * ELEMENT_SIZE])), count

    def check_hashes(self) -> None:
        """Refuse keys that libgdbm would not find: they are not those that were hashed once."""
        signed = host_signs_char()
        made = hashes(self._hashes, signed_char=signed)
        wrong = [key for key, value in made if value != self._hashes[key]]
        for key in wrong:  # perhaps written where char has the other sign
            if hashed(key, signed_char=not signed) != self._hashes[key]:
                raise DamagedFileError(
                    self._subject, "has a key that is not the one that was stored", SALVAGE
                )

    def _take(self, address: int, place: int, key_size: int, data_size: int) -> bytes:
        """Note a record and return its key."""
        self._left -= key_size + data_size
        end = place + key_size + data_size
        if min(place, key_size, data_size) < 0 or end > len(self._data) or self._left < 0:
            raise self._damaged(address, "has a record that lies outside the file")
        key = self._data[place : place + key_size]
        self.found[key] = self._data[place + key_size : end]
        return key

    def _damaged(self, address: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"the bucket at byte {address} {what}", SALVAGE)


def _is_probed(slots: list[int]) -> bool:
    """Tell whether each hash is at its place, or behind it with none empty between (``_gdbm_findkey``)."""
    size = len(slots)
    if -1 not in slots:
        return True
    start = slots.index(-1)
    full = 0  # slots in a row, up to here
    for at in range(start, start + size):
        value = slots[at % size]
        if value != -1 and (at - value) % size > full:
            return False
        full = 0 if value == -1 else full + 1
    return True


# Write a GDBM file from nothing: header, directory, buckets, then keys and values back to back.

BLOCK = 4096
_EMPTY = pack("<" + ELEMENT, -1, b"", 0, 0, 0)


@dataclass(frozen=True)
class _Bucket:
    """Keys whose hashes share the upper ``bits``; sorted."""

    bits: int
    keys: list[tuple[int, bytes]]


def encode(
    records: Mapping[bytes, bytes],
    *,
    order: str | None = None,
    signed_char: bool | None = None,
    subject: str = "GDBM file",
) -> bytes:
    """Return the file that holds exactly these records.

    Args:
        records: what to write.
        order: ``<`` or ``>``, the byte order of the machine that will read it, since libgdbm reads no other;
            None is this machine.
        signed_char: whether C's ``char`` is signed on the machine that will read it (x86 yes, ARM and POWER
            no); None is this machine. It decides where keys with other than ASCII characters are found.
        subject: what error messages call it.
    """
    signed = host_signs_char() if signed_char is None else signed_char
    order = order or HOST_ORDER
    keys = sorted((value, key) for key, value in hashes(records, signed_char=signed))
    buckets = list(_split(keys, 0, 0, subject))
    bits = max(_initial_bits(), *(bucket.bits for bucket in buckets))
    buckets_at = BLOCK + -(-(8 << bits) // BLOCK) * BLOCK
    data_at = buckets_at + len(buckets) * BLOCK
    directory, pages, data = bytearray(), [], _Data(data_at, records)
    for number, bucket in enumerate(buckets):
        directory += pack(order + "q", buckets_at + number * BLOCK) * (1 << (bits - bucket.bits))
        pages.append(_bucket_page(bucket, data, order))
    body = b"".join((*pages, *data.pieces))
    end = buckets_at + -(-len(body) // BLOCK) * BLOCK
    head = _written_header(bits, end, order) + bytes(directory).ljust(buckets_at - BLOCK, b"\0")
    return head + body.ljust(end - buckets_at, b"\0")


class _Data:
    """Keys and values in the order in which buckets ask for them."""

    def __init__(self, start: int, records: Mapping[bytes, bytes]) -> None:
        self._at, self._records = start, records
        self.pieces: list[bytes] = []

    def place(self, key: bytes) -> tuple[int, int]:
        """Append a record; return its place and the value's size."""
        value, at = self._records[key], self._at
        self.pieces += (key, value)
        self._at += len(key) + len(value)
        return at, len(value)


def _initial_bits() -> int:
    """Return the directory's bits in an empty file: 64 bytes, doubled up to a block."""
    return (BLOCK // 8).bit_length() - 1


def _split(keys: list[tuple[int, bytes]], prefix: int, bits: int, subject: str) -> Iterator[_Bucket]:
    """Halve by the next bit of the hash until each part fits a bucket."""
    if len(keys) <= elements_of(BLOCK):
        yield _Bucket(bits, keys)
        return
    if bits == MAX_BITS:
        raise InexpressibleError(subject, f"can't hold {len(keys)} keys with the same hash")
    middle = (2 * prefix + 1) << (MAX_BITS - bits - 1)
    cut = bisect_left(keys, (middle, b""))
    yield from _split(keys[:cut], 2 * prefix, bits + 1, subject)
    yield from _split(keys[cut:], 2 * prefix + 1, bits + 1, subject)


def _bucket_page(bucket: _Bucket, data: _Data, order: str) -> bytes:
    size, element = elements_of(BLOCK), Struct(order + ELEMENT)
    slots = [_EMPTY] * size
    for value, key in bucket.keys:
        slot = value % size
        while slots[slot] is not _EMPTY:
            slot = (slot + 1) % size
        place, length = data.place(key)
        slots[slot] = element.pack(value, key[:4], place, len(key), length)
    head = bytes(BUCKET_BITS_AT) + pack(order + "2i", bucket.bits, len(bucket.keys))
    return (head + b"".join(slots)).ljust(BLOCK, b"\0")


def _written_header(bits: int, end: int, order: str) -> bytes:
    """Return the first block, with an empty table of free space."""
    size = elements_of(BLOCK)
    avail = pack(order + "2iq", (BLOCK - HEADER_SIZE - _AVAIL_HEAD) // 16, 0, 0)
    head = pack(order + HEADER, GDBM, BLOCK, BLOCK, 8 << bits, bits, BLOCK, size, end)
    return (head + avail).ljust(BLOCK, b"\0")


def holds(data: bytes, records: Mapping[bytes, bytes], *, subject: str = "GDBM file") -> bool:
    """Tell whether a file holds exactly these records."""
    return decode(data, subject=subject) == records


LOCKED = True
"""gdbm itself holds flock on the file: shared to read, exclusive to write."""

look = decode


def amend(records: Mapping[bytes, bytes], edits: Mapping[bytes, bytes | None]) -> bytes | None:  # noqa: ARG001
    """Return None: such a file is always written whole."""
    return None
