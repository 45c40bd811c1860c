"""Write a Berkeley DB hash file of version 9 from nothing, so that no byte of older content can be in it.

Layout: page 0 the metadata; a power of two of buckets, bucket b on page b + 1; behind them the further pages
of full buckets and of long values. libdb opens and edits such files like its own.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from itertools import accumulate
from struct import Struct, pack

from ..errors import InexpressibleError
from . import bdb_layout as layout

PAGE_SIZE = 4096
"""What libdb takes on file systems with 4096-byte blocks."""
_FILL = 0.75
"""Share of a bucket's page that is used on average; leaves room for uneven buckets."""
_PAIR_OVERHEAD = 2 * (2 + 1)
_NOT_LOGGED = (0, 1)
_HEADER = Struct("<5I2H2B")


def encode(
    records: Mapping[bytes, bytes], *, pagesize: int = PAGE_SIZE, subject: str = "Berkeley DB file"
) -> bytes:
    """Return the file that holds exactly these records; the same records give the same bytes.

    Raises:
        InexpressibleError: a key over a quarter of the page size; libdb has no consistent order for those.
    """
    limit = pagesize // 4
    if longest := next((key for key in records if len(key) > limit), None):
        raise InexpressibleError(subject, f"can't hold a key of {len(longest)} bytes; at most {limit} fit")
    buckets = _distribute(records, pagesize)
    spill = Spill(pagesize, first=len(buckets) + 1)
    file = BytesIO(bytes(pagesize))
    file.seek(pagesize)
    file.writelines(spill.bucket(number, bucket, records) for number, bucket in enumerate(buckets, 1))
    file.writelines(spill.pages)
    identity = file_id(bucket[0] for bucket in buckets if bucket)
    file.seek(0)
    file.write(meta(len(buckets), spill.next - 1, len(records), pagesize, identity))
    return file.getvalue()


def _distribute(records: Mapping[bytes, bytes], pagesize: int) -> list[list[bytes]]:
    """Spread the keys over buckets by the low bits of their hash."""
    size = sum(map(len, records)) + sum(map(len, records.values()))
    buckets: list[list[bytes]] = [[] for _ in range(bucket_count(size, len(records), pagesize))]
    mask = len(buckets) - 1
    for key, value in layout.hashed(records):
        buckets[value & mask].append(key)
    return buckets


def bucket_count(size: int, records: int, pagesize: int) -> int:
    """Return how many buckets a file has, a power of two; ``size`` is of all keys and values together."""
    room = (pagesize - layout.PAGE_HEADER) * _FILL
    wanted = max(2, int((size + _PAIR_OVERHEAD * records) / room) + 1)
    return 1 << (wanted - 1).bit_length()


class Spill:
    """The pages behind the buckets, numbered as they are made."""

    def __init__(self, pagesize: int, first: int) -> None:
        self._pagesize, self.next = pagesize, first
        self._room, self._limit = pagesize - layout.PAGE_HEADER, pagesize // 4
        self.pages: list[bytes] = []

    def bucket(self, pgno: int, keys: list[bytes], records: Mapping[bytes, bytes]) -> bytes:
        """Return a bucket's first page; further ones are appended."""
        keys.sort(key=layout.order)
        first, *others = self._fill(keys, records)
        page = self._hash_page(pgno, 0, self.next if others else 0, first)
        previous = pgno
        for number, items in enumerate(others, 1):
            following = self.next + 1 if number < len(others) else 0
            self.pages.append(self._hash_page(self.next, previous, following, items))
            previous, self.next = self.next, self.next + 1
        return page

    def _fill(self, keys: list[bytes], records: Mapping[bytes, bytes]) -> list[list[bytes]]:
        """Return the items of each page, in order, keys and values in turn."""
        items: list[bytes] = []
        filled = [items]
        room, limit = self._room, self._limit
        for key in keys:
            value = records[key]
            item = b"\x01" + value if len(value) <= limit else self._off_page(value)
            room -= len(key) + len(item) + 5
            if room < 0:
                items, room = [], self._room - (len(key) + len(item) + 5)
                filled.append(items)
            items += (b"\x01" + key, item)
        return filled

    def _hash_page(self, pgno: int, previous: int, following: int, items: list[bytes]) -> bytes:
        offsets = [self._pagesize - used for used in accumulate(map(len, items))]
        lowest = offsets[-1] if offsets else self._pagesize
        kind, offset = layout.SORTED_PAGE, lowest & 0xFFFF  # 65536 is written as 0 by libdb, too
        head = _HEADER.pack(*_NOT_LOGGED, pgno, previous, following, len(items), offset, 0, kind)
        head += pack(f"<{len(offsets)}H", *offsets)
        return head + bytes(lowest - len(head)) + b"".join(reversed(items))

    def _off_page(self, value: bytes) -> bytes:
        """Put a value on pages of its own and return the item that points there."""
        first, last = self.next, self.next + (len(value) - 1) // self._room
        self.next = last + 1
        for number in range(first, self.next):
            start = (number - first) * self._room
            back, following = number - 1 if start else 0, number + 1 if number < last else 0
            self.pages.append(self._overflow_page(number, back, following, value[start : start + self._room]))
        return pack("<B3x2I", layout.OFF_PAGE, first, len(value))

    def _overflow_page(self, pgno: int, previous: int, following: int, piece: bytes) -> bytes:
        kind = layout.OVERFLOW_PAGE
        head = _HEADER.pack(*_NOT_LOGGED, pgno, previous, following, 1, len(piece), 0, kind)
        return (head + piece).ljust(self._pagesize, b"\0")


def file_id(firsts: Iterable[bytes]) -> bytes:
    """Return 20 bytes that tell the files which one process opens apart; they hold nothing of the values.

    Args:
        firsts: the first key of each bucket that has one.
    """
    from hashlib import blake2b

    return blake2b(b"".join(firsts), digest_size=20).digest()


def meta(buckets: int, last_pgno: int, records: int, pagesize: int, identity: bytes) -> bytes:
    """Return page 0."""
    levels = buckets.bit_length()
    parts = (
        pack("<7I", *_NOT_LOGGED, 0, layout.HASH_MAGIC, layout.VERSION, pagesize, layout.META_PAGE << 8),
        pack("<6I", 0, last_pgno, 0, 0, 0, 0),
        identity,
        pack("<6I", buckets - 1, buckets - 1, buckets // 2 - 1, 0, records, layout.CHARKEY),
        pack("<32I", *[1] * levels, *[0] * (32 - levels)),
    )
    return b"".join(parts).ljust(pagesize, b"\0")
