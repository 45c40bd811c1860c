"""Berkeley DB hash files as a codec of the store."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from io import BytesIO
from itertools import accumulate
from operator import gt
from struct import Struct, pack, unpack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, ForeignFormatError, InexpressibleError
from .records import groups

# What reader and writer of Berkeley DB hash files share: numbers of the format, its hash, its order.
#
# Source: libdb 5.3 ``dbinc/db_page.h``, ``hash/hash_func.c``, ``hash/hash_page.c``.

HASH_MAGIC = 0x061561
BTREE_MAGIC = 0x053162
QUEUE_MAGIC = 0x042253
HEAP_MAGIC = 0x074582
READABLE_VERSIONS = (7, 8, 9)
VERSION = 9
CHARKEY = 0x5E688DD1
"""Hash of ``%$sniglet^&`` with its NUL: tells files made with another hash function."""
META_SIZE = 512
PAGE_SIZES = tuple(1 << n for n in range(9, 17))

PAGE_HEADER = 26
CHECKSUMMED_HEADER = 32
TYPE_AT = 25

INVALID, UNSORTED_PAGE, OVERFLOW_PAGE, META_PAGE, SORTED_PAGE = 0, 2, 7, 8, 13
KEYDATA, DUPLICATE, OFF_PAGE, OFF_PAGE_DUPLICATES = 1, 2, 3, 4

_PRIME = 16777619


def order(key: bytes) -> str:
    """Return what keys of one page are sorted by: bytewise, but a longer key before its own prefix.

    ``db5.3_verify`` accepts any other order with status 0, while ``get`` then misses records.
    """
    return key.decode("latin-1") + "\u0100"


def hashed(keys: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Give each key with its hash (``__ham_func5``: FNV-1 from 0, 32 bits), in no particular order."""
    for length, some in groups(keys):
        yield from zip(some, _hashes(some, length), strict=True)


def _hashes(keys: list[bytes], length: int) -> tuple[int, ...]:
    """Hash keys of one length side by side, each in its own 64-bit lane of one large integer.

    A lane never spills: 32 bits times a 25-bit prime is below 64. Six times faster than byte by byte.
    """
    text, lanes = b"".join(keys), bytearray(8 * len(keys))
    low_half = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\0" * len(keys), "little")
    state = 0
    for column in range(length):
        lanes[::8] = text[column::length]
        state = state * _PRIME & low_half ^ int.from_bytes(lanes, "little")
    return unpack(f"<{len(keys)}Q", state.to_bytes(len(lanes), "little"))


# The first page of a Berkeley DB hash file, checked against the file's size.

SALVAGE = "restore it from a backup, or salvage what is left with `db5.3_dump -r FILE | db5.3_load NEW`"
_OTHER_KINDS = {
    BTREE_MAGIC: "a btree",
    QUEUE_MAGIC: "a queue",
    HEAP_MAGIC: "a heap",
}
_FLAGS = {
    2: "holds several databases in one file",
}


class Meta(NamedTuple):
    """What is needed to find the records.

    Attributes:
        order: ``<`` or ``>``, the byte order of every number in the file.
        pagesize: bytes of a page.
        last_pgno: number of the last page; the first is 0.
        max_bucket: number of the last bucket; the first is 0.
        counted: records that the last writer believed to be there.
        spares: what to add to a bucket's number to get its page, by the bit length of the bucket's number.
        header: bytes before the offsets of a page.
    """

    order: str
    pagesize: int
    last_pgno: int
    max_bucket: int
    counted: int
    spares: tuple[int, ...]
    header: int

    def page_of(self, bucket: int) -> int:
        """Return the number of a bucket's first page (``BUCKET_TO_PAGE`` in hash.h)."""
        return bucket + self.spares[bucket.bit_length()]


