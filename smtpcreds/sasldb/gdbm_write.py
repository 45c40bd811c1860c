"""Write a GDBM file from nothing: header, directory, buckets, then keys and values back to back."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct, pack

from ..errors import InexpressibleError
from . import gdbm_layout as layout

BLOCK = 4096
_AVAIL_HEAD = 16
_EMPTY = pack("<" + layout.ELEMENT, -1, b"", 0, 0, 0)


@dataclass(frozen=True, slots=True)
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

    Raises:
        InexpressibleError: more keys of one hash than a bucket holds.
    """
    signed = layout.host_signs_char() if signed_char is None else signed_char
    order = order or layout.HOST_ORDER
    keys = sorted((value, key) for key, value in layout.hashes(records, signed_char=signed))
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
    head = _header(bits, end, order) + bytes(directory).ljust(buckets_at - BLOCK, b"\0")
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
    if len(keys) <= layout.elements_of(BLOCK):
        yield _Bucket(bits, keys)
        return
    if bits == layout.MAX_BITS:
        raise InexpressibleError(subject, f"can't hold {len(keys)} keys with the same hash")
    middle = (2 * prefix + 1) << (layout.MAX_BITS - bits - 1)
    cut = bisect_left(keys, (middle, b""))
    yield from _split(keys[:cut], 2 * prefix, bits + 1, subject)
    yield from _split(keys[cut:], 2 * prefix + 1, bits + 1, subject)


def _bucket_page(bucket: _Bucket, data: _Data, order: str) -> bytes:
    size, element = layout.elements_of(BLOCK), Struct(order + layout.ELEMENT)
    slots = [_EMPTY] * size
    for value, key in bucket.keys:
        slot = value % size
        while slots[slot] is not _EMPTY:
            slot = (slot + 1) % size
        place, length = data.place(key)
        slots[slot] = element.pack(value, key[:4], place, len(key), length)
    head = bytes(layout.BUCKET_BITS_AT) + pack(order + "2i", bucket.bits, len(bucket.keys))
    return (head + b"".join(slots)).ljust(BLOCK, b"\0")


def _header(bits: int, end: int, order: str) -> bytes:
    """Return the first block, with an empty table of free space."""
    size = layout.elements_of(BLOCK)
    avail = pack(order + "2iq", (BLOCK - layout.HEADER_SIZE - _AVAIL_HEAD) // 16, 0, 0)
    head = pack(order + layout.HEADER, layout.MAGIC, BLOCK, BLOCK, 8 << bits, bits, BLOCK, size, end)
    return (head + avail).ljust(BLOCK, b"\0")
