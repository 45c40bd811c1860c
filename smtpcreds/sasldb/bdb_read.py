"""Berkeley DB hash files, read as libdb's ``get`` would; and what reader and writer share."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, compress, count, islice, repeat
from operator import ge, gt
from struct import unpack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, ForeignFormatError
from .magics import BDB_BTREE, BDB_HASH, BDB_HEAP, BDB_QUEUE
from .records import LANES

# What reader and writer of Berkeley DB hash files share: numbers of the format, its hash, its order.
#
# Source: libdb 5.3 ``dbinc/db_page.h``, ``hash/hash_func.c``, ``hash/hash_page.c``.

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


def hashed(keys: Iterable[bytes], bits: int = 32) -> Iterator[tuple[bytes, int]]:
    """Give each key with its hash (``__ham_func5``: FNV-1 from 0, 32 bits), in their order.

    Args:
        keys: of any lengths.
        bits: how many of the hash are asked for, from the lowest; the others may be missing.
    """
    for some, hashes in hashed_together(keys, bits):
        yield from zip(some, hashes, strict=True)


def hashed_together(keys: Iterable[bytes], bits: int) -> Iterator[tuple[list[bytes], tuple[int, ...]]]:
    """Give keys, some at a time, with the lowest bits of their hashes; see :func:`hashed`."""
    rest = iter(keys)
    while some := [*islice(rest, LANES)]:
        yield some, _hashes(some, bits)


def _hashes(keys: list[bytes], bits: int) -> tuple[int, ...]:
    """Hash keys side by side, each in its own lane of one large integer.

    NULs before a key do not change its hash, so all are made as long as the longest. A lane never spills:
    32 bits times a 25-bit prime is below 64, and 15 or 23 bits times what is left of the prime in so few
    (403) is below 24 or 32. Low bits depend on low bits alone. Six times faster than byte by byte; a column
    in which all keys have the same octet, as in names of realm and property, once more so.
    """
    width, kept = next((width, kept) for width, kept in _LANES if bits <= kept)
    count, length = len(keys), max(map(len, keys))
    text = b"".join(map(bytes.rjust, keys, repeat(length), repeat(b"\0")))
    lanes, ones = bytearray(width * count), _every_lane(1, width, count)
    low, factor, state = ones * ((1 << kept) - 1), _PRIME & ((1 << kept) - 1), 0
    for column in range(length):
        octets = text[column::length]
        if octets == octets[:1] * count:
            state = state * factor & low ^ ones * octets[0]
        else:
            lanes[::width] = octets
            state = state * factor & low ^ int.from_bytes(lanes, "little")
    return _lanes_of(state & ones * ((1 << bits) - 1), width, count)


_LANES = ((3, 15), (4, 23), (8, 32))
"""Octets of a lane, and the bits of a hash that it can hold and multiply."""


def _every_lane(number: int, width: int, count: int) -> int:
    return int.from_bytes(number.to_bytes(width, "little") * count, "little")


def _lanes_of(state: int, width: int, count: int) -> tuple[int, ...]:
    octets = state.to_bytes(width * count, "little")
    if width == 3:  # of which two are used
        pairs = bytearray(2 * count)
        pairs[::2], pairs[1::2] = octets[::3], octets[1::3]
        return unpack(f"<{count}H", pairs)
    return unpack(f"<{count}{'I' if width == 4 else 'Q'}", octets)


def are_placed(keys: Sequence[bytes], buckets: Sequence[int], bits: int) -> bool:
    """Tell whether the lowest bits of each key's hash are the number of the bucket beside it."""
    at = 0
    for some, hashes in hashed_together(keys, bits):
        if hashes != (*buckets[at : at + len(some)],):
            return False
        at += len(some)
    return True


# The first page of a Berkeley DB hash file, checked against the file's size.