def read_meta(data: bytes, subject: str) -> Meta:
    """Parse page 0."""
    if len(data) < META_SIZE:
        raise DamagedFileError(subject, f"is cut off after {len(data)} bytes of the first page", SALVAGE)
    order = _byte_order(data, subject)
    (magic, version, pagesize) = unpack_from(order + "3I", data, 12)
    _check_kind(magic, version, data, subject)
    meta = Meta(
        order=order,
        pagesize=pagesize,
        last_pgno=unpack_from(order + "I", data, 32)[0],
        max_bucket=unpack_from(order + "I", data, 72)[0],
        counted=unpack_from(order + "I", data, 88)[0],
        spares=unpack_from(order + "32I", data, 96),
        header=CHECKSUMMED_HEADER if data[26] & 1 else PAGE_HEADER,
    )
    _check_content(data, meta, subject)
    return meta


def _byte_order(data: bytes, subject: str) -> str:
    for order in "<>":
        if unpack_from(order + "I", data, 12)[0] in {HASH_MAGIC, *_OTHER_KINDS}:
            return order
    raise ForeignFormatError(subject, "is not a Berkeley DB file")


def _check_kind(magic: int, version: int, data: bytes, subject: str) -> None:
    if kind := _OTHER_KINDS.get(magic):
        raise ForeignFormatError(subject, f"is {kind} of Berkeley DB; Cyrus SASL reads only a hash")
    if version not in READABLE_VERSIONS:
        hint = "convert it with `db5.3_upgrade`" if version < READABLE_VERSIONS[0] else None
        raise ForeignFormatError(subject, f"is a Berkeley DB hash of version {version}, not 7, 8 or 9", hint)
    if data[24]:
        raise ForeignFormatError(subject, "is an encrypted Berkeley DB file, which Cyrus SASL can't open")


def _check_content(data: bytes, meta: Meta, subject: str) -> None:
    flags, charkey = unpack_from(meta.order + "I", data, 48)[0], unpack_from(meta.order + "I", data, 92)[0]
    for bit, reason in _FLAGS.items():
        if flags & bit:
            raise ForeignFormatError(subject, f"{reason}; Cyrus SASL reads only a single hash")
    if meta.pagesize not in PAGE_SIZES:
        raise DamagedFileError(subject, f"page 0 gives a page size of {meta.pagesize} bytes", SALVAGE)
    needed = (meta.last_pgno + 1) * meta.pagesize
    if len(data) < needed or len(data) % meta.pagesize:
        raise DamagedFileError(subject, f"is cut off: {len(data)} bytes of {needed}", SALVAGE)
    if meta.max_bucket >= meta.last_pgno:
        raise DamagedFileError(
            subject, f"page 0 counts {meta.max_bucket + 1} buckets on {meta.last_pgno} pages", SALVAGE
        )
    if data[TYPE_AT] != META_PAGE or charkey != CHARKEY:
        raise DamagedFileError(subject, "page 0 contradicts itself (page type or hash check)", SALVAGE)


# Read a Berkeley DB hash file (versions 7 to 9, either byte order) as libdb's ``get`` would.
#
# Page checksums are skipped over, not verified. Every page is visited at most once, so a damaged file costs
# no more time and memory than a sound one of its size.

_COUNT_DRIFT = range(2, 4096)
"""How many records may not be missing from the count. One is, where a killed writer had counted first; 4096
and more are in maps, since makemap and postmap announce that many when they make one."""