SALVAGE = "restore it from a backup, or salvage what is left with `db5.3_dump -r FILE | db5.3_load NEW`"
_OTHER_KINDS = {
    BDB_BTREE: "a btree",
    BDB_QUEUE: "a queue",
    BDB_HEAP: "a heap",
}
_KNOWN_FLAGS = 7
"""Duplicates, subdatabases, sorted duplicates; libdb opens no file with others."""
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
        masks: the bits of a hash that tell its bucket, and those that do where that bucket is not there yet.
        free: the first of the free pages; 0 for none.
        counted: records that the last writer believed to be there. An estimate: db5.3_load, makemap and
            DB->truncate leave more than there are.
        spares: what to add to a bucket's number to get its page, by the bit length of the bucket's number.
        header: bytes before the offsets of a page.
    """

    order: str
    pagesize: int
    last_pgno: int
    max_bucket: int
    masks: tuple[int, int]
    free: int
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
        masks=unpack_from(order + "2I", data, 76),
        free=unpack_from(order + "I", data, 28)[0],
        counted=unpack_from(order + "I", data, 88)[0],
        spares=unpack_from(order + "32I", data, 96),
        header=CHECKSUMMED_HEADER if data[26] & 1 else PAGE_HEADER,
    )
    _check_content(data, meta, subject)
    return meta


def _byte_order(data: bytes, subject: str) -> str:
    for order in "<>":
        if unpack_from(order + "I", data, 12)[0] in {BDB_HASH, *_OTHER_KINDS}:
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
    if data[TYPE_AT] != META_PAGE or charkey != CHARKEY or flags & ~_KNOWN_FLAGS:
        raise DamagedFileError(subject, "page 0 contradicts itself (page type, hash check or flags)", SALVAGE)


# Read a Berkeley DB hash file (versions 7 to 9, either byte order) as libdb's ``get`` would.
#
# Every page is visited at most once, so a damaged file costs no more time and memory than a sound one of its
# size.

_NO_CHANCE = 16
"""So many keys have the same bit in their hashes by chance in one of 65,536 cases."""


def decode(data: bytes, *, subject: str = "Berkeley DB file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: another kind of file, or one with several values under one key.
        DamagedFileError: content that contradicts itself, or that libdb would not find; the reason names the
            page.
    """
    return _Reader(data, read_meta(data, subject), subject).records()


class _Reader:
    """One pass over a file; remembers which pages it has seen."""

    def __init__(self, data: bytes, meta: Meta, subject: str) -> None:
        self._data, self._meta, self._subject = data, meta, subject
        self._seen = bytearray(meta.last_pgno + 1)
        self._seen[0] = 1
        self._spoilt = _wrong_sums(data, meta) if meta.header == CHECKSUMMED_HEADER else frozenset()
        self._sizes: list[int] = []
        self._found: dict[bytes, bytes] = {}

    def records(self) -> dict[bytes, bytes]:
        if 0 in self._spoilt:
            raise self._damaged(0, "is not what its checksum says")
        for bucket in range(self._meta.max_bucket + 1):
            before = len(self._found)
            for pgno in self._chain(bucket):
                self._read_page(pgno)
            self._sizes.append(len(self._found) - before)
        self._check_buckets()
        self._check_unreached()
        self._check_splits()
        self._check_free()
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
        if pgno in self._spoilt:
            raise self._damaged(pgno, "is not what its checksum says")
        return pgno * self._meta.pagesize

    def _chain(self, bucket: int) -> Iterator[int]:
        """Give the page numbers of one bucket."""
        pgno, previous = self._meta.page_of(bucket), 0
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
        entries, offset = unpack_from(meta.order + "2H", page, 20)
        lowest = meta.header + 2 * entries
        if entries % 2 or lowest > meta.pagesize:
            raise self._damaged(pgno, f"can't hold {entries} items")
        edges = (meta.pagesize, *unpack_from(f"{meta.order}{entries}H", page, meta.header))
        if edges[-1] < lowest or not all(map(gt, edges, edges[1:])) or offset != edges[-1] & 0xFFFF:
            raise self._damaged(pgno, "has items that overlap")
        expected = len(self._found) + entries // 2
        keys = self._take(page, edges, pgno)
        if len(self._found) != expected:
            raise self._damaged(pgno, "repeats a key")
        if page[TYPE_AT] == SORTED_PAGE and not are_sorted(keys):
            raise self._damaged(pgno, "has keys out of order, which libdb does not find")

    def _take(self, page: bytes, edges: tuple[int, ...], pgno: int) -> list[bytes]:
        """Note the records of a page; return its keys, or none where one is off-page and has no one order."""
        keys, plain, found, is_ordered = [], KEYDATA, self._found, True
        for end, at, low in zip(edges[::2], edges[1::2], edges[2::2], strict=False):
            if page[at] == plain == page[low]:
                key = page[at + 1 : end]
                found[key] = page[low + 1 : at]
            else:
                is_ordered = is_ordered and page[at] == plain
                key = self._item(page[at:end], pgno)
                found[key] = self._item(page[low:at], pgno)
            keys.append(key)
        return keys if is_ordered else []

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
        number = unpack_from(self._meta.order + "I", self._data, at + 8)[0]
        if self._data[at + TYPE_AT] != OVERFLOW_PAGE or number != pgno:
            raise self._damaged(pgno, "is not the overflow page that it should be")
        if size > self._meta.pagesize - self._meta.header:
            raise self._damaged(pgno, f"can't hold {size} bytes")
        return size

    def _check_buckets(self) -> None:
        """Refuse keys that are not where libdb looks for them (``__ham_call_hash``)."""
        last, (high, low) = self._meta.max_bucket, self._meta.masks
        held_in = dict(zip(self._found, chain.from_iterable(map(repeat, count(), self._sizes)), strict=True))
        for key, value in hashed(self._found, max(high, low).bit_length()):
            bucket = value & high
            if (bucket if bucket <= last else bucket & low) != held_in[key]:
                pgno = self._meta.page_of(held_in[key])
                raise self._damaged(pgno, "leads to a key of another bucket, which libdb does not find")

    def _check_unreached(self) -> None:
        """Refuse records that no bucket leads to: a writer was killed while it split a bucket.

        libdb and often db5.3_verify say nothing about them; the next write would lose them for good.
        """
        kinds = (SORTED_PAGE, UNSORTED_PAGE)
        for pgno, at in enumerate(range(0, len(self._data), self._meta.pagesize)):
            seen = pgno < len(self._seen) and self._seen[pgno]
            if not seen and self._data[at + TYPE_AT] in kinds and any(self._data[at + 20 : at + 22]):
                raise self._damaged(pgno, "holds records that no bucket leads to")

    def _check_splits(self) -> None:
        """Refuse a file that has lost records, the other trace of a split that was cut short.

        The new bucket was not written, and the old one holds its half. The count is exact unless a program
        announced more, and then it is chance that leaves one of two buckets empty.
        """
        meta, low = self._meta, self._meta.masks[1]
        if meta.counted <= len(self._found):
            return
        for bucket in range(low + 1, meta.max_bucket + 1):
            if not self._sizes[bucket] and self._sizes[bucket & low] >= _NO_CHANCE:
                lost = f"{meta.counted} records were counted, and {len(self._found)} are left"
                raise self._damaged(meta.page_of(bucket), f"is empty: {lost}")

    def _check_free(self) -> None:
        """Refuse a list of free pages that leads to others: libdb's next write would overwrite records."""
        pgno = previous = self._meta.free
        while pgno:
            at = self._visit(pgno, previous)
            if self._data[at + TYPE_AT] != INVALID:
                raise self._damaged(pgno, "is listed as free, which it is not")
            previous, pgno = pgno, unpack_from(self._meta.order + "I", self._data, at + 16)[0]