def decode(data: bytes, *, subject: str = "Berkeley DB file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: another kind of file, or one with several values under one key.
        DamagedFileError: content that contradicts itself; the reason names the page.
    """
    return _Reader(data, read_meta(data, subject), subject).records()


class _Reader:
    """One pass over a file; remembers which pages it has seen."""

    def __init__(self, data: bytes, meta: Meta, subject: str) -> None:
        self._data, self._meta, self._subject = data, meta, subject
        self._seen = bytearray(meta.last_pgno + 1)
        self._seen[0] = 1
        self._found: dict[bytes, bytes] = {}

    def records(self) -> dict[bytes, bytes]:
        for bucket in range(self._meta.max_bucket + 1):
            for pgno in self._chain(self._meta.page_of(bucket)):
                self._read_page(pgno)
        self._check_unreached()
        self._check_count()
        return self._found

    def _damaged(self, pgno: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"page {pgno} {what}", SALVAGE)

    def _visit(self, pgno: int, origin: int) -> int:
        """Return where a page starts in the file."""
        if not 0 < pgno <= self._meta.last_pgno:
            raise self._damaged(origin, f"points to page {pgno}, which does not exist")
        if self._seen[pgno]:
            raise self._damaged(pgno, "is reached twice")
        self._seen[pgno] = 1
        return pgno * self._meta.pagesize

    def _chain(self, pgno: int) -> Iterator[int]:
        """Give the page numbers of one bucket."""
        previous = 0
        while pgno:
            at = self._visit(pgno, previous)
            if self._is_blank(at):
                return
            number, back, following = unpack_from(self._meta.order + "3I", self._data, at + 8)
            if (number, back) != (pgno, previous):
                raise self._damaged(pgno, "does not belong where it is linked")
            if self._data[at + TYPE_AT] not in (SORTED_PAGE, UNSORTED_PAGE):
                raise self._damaged(pgno, f"is of type {self._data[at + TYPE_AT]}, not a hash page")
            yield pgno
            previous, pgno = pgno, following

    def _is_blank(self, at: int) -> bool:
        """Tell whether a page was never written: all zero, an empty bucket."""
        return not self._data[at + TYPE_AT] and not any(self._data[at : at + self._meta.pagesize])

    def _read_page(self, pgno: int) -> None:
        """Take the records of a page, whose items lie from its end downwards."""
        meta = self._meta
        at = pgno * meta.pagesize
        page = self._data[at : at + meta.pagesize]
        (entries,) = unpack_from(meta.order + "H", page, 20)
        lowest = meta.header + 2 * entries
        if entries % 2 or lowest > meta.pagesize:
            raise self._damaged(pgno, f"can't hold {entries} items")
        edges = (meta.pagesize, *unpack_from(f"{meta.order}{entries}H", page, meta.header))
        if edges[-1] < lowest or not all(map(gt, edges, edges[1:])):
            raise self._damaged(pgno, "has items that overlap")
        expected = len(self._found) + entries // 2
        self._take(page, edges, pgno)
        if len(self._found) != expected:
            raise self._damaged(pgno, "repeats a key")

    def _take(self, page: bytes, edges: tuple[int, ...], pgno: int) -> None:
        found, plain = self._found, KEYDATA
        for end, at, low in zip(edges[::2], edges[1::2], edges[2::2], strict=False):
            if page[at] == plain == page[low]:
                found[page[at + 1 : end]] = page[low + 1 : at]
            else:
                key = self._item(page[at:end], pgno)
                found[key] = self._item(page[low:at], pgno)

    def _item(self, item: bytes, pgno: int) -> bytes:
        """Return the bytes of a key or value."""
        if item[0] == KEYDATA:
            return item[1:]
        if item[0] == OFF_PAGE and len(item) == 12:
            return self._overflow(pgno, *unpack_from(self._meta.order + "2I", item, 4))
        if item[0] in (DUPLICATE, OFF_PAGE_DUPLICATES):
            raise ForeignFormatError(self._subject, f"has several values under one key (page {pgno})")
        raise self._damaged(pgno, f"has an item of unknown type {item[0]}")

    def _overflow(self, origin: int, pgno: int, length: int) -> bytes:
        """Join the pieces of an item that lies on pages of its own."""
        if length > len(self._data):
            raise self._damaged(origin, f"has an item of {length} bytes, more than the file")
        pieces, rest, order, previous = [], length, self._meta.order, origin
        while pgno:
            at = self._visit(pgno, previous)
            following, size = unpack_from(order + "I", self._data, at + 16)[0], self._piece_size(at, pgno)
            start = at + self._meta.header
            pieces.append(self._data[start : start + size])
            rest -= size
            previous, pgno = pgno, following
        if rest:
            raise self._damaged(previous, f"ends an item of {length} bytes at {length - rest}")
        return b"".join(pieces)

    def _piece_size(self, at: int, pgno: int) -> int:
        size: int = unpack_from(self._meta.order + "H", self._data, at + 22)[0]
        if self._data[at + TYPE_AT] != OVERFLOW_PAGE:
            raise self._damaged(pgno, "is not an overflow page")
        if size > self._meta.pagesize - self._meta.header:
            raise self._damaged(pgno, f"can't hold {size} bytes")
        return size

    def _check_unreached(self) -> None:
        """Refuse records that no bucket leads to: a writer was killed while it split a bucket.

        libdb and often db5.3_verify say nothing about them; the next write would lose them for good.
        """
        kinds = (SORTED_PAGE, UNSORTED_PAGE)
        for pgno, at in enumerate(range(0, len(self._data), self._meta.pagesize)):
            seen = pgno < len(self._seen) and self._seen[pgno]
            if not seen and self._data[at + TYPE_AT] in kinds and any(self._data[at + 20 : at + 22]):
                raise self._damaged(pgno, "holds records that no bucket leads to")

    def _check_count(self) -> None:
        """Refuse a file that has lost records: the other trace of a split that was cut short.

        libdb 5.3 keeps the count exact; ``db5.3_verify`` does not compare it.
        """
        counted, found = self._meta.counted, len(self._found)
        if counted - found in _COUNT_DRIFT:
            raise self._damaged(0, f"counts {counted} records, and only {found} are left")


# Write a Berkeley DB hash file of version 9 from nothing, so that no byte of older content can be in it.
#
# Layout: page 0 the metadata; a power of two of buckets, bucket b on page b + 1; behind them the further
# pages of full buckets and of long values. libdb opens and edits such files like its own.

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
    """Return the file that holds exactly these records; the same records give the same bytes."""
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
    for key, value in hashed(records):
        buckets[value & mask].append(key)
    return buckets


def bucket_count(size: int, records: int, pagesize: int) -> int:
    """Return how many buckets a file has, a power of two; ``size`` is of all keys and values together."""
    room = (pagesize - PAGE_HEADER) * _FILL
    wanted = max(2, int((size + _PAIR_OVERHEAD * records) / room) + 1)
    return 1 << (wanted - 1).bit_length()


class Spill:
    """The pages behind the buckets, numbered as they are made."""

    def __init__(self, pagesize: int, first: int) -> None:
        self._pagesize, self.next = pagesize, first
        self._room, self._limit = pagesize - PAGE_HEADER, pagesize // 4
        self.pages: list[bytes] = []

    def bucket(self, pgno: int, keys: list[bytes], records: Mapping[bytes, bytes]) -> bytes:
        """Return a bucket's first page; further ones are appended."""
        keys.sort(key=order)
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
        kind, offset = SORTED_PAGE, lowest & 0xFFFF  # 65536 is written as 0 by libdb, too
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
        return pack("<B3x2I", OFF_PAGE, first, len(value))

    def _overflow_page(self, pgno: int, previous: int, following: int, piece: bytes) -> bytes:
        kind = OVERFLOW_PAGE
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
        pack("<7I", *_NOT_LOGGED, 0, HASH_MAGIC, VERSION, pagesize, META_PAGE << 8),
        pack("<6I", 0, last_pgno, 0, 0, 0, 0),
        identity,
        pack("<6I", buckets - 1, buckets - 1, buckets // 2 - 1, 0, records, CHARKEY),
        pack("<32I", *[1] * levels, *[0] * (32 - levels)),
    )
    return b"".join(parts).ljust(pagesize, b"\0")


# A Berkeley DB file just as :func:`encode` lays it out, read and changed page by page.
#
# Such a file holds nothing but its records: what its pages do not use is zero, and no page is free. So the
# new file is the old one with other pages in the place of the changed buckets, and no byte of an old secret
# can be left. :func:`look` tells such files from others, which are read and written whole.

Edits = Mapping[bytes, bytes | None]

_PAGE = Struct(f"<5I2H2B{PAGE_SIZE - PAGE_HEADER}x")
_ZEROS = bytes(PAGE_SIZE)
_LIMIT = PAGE_SIZE // 4
_FEW = 16
"""More edits than this are made by writing the file whole."""


def look(data: bytes, *, subject: str = "Berkeley DB file") -> Mapping[bytes, bytes]:
    """Return all records of the file; :func:`decode` says what is raised."""
    pages = _clean_pages(data, read_meta(data, subject))
    return decode(data, subject=subject) if pages is None else CleanFile(data, subject, pages)


def amend(records: Mapping[bytes, bytes], edits: Edits) -> bytes | None:
    """Return what ``encode`` gives for the edited records; None where only writing it whole tells that."""
    return records.amended(edits) if isinstance(records, CleanFile) else None


class _Pages(NamedTuple):
    """Of a clean file: buckets, the page behind each page (0 for none), octets of items, records."""

    buckets: int
    following: list[int]
    size: int
    records: int


def _clean_pages(data: bytes, found: Meta) -> _Pages | None:
    """Return what is needed to find records, or None for a file that is not just as we would write it."""
    buckets, last = found.max_bucket + 1, found.last_pgno
    if found.pagesize != PAGE_SIZE or len(data) != (last + 1) * PAGE_SIZE:
        return None
    if not found.max_bucket or buckets & found.max_bucket:
        return None
    if data[:PAGE_SIZE] != meta(buckets, last, found.counted, PAGE_SIZE, data[52:72]):
        return None
    heads = list(_PAGE.iter_unpack(data))
    following = [head[4] for head in heads]
    following[0] = size = entries = 0
    for number, head in enumerate(heads[1:], 1):
        if not (_is_ours(number, head, buckets, following) and _is_tidy(data, number, head[5], head[6])):
            return None
        size, entries = size + PAGE_SIZE - head[6], entries + head[5]
    is_whole = entries == 2 * found.counted and last - buckets == len(following) - following.count(0)
    return _Pages(buckets, following, size, found.counted) if is_whole else None


def _is_ours(number: int, head: tuple[int, ...], buckets: int, following: list[int]) -> bool:
    """Tell whether a page is a bucket's first one, or the one that a page before it leads to."""
    log_file, log_at, pgno, previous, _, _, _, level, kind = head
    if (log_file, log_at, pgno, level, kind) != (0, 1, number, 0, SORTED_PAGE):
        return False
    return not previous if number <= buckets else previous < number == following[previous]


def _is_tidy(data: bytes, number: int, entries: int, lowest: int) -> bool:
    """Tell whether a page's items lie one behind the other up to its end, and nothing else is in it."""
    at, free = number * PAGE_SIZE, PAGE_HEADER + 2 * entries
    if entries % 2 or not free <= lowest <= PAGE_SIZE:
        return False
    edges = (PAGE_SIZE, *unpack_from(f"<{entries}H", data, at + PAGE_HEADER))
    return (
        edges[-1] == lowest
        and all(map(gt, edges, edges[1:]))
        and data.startswith(_ZEROS[free:lowest], at + free)
    )


class CleanFile(Mapping[bytes, bytes]):
    """The records of a clean file; one of them costs a page, all of them the whole file, once."""

    def __init__(self, data: bytes, subject: str, pages: _Pages) -> None:
        self._data, self._subject, self._pages = data, subject, pages
        self._whole: dict[bytes, bytes] | None = None

    def __len__(self) -> int:
        return self._pages.records

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._all())

    def __getitem__(self, key: bytes) -> bytes:
        if self._whole is None and (held := self._bucket(*self._numbers([key]))) is not None:
            return held[key]
        return self._all()[key]

    def items(self) -> ItemsView[bytes, bytes]:
        """Return keys and values."""
        return self._all().items()

    def values(self) -> ValuesView[bytes]:
        """Return the values."""
        return self._all().values()

    def starting(self, prefix: bytes) -> list[bytes]:
        """Return the keys that begin so; the other ones are not read."""
        found, item = [], bytes((KEYDATA,)) + prefix
        at = self._data.find(item)
        while at >= 0:
            start = at - at % PAGE_SIZE
            edges = _edges(self._data[start : start + PAGE_SIZE])
            if at - start in edges[1::2]:
                end = edges[edges.index(at - start) - 1]
                found.append(self._data[at + 1 : start + end])
            at = self._data.find(item, at + 1)
        if any(key not in self for key in found):
            raise DamagedFileError(self._subject, "has a key in another bucket than its own", SALVAGE)
        return found

    def amended(self, edits: Edits) -> bytes | None:
        """Return the file after the edits, or None where they touch more than single pages of few buckets."""
        if len(edits) > _FEW or any(len(item or b"") > _LIMIT for pair in edits.items() for item in pair):
            return None
        changed: dict[int, dict[bytes, bytes]] = {}
        for number, (key, value) in zip(self._numbers(edits), edits.items(), strict=True):
            held = changed[number] if number in changed else self._bucket(number)
            if held is None or self._pages.following[number]:
                return None
            changed[number] = {k: v for k, v in {**held, key: value}.items() if v is not None}
        return self._replaced(changed)

    def _replaced(self, changed: Mapping[int, dict[bytes, bytes]]) -> bytes | None:
        """Return the file with other records in some buckets; None if that needs more pages, or buckets."""
        pages, old = (
            [self._data[at : at + PAGE_SIZE] for at in range(0, len(self._data), PAGE_SIZE)],
            self._pages,
        )
        size, count, spill = old.size, old.records, Spill(PAGE_SIZE, first=len(pages))
        for number, held in changed.items():
            made = spill.bucket(number, list(held), held)
            before, after = _edges(pages[number]), _edges(made)
            size, count = size + before[-1] - after[-1], count + (len(after) - len(before)) // 2
            pages[number] = made
        if spill.pages or bucket_count(size - 2 * count, count, PAGE_SIZE) != old.buckets:
            return None
        firsts = (page[_edges_first(page) + 1 :] for page in pages[1 : old.buckets + 1] if any(page[20:22]))
        pages[0] = meta(old.buckets, len(pages) - 1, count, PAGE_SIZE, file_id(firsts))
        return b"".join(pages)

    def _all(self) -> dict[bytes, bytes]:
        if self._whole is None:
            self._whole = self._plain() or decode(self._data, subject=self._subject)
        return self._whole

    def _plain(self) -> dict[bytes, bytes] | None:
        """Return all records of pages found tidy; None where there is more to say."""
        found: dict[bytes, bytes] = {}
        for start in range(PAGE_SIZE, len(self._data), PAGE_SIZE):
            if not _take(self._data[start : start + PAGE_SIZE], found):
                return None
        return found if len(found) == self._pages.records else None

    def _numbers(self, keys: Iterable[bytes]) -> list[int]:
        """Return the first page of each key's bucket."""
        wanted = list(keys)
        hashes = dict(hashed(wanted))
        return [(hashes[key] & (self._pages.buckets - 1)) + 1 for key in wanted]

    def _bucket(self, number: int) -> dict[bytes, bytes] | None:
        """Return the records of a bucket; None where an item is not on its page."""
        held: dict[bytes, bytes] = {}
        while number:
            if not _take(self._data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE], held):
                return None
            number = self._pages.following[number]
        return held


def _take(page: bytes, found: dict[bytes, bytes]) -> bool:
    """Add the records of a tidy page; False where an item is not on it."""
    end, *edges = _edges(page)
    pairs = iter(edges)
    for at, low in zip(pairs, pairs, strict=True):
        if not page[at] == page[low] == KEYDATA:
            return False
        found[page[at + 1 : end]] = page[low + 1 : at]
        end = low
    return True


def _edges(page: bytes) -> tuple[int, ...]:
    """Return the page's end and where each item begins, downwards; keys and values in turn."""
    (entries,) = unpack_from("<H", page, 20)
    return (PAGE_SIZE, *unpack_from(f"<{entries}H", page, PAGE_HEADER))


def _edges_first(page: bytes) -> int:
    first: int = unpack_from("<H", page, PAGE_HEADER)[0]
    return first


LOCKED = False
"""Cyrus SASL takes no lock on these files."""