def are_sorted(keys: list[bytes]) -> bool:
    """Tell whether keys are as :func:`order` sorts them."""
    if keys == sorted(keys) and not is_prefixed(keys):
        return True
    return keys == sorted(keys, key=order)


def is_prefixed(keys: list[bytes]) -> bool:
    """Tell whether one of some keys may begin with the one before it, as all of one prefix are sorted."""
    return any(map(bytes.startswith, keys[1:], keys))


def are_sorted_in_pages(keys: list[bytes], counts: Sequence[int]) -> bool:
    """Tell whether keys of pages, of which each has ``counts``, are sorted there and none comes twice."""
    edges = [*accumulate(counts)]
    is_turn = map(ge, keys, keys[1:])
    if {*compress(count(1), is_turn)} <= {*edges} and not is_prefixed(keys):
        return True
    pages = [keys[end - size : end] for end, size in zip(edges, counts, strict=True)]
    return all(len({*page}) == len(page) and are_sorted(page) for page in pages)


_SUM_AT, _META_SUM_AT = 28, 492


def _wrong_sums(data: bytes, meta: Meta) -> frozenset[int]:
    """Return the pages whose checksum libdb would refuse (``__db_check_chksum``, unencrypted).

    Pages that are all zero have none; that of page 0 is over its first 512 bytes.
    """
    size = meta.pagesize
    pages = [data[at : at + size] for at in range(size, len(data), size)]
    stored = [unpack_from(meta.order + "I", page, _SUM_AT)[0] for page in pages]
    sums = _sums([page[:_SUM_AT] + bytes(4) + page[_SUM_AT + 4 :] for page in pages], size)
    wrong = {
        n
        for n, pair in enumerate(zip(stored, sums, strict=True), 1)
        if pair[0] != pair[1] and any(pages[n - 1])
    }
    first = data[:_META_SUM_AT] + bytes(4) + data[_META_SUM_AT + 4 : META_SIZE]
    if _sums([first], META_SIZE)[0] != unpack_from(meta.order + "I", data, _META_SUM_AT)[0]:
        wrong.add(0)
    return frozenset(wrong)


def _sums(pages: list[bytes], size: int) -> tuple[int, ...]:
    """Return libdb's ``__ham_func4`` of each page: times 33 and add, side by side as in :func:`_hashes`."""
    text, lanes = b"".join(pages), bytearray(8 * len(pages))
    low_half = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\0" * len(pages), "little")
    state = 0
    for column in range(size):
        lanes[::8] = text[column::size]
        state = state * 33 + int.from_bytes(lanes, "little") & low_half
    return unpack(f"<{len(pages)}Q", state.to_bytes(len(lanes), "little"))
